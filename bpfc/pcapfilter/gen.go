package pcapfilter

import "github.com/bpfjit/bpfjit/bpfc"

// gen translates the syntax tree to conditions. It keeps what libpcap keeps
// between primitives: "vlan", "mpls", "pppoes", "geneve" and "vxlan" move the
// offsets for everything to their right.
type gen struct {
	*values
	conds slab[cond]
	opts  Options
	res   Resolver

	outer *linkType // the capture's link type
	lt    *linkType // that of the innermost encapsulation so far
	dlt   int       // its number

	linkHdr  offset // the link-layer header
	linkType offset // its type field
	linkPay  offset // its payload, before MPLS labels
	netOff   uint32 // the network layer in the payload: after LLC/SNAP and MPLS
	llcOff   uint32 // the same for what is right behind LLC, without SNAP

	mplsDepth int
	vlanDepth int
	tunnel    bool // inside geneve or vxlan, where an Ethernet header may be missing

	slots    int // scratch words in use for offsets
	live     int // scratch words libpcap would hold for arithmetic
	prologue []*cond
	wifi     wifiState
	at       span // the primitive being translated, for faults
}

// scratchWords is how many scratch words a program has.
const scratchWords = bpfc.MemWords

// newGen prepares for a link type.
func newGen(opts Options) *gen {
	g := &gen{values: newValues(), opts: opts, res: opts.Resolver}
	if g.res == nil {
		g.res = Offline()
	}
	g.setLink(opts.LinkType.Number())
	g.outer = g.lt
	return g
}

// fail ends the translation; Compile turns the fault into an error.
func (g *gen) fail(format string, args ...any) { panic(faultf(g.at, format, args...)) }

func (g *gen) failHint(hint, format string, args ...any) {
	panic(faultf(g.at, format, args...).withHint("%s", hint))
}

// net is an offset in the network header, behind SNAP and MPLS labels.
func (g *gen) net(k uint32) offset { return g.payload().plus(g.netOff + k) }

// llc is an offset in what follows the 802.2 header or stands instead of it.
func (g *gen) llc(k uint32) offset { return g.payload().plus(g.llcOff + k) }

// payload is the place of the link layer's payload.
func (g *gen) payload() offset {
	g.needPayload()
	return g.linkPay
}

// newSlot takes a scratch word for an offset that will never be above limit.
func (g *gen) newSlot(limit uint32) int {
	if g.slots == scratchWords {
		g.fail("too many registers needed to evaluate expression")
	}
	g.slotMax(g.slots, limit)
	g.slots++
	return g.slots - 1
}

// cond translates a node. Chains are flat, so only nesting recurses.
func (g *gen) cond(n node) *cond {
	switch n := n.(type) {
	case *andOr:
		c := g.cond(n.links[0].x)
		for _, l := range n.links[1:] {
			r := g.cond(l.x)
			if l.or {
				c = or(c, r)
			} else {
				c = and(c, r)
			}
		}
		return c
	case *not:
		return negate(g.cond(n.x))
	}
	g.at = n.where()
	switch n := n.(type) {
	case *match:
		return g.match(n)
	case *abbrev:
		return g.abbrev(n.proto)
	case *relation:
		return g.relation(n)
	case *cast:
		if n.broadcast {
			return g.broadcast(n.proto)
		}
		return g.multicast(n.proto)
	case *lengthTest:
		if n.greater {
			return g.test(bpfc.JmpJGE, g.length(), g.constant(n.n))
		}
		return negate(g.test(bpfc.JmpJGT, g.length(), g.constant(n.n)))
	case *byteTest:
		return g.byteTest(n)
	case *wlanType:
		return g.wlanType(n)
	case *wlanDir:
		return g.wlanDir(n)
	case *plain:
		return g.plain(n)
	}
	g.fail("can't parse filter expression: syntax error")
	return nil
}

func (g *gen) length() *value { return g.intern(value{op: opLen}) }

// plain translates the primitives of one keyword.
func (g *gen) plain(n *plain) *cond {
	switch n.kw {
	case kwVLAN:
		return g.vlan(n)
	case kwMPLS:
		return g.mpls(n)
	case kwPPPoED:
		return g.linktype(etherPPPoED)
	case kwPPPoES:
		return g.pppoes(n)
	case kwGeneve:
		return g.geneve(n)
	case kwVXLAN:
		return g.vxlan(n)
	case kwInbound:
		return g.inbound(true)
	case kwOutbound:
		return g.inbound(false)
	case kwIfindex:
		return g.ifindex(n.num)
	case kwLLC:
		return g.llcTest(n)
	case kwATM, kwATMField:
		g.fail("%s supported only on raw ATM", quote(n.word))
	case kwMTP, kwMTPField:
		g.fail("%s supported only on MTP2", quote(n.word))
	}
	g.fail("%s supported only on PF linktype", quote(n.word))
	return nil
}

// checkMax refuses a number that its field cannot hold.
func (g *gen) checkMax(what string, n, limit uint32) {
	if n > limit {
		g.fail("%s %d greater than maximum %d", what, n, limit)
	}
}

// byteTest is "byte OFFSET OP VALUE", relative to the link-layer header.
func (g *gen) byteTest(n *byteTest) *cond {
	g.checkMax("byte argument", n.value, 0xff)
	g.needLinkHdr()
	at := g.linkHdr.plus(n.offset) // in an encapsulation this wraps, as libpcap's does
	b, value := g.load(at, 1), g.constant(n.value)
	if at.k >= maxOffset {
		// Not to be mistaken for one of Linux's metadata offsets.
		b = g.loadAt(g.constant(at.k), 0, 1)
	}
	switch n.op {
	case '=':
		return g.test(bpfc.JmpJEQ, b, value)
	case '<':
		return negate(g.test(bpfc.JmpJGE, b, value))
	case '>':
		return g.test(bpfc.JmpJGT, b, value)
	case '|':
		b = g.alu(bpfc.AluOR, b, value)
	default:
		b = g.alu(bpfc.AluAND, b, value)
	}
	return negate(g.test(bpfc.JmpJEQ, b, g.constant(0)))
}
