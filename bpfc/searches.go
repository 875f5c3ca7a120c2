package bpfc

import "slices"

// joinSearches makes one multiway branch of a search tree: tests of one value
// for order, and below them for equality, as compilers of long lists write them. The machine
// may know better ways to look a value up than the list's author had.
func joinSearches(g *Graph) {
	taken := make([]bool, len(g.Blocks)) // by Block.ID
	g.number()
	for _, b := range g.Blocks {
		if taken[b.ID] || !b.searches() || b.Test == TestEQ {
			continue
		}
		tree := b.searchTree()
		if len(tree) < leastCases {
			continue
		}
		for _, n := range tree {
			taken[n.ID] = true
		}
		cases, targets, ok := b.flatten(tree)
		if !ok || len(cases) < leastCases {
			continue
		}
		for _, n := range tree[1:] {
			b.Pos = g.position(b.Pos, n.Pos)
			g.rejectIn(n) // nothing leads to it
		}
		b.Term, b.B, b.Cases, b.Succs = TermSwitch, nil, cases, targets
	}
	removeDead(g)
}

// searches says whether the block may be part of a search tree.
func (b *Block) searches() bool {
	return b.Term == TermTest && b.Test != TestSET && b.B.Op == OpConst &&
		len(b.Succs[0].Phis) == 0 && len(b.Succs[1].Phis) == 0
}

// searchDepth bounds a search tree, so that walks down it are short.
const searchDepth = 40

// searchTree is b and the blocks below it that only go on with its search.
func (b *Block) searchTree() []*Block {
	tree, level := []*Block{b}, []*Block{b}
	for depth := 0; depth < searchDepth && len(level) > 0; depth++ {
		var next []*Block
		for _, n := range level {
			for _, s := range n.Succs {
				if s.searches() && s.A == b.A && len(s.Preds) == 1 && len(s.Phis)+len(s.Body) == 0 {
					next = append(next, s)
				}
			}
		}
		tree = append(tree, next...)
		level = next
	}
	return tree
}

// flatten gives the values that lead elsewhere than most do, where they lead,
// and, as the first target, where all others lead. It fails if those that lead
// elsewhere are not single values.
func (b *Block) flatten(tree []*Block) (cases []uint32, targets []*Block, ok bool) {
	inside := make(map[*Block]bool, len(tree))
	starts := []uint64{0} // of the stretches of values that take the same way
	for _, n := range tree {
		inside[n] = true
		k := uint64(n.B.K)
		switch n.Test {
		case TestEQ:
			starts = append(starts, k, k+1)
		case TestGE:
			starts = append(starts, k)
		case TestGT:
			starts = append(starts, k+1)
		}
	}
	slices.Sort(starts)
	starts = slices.Compact(starts)
	const end = 1 << 32
	if starts[len(starts)-1] == end {
		starts = starts[:len(starts)-1]
	}
	ways := make([]*Block, len(starts))
	var most *Block
	longest := uint64(0)
	length := func(i int) uint64 {
		if i+1 < len(starts) {
			return starts[i+1] - starts[i]
		}
		return end - starts[i]
	}
	for i, v := range starts {
		ways[i] = b.wayOf(uint32(v), inside)
		if n := length(i); n > longest {
			most, longest = ways[i], n
		}
	}
	targets = []*Block{most}
	for i, way := range ways {
		switch {
		case way == most:
		case length(i) == 1:
			cases, targets = append(cases, uint32(starts[i])), append(targets, way)
		default:
			return nil, nil, false
		}
	}
	return cases, targets, true
}

// wayOf is where a value leaves the tree below b.
func (b *Block) wayOf(v uint32, inside map[*Block]bool) *Block {
	for inside[b] {
		holds := v == b.B.K
		switch b.Test {
		case TestGT:
			holds = v > b.B.K
		case TestGE:
			holds = v >= b.B.K
		}
		if holds {
			b = b.Succs[0]
		} else {
			b = b.Succs[1]
		}
	}
	return b
}
