package packetline

import (
	"encoding/binary"

	"github.com/bpfjit/bpfjit/capture"
)

// Ethertypes that are looked into or at least named (IEEE 802 numbers at IANA).
const (
	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherVLAN = 0x8100
	etherQinQ = 0x88a8
	ether9100 = 0x9100
	etherIPv6 = 0x86dd
	etherRARP = 0x8035

	// maxLength: what is not above it is a length, of an LLC frame (IEEE 802.3, 3.2.6).
	maxLength = 1500
)

var etherNames = map[uint16]string{
	etherIPv4: "IPv4", etherARP: "ARP", etherRARP: "Reverse ARP", etherVLAN: "802.1Q",
	ether9100: "802.1Q-9100", etherQinQ: "802.1Q-QinQ", etherIPv6: "IPv6",
	0x8847: "MPLS unicast", 0x8848: "MPLS multicast", 0x8863: "PPPoE D", 0x8864: "PPPoE S",
	0x8809: "Slow Protocols", 0x888e: "EAPOL", 0x88cc: "LLDP", 0x9000: "Loopback",
}

// link describes a packet from its first byte on.
func (p *Printer) link(link capture.LinkType, b []byte, wire int) {
	if len(b) == 0 {
		p.text("[Invalid header: caplen==0")
		if wire == 0 {
			p.text(", len==0")
		}
		p.b = append(p.b, ']')
		return
	}
	switch link {
	case capture.LinkEthernet:
		p.ethernet(b, wire)
	case capture.LinkRaw, capture.LinkIPv4, capture.LinkIPv6:
		if p.opts.Link {
			p.text("ip: ")
		}
		p.rawIP(b, wire)
	case capture.LinkNull:
		p.loopback(b, wire, binary.LittleEndian.Uint32)
	case capture.LinkLoop:
		p.loopback(b, wire, be32)
	case capture.LinkLinuxSLL:
		p.cooked(b, wire)
	case capture.LinkLinuxSLL2:
		p.cooked2(b, wire)
	case capture.LinkPPP, capture.LinkPPPHDLC:
		p.ppp(b, wire, link == capture.LinkPPPHDLC)
	default:
		p.linkAt = -1
		p.text(link.String())
		p.length(wire)
	}
}

// rawIP goes by the version number.
func (p *Printer) rawIP(b []byte, wire int) {
	switch b[0] >> 4 {
	case 4:
		p.ipv4(b, wire)
	case 6:
		p.ipv6(b, wire)
	default:
		p.textNum("unknown ip ", uint32(b[0]>>4))
	}
}

func (p *Printer) ethernet(b []byte, wire int) {
	const header = 14
	if len(b) < header {
		p.cut("ether")
		return
	}
	p.linkAt = header
	typ, rest := be16(b[12:]), b[header:]
	if p.opts.Link {
		p.stations(b)
		if typ > maxLength {
			p.etherType(typ)
			p.length(wire)
			p.text(": ")
		}
	}
	if !p.network(typ, rest, wire-header, b) && !p.opts.Link {
		p.stations(b)
		p.etherType(typ)
		p.length(wire)
	}
}

// stations is "source > destination, ".
func (p *Printer) stations(ether []byte) {
	p.mac(ether[6:])
	p.text(" > ")
	p.mac(ether)
	p.text(", ")
}

// etherType names an ethertype.
func (p *Printer) etherType(typ uint16) {
	name := etherNames[typ]
	if p.opts.Quiet {
		if name != "" {
			p.text(name)
			return
		}
		p.text("Unknown Ethertype (")
	} else {
		if name == "" {
			name = "Unknown"
		}
		p.text("ethertype ")
		p.text(name)
		p.text(" (")
	}
	p.hex16(typ)
	p.b = append(p.b, ')')
}

// network describes what has an ethertype, or a length in its place. It returns
// false, and has printed nothing, if the type is not known and the caller has
// to tell what it is. In ether are the stations, for lines that have nothing
// else to tell; nil if there are none.
func (p *Printer) network(typ uint16, b []byte, wire int, ether []byte) bool {
	switch {
	case typ == etherIPv4:
		p.ipv4(b, wire)
	case typ == etherIPv6:
		p.ipv6(b, wire)
	case typ == etherARP, typ == etherRARP:
		p.arp(b, wire)
	case typ == etherVLAN, typ == etherQinQ, typ == ether9100:
		p.vlan(b, wire, ether)
	case typ <= maxLength:
		p.llc(int(typ), b, wire, ether)
	default:
		return false
	}
	return true
}

// vlan describes what follows a tag: IEEE 802.1Q, 9.6. In ether are the
// stations; nil if there are none.
func (p *Printer) vlan(b []byte, wire int, ether []byte) {
	if len(b) < 4 {
		p.cut("vlan")
		return
	}
	tci, typ := be16(b), be16(b[2:])
	rest, left := b[4:], wire-4
	if p.linkAt > 0 {
		p.linkAt += 4
	}
	if p.opts.Link {
		p.textNum("vlan ", uint32(tci&0xfff))
		p.textNum(", p ", uint32(tci>>13))
		if tci&0x1000 != 0 {
			p.text(", DEI")
		}
		p.text(", ")
		if typ > maxLength {
			p.etherType(typ)
			p.text(", ")
		}
	}
	if !p.network(typ, rest, left, ether) && !p.opts.Link {
		if ether != nil {
			p.stations(ether)
			left += 4 + 14
		}
		p.etherType(typ)
		p.length(left)
	}
}

// llc describes an IEEE 802.2 frame of a length that its header states. Only
// those with an ethertype (RFC 1042) are looked into.
func (p *Printer) llc(length int, b []byte, wire int, ether []byte) {
	if length < wire {
		wire = length
		b = b[:min(length, len(b))]
	}
	if p.opts.Link {
		p.textNum("802.3, length ", uint32(max(wire, 0)))
		p.text(": ")
	}
	if len(b) < 3 {
		p.cut("llc")
		return
	}
	const snap = 8 // header with an organisation and a type
	if b[0] == 0xaa && b[1] == 0xaa && b[2] == 3 && len(b) >= snap && b[3]|b[4]|b[5] == 0 && be16(b[6:]) > maxLength {
		typ := be16(b[6:])
		if p.opts.Link {
			p.text("LLC, SNAP, ")
			p.etherType(typ)
			p.length(wire - snap)
			p.text(": ")
		}
		if p.linkAt > 0 {
			p.linkAt += snap
		}
		if p.network(typ, b[snap:], wire-snap, ether) {
			return
		}
		if p.opts.Link {
			return
		}
		if ether != nil {
			p.stations(ether)
		}
		p.text("SNAP, ")
		p.etherType(typ)
		p.length(wire - snap)
		return
	}
	if !p.opts.Link && ether != nil {
		p.stations(ether)
	}
	p.text("LLC, dsap 0x")
	p.hex8(b[0])
	p.text(", ssap 0x")
	p.hex8(b[1])
	p.text(", ctrl 0x")
	p.hex8(b[2])
	p.length(wire)
}

// Packet types of Linux cooked captures (packet(7)).
var cookedTypes = [...]string{"In", "B", "M", "P", "Out"}

func cookedType(t uint16) string {
	if int(t) < len(cookedTypes) {
		return cookedTypes[t]
	}
	return "?"
}

// cooked is LINKTYPE_LINUX_SLL.
func (p *Printer) cooked(b []byte, wire int) {
	const header = 16
	if len(b) < header {
		p.cut("sll")
		return
	}
	p.linkAt = header
	if p.opts.Link {
		name := cookedType(be16(b))
		for n := len(name); n < 3; n++ {
			p.b = append(p.b, ' ')
		}
		p.text(name)
		p.b = append(p.b, ' ')
		p.cookedLink(b[6:14], int(be16(b[4:])), be16(b[14:]), wire)
	}
	p.cookedNetwork(be16(b[14:]), b[header:], wire, header)
}

// cooked2 is LINKTYPE_LINUX_SLL2.
func (p *Printer) cooked2(b []byte, wire int) {
	const header = 20
	if len(b) < header {
		p.cut("sll2")
		return
	}
	p.linkAt = header
	index := be32(b[4:])
	name := "?"
	if index < uint32(len(p.names)) && p.names[index] != "" {
		name = p.names[index]
	}
	p.column(name, 6)
	p.column(cookedType(uint16(b[10])), 4)
	if p.opts.Link {
		p.textNum("ifindex ", index)
		p.b = append(p.b, ' ')
		p.cookedLink(b[12:20], int(b[11]), be16(b), wire)
	}
	p.cookedNetwork(be16(b), b[header:], wire, header)
}

// column is a word, filled up with blanks; at least one follows.
func (p *Printer) column(s string, width int) {
	p.text(s)
	p.b = append(p.b, ' ')
	for n := len(s) + 1; n < width; n++ {
		p.b = append(p.b, ' ')
	}
}

func (p *Printer) cookedLink(addr []byte, addrLen int, typ uint16, wire int) {
	if addrLen == 6 {
		p.mac(addr)
		p.b = append(p.b, ' ')
	}
	if p.opts.Quiet {
		return
	}
	if typ <= maxLength {
		p.text("802.2")
	} else {
		p.etherType(typ)
	}
	p.length(wire)
	p.text(": ")
}

func (p *Printer) cookedNetwork(typ uint16, b []byte, wire, header int) {
	wire -= header
	if typ <= maxLength {
		// 4 is an LLC frame; other small numbers are ETH_P_ values of frames
		// without an ethertype (linux/if_ether.h).
		if typ == 4 {
			link := p.opts.Link
			p.opts.Link = false // its length is that of the line already
			p.llc(wire, b, wire, nil)
			p.opts.Link = link
			return
		}
		p.textNum("protocol ", uint32(typ))
		p.length(wire + header)
		return
	}
	if !p.network(typ, b, wire, nil) && !p.opts.Link {
		p.etherType(typ)
		p.length(wire + header)
	}
}

// loopback is LINKTYPE_NULL and LINKTYPE_LOOP: an address family, which in the
// former has the capturing host's byte order.
func (p *Printer) loopback(b []byte, wire int, order func([]byte) uint32) {
	const header = 4
	if len(b) < header {
		p.cut("null")
		return
	}
	p.linkAt = header
	family := order(b)
	if family > 0xffff { // no family is that large: the other byte order
		family = be32(b)
	}
	name := ""
	switch family {
	case 2:
		name = "IPv4"
	case 24, 28, 30: // NetBSD and OpenBSD, FreeBSD, macOS
		name = "IPv6"
	}
	if p.opts.Link || name == "" {
		if p.opts.Quiet && name != "" {
			p.text(name)
		} else {
			p.text("AF ")
			if name == "" {
				p.text("Unknown")
			}
			p.text(name)
			p.textNum(" (", family)
			p.b = append(p.b, ')')
		}
		p.length(wire)
		if name != "" {
			p.text(": ")
		}
	}
	switch name {
	case "IPv4":
		p.ipv4(b[header:], wire-header)
	case "IPv6":
		p.ipv6(b[header:], wire-header)
	}
}

// ppp is LINKTYPE_PPP and LINKTYPE_PPP_HDLC (RFC 1661, 1662): address and
// control may be left out of the former, and half of the protocol.
func (p *Printer) ppp(b []byte, wire int, framed bool) {
	header := 0
	if len(b) >= 2 && b[0] == 0xff && b[1] == 3 {
		header = 2
	} else if framed {
		p.linkAt = -1
		p.text("PPP_HDLC")
		p.length(wire)
		return
	}
	if len(b) <= header {
		p.cut("ppp")
		return
	}
	proto := uint16(b[header])
	if proto&1 != 0 { // an odd first byte is all of it
		header++
	} else {
		if len(b) < header+2 {
			p.cut("ppp")
			return
		}
		proto = be16(b[header:])
		header += 2
	}
	p.linkAt = header
	name := ""
	switch proto {
	case 0x21:
		name = "IP"
	case 0x57:
		name = "IP6"
	}
	if p.opts.Link && !framed || name == "" {
		if name == "" {
			p.text("PPP protocol")
		}
		p.text(name)
		p.text(" (")
		p.hex16(proto)
		p.b = append(p.b, ')')
		p.length(wire)
		if name != "" {
			p.text(": ")
		}
	}
	switch name {
	case "IP":
		p.ipv4(b[header:], wire-header)
	case "IP6":
		p.ipv6(b[header:], wire-header)
	}
}
