package amd64

import "github.com/bpfjit/bpfjit/lir"

// fact says that the low bits of a register, width of them, are not all zero.
type fact struct {
	reg lir.Reg
	w   lir.Width
}

// maxFacts bounds what is remembered at one place; older facts give way.
const maxFacts = 4

// nonzero knows registers that were just found not to be zero, so that a
// division need not look again. It walks the blocks in the order of the code:
// what held at the end of a block holds at the start of one that only it leads
// to. A nil *nonzero knows nothing.
type nonzero struct {
	f       *lir.Func
	preds   []int32 // by block: how many edges lead there
	atEntry [][]fact
	facts   []fact
}

// newNonzero returns nil if nothing in f wants to know.
func newNonzero(f *lir.Func) *nonzero {
	if !divides(f) {
		return nil
	}
	n := &nonzero{f: f, preds: make([]int32, len(f.Blocks)), atEntry: make([][]fact, len(f.Blocks))}
	var targets []int
	for _, b := range f.Blocks {
		targets = b.Term.AppendTargets(targets[:0])
		for _, t := range targets {
			n.preds[t]++
		}
	}
	return n
}

// divides tells whether f divides by a register.
func divides(f *lir.Func) bool {
	for _, b := range f.Blocks {
		for i := range b.Insts {
			if in := &b.Insts[i]; (in.Op == lir.DivU || in.Op == lir.ModU) && !in.B.IsImm() {
				return true
			}
		}
	}
	return false
}

// enter begins block b.
func (n *nonzero) enter(b int) {
	if n == nil {
		return
	}
	n.facts = append(n.facts[:0], n.atEntry[b]...)
	n.atEntry[b] = nil
}

// write forgets about a register that was written.
func (n *nonzero) write(r lir.Reg) {
	if n == nil {
		return
	}
	kept := n.facts[:0]
	for _, f := range n.facts {
		if f.reg != r {
			kept = append(kept, f)
		}
	}
	n.facts = kept
}

// holds tells whether the low bits of r are known not to be zero.
func (n *nonzero) holds(r lir.Reg, w lir.Width) bool {
	for _, f := range n.facts {
		if f.reg == r && f.w <= w {
			return true
		}
	}
	return false
}

// leave ends the block: it tells the blocks that follow.
func (n *nonzero) leave(t *lir.Term) {
	if n == nil {
		return
	}
	switch t.Kind {
	case lir.Jump:
		n.tell(t.Then, nil)
	case lir.Branch:
		n.tell(t.Then, implied(t, t.Cond))
		n.tell(t.Else, implied(t, t.Cond.Not()))
	case lir.Switch:
		n.tell(t.Else, nil)
	}
}

func (n *nonzero) tell(b int, more []fact) {
	if n.preds[b] != 1 {
		return
	}
	all := append(more, n.facts...)
	if len(all) > maxFacts {
		all = all[:maxFacts]
	}
	n.atEntry[b] = append(n.atEntry[b], all...)
}

// implied is what is not zero if the condition holds of the branch's operands.
func implied(t *lir.Term, cond lir.Cond) []fact {
	a := []fact{{t.A, t.W}}
	if !t.B.IsImm() {
		switch cond {
		case lir.GTU:
			return a
		case lir.LTU:
			return []fact{{t.B.Reg, t.W}}
		case lir.ANY:
			return append(a, fact{t.B.Reg, t.W})
		}
		return nil
	}
	// If zero does not satisfy the condition, what does is not zero.
	if !cond.Holds(t.W, 0, uint64(t.B.Imm)) {
		return a
	}
	return nil
}
