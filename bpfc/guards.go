package bpfc

import (
	"math"
	"slices"
)

// A guard of a constant length is redundant where as much was checked on every
// way to it; one at an index, where a dominating block checked as much at the
// same index, or another in its block does.

// dropGuards removes redundant guards.
func dropGuards(g *Graph) {
	g.number()
	need := make([]demand, len(g.Blocks)) // by Block.ID
	for _, b := range g.Blocks {
		need[b.ID] = b.demand(g, demand{0, -1})
	}
	placeGuards(g, need)
}

// hoistGuards makes length checks few and early. Since a failing check and a
// verdict of 0 are the same thing, a block may check at once for all that every
// way on from it needs; what rejects anyway needs infinitely much. This is
// bpfjit's "array bounds check elimination", on a graph. A block that needs
// more than a packet can have rejects.
func hoistGuards(g *Graph) {
	g.number()
	need := make([]demand, len(g.Blocks))
	for i := len(g.Blocks) - 1; i >= 0; i-- {
		b := g.Blocks[i]
		d := demand{0, -1}
		if b.Term != TermRet {
			d = need[b.Succs[0].ID]
			for _, s := range b.Succs[1:] {
				if n := need[s.ID]; n.bytes < d.bytes {
					d = n
				}
			}
		}
		need[b.ID] = b.demand(g, d)
	}
	placeGuards(g, need)
}

// demand is how many bytes a packet must have for any way on from the start of
// a block to accept it, and the position of the loads that say so.
type demand struct {
	bytes uint64
	pos   int32
}

// demand is what the block needs by itself, if what comes after it needs d.
func (b *Block) demand(g *Graph, d demand) demand {
	never := demand{math.MaxUint64, -1}
	if b.rejects() {
		return never
	}
	for _, v := range b.Body {
		switch {
		case v.Op == GuardNonZero:
			if c, ok := v.Args[0].constant(); ok && c == 0 {
				return never
			}
		case v.Op == GuardLen && len(v.Args) == 0:
			d.bytes = max(d.bytes, v.Need)
			d.pos = g.position(d.pos, v.Pos)
		}
	}
	return d
}

// rejects says whether the block ends with the verdict 0.
func (b *Block) rejects() bool {
	return b.Term == TermRet && b.A.Op == OpConst && b.A.K == reject
}

// placeGuards replaces the guards of a constant length by one at the start of
// each block that needs more than was checked on some way to it.
func placeGuards(g *Graph, need []demand) {
	checked := make([]uint64, len(g.Blocks)) // on all ways out of the block
	indexed := indexGuards{}
	for i, b := range g.Blocks {
		d := need[i]
		if d.bytes > math.MaxUint32 {
			g.rejectIn(b)
			continue
		}
		before := uint64(math.MaxUint64)
		for _, p := range b.Preds {
			if p.Term != TermRet { // one that rejects now leads nowhere
				before = min(before, checked[p.ID])
			}
		}
		if i == 0 {
			before = 0
		}
		checked[i] = max(before, d.bytes)

		b.Body = slices.DeleteFunc(b.Body, func(v *Value) bool {
			return v.Op == GuardLen && (len(v.Args) == 0 || indexed.covered(g, v))
		})
		if d.bytes > before {
			b.Body = slices.Insert(b.Body, 0, g.node(b, Value{Op: GuardLen, Need: d.bytes, Pos: d.pos}))
		}
	}
	removeDead(g) // what only blocks that now reject led to
}

// rejectIn makes b reject every packet. Its edges stay in Preds until removeDead.
func (g *Graph) rejectIn(b *Block) {
	b.Phis, b.Body, b.Succs, b.Cases, b.B = nil, nil, nil, nil, nil
	b.Term, b.A = TermRet, g.constant(reject)
}

// indexGuards has, for each class of index values, the last guard that was
// kept for it.
type indexGuards map[int]*Value

// covered says whether a kept guard makes v unnecessary, after raising one
// earlier in the same block to what v needs; else it keeps v.
func (kept indexGuards) covered(g *Graph, v *Value) bool {
	index := v.Args[0].num
	old := kept[index]
	switch {
	case old == nil || !old.Block.dominates(v.Block):
	case old.Need >= v.Need:
		return true
	case old.Block == v.Block:
		old.Need = v.Need
		old.Pos = g.position(old.Pos, v.Pos)
		return true
	}
	kept[index] = v
	return false
}
