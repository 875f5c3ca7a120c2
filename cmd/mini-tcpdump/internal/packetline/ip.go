package packetline

// IP protocols that are looked into.
const (
	protoICMP   = 1
	protoIPv4   = 4
	protoTCP    = 6
	protoUDP    = 17
	protoIPv6   = 41
	protoICMPv6 = 58

	// IPv6 extension headers (RFC 8200, 4).
	protoHopByHop = 0
	protoRouting  = 43
	protoFragment = 44
	protoNone     = 59
	protoDestOpts = 60
)

// maxInside is how many IP headers are followed into each other.
const maxInside = 4

// ipHeader is what transport protocols tell of the header before them.
type ipHeader struct {
	src, dst []byte
	bare     bool // addresses are printed already
	more     bool // a fragment that others follow
}

// ipv4 describes an IPv4 packet (RFC 791) of wire bytes.
func (p *Printer) ipv4(b []byte, wire int) {
	const header = 20
	if len(b) > 0 && b[0]>>4 != 4 {
		if b[0]>>4 == 6 {
			p.text("IP6, wrong link-layer encapsulation (invalid)")
			return
		}
		p.textNum("IP", uint32(b[0]>>4))
		p.text(" (invalid)")
		return
	}
	if len(b) == 0 {
		p.cut("ip")
		return
	}
	if !p.opts.Link {
		p.text("IP ")
	}
	switch {
	case len(b) < header:
		p.cut("ip")
		return
	case wire < header:
		p.text("truncated-ip ")
		p.num(wire)
		return
	}
	hlen, total := int(b[0]&15)*4, int(be16(b[2:]))
	if hlen < header {
		p.textNum("bad-hlen ", uint32(hlen))
		return
	}
	if wire < total {
		p.text("truncated-ip - ")
		p.num(total - wire)
		p.text(" bytes missing! ")
	}
	if total < hlen {
		p.textNum("bad-len ", uint32(total))
		return
	}
	b = b[:min(total, len(b))]
	h := ipHeader{src: b[12:16], dst: b[16:20]}
	proto, fragment := b[9], be16(b[6:])
	if fragment&0x1fff != 0 {
		// Not the first fragment: the header that proto means is in another.
		p.endpoints(h.src, h.dst, 0, -1, -1)
		p.textNum(": ip-proto-", uint32(proto))
		return
	}
	if len(b) < hlen { // its options
		p.cut("ip")
		return
	}
	h.more = fragment&0x2000 != 0
	if proto != protoTCP && proto != protoUDP {
		p.endpoints(h.src, h.dst, 0, -1, -1)
		p.text(": ")
	}
	p.payload(proto, &h, b[hlen:], total-hlen)
}

// ipv6 describes an IPv6 packet (RFC 8200).
func (p *Printer) ipv6(b []byte, wire int) {
	const header = 40
	if len(b) < header {
		p.cut("ip6")
		return
	}
	if !p.opts.Link {
		p.text("IP6 ")
	}
	if b[0]>>4 != 6 {
		p.textNum("version error: ", uint32(b[0]>>4))
		p.text(" != 6")
		return
	}
	total := header + payloadLength(b)
	if wire < total {
		p.text("truncated-ip6 - ")
		p.num(total - wire)
		p.text(" bytes missing!")
	}
	b = b[:min(total, len(b))]
	h := ipHeader{src: b[8:24], dst: b[24:40]}
	next, rest, left := b[6], b[header:], total-header
	if next != protoTCP && next != protoUDP {
		p.endpoints(h.src, h.dst, 0, -1, -1)
		p.text(": ")
	}
	for {
		size := 0
		switch next {
		case protoHopByHop, protoDestOpts, protoRouting:
			if len(rest) < 8 {
				p.cut("ip6")
				return
			}
			switch next {
			case protoHopByHop:
				p.text("HBH ")
			case protoDestOpts:
				p.text("DSTOPT ")
			default:
				p.textNum("RT6 (len=", uint32(rest[1]))
				p.textNum(", type=", uint32(rest[2]))
				p.textNum(", segleft=", uint32(rest[3]))
				p.text(") ")
			}
			size = (int(rest[1]) + 1) * 8
		case protoFragment:
			if len(rest) < 8 {
				p.cut("frag6")
				return
			}
			offset := be16(rest[2:])
			p.textNum("frag (", uint32(offset&^7))
			p.b = append(p.b, '|')
			p.num(max(left-8, 0))
			p.text(")")
			if offset&^7 != 0 {
				return
			}
			p.text(" ")
			h.more = offset&1 != 0
			size = 8
		case protoNone:
			p.text("no next header")
			return
		default:
			p.payload(next, &h, rest, left)
			return
		}
		h.bare = true
		next = rest[0]
		left -= size
		if size > len(rest) || left < 0 {
			p.cut("ip6")
			return
		}
		rest = rest[size:]
	}
}

// payloadLength is how many bytes follow an IPv6 header. Those of a jumbogram
// are in an option of the first extension header (RFC 2675, 2).
func payloadLength(b []byte) int {
	const header, jumbo, pad1 = 40, 0xc2, 0
	n := int(be16(b[4:]))
	if n != 0 || b[6] != protoHopByHop || len(b) < header+8 {
		return n
	}
	opts := b[header:]
	opts = opts[2:min((int(opts[1])+1)*8, len(opts))]
	for len(opts) >= 2 {
		switch size := 2 + int(opts[1]); {
		case opts[0] == pad1:
			opts = opts[1:]
		case opts[0] == jumbo && size == 6 && len(opts) >= size:
			return int(be32(opts[2:]))
		default:
			opts = opts[min(size, len(opts)):]
		}
	}
	return n
}

// payload describes what an IP header with this protocol precedes: b was
// captured of wire bytes.
func (p *Printer) payload(proto uint8, h *ipHeader, b []byte, wire int) {
	switch {
	case proto == protoTCP:
		p.tcp(h, b, wire)
	case proto == protoUDP:
		p.udp(h, b, wire)
	case proto == protoICMP:
		p.icmp(b, wire)
	case proto == protoICMPv6:
		p.icmp6(b, wire)
	case (proto == protoIPv4 || proto == protoIPv6) && p.inside < maxInside:
		p.inside++
		if proto == protoIPv4 {
			p.ipv4(b, wire)
		} else {
			p.ipv6(b, wire)
		}
	default:
		p.textNum(" ip-proto-", uint32(proto))
		p.b = append(p.b, ' ')
		p.num(wire)
	}
}

// arp describes an address resolution (RFC 826, 903, 2390).
func (p *Printer) arp(b []byte, wire int) {
	if len(b) < 8 || len(b) < 8+2*int(b[4])+2*int(b[5]) {
		p.cut("arp")
		return
	}
	if !p.opts.Link {
		p.text("ARP, ")
	}
	proto, hlen, plen, op := be16(b[2:]), int(b[4]), int(b[5]), be16(b[6:])
	if proto != etherIPv4 || plen != 4 || hlen == 0 {
		p.textNum("hardware ", uint32(be16(b)))
		p.text(", protocol ")
		p.hex16(proto)
		p.textNum(", operation ", uint32(op))
		p.length(wire)
		return
	}
	sha, spa := b[8:8+hlen], b[8+hlen:][:plen]
	tha, tpa := b[8+hlen+plen:][:hlen], b[8+2*hlen+plen:][:plen]
	switch op {
	case 1:
		p.text("Request who-has ")
		p.addr(tpa)
		if !zero(tha) {
			p.text(" (")
			p.hardware(tha)
			p.b = append(p.b, ')')
		}
		p.text(" tell ")
		p.addr(spa)
	case 2:
		p.text("Reply ")
		p.addr(spa)
		p.text(" is-at ")
		p.hardware(sha)
	case 3:
		p.text("Reverse Request who-is ")
		p.hardware(tha)
		p.text(" tell ")
		p.hardware(sha)
	case 4:
		p.text("Reverse Reply ")
		p.hardware(tha)
		p.text(" at ")
		p.addr(tpa)
	case 8:
		p.text("Inverse Request who-is ")
		p.hardware(tha)
		p.text(" tell ")
		p.hardware(sha)
	case 9:
		p.text("Inverse Reply ")
		p.hardware(sha)
		p.text(" at ")
		p.addr(spa)
	default:
		p.textNum("Unknown (", uint32(op))
		p.b = append(p.b, ')')
		return
	}
	p.length(wire)
}

// hardware is an address of any length.
func (p *Printer) hardware(b []byte) {
	for i, v := range b {
		if i > 0 {
			p.b = append(p.b, ':')
		}
		p.hex8(v)
	}
}

func zero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}
