package pcapfilter

import "github.com/bpfjit/bpfjit/bpfc"

// test compares two values: cmp is one of bpfc.JmpJEQ, JmpJGT, JmpJGE, JmpJSET.
type test struct {
	cmp  uint16
	a, b *value
}

// holds makes the comparison of two numbers.
func (t test) holds(a, b uint32) bool {
	switch t.cmp {
	case bpfc.JmpJEQ:
		return a == b
	case bpfc.JmpJGT:
		return a > b
	case bpfc.JmpJGE:
		return a >= b
	}
	return a&b != 0
}

// assign puts a value into a scratch word.
type assign struct {
	slot int
	v    *value
}

// cond is a boolean expression over tests, evaluated from left to right as far
// as needed.
type cond struct {
	kind condKind
	l, r *cond
	test test
	sets []assign // of condAssign, which is always true
}

type condKind uint8

const (
	condTest condKind = iota
	condAnd
	condOr
	condNot
	condAssign
)

// Boolean operators. A nil operand is "nothing to test" and true.

func and(cs ...*cond) *cond { return join(condAnd, cs) }
func or(cs ...*cond) *cond  { return join(condOr, cs) }

func join(kind condKind, cs []*cond) (r *cond) {
	for _, c := range cs {
		switch {
		case c == nil:
		case r == nil:
			r = c
		default:
			r = &cond{kind: kind, l: r, r: c}
		}
	}
	return r
}

func negate(c *cond) *cond {
	if c.kind == condNot {
		return c.l
	}
	return &cond{kind: condNot, l: c}
}

func (g *gen) test(cmp uint16, a, b *value) *cond {
	return g.conds.make(cond{kind: condTest, test: test{cmp, a, b}})
}

// yes and no are constant conditions.
func (g *gen) yes() *cond { return g.test(bpfc.JmpJEQ, g.constant(0), g.constant(0)) }
func (g *gen) no() *cond  { return g.test(bpfc.JmpJEQ, g.constant(1), g.constant(0)) }

// cmp tests that the size bytes at o are k.
func (g *gen) cmp(o offset, size int, k uint32) *cond {
	return g.test(bpfc.JmpJEQ, g.load(o, size), g.constant(k))
}

// cmpMask tests that the size bytes at o are k where mask has ones.
func (g *gen) cmpMask(o offset, size int, k, mask uint32) *cond {
	return g.test(bpfc.JmpJEQ, g.and(g.load(o, size), mask), g.constant(k))
}

func (g *gen) cmpGT(o offset, size int, k uint32) *cond {
	return g.test(bpfc.JmpJGT, g.load(o, size), g.constant(k))
}

// anyBits tests that one of the bits of mask is set in the size bytes at o.
func (g *gen) anyBits(o offset, size int, mask uint32) *cond {
	return g.test(bpfc.JmpJSET, g.load(o, size), g.constant(mask))
}

// block is a node of the program's graph: it sets scratch words or makes a
// test, and goes on; or it ends the program. The graph has no cycles.
type block struct {
	kind   blockKind
	test   test
	sets   []assign
	jt, jf *block // jf is nil for blockAssign
	ret    uint32 // of blockRet
	id     int    // from 1, in the order of layout; 0 before

	// safe is true once the optimiser knows that the test's loads cannot fail,
	// wherever the block is reached from.
	safe bool
	made bool // the optimiser has come by it before
}

type blockKind uint8

const (
	blockTest blockKind = iota
	blockAssign
	blockRet
)

// graph makes blocks. Equal blocks are the same one.
type graph struct {
	tab  map[blockKey]*block
	made slab[block]
}

type blockKey struct {
	test   test
	jt, jf *block
	ret    uint32
	kind   blockKind
}

func newGraph() *graph { return &graph{tab: map[blockKey]*block{}} }

func (gr *graph) ret(k uint32) *block {
	return gr.intern(blockKey{kind: blockRet, ret: k})
}

func (gr *graph) branch(t test, jt, jf *block) *block {
	if t.a.op == opConst && t.b.op == opConst {
		if t.holds(t.a.k, t.b.k) {
			return jt
		}
		return jf
	}
	return gr.intern(blockKey{kind: blockTest, test: t, jt: jt, jf: jf})
}

func (gr *graph) assign(sets []assign, next *block) *block {
	return gr.made.make(block{kind: blockAssign, sets: sets, jt: next})
}

func (gr *graph) intern(k blockKey) *block {
	if b, ok := gr.tab[k]; ok {
		return b
	}
	b := gr.made.make(block{kind: k.kind, test: k.test, jt: k.jt, jf: k.jf, ret: k.ret})
	gr.tab[k] = b
	return b
}

// lower makes blocks of a condition: t where it holds, f where not. It walks
// down the left spine, which is as long as the longest chain of "or"; only
// nesting makes it recurse.
func (gr *graph) lower(c *cond, t, f *block) *block {
	for {
		switch c.kind {
		case condAnd:
			t, c = gr.lower(c.r, t, f), c.l
		case condOr:
			f, c = gr.lower(c.r, t, f), c.l
		case condNot:
			t, f, c = f, t, c.l
		case condAssign:
			return gr.assign(c.sets, t)
		default:
			if x := c.test; x.a.op != opConst || x.b.op != opConst {
				return gr.made.make(block{kind: blockTest, test: x, jt: t, jf: f}) // equal ones are rare here
			}
			return gr.branch(c.test, t, f)
		}
	}
}
