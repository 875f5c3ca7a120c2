package bpfc

// Dominators of an acyclic graph are found in the walk that builds it: the
// immediate dominator of a block is the nearest common ancestor, in the
// dominator tree so far, of its predecessors. Each block also keeps a jump to
// a farther ancestor, placed so that any ancestor is O(log n) steps away
// (Myers, "An applicative random-access stack", 1983): chains of thousands of
// blocks, one for each host of a list, would make plain walks quadratic.

// setDominator hangs b into the dominator tree below the common dominator of
// its predecessors; all of them must have been placed.
func (b *Block) setDominator() {
	if len(b.Preds) == 0 {
		b.idom, b.jump, b.depth = nil, b, 0
		return
	}
	d := b.Preds[0]
	for _, p := range b.Preds[1:] {
		d = commonDominator(d, p)
	}
	b.idom, b.depth = d, d.depth+1
	if d.depth-d.jump.depth == d.jump.depth-d.jump.jump.depth {
		b.jump = d.jump.jump
	} else {
		b.jump = d
	}
}

// ancestor is the dominator of b at the given depth, at most b's own.
func (b *Block) ancestor(depth int) *Block {
	for b.depth > depth {
		if b.jump.depth >= depth {
			b = b.jump
		} else {
			b = b.idom
		}
	}
	return b
}

func commonDominator(a, b *Block) *Block {
	if a.depth > b.depth {
		a = a.ancestor(b.depth)
	} else {
		b = b.ancestor(a.depth)
	}
	for a != b {
		if a.jump != b.jump {
			a, b = a.jump, b.jump
		} else {
			a, b = a.idom, b.idom
		}
	}
	return a
}

// dominates says whether every way to b leads through a.
func (a *Block) dominates(b *Block) bool {
	return a.depth <= b.depth && b.ancestor(a.depth) == a
}
