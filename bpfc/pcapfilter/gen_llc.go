package pcapfilter

import "github.com/bpfjit/bpfjit/bpfc"

// llcKinds are the types of 802.2 PDUs "llc" can test for: which bits of the
// control byte, and their value. "i" alone is the other way round.
var llcKinds = map[string]struct{ mask, value uint32 }{
	"s":   {0x03, 0x01},
	"u":   {0x03, 0x03},
	"rr":  {0x0f, 0x01},
	"rnr": {0x0f, 0x05},
	"rej": {0x0f, 0x09},

	"ui":    {0xef, 0x03},
	"ua":    {0xef, 0x63},
	"disc":  {0xef, 0x43},
	"sabme": {0xef, 0x6f},
	"test":  {0xef, 0xe3},
	"xid":   {0xef, 0xaf},
	"frmr":  {0xef, 0x87},
}

// llcTest tests for an 802.2 header, and for a type of PDU if one is said.
func (g *gen) llcTest(n *plain) *cond {
	if !g.lt.sap {
		g.fail("'llc' not supported for %s", g.linkName())
	}
	var c *cond
	switch g.dlt {
	case dltEther, dltDSABroadcom, dltDSAMarvell:
		// A length, and not Novell's use of 802.3 without 802.2.
		c = and(negate(g.cmpGT(g.linkType, 2, maxLength)), negate(g.cmp(g.sap(0), 2, 0xffff)))
	case 105, 119, 127, 163, 192:
		c = g.wlanData()
	default:
		c = nil
	}
	switch kind, ok := llcKinds[n.name]; {
	case n.name == "":
		if c == nil {
			c = g.yes()
		}
		return c
	case n.name == "i":
		return and(c, negate(g.test(bpfc.JmpJSET, g.load(g.sap(2), 1), g.constant(1))))
	case ok:
		return and(c, g.cmpMask(g.sap(2), 1, kind.value, kind.mask))
	}
	g.fail("unknown LLC type name %s", quote(n.name))
	return nil
}
