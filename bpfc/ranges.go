package bpfc

// joinRanges makes one test of two that a value lies between constants, as
// portrange has them: lo <= v and not v > hi is v - lo <= hi - lo, unsigned.
// One branch mispredicts less often than two.
func joinRanges(g *Graph) {
	for _, b := range g.Blocks {
		if !b.testsConst(TestGE) {
			continue
		}
		next := b.Succs[0]
		if !next.testsConst(TestGT) || next.A != b.A || len(next.Preds) != 1 || len(next.Phis)+len(next.Body) > 0 {
			continue
		}
		out, lo, hi := b.Succs[1], b.B.K, next.B.K
		if next.Succs[0] != out || len(out.Phis) > 0 || len(next.Succs[1].Phis) > 0 || lo > hi {
			continue
		}
		pos := g.position(b.Pos, next.Pos)
		above := g.binary(b, OpAdd, b.A, g.constant(-lo), pos)
		b.Test, b.A, b.B, b.Pos = TestGT, above, g.constant(hi-lo), pos
		b.Succs = []*Block{out, next.Succs[1]}
		g.rejectIn(next)
	}
	removeDead(g)
}

// testsConst says whether the block ends with this test against a constant.
func (b *Block) testsConst(test Test) bool {
	return b.Term == TermTest && b.Test == test && b.B.Op == OpConst
}
