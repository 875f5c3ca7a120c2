package bpfc

// joinChains makes one multiway branch of a chain of tests of one value for
// equality with constants: `port 53 or port 80 or ...` becomes a search.
func joinChains(g *Graph) {
	const least = 4 // tests; fewer are as fast one after the other
	for _, b := range g.Blocks {
		if !b.heads() || b.inChain() {
			continue
		}
		chain := []*Block{b}
		for next := b.Succs[1]; next.inChain() && next.A == b.A; next = next.Succs[1] {
			chain = append(chain, next)
		}
		if len(chain) >= least {
			b.join(g, chain)
		}
	}
	removeDead(g)
}

func (b *Block) testsEqual() bool {
	return b.Term == TermTest && b.Test == TestEQ && b.B.Op == OpConst
}

// heads says whether the block may be the first of a chain. Edges into blocks
// with phis stay as they are.
func (b *Block) heads() bool {
	return b.testsEqual() && len(b.Succs[0].Phis) == 0 && len(b.Succs[1].Phis) == 0
}

// inChain says whether the block only continues the chain of its predecessor.
func (b *Block) inChain() bool {
	if !b.heads() || len(b.Preds) != 1 || len(b.Phis) > 0 || len(b.Body) > 0 {
		return false
	}
	p := b.Preds[0]
	return p.heads() && p.A == b.A && p.Succs[1] == b && p.Succs[0] != b
}

// join makes b branch to where the blocks of the chain lead that it begins.
func (b *Block) join(g *Graph, chain []*Block) {
	succs := []*Block{chain[len(chain)-1].Succs[1]}
	var cases []uint32
	seen := map[uint32]bool{}
	for _, c := range chain {
		b.Pos = g.position(b.Pos, c.Pos)
		if k := c.B.K; !seen[k] { // the first test of a constant decides
			seen[k] = true
			cases, succs = append(cases, k), append(succs, c.Succs[0])
		}
	}
	for _, c := range chain[1:] {
		g.rejectIn(c) // nothing leads to it
	}
	b.Term, b.B, b.Cases, b.Succs = TermSwitch, nil, cases, succs
}
