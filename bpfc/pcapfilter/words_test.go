package pcapfilter

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// What the list of known differences says instead of a primitive, to ask libpcap
// around what it has wrong.

// byteOperators says "byte N & M" and "byte N | M" by the ranges of bytes for which
// they hold.
func byteOperators(_ *filter, n node) string {
	b, ok := n.(*byteTest)
	if !ok || b.op != '&' && b.op != '|' {
		return ""
	}
	holds := func(v uint32) bool {
		if b.op == '&' {
			return v&b.value != 0
		}
		return v|b.value != 0
	}
	is := func(op string, v uint32) string { return fmt.Sprintf("byte %d %s %d", b.offset, op, v) }
	var ranges []string
	for lo := uint32(0); lo < 256; lo++ {
		if !holds(lo) {
			continue
		}
		hi := lo
		for hi < 255 && holds(hi+1) {
			hi++
		}
		switch {
		case lo == hi:
			ranges = append(ranges, is("=", lo))
		case lo == 0 && hi == 255:
			ranges = append(ranges, is("=", 0)+" or "+is(">", 0))
		case lo == 0:
			ranges = append(ranges, is("<", hi+1))
		case hi == 255:
			ranges = append(ranges, is(">", lo-1))
		default:
			ranges = append(ranges, "("+is(">", lo-1)+" and "+is("<", hi+1)+")")
		}
		lo = hi
	}
	if ranges == nil {
		return is("<", 0) // never, but the byte is loaded
	}
	return strings.Join(ranges, " or ")
}

// ip4Multicast bounds "ip multicast" above.
func ip4Multicast(f *filter, n node) string {
	if c, ok := n.(*cast); ok && c.proto == protoIP && !c.broadcast {
		return "ip multicast and ip[16] < 240"
	}
	return ""
}

// isisTypes are the PDU types a primitive is about.
func isisTypes(n node) []uint32 {
	switch n := n.(type) {
	case *abbrev:
		return isisGroups[n.proto]
	case *match:
		if n.q.proto == protoISIS && n.q.typ == typeProto && n.id.kind == idNumber {
			return []uint32{n.id.num}
		}
	}
	return nil
}

// anyOf joins words made of numbers.
func anyOf(format string, numbers []uint32) string {
	var parts []string
	for _, v := range numbers {
		parts = append(parts, fmt.Sprintf(format, v))
	}
	return strings.Join(parts, " or ")
}

// isisReserved says PDU types with each setting of the three reserved bits above
// them.
func isisReserved(f *filter, n node) string {
	var all []uint32
	for _, v := range isisTypes(n) {
		for high := range uint32(8) {
			all = append(all, v|high<<5)
		}
	}
	if f.dlt == 104 {
		return ""
	}
	return anyOf("isis proto %d", all)
}

// isisInCHDLC says where the PDU type is behind Cisco's filling.
func isisInCHDLC(_ *filter, n node) string {
	if types := isisTypes(n); types != nil {
		return "isis and (" + anyOf("link[9] & 0x1f = %d", types) + ")"
	}
	return ""
}

// frameControlLoads says "type", "subtype" and "dir" by loads.
func frameControlLoads(_ *filter, n node) string {
	switch n := n.(type) {
	case *wlanType:
		return fmt.Sprintf("link[0] & %d = %d", n.mask, n.value)
	case *wlanDir:
		return fmt.Sprintf("link[1] & 3 = %d", n.value)
	}
	return ""
}

// blockAck says the subtypes "ba" and "bar" by a load.
func blockAck(f *filter, n node) string {
	if w, ok := n.(*wlanType); ok {
		words := strings.Fields(f.src[w.pos:w.end])
		if last := words[len(words)-1]; last == "ba" || last == "bar" {
			return frameControlLoads(f, n)
		}
	}
	return ""
}

// metadata says what loads metadata by a load that ends in the same way where
// there is none: the packet is rejected.
func metadata(f *filter) (edits []edit) {
	f.translate(func(_ *gen, n node, dlt int, _ *cond) {
		p, ok := n.(*plain)
		if !ok {
			return
		}
		inHeader := false
		switch p.kw {
		case kwInbound, kwOutbound:
			inHeader = slices.Contains([]int{8, 113, 166, 276, dltDSABroadcom, dltDSAMarvell}, dlt)
		case kwIfindex:
			inHeader = dlt == 276
		default:
			return
		}
		if !inHeader {
			edits = append(edits, edit{span: n.where(), text: "(link[0] / (1 * 0) = 0)"})
		}
	})
	return edits
}

// slipOutbound says the direction byte of SLIP.
func slipOutbound(_ *filter, n node) string {
	if p, ok := n.(*plain); ok && p.kw == kwOutbound {
		return "link[0] = 1"
	}
	return ""
}

// prefixLoads says a net by loads of no more than its prefix.
func prefixLoads(f *filter, n node) string {
	m, ok := n.(*match)
	if !ok || m.q.typ != typeNet {
		return ""
	}
	switch m.id.kind {
	case idIPv4Prefix, idIPv4Mask:
		if m.id.kind == idIPv4Prefix && m.id.num > 0 || strings.Trim(m.id.mask, "0.") != "" {
			return ""
		}
		switch {
		case m.q.proto != protoNone:
			return m.q.proto.String()
		case has(kwMPLS)(f):
			return "ip"
		}
		return "ip or arp or rarp"
	case idIPv6Prefix:
		addr := netip.MustParseAddr(m.id.text).As16()
		side := func(at int) string {
			words := []string{"ip6"}
			for i := 0; i < 4 && 32*i < int(m.id.num); i++ {
				mask := ^uint32(0) << max(0, 32*(i+1)-int(m.id.num))
				words = append(words, fmt.Sprintf("ip6[%d:4] & %d = %d", at+4*i, mask, binary.BigEndian.Uint32(addr[4*i:])))
			}
			return "(" + strings.Join(words, " and ") + ")"
		}
		switch m.q.dir {
		case dirSrc:
			return side(8)
		case dirDst:
			return side(24)
		case dirSrcAndDst:
			return side(8) + " and " + side(24)
		}
		return side(8) + " or " + side(24)
	}
	return ""
}

// dsaDirection says the tag of a switch by loads.
func dsaDirection(f *filter, n node) string {
	p, ok := n.(*plain)
	if !ok || p.kw != kwInbound && p.kw != kwOutbound {
		return ""
	}
	test := map[bool]string{true: "& 0xe0 = 0", false: "& 0xe0 = 0x20"}
	if f.dlt == dltDSAMarvell {
		test = map[bool]string{true: "& 0x40 = 0", false: "& 0xc0 = 0x40"}
	}
	return "link[12] " + test[p.kw == kwInbound]
}

// decnetLoads says the destination of DECnet packets by loads of the size of what
// is compared.
func decnetLoads(_ *filter, n node) string {
	m, ok := n.(*match)
	if !ok || m.q.proto != protoDecnet || m.q.dir == dirSrc {
		return ""
	}
	addr := (&gen{}).decnetAddr(m.id.text)
	node := addr>>8 | addr&0xff<<8
	dst := fmt.Sprintf("((decnet[2] & 7 = 2 and decnet[3:2] = %d) or (decnet[2:2] & 0xff07 = 0x8102 and decnet[4:2] = %[1]d)"+
		" or (decnet[2] & 7 = 6 and decnet[9:2] = %[1]d) or (decnet[2:2] & 0xff07 = 0x8106 and decnet[10:2] = %[1]d))", node)
	switch m.q.dir {
	case dirDst:
		return dst
	case dirSrcAndDst:
		return "decnet src " + m.id.text + " and " + dst
	}
	return "decnet src " + m.id.text + " or " + dst
}

// decidedByLink says what is true or false on any packet of the link type by a
// comparison, which libpcap does not work out.
func decidedByLink(f *filter) (edits []edit) {
	f.translate(func(_ *gen, n node, _ int, c *cond) {
		v, ok := decided(c)
		if !ok {
			return
		}
		s := f.whole(n.where())
		words := "(" + constantWords(v) + ")"
		if p, ok := n.(*plain); ok && slices.Contains([]keyword{kwVLAN, kwMPLS, kwPPPoES, kwGeneve, kwVXLAN}, p.kw) {
			words = "(" + f.src[s.pos:s.end] + " or 1 = 2)" // never true; it moves the offsets
		}
		edits = append(edits, edit{span: s, text: words})
	})
	return f.spellOut(edits)
}

const yes, no = "1 = 1", "1 = 2"

func constantWords(v bool) string {
	if v {
		return yes
	}
	return no
}

// decided is the value of a condition that does not depend on the packet. What
// stands beside something that decides the whole is not looked at.
func decided(c *cond) (v, ok bool) {
	switch c.kind {
	case condTest:
		if c.test.a.op == opConst && c.test.b.op == opConst {
			return c.test.holds(c.test.a.k, c.test.b.k), true
		}
	case condNot:
		v, ok = decided(c.l)
		return !v, ok
	case condAnd, condOr:
		l, lok := decided(c.l)
		r, rok := decided(c.r)
		decides := c.kind == condOr
		if lok && l == decides || rok && r == decides {
			return decides, true
		}
		return !decides, lok && rok
	}
	return false, false
}

// guards says first, and in the order of the text, what must hold for the loads
// of a comparison to make sense.
func guards(f *filter) (edits []edit) {
	f.translate(func(g *gen, n node, _ int, c *cond) {
		r, ok := n.(*relation)
		if !ok {
			return
		}
		words := append(guardWords(g, r.a), guardWords(g, r.b)...)
		if words == nil {
			return
		}
		if i := slices.Index(words, no); i >= 0 {
			words = words[:i+1] // what is behind is decided
		}
		s := f.whole(r.span)
		first := "(" + strings.Join(words, " and ")
		if _, constant := decided(c); constant {
			edits = append(edits, edit{span: s, text: first + ")"})
			return
		}
		edits = append(edits, edit{span: span{s.pos, s.pos}, text: first + " and "}, edit{span: span{s.end, s.end}, text: ")"})
	})
	return edits
}

func guardWords(g *gen, x arith) []string {
	word := func(p proto) string {
		if v, ok := decided(g.abbrev(p)); ok {
			return constantWords(v)
		}
		return p.String()
	}
	switch x := x.(type) {
	case *arNegate:
		return guardWords(g, x.x)
	case *arBinary:
		return guardWords(g, x.a)
	case *arLoad:
		words := guardWords(g, x.index)
		switch x.proto {
		case protoRadio, protoLink:
			return words
		case protoICMP6:
			return append(words, word(protoIP6), "ip6[6] = 58")
		case protoSCTP, protoTCP, protoUDP, protoICMP, protoIGMP, protoIGRP, protoPIM, protoVRRP, protoCARP:
			return append(append([]string{word(protoIP)}, words...), word(x.proto), "ip[6:2] & 0x1fff = 0")
		}
		return append(words, word(x.proto))
	}
	return nil
}

// divisors puts a factor of one before what is evaluated first in a divisor or a
// shift count that is not a number.
func divisors(f *filter) (edits []edit) {
	var walk func(x arith)
	walk = func(x arith) {
		switch x := x.(type) {
		case *arNegate:
			walk(x.x)
		case *arLoad:
			walk(x.index)
		case *arBinary:
			walk(x.a)
			walk(x.b)
			switch x.op {
			case '/', '%', tLSH, tRSH:
				if _, number := x.b.(*arNumber); number {
					return
				}
				if n := firstNumber(x.b); n != nil {
					edits = append(edits, edit{span: n.span, text: "(1 * " + f.src[n.pos:n.end] + ")"})
				}
			}
		}
	}
	f.walk(func(n node) {
		if r, ok := n.(*relation); ok {
			walk(r.a)
			walk(r.b)
		}
	})
	return edits
}

// firstNumber is what arithmetic evaluates first, if that is a number.
func firstNumber(x arith) *arNumber {
	switch x := x.(type) {
	case *arNumber:
		return x
	case *arNegate:
		return firstNumber(x.x)
	case *arLoad:
		return firstNumber(x.index)
	case *arBinary:
		return firstNumber(x.a)
	}
	return nil
}
