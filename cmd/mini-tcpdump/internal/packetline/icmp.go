package packetline

// What an ICMP message says beyond its type is told for those that people
// capture for: echoes, unreachable destinations, redirects, exceeded times. Of
// the others the type is named.

const (
	icmpUnreachable = 3
	icmpRedirect    = 5
	icmpTimeout     = 11
	icmpParameter   = 12

	unreachProtocol = 2
	unreachPort     = 3
	unreachFragment = 4
)

// Messages that have nothing to tell but their name.
var icmpNames = map[uint8]string{
	0: "echo reply", 4: "source quench", 8: "echo request", 10: "router solicitation",
	15: "information request", 16: "information reply", 17: "address mask request",
}

// icmpUnreachables has what is said before and after the destination's address.
var icmpUnreachables = [...][2]string{
	0:               {"net ", " unreachable"},
	1:               {"host ", " unreachable"},
	unreachProtocol: {},
	unreachPort:     {},
	unreachFragment: {"", " unreachable - need to frag"},
	5:               {"", " unreachable - source route failed"},
	6:               {"net ", " unreachable - unknown"},
	7:               {"host ", " unreachable - unknown"},
	8:               {"", " unreachable - source host isolated"},
	9:               {"net ", " unreachable - admin prohibited"},
	10:              {"host ", " unreachable - admin prohibited"},
	11:              {"net ", " unreachable - tos prohibited"},
	12:              {"host ", " unreachable - tos prohibited"},
	13:              {"host ", " unreachable - admin prohibited filter"},
	14:              {"host ", " unreachable - host precedence violation"},
	15:              {"host ", " unreachable - precedence cutoff"},
}

var icmpRedirects = [...][2]string{
	{"redirect ", " to net "}, {"redirect ", " to host "},
	{"redirect-tos ", " to net "}, {"redirect-tos ", " to host "},
}

// icmp describes a message of RFC 792.
func (p *Printer) icmp(b []byte, wire int) {
	const (
		header = 8
		inner  = header + 20 // and the header of the packet that it is about
	)
	if len(b) < 2 {
		p.cut("icmp")
		return
	}
	typ, code, need := b[0], b[1], 2
	switch typ {
	case 0, 8, icmpParameter:
		need = header
	case icmpUnreachable, icmpRedirect, icmpTimeout:
		need = inner
	}
	if len(b) < need {
		p.cut("icmp")
		return
	}
	switch typ {
	case 0, 8:
		p.text("ICMP ")
		p.text(icmpNames[typ])
		p.textNum(", id ", uint32(be16(b[4:])))
		p.textNum(", seq ", uint32(be16(b[6:])))
	case icmpUnreachable:
		if !p.icmpUnreachable(code, b) {
			return
		}
	case icmpRedirect:
		words := [2]string{"", " to "}
		p.text("ICMP ")
		if int(code) < len(icmpRedirects) {
			words = icmpRedirects[code]
		} else {
			p.textNum("redirect-#", uint32(code))
			p.b = append(p.b, ' ')
		}
		p.text(words[0])
		p.addr(b[inner-4 : inner])
		p.text(words[1])
		p.addr(b[4:8])
	case icmpTimeout:
		p.text("ICMP ")
		switch code {
		case 0:
			p.text("time exceeded in-transit")
		case 1:
			p.text("ip reassembly time exceeded")
		default:
			p.textNum("time exceeded-#", uint32(code))
		}
	case icmpParameter:
		p.text("ICMP parameter problem - ")
		if code == 0 {
			p.textNum("octet ", uint32(b[4]))
		} else {
			p.textNum("code ", uint32(code))
		}
	default:
		p.text("ICMP ")
		if name := icmpNames[typ]; name != "" {
			p.text(name)
		} else {
			p.textNum("type-#", uint32(typ))
		}
	}
	p.length(wire)
}

// icmpUnreachable describes what could not be reached. It returns false if too
// little was captured to say.
func (p *Printer) icmpUnreachable(code uint8, b []byte) bool {
	about := b[8:]
	dst, proto := about[16:20], about[9]
	words := [2]string{"", ""}
	if int(code) < len(icmpUnreachables) {
		words = icmpUnreachables[code]
	}
	hlen := int(about[0]&15) * 4
	if code == unreachPort && len(about) < hlen+4 {
		p.cut("icmp")
		return false
	}
	p.text("ICMP ")
	p.text(words[0])
	p.addr(dst)
	p.text(words[1])
	switch {
	case code == unreachProtocol:
		p.textNum(" protocol ", uint32(proto))
		p.text(" unreachable")
	case code == unreachPort:
		switch proto {
		case protoTCP:
			p.text(" tcp port ")
		case protoUDP:
			p.text(" udp port ")
		default:
			p.textNum(" protocol ", uint32(proto))
			p.text(" port ")
		}
		p.port(proto, int(be16(about[hlen+2:])))
		p.text(" unreachable")
	case code == unreachFragment:
		if mtu := be16(b[6:]); mtu != 0 { // RFC 1191, 4
			p.textNum(" (mtu ", uint32(mtu))
			p.b = append(p.b, ')')
		}
	case int(code) >= len(icmpUnreachables):
		p.textNum(" unreachable - #", uint32(code))
	}
	return true
}

var icmp6Names = map[uint8]string{
	1: "destination unreachable", 2: "packet too big", 3: "time exceeded", 4: "parameter problem",
	128: "echo request", 129: "echo reply", 130: "multicast listener query",
	131: "multicast listener report", 132: "multicast listener done", 133: "router solicitation",
	134: "router advertisement", 135: "neighbor solicitation", 136: "neighbor advertisement",
	137: "redirect", 138: "router renumbering", 141: "inverse neighbor solicitation",
	142: "inverse neighbor advertisement", 143: "multicast listener report v2",
}

var icmp6Parameters = [...]string{", erroneous", ", next header", ", option", ", incomplete header chain"}

// icmp6 describes a message of RFC 4443 or RFC 4861.
func (p *Printer) icmp6(b []byte, wire int) {
	const header = 8
	if len(b) == 0 {
		p.cut("icmp6")
		return
	}
	p.text("ICMP6, ")
	typ := b[0]
	if name := icmp6Names[typ]; name != "" {
		p.text(name)
	} else {
		p.textNum("unknown icmp6 type (", uint32(typ))
		p.b = append(p.b, ')')
	}
	if len(b) < header {
		if typ >= 128 && icmp6Names[typ] == "" && len(b) >= 4 {
			p.length(wire)
			return
		}
		p.cut("icmp6")
		return
	}
	ok := true
	switch typ {
	case 1:
		ok = p.icmp6Unreachable(b[1], b[header:])
	case 2:
		p.textNum(", mtu ", be32(b[4:]))
	case 3:
		ok = p.icmp6Timeout(b[1], b[header:])
	case 4:
		if int(b[1]) < len(icmp6Parameters) {
			p.text(icmp6Parameters[b[1]])
			p.textNum(" - octet ", be32(b[4:]))
		} else {
			p.textNum(", code-#", uint32(b[1]))
		}
	case 128, 129:
		p.textNum(", id ", uint32(be16(b[4:])))
		p.textNum(", seq ", uint32(be16(b[6:])))
	case 135, 136, 137:
		ok = p.neighbor(typ, b[header:])
	case 143:
		p.textNum(", ", uint32(be16(b[6:])))
		p.text(" group record(s)")
	}
	if ok {
		p.length(wire)
	}
}

// neighbor tells whom a message of RFC 4861 is about.
func (p *Printer) neighbor(typ uint8, b []byte) bool {
	need := 16
	if typ == 137 {
		need = 32
	}
	if len(b) < need {
		p.cut("icmp6")
		return false
	}
	switch typ {
	case 135:
		p.text(", who has ")
		p.addr(b[:16])
	case 136:
		p.text(", tgt is ")
		p.addr(b[:16])
	case 137:
		p.text(", ")
		p.addr(b[16:32])
		p.text(" to ")
		p.addr(b[:16])
	}
	return true
}

// icmp6Unreachable tells what could not be reached: about is the packet that
// did not arrive.
func (p *Printer) icmp6Unreachable(code uint8, about []byte) bool {
	const header = 40
	if len(about) < header {
		p.cut("icmp6")
		return false
	}
	src, dst := about[8:24], about[24:40]
	switch code {
	case 0:
		p.text(", unreachable route ")
		p.addr(dst)
	case 1:
		p.text(",  unreachable prohibited ")
		p.addr(dst)
	case 2:
		p.text(", beyond scope ")
		p.addr(dst)
		p.text(", source address ")
		p.addr(src)
	case 3:
		p.text(", unreachable address ")
		p.addr(dst)
	case 4:
		proto := about[6]
		p.text(", unreachable port, ")
		p.addr(dst)
		if proto != protoTCP && proto != protoUDP {
			p.textNum(" protocol ", uint32(proto))
			break
		}
		if len(about) < header+4 {
			p.cut("icmp6")
			return false
		}
		if proto == protoTCP {
			p.text(" tcp port ")
		} else {
			p.text(" udp port ")
		}
		p.port(proto, int(be16(about[header+2:])))
	default:
		p.textNum(", unknown unreach code (", uint32(code))
		p.b = append(p.b, ')')
	}
	return true
}

func (p *Printer) icmp6Timeout(code uint8, about []byte) bool {
	p.text(" in-transit")
	switch code {
	case 0:
		if len(about) < 40 {
			p.cut("icmp6")
			return false
		}
		p.text(" for ")
		p.addr(about[24:40])
	case 1:
		p.text(" (reassembly)")
	default:
		p.textNum(", unknown code (", uint32(code))
		p.b = append(p.b, ')')
	}
	return true
}
