package bpfc

// joinReturns leads every way that ends with a constant verdict to one block
// for that verdict, the last there is.
func joinReturns(g *Graph) {
	last := map[uint32]*Block{}
	for _, b := range g.Blocks {
		if b.returnsOnly() {
			last[b.A.K] = b
		}
	}
	for _, b := range g.Blocks {
		for i, s := range b.Succs {
			if s.returnsOnly() {
				b.Succs[i] = last[s.A.K]
			}
		}
		b.dropTest()
	}
	removeDead(g)
}

// returnsOnly says whether all that the block does is to end with a constant.
func (b *Block) returnsOnly() bool {
	return b.Term == TermRet && b.A.Op == OpConst && len(b.Phis)+len(b.Body) == 0
}

// dropTest makes a test a jump if both its ways are one.
func (b *Block) dropTest() {
	if b.Term == TermTest && b.Succs[0] == b.Succs[1] && len(b.Succs[0].Phis) == 0 {
		b.Term, b.A, b.B, b.Succs = TermJump, nil, nil, b.Succs[:1]
	}
}
