package amd64

import "github.com/bpfjit/bpfjit/lir"

// prepare makes the function that is compiled from the one given: jumps go
// through blocks that only jump, blocks that nothing leads to are emptied, a
// mask that is compared with 0 becomes a bit test, and instructions whose
// result nobody reads are gone. It shares what it does not change.
func prepare(f *lir.Func) *lir.Func {
	g := *f
	g.Blocks = make([]*lir.Block, len(f.Blocks))
	reached := make([]bool, len(f.Blocks))
	work := []int{0}
	reached[0] = true
	var targets []int
	for len(work) > 0 {
		i := work[len(work)-1]
		work = work[:len(work)-1]
		g.Blocks[i] = &lir.Block{Insts: f.Blocks[i].Insts, Term: threaded(f, &f.Blocks[i].Term)}
		targets = g.Blocks[i].Term.AppendTargets(targets[:0])
		for _, t := range targets {
			if !reached[t] {
				reached[t] = true
				work = append(work, t)
			}
		}
	}
	for i, b := range g.Blocks {
		if b == nil {
			g.Blocks[i] = &lir.Block{Term: lir.Term{Kind: lir.Return, Pos: lir.NoPos}}
		}
	}
	reads := g.Reads()
	for _, b := range g.Blocks {
		fuseMask(b, reads)
	}
	removeDead(&g, reads)
	return &g
}

// threaded is t with every target replaced by where it leads to.
func threaded(f *lir.Func, t *lir.Term) lir.Term {
	u := *t
	switch u.Kind {
	case lir.Jump:
		u.Then = finalTarget(f, u.Then)
	case lir.Branch:
		u.Then, u.Else = finalTarget(f, u.Then), finalTarget(f, u.Else)
		if u.Then == u.Else {
			u = lir.Term{Kind: lir.Jump, Then: u.Then, Pos: u.Pos}
		}
	case lir.Switch:
		u.Else = finalTarget(f, u.Else)
		u.Cases = make([]lir.Case, 0, len(t.Cases))
		for _, c := range t.Cases {
			c.Target = finalTarget(f, c.Target)
			if c.Target != u.Else {
				u.Cases = append(u.Cases, c)
			}
		}
		if len(u.Cases) == 0 {
			u = lir.Term{Kind: lir.Jump, Then: u.Else, Pos: u.Pos}
		}
	}
	return u
}

// finalTarget follows blocks that only jump. It gives up on long chains, which
// may be circles.
func finalTarget(f *lir.Func, b int) int {
	for range 16 {
		block := f.Blocks[b]
		if len(block.Insts) > 0 || block.Term.Kind != lir.Jump {
			break
		}
		b = block.Term.Then
	}
	return b
}

// fuseMask turns x = a & b; br.eq x, 0 into br.none a, b, if nothing else reads
// x. The And is then dead. reads has the number of readers by register.
func fuseMask(b *lir.Block, reads []int32) {
	t := &b.Term
	if t.Kind != lir.Branch || t.B != lir.I(0) || reads[t.A] != 1 {
		return
	}
	cond := lir.NONE
	switch t.Cond {
	case lir.NE, lir.GTU:
		cond = lir.ANY
	case lir.EQ, lir.LEU:
	default:
		return
	}
	def := lastWrite(b.Insts, t.A)
	if def < 0 || b.Insts[def].Op != lir.And {
		return
	}
	and := &b.Insts[def]
	after := b.Insts[def:] // the And may overwrite its own operand
	if and.W > t.W || lastWrite(after, and.A) >= 0 || !and.B.IsImm() && lastWrite(after, and.B.Reg) >= 0 {
		return
	}
	reads[t.A]--
	t.W, t.Cond, t.A, t.B = and.W, cond, and.A, and.B
	reads[t.A]++
	if !t.B.IsImm() {
		reads[t.B.Reg]++
	}
}

// lastWrite is the index of the last instruction that writes r, -1 if there is
// none.
func lastWrite(insts []lir.Inst, r lir.Reg) int {
	for i := len(insts) - 1; i >= 0; i-- {
		if insts[i].Writes() == r {
			return i
		}
	}
	return -1
}

// removeDead drops instructions without effect whose result is not read,
// except by others that are dropped. One backward pass finds all but circles
// and uses laid out before their definition, which are only slower. reads has
// the number of readers by register.
func removeDead(f *lir.Func, reads []int32) {
	var buf []lir.Reg
	for i := len(f.Blocks) - 1; i >= 0; i-- {
		b := f.Blocks[i]
		dead := 0
		for j := len(b.Insts) - 1; j >= 0; j-- {
			if in := &b.Insts[j]; isDead(in, reads) {
				dead++
				buf = in.AppendReads(buf[:0])
				for _, r := range buf {
					reads[r]--
				}
			}
		}
		if dead == 0 {
			continue
		}
		// reads only ever falls, so what was dead is dead.
		kept := make([]lir.Inst, 0, len(b.Insts)-dead)
		for j := range b.Insts {
			if !isDead(&b.Insts[j], reads) {
				kept = append(kept, b.Insts[j])
			}
		}
		b.Insts = kept
	}
}

func isDead(in *lir.Inst, reads []int32) bool {
	return !in.Op.Info().Effect && reads[in.Dst] == 0
}

// narrowRegs finds the registers that only ever hold values below 2^32: those
// that every write zero-extends.
func narrowRegs(f *lir.Func) []bool {
	narrow := make([]bool, f.NumReg)
	for i := range narrow {
		narrow[i] = true
	}
	for _, r := range f.Params {
		narrow[r] = false
	}
	for _, b := range f.Blocks {
		for i := range b.Insts {
			in := &b.Insts[i]
			if r := in.Writes(); r != lir.NoReg && !isNarrow(in) {
				narrow[r] = false
			}
		}
	}
	return narrow
}

// isNarrow tells whether the result is below 2^32 by the instruction alone.
func isNarrow(in *lir.Inst) bool {
	if in.W != lir.W64 || in.Op == lir.Set {
		return true
	}
	if !in.B.IsImm() {
		return false
	}
	switch in.Op {
	case lir.Mov, lir.And:
		return uint64(in.B.Imm) < 1<<32
	case lir.ShrZ, lir.ShrM:
		return 32 <= in.B.Imm && in.B.Imm < 64
	}
	return false
}
