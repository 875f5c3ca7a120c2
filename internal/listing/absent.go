package listing

import (
	"fmt"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/lir"
)

// absence knows why a BPF instruction has no machine code.
type absence struct {
	l         *listing
	reachable []bool
	reader    map[int32]int32 // by BPF instruction with LIR of its own: the one whose LIR reads the result
}

func newAbsence(l *listing) *absence {
	a := &absence{l: l, reachable: reachable(l.prog), reader: map[int32]int32{}}
	writer := map[lir.Reg]int32{} // positions
	for _, b := range l.fn.Blocks {
		for i := range b.Insts {
			if d := b.Insts[i].Writes(); d != lir.NoReg {
				writer[d] = b.Insts[i].Pos
			}
		}
	}
	var reads []lir.Reg
	note := func(pos int32) {
		for _, reg := range reads {
			from, ok := writer[reg]
			if !ok || from == pos {
				continue
			}
			to := l.originsOf(pos)
			for _, o := range l.originsOf(from) {
				if _, known := a.reader[o]; !known && len(to) > 0 {
					a.reader[o] = to[0]
				}
			}
		}
	}
	for _, b := range l.fn.Blocks {
		for i := range b.Insts {
			reads = b.Insts[i].AppendReads(reads[:0])
			note(b.Insts[i].Pos)
		}
		reads = b.Term.AppendReads(reads[:0])
		note(b.Term.Pos)
	}
	return a
}

// why says why instruction i has no code, which is known to be so.
func (a *absence) why(i int) string {
	if !a.reachable[i] {
		return "nothing leads here"
	}
	if reader, ok := a.reader[int32(i)]; ok && int(reader) != i {
		return fmt.Sprintf("part of what (%03d) does", reader)
	}
	op := a.l.prog[i].Op
	switch bpfc.Class(op) {
	case bpfc.ClassRET:
		return "an equal verdict is returned elsewhere"
	case bpfc.ClassJMP:
		if op == bpfc.Ja {
			return "what leads here goes on to where it leads"
		}
		return "decided by the tests before it, or part of another test"
	case bpfc.ClassST, bpfc.ClassSTX, bpfc.ClassMISC:
		return "what it keeps is in a register, a constant, or read by nobody"
	case bpfc.ClassLD, bpfc.ClassLDX:
		if m := bpfc.Mode(op); m == bpfc.ModeIMM || m == bpfc.ModeMEM {
			return "what it loads is in a register, a constant, or read by nobody"
		}
	}
	return "what it computes is known already, or read by nobody"
}

// reachable finds the instructions that something leads to.
func reachable(prog []bpf.RawInstruction) []bool {
	seen := make([]bool, len(prog))
	stack := []int{0}
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		// A valid program stays within its bounds; a program of NetBSD's may
		// have operations that nobody knows, behind which it ends.
		if i < 0 || i >= len(prog) || seen[i] {
			continue
		}
		seen[i] = true
		ins := prog[i]
		switch {
		case bpfc.Class(ins.Op) == bpfc.ClassRET:
		case ins.Op == bpfc.Ja:
			stack = append(stack, i+1+int(int32(ins.K)))
		case bpfc.IsConditional(ins.Op):
			stack = append(stack, i+1+int(ins.Jt), i+1+int(ins.Jf))
		default:
			stack = append(stack, i+1)
		}
	}
	return seen
}
