package pcapfilter

import "github.com/bpfjit/bpfjit/bpfc"

// number is an arithmetic expression's value, and what must hold for its loads
// to make sense: tcp[0] is only tested in TCP segments.
type number struct {
	v     *value
	guard *cond
}

// reserve and release count the scratch words libpcap holds while it evaluates
// an expression, so that we refuse the same ones as too deep: its code is a
// stack machine with 16 words, of which offsets take some for good.
func (g *gen) reserve() {
	if g.slots+g.live >= scratchWords {
		g.fail("too many registers needed to evaluate expression")
	}
	g.live++
}

func (g *gen) release() { g.live-- }

// relation translates a comparison. All are of unsigned numbers.
func (g *gen) relation(n *relation) *cond {
	g.live = 0
	a := g.arith(n.a)
	b := g.arith(n.b)
	g.live = 0
	cmp, inverted := bpfc.JmpJEQ, false
	switch n.op {
	case '>':
		cmp = bpfc.JmpJGT
	case tGE:
		cmp = bpfc.JmpJGE
	case '<':
		cmp, inverted = bpfc.JmpJGE, true
	case tLE:
		cmp, inverted = bpfc.JmpJGT, true
	case tNE:
		inverted = true
	}
	c := g.test(cmp, a.v, b.v)
	if inverted {
		c = negate(c)
	}
	return and(a.guard, b.guard, c)
}

var aluOps = map[tokenKind]uint16{
	'+': bpfc.AluADD, '-': bpfc.AluSUB, '*': bpfc.AluMUL, '/': bpfc.AluDIV, '%': bpfc.AluMOD,
	'&': bpfc.AluAND, '|': bpfc.AluOR, '^': bpfc.AluXOR, tLSH: bpfc.AluLSH, tRSH: bpfc.AluRSH,
}

func (g *gen) arith(n arith) number {
	switch n := n.(type) {
	case *arNumber:
		g.reserve()
		return number{v: g.constant(n.n)}
	case *arLen:
		g.reserve()
		return number{v: g.length()}
	case *arNegate:
		x := g.arith(n.x)
		x.v = g.neg(x.v)
		return x
	case *arLoad:
		return g.index(n)
	case *arBinary:
		a := g.arith(n.a)
		b := g.arith(n.b)
		g.at = n.where()
		if c, ok := n.b.(*arNumber); ok {
			switch {
			case n.op == '/' && c.n == 0:
				g.fail("division by zero")
			case n.op == '%' && c.n == 0:
				g.fail("modulus by zero")
			case (n.op == tLSH || n.op == tRSH) && c.n > 31:
				g.fail("shift by more than 31 bits")
			}
		}
		g.release()
		// libpcap drops what must hold for the right operand's loads to make
		// sense, and programs rely on what it does.
		return number{g.alu(aluOps[n.op], a.v, b.v), a.guard}
	}
	g.fail("can't parse filter expression: syntax error")
	return number{}
}

// index translates "proto[index:size]".
func (g *gen) index(n *arLoad) number {
	x := g.arith(n.index)
	g.reserve()
	g.release()
	g.at = n.where()
	if n.size != 1 && n.size != 2 && n.size != 4 {
		g.fail("data size must be 1, 2, or 4")
	}
	size := int(n.size)
	at := func(o offset) *value {
		i := x.v
		if o.variable {
			i = g.alu(bpfc.AluADD, i, g.slot(o.slot))
		}
		return g.loadAt(i, o.k, size)
	}
	switch p := n.proto; p {
	case protoRadio:
		if !g.lt.radio {
			g.failHint("it is in 802.11 captures with a radiotap, AVS or PRISM header", "radio information not present in capture")
		}
		return number{g.loadAt(x.v, 0, size), x.guard}
	case protoLink:
		g.needLinkHdr()
		return number{at(g.linkHdr), x.guard}
	case protoIP, protoARP, protoRARP, protoAtalk, protoDecnet, protoLat, protoSca, protoMopdl, protoMoprc, protoIP6:
		guard := g.abbrev(p)
		return number{at(g.net(0)), and(x.guard, guard)}
	case protoSCTP, protoTCP, protoUDP, protoICMP, protoIGMP, protoIGRP, protoPIM, protoVRRP, protoCARP:
		// The index's own conditions come behind the test for IP.
		guard := and(g.abbrev(protoIP), x.guard, and(g.abbrev(p), g.unfragmented()))
		return number{g.transport(x.v, 0, size), guard}
	case protoICMP6:
		guard := and(g.abbrev(protoIP6), g.cmp(g.net(6), 1, ipICMP6))
		return number{at(g.net(ip6HeaderLen)), and(x.guard, guard)}
	}
	g.fail("unsupported index operation")
	return number{}
}

// unfragmented tests that an IPv4 packet is whole or a first fragment.
func (g *gen) unfragmented() *cond { return negate(g.anyBits(g.net(6), 2, 0x1fff)) }

// headerLen is the length of the IPv4 header.
func (g *gen) headerLen() *value {
	o := g.net(0)
	if !o.variable {
		return g.intern(value{op: opMSH, k: o.k})
	}
	ihl := g.and(g.load(o, 1), 0xf)
	return g.alu(bpfc.AluLSH, ihl, g.constant(2))
}

// transport is size bytes at index plus k behind the IPv4 header.
func (g *gen) transport(index *value, k uint32, size int) *value {
	x := g.headerLen()
	o := g.net(k)
	if o.variable {
		x = g.alu(bpfc.AluADD, x, g.slot(o.slot))
	}
	if index != nil {
		x = g.alu(bpfc.AluADD, x, index)
	}
	return g.loadAt(x, o.k, size)
}
