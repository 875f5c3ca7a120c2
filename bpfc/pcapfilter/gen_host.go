package pcapfilter

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
)

// match translates a qualified identifier.
func (g *gen) match(n *match) *cond {
	if n.q.typ == typeUndef {
		g.failHint("no qualifiers to inherit for "+quoteHint(g.textOf(n.id))+`: it stands behind a primitive without any; "port `+
			g.textOf(n.id)+`"?`, "syntax error in filter expression")
	}
	switch n.id.kind {
	case idName:
		return g.name(n)
	case idNumber:
		return g.numberID(n)
	case idIPv4, idIPv4Prefix, idIPv4Mask:
		return g.ipv4(n)
	case idIPv6, idIPv6Prefix:
		return g.ipv6(n)
	case idMAC:
		return g.mac(n)
	}
	g.fail("aid supported only on ARCnet")
	return nil
}

func (g *gen) textOf(id ident) string { return shorten(id.text) }

// numberID is a bare number: a host or net in short, a port or a protocol.
func (g *gen) numberID(n *match) *cond {
	v := n.id.num
	switch n.q.typ {
	case typeNone, typeHost, typeNet:
		if n.q.proto == protoDecnet {
			g.failHint(decnetForm, "invalid DECnet address '%s'", g.textOf(n.id))
		}
		mask := uint32(0xffffffff)
		if n.q.typ == typeNet {
			for v != 0 && v>>24 == 0 {
				v <<= 8
				mask <<= 8
			}
		}
		return g.hostNumber(n.q, v, mask)
	case typePort, typePortrange:
		g.checkPortProto(n.q)
		if v > 65535 {
			g.fail("illegal port number %d > 65535", v)
		}
		return g.port(n.q, anyPortProto, v, v)
	case typeGateway:
		g.fail("'gateway' requires a name")
	case typeProto:
		return g.proto(v, n.q.proto)
	}
	return g.protochain(v, n.q.proto)
}

// ipv4 is an address, a prefix, or an address and a mask.
func (g *gen) ipv4(n *match) *cond {
	if n.id.kind == idIPv4 && n.q.proto == protoDecnet {
		switch n.q.typ {
		case typeNone, typeHost:
			return g.decnetHost(n.q.dir, g.decnetAddr(n.id.text))
		case typeNet:
			g.fail("'decnet' is not a valid qualifier for 'net'")
		}
	}
	addr, bits := g.parseIPv4(n.id.text)
	mask := ^uint32(0) << (32 - bits)
	text := n.id.text
	switch n.id.kind {
	case idIPv4Prefix:
		if n.id.num > 32 {
			g.fail("mask length must be <= 32")
		}
		mask = ^uint32(0) << (32 - n.id.num)
		text = g.sprintf("%s/%d", n.id.text, n.id.num)
	case idIPv4Mask:
		m, _ := g.parseIPv4(n.id.mask)
		mask = m
		text = n.id.text + " mask " + n.id.mask
	}
	if addr&^mask != 0 {
		g.failHint(g.sprintf("the network is %v", ip4(addr&mask)), "non-network bits set in \"%s\"", text)
	}
	switch n.q.typ {
	case typeNet:
	case typeNone, typeHost:
		if n.id.kind != idIPv4 {
			g.failHint(`"net `+text+`"?`, "Mask syntax for networks only")
		}
	case typeGateway:
		g.fail("'gateway' requires a name")
	default:
		with := map[identKind]string{idIPv4Prefix: " and prefix length", idIPv4Mask: " and netmask"}
		g.fail("'%v' qualifier applied to IPv4 address%s", n.q.typ, with[n.id.kind])
	}
	return g.hostNumber(n.q, addr, mask)
}

func ip4(a uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], a)
	return netip.AddrFrom4(b)
}

// parseIPv4 reads one to four decimal bytes, filled up with zeros on the right,
// and how many bits of the address they make.
func (g *gen) parseIPv4(s string) (addr uint32, bits uint32) {
	for part := range strings.SplitSeq(s, ".") {
		v := uint32(0)
		for _, c := range []byte(part) {
			if !isDigit(c) || v > 25 {
				v = 256
				break
			}
			v = v*10 + uint32(c-'0')
		}
		if v > 255 {
			g.fail("invalid IPv4 address '%s'", s)
		}
		addr = addr<<8 | v
		bits += 8
	}
	return addr << (32 - bits), bits
}

// hostNumber is an IPv4 host or net.
func (g *gen) hostNumber(q qualifiers, addr, mask uint32) *cond {
	if q.proto == protoLink {
		g.fail("illegal link layer address")
	}
	return g.host(q, addr, mask)
}

// host tests IPv4 addresses: in IP, ARP and RARP packets where no protocol is
// said, behind MPLS labels in IP only.
func (g *gen) host(q qualifiers, addr, mask uint32) *cond {
	what := "host"
	if q.typ == typeNet {
		what = "net"
	}
	switch q.proto {
	case protoNone:
		c := g.hostIn(protoIP, q.dir, addr, mask)
		if g.mplsDepth == 0 {
			c = or(c, g.hostIn(protoARP, q.dir, addr, mask))
			c = or(c, g.hostIn(protoRARP, q.dir, addr, mask))
		}
		return c
	case protoIP, protoARP, protoRARP:
		return g.hostIn(q.proto, q.dir, addr, mask)
	case protoLink:
		g.fail("link-layer modifier applied to %s", what)
	case protoAtalk:
		g.fail("AppleTalk host filtering not implemented")
	case protoSca, protoLat, protoMoprc, protoMopdl:
		g.fail("%v host filtering not implemented", q.proto)
	case protoIP6:
		g.fail("'ip6' modifier applied to ip host")
	}
	g.fail("'%v' modifier applied to %s", q.proto, what)
	return nil
}

// hostIn tests the IPv4 addresses of one protocol: where they are in it.
func (g *gen) hostIn(p proto, d dir, addr, mask uint32) *cond {
	src, dst := uint32(12), uint32(16)
	if p != protoIP {
		src, dst = 14, 24
	}
	return g.either(d, func(source bool) *cond {
		off := dst
		if source {
			off = src
		}
		c := g.linktype(linkProtos[p])
		if mask == 0 {
			return c // any address, so none is looked at
		}
		return and(c, g.cmpMask(g.net(off), 4, addr, mask))
	})
}

// either makes the test of one side, or of both as the direction says.
func (g *gen) either(d dir, side func(source bool) *cond) *cond {
	switch d {
	case dirSrc:
		return side(true)
	case dirDst:
		return side(false)
	case dirSrcAndDst:
		c := side(true)
		return and(c, side(false))
	case dirNone, dirSrcOrDst:
		c := side(true)
		return or(c, side(false))
	}
	g.failHint("it is for 802.11 MAC addresses", "'%v' is valid for 802.11 syntax only", d)
	return nil
}

// ipv6 is an IPv6 address or prefix.
func (g *gen) ipv6(n *match) *cond {
	addr, err := netip.ParseAddr(n.id.text)
	if err != nil || !addr.Is6() {
		g.fail("bogus IPv6 address %s", n.id.text)
	}
	bits := 128
	if n.id.kind == idIPv6Prefix {
		if n.id.num > 128 {
			g.fail("mask length must be <= 128")
		}
		bits = int(n.id.num)
	}
	prefix := netip.PrefixFrom(addr, bits)
	if masked := netip.PrefixFrom(unmap(addr), bits).Masked(); unmap(addr) != masked.Addr() {
		g.failHint("the network is "+masked.String(), "non-network bits set in \"%s/%d\"", n.id.text, bits)
	}
	switch n.q.typ {
	case typeNone, typeHost:
		if bits != 128 {
			g.failHint(`"net `+prefix.String()+`"?`, "Mask syntax for networks only")
		}
	case typeNet:
	default:
		g.fail("invalid qualifier against IPv6 address")
	}
	return g.host6(n.q, addr.As16(), bits)
}

// unmap is a itself: an address of 128 bits also when it is an IPv4-mapped one.
func unmap(a netip.Addr) netip.Addr { return netip.AddrFrom16(a.As16()) }

func (g *gen) host6(q qualifiers, addr [16]byte, bits int) *cond {
	what := "host"
	if q.typ == typeNet {
		what = "net"
	}
	switch q.proto {
	case protoNone, protoIP6:
	case protoLink:
		g.fail("link-layer modifier applied to ip6 %s", what)
	case protoAtalk:
		g.fail("AppleTalk host filtering not implemented")
	case protoDecnet:
		g.fail("'decnet' modifier applied to ip6 host")
	default:
		g.fail("'%v' modifier applied to ip6 %s", q.proto, what)
	}
	return g.either(q.dir, func(source bool) *cond {
		off := uint32(24)
		if source {
			off = 8
		}
		c := g.linktype(etherIP6)
		for i := range 4 {
			word := binary.BigEndian.Uint32(addr[4*i:])
			mask := uint32(0xffffffff)
			if left := bits - 32*i; left <= 0 {
				break // what is behind the prefix may be cut off
			} else if left < 32 {
				mask <<= 32 - left
			}
			c = and(c, g.cmpMask(g.net(off+4*uint32(i)), 4, word, mask))
		}
		return c
	})
}

// mac is a MAC address.
func (g *gen) mac(n *match) *cond {
	if n.q.proto != protoLink || n.q.typ != typeHost && n.q.typ != typeNone {
		g.failHint(`"ether host `+n.id.text+`"?`, "ethernet address used in non-ether expression")
	}
	return g.macHost(n.q.dir, parseMAC(n.id.text))
}

// parseMAC reads any spelling of a MAC address that the lexer takes for one.
func parseMAC(s string) (mac [6]byte) {
	digits := func(c byte) byte {
		switch {
		case isDigit(c):
			return c - '0'
		case c >= 'a':
			return c - 'a' + 10
		}
		return c - 'A' + 10
	}
	if !strings.ContainsAny(s, ":-.") || len(s) == 14 && strings.Count(s, ".") == 2 {
		s = strings.ReplaceAll(s, ".", "")
		for i := range mac {
			mac[i] = digits(s[2*i])<<4 | digits(s[2*i+1])
		}
		return mac
	}
	for i, part := range strings.FieldsFunc(s, func(r rune) bool { return r == ':' || r == '-' || r == '.' }) {
		for _, c := range []byte(part) {
			mac[i] = mac[i]<<4 | digits(c)
		}
	}
	return mac
}

// macHost tests link-layer addresses.
func (g *gen) macHost(d dir, mac [6]byte) *cond {
	if g.lt.mac == nil {
		g.fail("ethernet addresses supported only on ethernet/FDDI/token ring/802.11/ATM LANE/Fibre Channel")
	}
	return g.lt.mac(g, d, mac)
}

// bytes6 tests the six bytes at o, the last four first.
func (g *gen) bytes6(o offset, b [6]byte) *cond {
	return and(g.cmp(o.plus(2), 4, binary.BigEndian.Uint32(b[2:])), g.cmp(o, 2, uint32(binary.BigEndian.Uint16(b[:]))))
}

const decnetForm = "AREA.NODE, up to 63.1023"

// decnetAddr reads "area.node", both decimal: six and ten bits.
func (g *gen) decnetAddr(s string) uint32 {
	left, right, _ := strings.Cut(s, ".")
	area, err := strconv.ParseUint(left, 10, 6)
	node, err2 := strconv.ParseUint(right, 10, 16)
	if err != nil || err2 != nil || node > 0x3ff {
		g.failHint(decnetForm, "invalid DECnet address '%s'", shorten(s))
	}
	return uint32(area<<10 | node)
}

// decnetHost tests the node addresses of a DECnet Phase IV routing header, which
// is long or short and may have a byte of padding before it. Numbers in it are
// little-endian.
func (g *gen) decnetHost(d dir, addr uint32) *cond {
	const flagMask, padded = 0x07, 0x81 // message type bits; one byte of padding
	const long, short = 0x06, 0x02
	if d > dirSrcAndDst {
		g.failHint("it is for 802.11 MAC addresses", "'%v' is valid for 802.11 syntax only", d)
	}
	node := addr>>8&0xff | addr&0xff<<8
	return g.either(d, func(source bool) *cond {
		shortAt, longAt := uint32(3), uint32(9)
		if source {
			shortAt, longAt = 5, 17
		}
		c := g.linktype(etherDecnet)
		// A padded header is one byte further on; with it, the flags are the
		// second byte of a 16-bit word.
		form := func(kind, at uint32) *cond {
			plain := and(g.cmpMask(g.net(2), 1, kind, flagMask), g.cmp(g.net(at), 2, node))
			pad := and(g.cmpMask(g.net(2), 2, padded<<8|kind, 0xff<<8|flagMask), g.cmp(g.net(at+1), 2, node))
			return or(plain, pad)
		}
		return and(c, or(form(short, shortAt), form(long, longAt)))
	})
}
