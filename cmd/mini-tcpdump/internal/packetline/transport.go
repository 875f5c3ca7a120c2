package packetline

// TCP's flags, from bit 0 on, as they are printed.
const tcpFlags = "FSRP.UEW"

const (
	flagSYNFINRST = 0x07
	flagACK       = 0x10
	flagURG       = 0x20
)

// tcp describes a segment (RFC 9293).
func (p *Printer) tcp(h *ipHeader, b []byte, wire int) {
	const header = 20
	if len(b) < 4 {
		if !h.bare {
			p.endpoints(h.src, h.dst, 0, -1, -1)
			p.b = append(p.b, ':')
		}
		p.cut("tcp")
		return
	}
	p.ports(h, protoTCP, b)
	if len(b) < header {
		p.cut("tcp")
		return
	}
	hlen := int(b[12]>>4) * 4
	length := wire - hlen
	switch {
	case hlen < header:
		p.text(" tcp ")
		p.num(length)
		p.textNum(" [bad hdr length ", uint32(hlen))
		p.text(" - too short, < 20]")
		return
	case p.opts.Quiet && hlen <= wire:
		p.text("tcp ")
		p.num(length)
		return
	}
	flags := b[13]
	if p.opts.Quiet {
		p.text("tcp")
	} else {
		p.text("Flags [")
		for i := range tcpFlags {
			if flags&(1<<i) != 0 {
				p.b = append(p.b, tcpFlags[i])
			}
		}
		if flags == 0 {
			p.text("none")
		}
		p.b = append(p.b, ']')
	}
	if hlen > wire {
		p.textNum(" [bad hdr length ", uint32(hlen))
		p.text(" - too long, > ")
		p.num(wire)
		p.b = append(p.b, ']')
		return
	}
	seq := be32(b[4:])
	if length > 0 || flags&flagSYNFINRST != 0 {
		p.textNum(", seq ", seq)
		if length > 0 {
			p.textNum(":", seq+uint32(length))
		}
	}
	if flags&flagACK != 0 {
		p.textNum(", ack ", be32(b[8:]))
	}
	p.textNum(", win ", uint32(be16(b[14:])))
	if flags&flagURG != 0 {
		p.textNum(", urg ", uint32(be16(b[18:])))
	}
	if hlen > header && !p.tcpOptions(b[header:min(hlen, len(b))], hlen-header) {
		return
	}
	p.length(length)
}

// Options of TCP (IANA's list), those that have a name in tcpdump.
const (
	optEOL   = 0
	optNOP   = 1
	optMSS   = 2
	optScale = 3
	optSACK  = 5
	optTime  = 8
)

var tcpOptionNames = map[uint8]string{
	optEOL: "eol", optNOP: "nop", optMSS: "mss", optScale: "wscale", 4: "sackOK", optSACK: "sack",
	6: "echo", 7: "echoreply", optTime: "TS", 11: "cc", 12: "ccnew", 13: "ccecho", 19: "md5",
	20: "scps", 28: "uto", 29: "tcp-ao", 30: "mptcp", 34: "tfo", 253: "exp", 254: "exp",
}

// tcpOptions describes options that take size bytes, of which b was captured.
// It returns false if the line is to end there.
func (p *Printer) tcpOptions(b []byte, size int) bool {
	p.text(", options [")
	for first := true; size > 0; first = false {
		if !first {
			p.b = append(p.b, ',')
		}
		if len(b) == 0 {
			p.cut("tcp")
			return false
		}
		kind, length := b[0], 1
		if kind > optNOP {
			if len(b) < 2 && size >= 2 {
				p.cut("tcp")
				return false
			}
			if size < 2 || b[1] < 2 || int(b[1]) > size {
				return p.badOption()
			}
			length = int(b[1])
		}
		if name := tcpOptionNames[kind]; name != "" {
			p.text(name)
		} else {
			p.textNum("unknown-", uint32(kind))
		}
		if length > len(b) {
			p.cut("tcp")
			return false
		}
		if kind == optEOL {
			break
		}
		if kind > optNOP && !p.tcpOption(kind, b[2:length]) {
			return p.badOption()
		}
		b, size = b[length:], size-length
	}
	p.b = append(p.b, ']')
	return true
}

func (p *Printer) badOption() bool {
	p.text("[bad opt]]")
	return false
}

// tcpOption describes what is in an option. It returns false if the option is
// shorter than its kind needs.
func (p *Printer) tcpOption(kind uint8, v []byte) bool {
	need := 0
	switch kind {
	case optMSS:
		if need = 2; len(v) >= need {
			p.textNum(" ", uint32(be16(v)))
		}
	case optScale:
		if need = 1; len(v) >= need {
			p.textNum(" ", uint32(v[0]))
		}
	case optTime:
		if need = 8; len(v) >= need {
			p.textNum(" val ", be32(v))
			p.textNum(" ecr ", be32(v[4:]))
		}
	case optSACK:
		need = len(v)
		if len(v)%8 != 0 {
			p.text(" malformed sack")
			break
		}
		p.textNum(" ", uint32(len(v)/8))
		p.b = append(p.b, ' ')
		for ; len(v) > 0; v = v[8:] {
			p.textNum("{", be32(v))
			p.textNum(":", be32(v[4:]))
			p.b = append(p.b, '}')
		}
		return true
	case 4: // SACK permitted: nothing in it
	default:
		need = len(v)
		if len(v) > 0 {
			p.text(" 0x")
			p.hexes(v)
		}
	}
	if len(v) < need {
		return false
	}
	if len(v) != need {
		p.textNum("[len ", uint32(len(v)+2))
		p.b = append(p.b, ']')
	}
	return true
}

// ports is where a segment or datagram comes from and goes to.
func (p *Printer) ports(h *ipHeader, proto uint8, b []byte) {
	sport, dport := int(be16(b)), int(be16(b[2:]))
	if h.bare {
		p.port(proto, sport)
		p.text(" > ")
		p.port(proto, dport)
	} else {
		p.endpoints(h.src, h.dst, proto, sport, dport)
	}
	p.text(": ")
}

// udp describes a datagram (RFC 768).
func (p *Printer) udp(h *ipHeader, b []byte, wire int) {
	const header = 8
	if len(b) < 4 {
		if !h.bare {
			p.endpoints(h.src, h.dst, 0, -1, -1)
			p.text(": ")
		}
		p.cut("udp")
		return
	}
	p.ports(h, protoUDP, b)
	if wire < header {
		p.text("truncated-udp ")
		p.num(wire)
		return
	}
	if len(b) < header {
		p.cut("udp")
		return
	}
	length := int(be16(b[4:]))
	if length == 0 && wire > 65535 { // a jumbogram (RFC 2675, 4)
		length = wire
	}
	if length < header {
		p.text("truncated-udplength ")
		p.num(length)
		return
	}
	if length > wire && !h.more {
		p.text("UDP, bad length ")
		p.num(length - header)
		p.text(" > ")
		p.num(wire - header)
		return
	}
	p.text("UDP")
	p.length(length - header)
}
