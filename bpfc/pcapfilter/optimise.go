package pcapfilter

import (
	"math"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
)

// optimise makes a program that gives the same verdict on every packet with
// fewer tests: those whose outcome is known on a way are left out of it (thread),
// lists of addresses become trees (opt_trie.go), and tests of one value against
// many numbers a search (opt_search.go).
//
// What must survive is which loads can fail before which verdict: a load may go
// only if it is known not to fail, or if the packet is rejected anyhow.
//
// lower makes the graph, a new one each time, as it is taken apart; slots is how
// many scratch words are in use.
func optimise(vs *values, lower func() *block, slots int) []bpf.RawInstruction {
	order := layout(lower())
	if len(order) > maxBlocks {
		return emit(vs, lower(), slots, false)
	}
	// There is more than one way to do it, and which gives the best program cannot
	// be told before; where trying takes long, one that is good for lists is taken.
	var best []bpf.RawInstruction
	cost := 0
	plain := math.MaxInt
	if len(order) < smallGraph {
		plain = len(emit(vs, lower(), slots, true))
	}
	try := func(order []*block, slots int, thread func(t *threader, order []*block) *block) (doubled bool) {
		t := newThreader(vs, order)
		root, slots := search(vs, dropLoads(layout(thread(t, order))), slots)
		if len(order) < smallGraph {
			reorder(root)
		}
		prog := emit(vs, root, slots, false)
		c := costOf(prog)
		if len(prog) > plain {
			c += math.MaxInt32 // only if there is nothing else
		}
		if best == nil || c < cost {
			best, cost = prog, c
		}
		return t.doubled > len(order)/8
	}
	small := len(order) < smallGraph
	listed, used := tries(vs, group(order), slots)
	doubled := try(listed, used, (*threader).threadAll)
	// The plain program has at least an instruction for each test.
	long := func() bool { return len(best) > len(order) }
	if doubled || small || long() {
		listed, used = tries(vs, group(layout(lower())), slots)
		try(listed, used, (*threader).threadOnce)
	}
	if small || long() {
		try(layout(lower()), slots, (*threader).threadOnce)
	}
	if long() {
		if prog := emit(vs, lower(), slots, false); len(prog) < len(best) {
			return prog
		}
	}
	return best
}

// costOf weighs a program's length, which counts for the kernel and for whoever
// compiles it further, and its longest way, which is seldom gone to the end.
func costOf(prog []bpf.RawInstruction) int { return 2*len(prog) + longest(prog) }

// longest is how many instructions the longest way through a program executes,
// each of a loop once.
func longest(prog []bpf.RawInstruction) int {
	from := make([]int, len(prog)+1) // from each instruction on
	for i := len(prog) - 1; i >= 0; i-- {
		next := func(skip uint32) int {
			if uint64(i)+1+uint64(skip) < uint64(len(prog)) {
				return from[i+1+int(skip)]
			}
			return 0
		}
		ins := prog[i]
		switch class := ins.Op & 7; {
		case class == bpfc.ClassRET:
			from[i] = 1
		case ins.Op == bpfc.Ja:
			from[i] = 1 + next(ins.K)
		case class == bpfc.ClassJMP:
			from[i] = 1 + max(next(uint32(ins.Jt)), next(uint32(ins.Jf)))
		default:
			from[i] = 1 + next(0)
		}
	}
	return from[0]
}

// smallGraph is up to how many blocks the tests of a list are also left as they
// were, in case that is shorter than a tree of them.
const smallGraph = 400

func reset(order []*block) {
	for _, b := range order {
		b.id = 0
	}
}

// needs is what the blocks from one on look at.
type needs struct {
	length uint32
	tested uint64 // of the values the threader keeps track of, by bit
	index  map[*value]int
}

func (n *needs) uses(v *value) bool {
	i, ok := n.index[v]
	return ok && n.tested&(1<<i) != 0
}

// maxTracked is how many values facts are kept of: filters test few values, if
// against many numbers.
const maxTracked = 64

// maxVisits is from how many ways to a block on less is taken to be known at it:
// only what the first value tested is, which is the network protocol as a rule;
// and from twice as many on nothing. Filters have a few, a combination of network
// and transport protocols each; but long lists of IPv6 addresses have many.
const maxVisits = 16

// maxBlocks bounds the graphs that are optimised: the walk recurses as deep as
// the longest way through the program.
const maxBlocks = 400_000

// threader walks the graph with what is known, and builds another one.
type threader struct {
	vs     *values
	out    *graph
	reject *block
	ne     *unequalFacts
	needs  []needs   // by block
	memo   [][]visit // by block
	preds  []int     // by block: how many ways lead to it
	budget int       // how many more blocks to walk over
	first  *value    // the value the program tests first

	doubled int // how many blocks were made more often than once
}

// visit is what came of a block where something was known.
type visit struct {
	key string
	to  *block
}

func newThreader(vs *values, order []*block) *threader {
	out := newGraph()
	t := &threader{vs: vs, out: out, reject: out.ret(0), ne: &unequalFacts{vs: vs, tab: map[unequal]int{}}}
	t.needs, t.memo, t.preds = make([]needs, len(order)+1), make([][]visit, len(order)+1), waysTo(order)
	t.budget = 24*len(order) + 10000
	if root := order[0]; root.kind == blockTest {
		t.first = root.test.a
	}
	index := map[*value]int{}
	for i := len(order) - 1; i >= 0; i-- {
		b := order[i]
		n := &t.needs[b.id]
		n.index = index
		for _, s := range []*block{b.jt, b.jf} {
			if s != nil {
				n.length = max(n.length, t.needs[s.id].length)
				n.tested |= t.needs[s.id].tested
			}
		}
		for _, s := range b.sets {
			n.add(s.v)
		}
		if b.kind == blockTest {
			n.add(b.test.a)
			n.add(b.test.b)
			if b.test.cmp == bpfc.JmpJSET && b.test.b.op == opConst {
				n.add(vs.and(b.test.a, b.test.b.k))
			}
		}
	}
	return t
}

// waysTo counts the ways that lead to each block.
func waysTo(order []*block) []int {
	n := make([]int, len(order)+1)
	for _, b := range order {
		for _, to := range []*block{b.jt, b.jf} {
			if to != nil {
				n[to.id]++
			}
		}
	}
	return n
}

// add notes that v is looked at, and all it is made of.
func (n *needs) add(v *value) {
	if v == nil || v.op == opConst {
		return
	}
	i, ok := n.index[v]
	if !ok && len(n.index) < maxTracked {
		i, ok = len(n.index), true
		n.index[v] = i
	}
	if ok {
		n.tested |= 1 << i
	}
	switch {
	case v.op == opMSH:
		n.length = max(n.length, v.k+1)
	case v.op == opLoad && v.a == nil && v.k < maxOffset:
		n.length = max(n.length, v.k+uint32(v.size))
	}
	n.add(v.a)
	n.add(v.b)
}

// threadAll returns what a graph comes to, with all that is known on each way.
func (t *threader) threadAll(order []*block) *block {
	return t.thread(order[0], &facts{ne: t.ne})
}

// thread returns what block b comes to where f holds.
func (t *threader) thread(b *block, f *facts) *block {
	for ; b.kind != blockRet && t.budget > 0; t.budget-- {
		if b.kind != blockTest || !f.available(b.test.a) || !f.available(b.test.b) {
			break
		}
		outcome, known := f.decide(b.test)
		if !known {
			break
		}
		if outcome {
			b = b.jt
		} else {
			b = b.jf
		}
	}
	if b.kind == blockRet {
		return t.out.ret(b.ret)
	}
	// Ways that differ in what is known are kept apart, but not without bound.
	if t.preds[b.id] == 1 && t.budget > 0 {
		return t.rebuild(b, f) // it is visited as often as the block before it
	}
	switch n := len(t.memo[b.id]); {
	case n >= 2*maxVisits || t.budget <= 0:
		f = &facts{ne: t.ne}
	case n >= maxVisits:
		f = f.project(&t.needs[b.id]).exactly(t.first)
	default:
		f = f.project(&t.needs[b.id])
	}
	key := f.key()
	for _, v := range t.memo[b.id] {
		if v.key == key {
			return v.to
		}
	}
	if len(t.memo[b.id]) > 0 {
		t.doubled++
	}
	to := t.rebuild(b, f)
	t.memo[b.id] = append(t.memo[b.id], visit{key, to})
	return to
}

// rebuild makes the block for b where f holds and does not decide it.
func (t *threader) rebuild(b *block, f *facts) *block {
	if b.kind == blockAssign {
		slots := uint32(0)
		for _, s := range b.sets {
			f = f.computed(s.v)
			slots |= 1 << s.slot
		}
		return t.out.assign(b.sets, t.thread(b.jt, f.overwritten(slots)))
	}
	x := b.test
	safe := f.available(x.a) && f.available(x.b)
	f = f.computed(x.a).computed(x.b)
	if outcome, known := f.decide(x); known {
		// Only its loads matter.
		next := b.jf
		if outcome {
			next = b.jt
		}
		return t.branch(x, t.thread(next, f), nil, safe)
	}
	jt := t.thread(b.jt, t.learn(f, x, true))
	learnt, undo := t.learn(f, x, false), func() {}
	if x.cmp == bpfc.JmpJEQ && x.b.op == opConst {
		undo = t.ne.add(x.a, x.b.k)
	}
	jf := t.thread(b.jf, learnt)
	undo()
	return t.branch(x, jt, jf, safe)
}

// learn is what is known once a test came out.
func (t *threader) learn(f *facts, x test, outcome bool) *facts {
	if x.b.op != opConst {
		return f
	}
	v, k := x.a, x.b.k
	lo, hi := f.rangeOf(v)
	switch {
	case x.cmp == bpfc.JmpJEQ && outcome:
		return f.within(v, k, k)
	case x.cmp == bpfc.JmpJEQ:
		return f.without(v, k)
	case x.cmp == bpfc.JmpJGT && outcome:
		return f.within(v, k+1, hi)
	case x.cmp == bpfc.JmpJGT:
		return f.within(v, lo, k)
	case x.cmp == bpfc.JmpJGE && outcome:
		return f.within(v, k, hi)
	case x.cmp == bpfc.JmpJGE:
		return f.within(v, lo, k-1)
	}
	bits := t.vs.and(v, k)
	if outcome {
		return f.without(bits, 0)
	}
	return f.within(bits, 0, 0)
}

// branch makes a block, unless it makes no difference. Without jf it only loads.
func (t *threader) branch(x test, jt, jf *block, safe bool) *block {
	if jf == nil || jt == jf {
		if safe || jt == t.reject {
			return jt
		}
		jf = jt
	}
	b := t.out.branch(x, jt, jf)
	b.safe = safe && (b.safe || !b.made)
	b.made = true
	return b
}
