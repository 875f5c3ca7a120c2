package pcapfilter

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/bpfjit/bpfjit/bpfc"
)

// search turns chains of tests of one value against numbers into searches. The
// chain of "host a or host b or ..." tests two values in turn:
//
//	[26] == a ? accept : [30] == a ? accept : [26] == b ? accept : ...
//
// Once both loads are known to succeed the order of tests with the same outcome
// does not matter, so the tests of each value are gathered first.
//
// order is the graph's layout.
func search(vs *values, order []*block, slots int) (*block, int) {
	root := order[0]
	s := &searcher{vs: vs, gr: newGraph(), preds: waysTo(order), conv: make([]*part, len(order)+1), slots: slots}
	for i := len(order) - 1; i >= 0; i-- {
		b := order[i]
		s.conv[b.id] = s.convert(b)
		s.conv[b.id].single = s.preds[b.id] == 1
	}
	s.findShared(s.conv[root.id])
	return s.build(s.conv[root.id]), s.slots
}

type searcher struct {
	vs    *values
	gr    *graph
	preds []int   // by block: how many ways lead to it
	conv  []*part // by block
	slots int

	shared map[string]*sharedSearch
	keys   map[*part]string

	parts slab[part]
	cases slab[caseList]
}

// part is a piece of the new graph: a block as it was, or a multiway branch.
type part struct {
	old  *block // of a block as it was
	v    *value // of a branch
	list *caseList
	n    int   // how many cases
	out  *part // where all cases lead, or nil if not to the same part
	def  *part // where to go in no case

	single bool // one way leads here
	safe   bool // its loads cannot fail

	built *block
}

// caseList is the cases of a branch; the first that fits counts.
type caseList struct {
	lo, hi uint32
	to     *part
	next   *caseList
	test   test // the test it was, if it was one
}

// interval gives the numbers for which a test of a value against a constant
// holds, if they follow one another.
func interval(t test) (v *value, lo, hi uint32, ok bool) {
	if t.b.op != opConst || t.a.op == opConst {
		return nil, 0, 0, false
	}
	k := t.b.k
	switch t.cmp {
	case bpfc.JmpJEQ:
		if a := t.a; a.op == opALU && a.alu == bpfc.AluAND && a.b.op == opConst && a.a.op == opLoad {
			// A network: the high bits.
			if m := a.b.k; m != 0 && bits.LeadingZeros32(^m)+bits.TrailingZeros32(m) == 32 && k&^m == 0 && a.a.size == 4 {
				return a.a, k, k | ^m, true
			}
		}
		return t.a, k, k, true
	case bpfc.JmpJGT:
		return t.a, k + 1, ^uint32(0), k != ^uint32(0)
	case bpfc.JmpJGE:
		return t.a, k, ^uint32(0), true
	}
	return nil, 0, 0, false
}

// convert makes the part of a block whose successors have theirs.
func (s *searcher) convert(b *block) *part {
	asIs := func() *part { return s.parts.make(part{old: b, safe: b.safe}) }
	if b.kind != blockTest || b.jt == b.jf {
		return asIs()
	}
	v, lo, hi, ok := interval(b.test)
	if !ok {
		return asIs()
	}
	to, rest, orig := s.conv[b.jt.id], s.conv[b.jf.id], b.test
	if c := b.jt; b.test.cmp == bpfc.JmpJGE && c.kind == blockTest && c.test.cmp == bpfc.JmpJGT && c.test.a == v &&
		c.test.b.op == opConst && c.jt == b.jf && s.preds[c.id] == 1 && c.jf != c.jt {
		// lo <= v, and not v > hi
		hi, to, orig = c.test.b.k, s.conv[c.jf.id], test{}
		if lo > hi {
			return asIs()
		}
	} else if rest.v != v && to.v == v && to.single && lo == 0 != (hi == ^uint32(0)) {
		// The rest of the chain is on the other side.
		to, rest = rest, to
		if lo == 0 {
			lo, hi = hi+1, ^uint32(0)
		} else {
			lo, hi = 0, lo-1
		}
		orig = test{}
	}
	return s.prepend(s.parts.make(part{v: v, safe: b.safe}), s.cases.make(caseList{lo: lo, hi: hi, to: to, test: orig}), rest, 3)
}

// prepend makes a branch of one more case before what rest does. Branches of
// other values may come between, if all cases lead to the same part and nothing
// can fail, or if failing is what the cases come to.
func (s *searcher) prepend(p *part, c *caseList, rest *part, hops int) *part {
	p.list, p.n, p.out, p.def = c, 1, c.to, rest
	if !p.safe && !c.to.rejects() || rest.out != c.to {
		rest = rest.turned(p.v) // p cannot move
	}
	if rest.v == nil || !rest.single || !rest.safe && !c.to.rejects() {
		return p
	}
	p.def = rest
	if rest.v == p.v {
		c.next = rest.list
		p.n, p.def = rest.n+1, rest.def
		if rest.out != c.to {
			p.out = nil
		}
		return p
	}
	d := rest.def
	if hops == 0 || !rest.exchangeable(d) || rest.out != c.to || !p.safe && !c.to.rejects() {
		return p
	}
	// Look whether the value is tested further on; if so the case goes there.
	moved := s.prepend(s.parts.make(part{v: p.v, safe: p.safe && d.safe, single: true}), c, d, hops-1)
	if moved.n == 1 && moved.def == d {
		p.list = c
		return p // it is not
	}
	return s.parts.make(part{v: rest.v, list: rest.list, n: rest.n, out: rest.out, def: moved, single: true, safe: p.safe && rest.safe})
}

// exchangeable tells whether a branch and the one it comes to may be made in
// either order.
func (p *part) exchangeable(d *part) bool {
	return p.out != nil && d.v != nil && p.out == d.out && p.single && d.single && (p.safe && d.safe || p.out.rejects())
}

// turned is p, but for the order of two branches if the second is of v: what it
// tests is in the accumulator already.
func (p *part) turned(v *value) *part {
	if p.v == nil || p.v == v || p.def.v != v || !p.exchangeable(p.def) {
		return p
	}
	first, second := *p.def, *p
	first.safe = p.safe && first.safe
	second.safe = first.safe
	second.def, first.def = first.def, &second
	return &first
}

func (p *part) rejects() bool { return p.old != nil && p.old.kind == blockRet && p.old.ret == 0 }

// build makes the blocks of a part.
func (s *searcher) build(p *part) *block {
	if p.built != nil {
		return p.built
	}
	var b *block
	switch {
	case p.v != nil:
		if sh := s.shared[s.keys[p]]; sh != nil && len(sh.heads) > 1 {
			b = s.buildShared(p, sh)
		} else {
			b = s.branch(p.v, p.list, p.n, s.build(p.def))
			if !p.safe && !loads(b, p.v) {
				// All cases came to the same: the load may still reject.
				b = s.join(test{bpfc.JmpJEQ, p.v, s.vs.constant(0)}, b, b, false)
			}
		}
	case p.old.kind == blockRet:
		b = s.gr.ret(p.old.ret)
	case p.old.kind == blockAssign:
		b = s.gr.assign(p.old.sets, s.build(s.conv[p.old.jt.id]))
	default:
		b = s.join(p.old.test, s.build(s.conv[p.old.jt.id]), s.build(s.conv[p.old.jf.id]), p.safe)
	}
	p.built = b
	return b
}

// loads tells whether a block loads v to test it, or some of its bits.
func loads(b *block, v *value) bool {
	if v.op == opALU && v.immediate() {
		v = v.a
	}
	if b.kind != blockTest {
		return false
	}
	a := b.test.a
	return a == v || a.op == opALU && a.a == v
}

// join makes a test, unless it makes no difference.
func (s *searcher) join(x test, jt, jf *block, safe bool) *block {
	if jt == jf && (safe || jt.kind == blockRet && jt.ret == 0) {
		return jt
	}
	// Bits that are all clear, and a bit that is set, have their own test.
	if a := x.a; x.cmp == bpfc.JmpJEQ && x.b.op == opConst && a.op == opALU && a.alu == bpfc.AluAND && a.b.op == opConst {
		bit := test{bpfc.JmpJSET, a.a, a.b}
		switch k := x.b.k; {
		case k == 0:
			return s.gr.branch(bit, jf, jt)
		case k == a.b.k && k&(k-1) == 0:
			return s.gr.branch(bit, jt, jf)
		}
	}
	return s.gr.branch(x, jt, jf)
}

// branch makes the tests of a multiway branch.
func (s *searcher) branch(v *value, list *caseList, n int, def *block) *block {
	if n == 1 && list.test.a != nil {
		return s.join(list.test, s.build(list.to), def, true)
	}
	w := &searchTree{s: s, v: v, def: def}
	segs, seen := paint(list, n, v.max)
	for _, g := range segs {
		if s.build(g.to) != def {
			w.segs = append(w.segs, g)
		}
	}
	// One by one, cases may as well overlap: what is in several is a matter of
	// the first.
	var inTurn []segment
	for i, c := 0, list; i < n && len(inTurn) <= chainSize; i, c = i+1, c.next {
		if seen[i] {
			inTurn = append(inTurn, segment{c.lo, c.hi, c.to, i})
		}
	}
	if k := tests(inTurn, 0, v.max); k <= chainSize && k < tests(w.segs, 0, v.max) {
		return w.chain(inTurn, 0, v.max)
	}
	return w.build(0, len(w.segs), 0, v.max)
}

// searchTree builds a binary search.
type searchTree struct {
	s    *searcher
	v    *value
	def  *block
	segs []segment
}

// Whether a list is searched or tested one by one is a matter of both time and
// size. A search among n numbers takes a test more for each leaf, and the
// outcomes of its tests cannot be predicted: on real packets a processor takes
// as long for one of them as for some ten tests for equality that fail, which it
// foresees. So up to chainSize tests one by one are as quick on the worst way,
// mostly quicker, and always the smallest program. Above, the worst way is what
// counts: it has one more test when the list is twice as long. Leaves of
// leafSize instead of one or two cost about three instructions on that way, but
// with smaller ones the program is half as long again.
const (
	chainSize = 12
	leafSize  = 5
)

// build makes the search among segments i to j, where the value is from lo to hi.
func (w *searchTree) build(i, j int, lo, hi uint32) *block {
	if n := tests(w.segs[i:j], lo, hi); n <= leafSize || n <= chainSize && j-i == len(w.segs) {
		return w.chain(w.segs[i:j], lo, hi)
	}
	leaves := (j - i + leafSize - 1) / leafSize
	mid := i + (leaves+1)/2*leafSize
	if mid >= j {
		mid = (i + j) / 2
	}
	at := w.segs[mid].lo
	high := w.build(mid, j, at, hi)
	low := w.build(i, mid, lo, at-1)
	return w.test(bpfc.JmpJGE, at, high, low)
}

// tests is how many tests segments take one by one, up to some more than
// chainSize.
func tests(segs []segment, lo, hi uint32) int {
	n := 0
	for _, g := range segs {
		n++
		if g.lo != g.hi && g.lo > lo && g.hi < hi {
			n++
		}
		if n > chainSize {
			break
		}
	}
	return n
}

// chain tests segments one by one, in the order of the list: who writes one puts
// first what is frequent.
func (w *searchTree) chain(segs []segment, lo, hi uint32) *block {
	segs = slices.Clone(segs)
	slices.SortStableFunc(segs, func(a, b segment) int { return cmp.Compare(a.order, b.order) })
	next := w.def
	for _, g := range slices.Backward(segs) {
		next = w.leaf(g, lo, hi, next)
	}
	return next
}

func (w *searchTree) leaf(g segment, lo, hi uint32, next *block) *block {
	to := w.s.build(g.to)
	switch {
	case to == next, g.lo <= lo && g.hi >= hi:
		return to
	case g.lo == g.hi:
		return w.test(bpfc.JmpJEQ, g.lo, to, next)
	case g.lo <= lo:
		return w.test(bpfc.JmpJGT, g.hi, next, to)
	case g.hi >= hi:
		return w.test(bpfc.JmpJGE, g.lo, to, next)
	}
	return w.test(bpfc.JmpJGE, g.lo, w.test(bpfc.JmpJGT, g.hi, next, to), next)
}

func (w *searchTree) test(cmp uint16, k uint32, jt, jf *block) *block {
	if jt == jf {
		return jt
	}
	return w.s.gr.branch(test{cmp, w.v, w.s.vs.constant(k)}, jt, jf)
}
