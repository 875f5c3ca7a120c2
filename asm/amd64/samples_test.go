package amd64

import (
	"fmt"
	"strings"

	"github.com/bpfjit/bpfjit/asm"
)

// sample is one instruction to try.
type sample struct {
	op  Op
	w   Width
	ops []Operand
}

// encode gives the instruction's bytes. A label operand is the instruction's
// own first byte.
func (s sample) encode() ([]byte, error) {
	var a Assembler
	self := a.NewLabel()
	a.Bind(self)
	a.Emit(s.op, s.w, s.ops...)
	code, _, err := a.Finish()
	return code, err
}

const selfLabel asm.Label = 1

// operandWidth is the width in which operand i of the instruction is written.
func (s sample) operandWidth(i int) Width {
	switch base := s.op & 0xff; {
	case (base == MOVZX8 || base == MOVSX8) && i == 1:
		return W8
	case (base == MOVZX16 || base == MOVSX16) && i == 1:
		return W16
	case base == MOVSX32 && i == 1:
		return W32
	case base >= SHL && base <= ROR && i == 1:
		return W8 // the count
	}
	return s.w
}

// text is the instruction in Intel's syntax, as GNU as reads it. size is its
// length in bytes.
func (s sample) text(size int) string {
	sizes := map[Width]string{W8: "byte", W16: "word", W32: "dword", W64: "qword"}
	var ops []string
	for i, o := range s.ops {
		w := s.operandWidth(i)
		switch o := o.(type) {
		case Reg:
			ops = append(ops, o.Name(w))
		case Imm:
			ops = append(ops, fmt.Sprintf("%d", int64(o)))
		case Mem:
			t := sizes[w] + " ptr " + memText(o, size)
			if s.op == LEA {
				t = memText(o, size)
			}
			ops = append(ops, t)
		}
	}
	return strings.TrimSpace(s.op.String() + " " + strings.Join(ops, ", "))
}

func memText(m Mem, size int) string {
	switch {
	case m.Label != 0:
		return fmt.Sprintf("[rip%+d]", int(m.Disp)-size)
	case m.Base == NoReg && m.Scale == 0:
		return fmt.Sprintf("[%d]", m.Disp)
	}
	var t []string
	if m.Base != NoReg {
		t = append(t, m.Base.String())
	}
	if m.Scale != 0 {
		t = append(t, fmt.Sprintf("%s*%d", m.Index, m.Scale))
	}
	disp := ""
	if m.Disp != 0 {
		disp = fmt.Sprintf("%+d", m.Disp)
	}
	return "[" + strings.Join(t, "+") + disp + "]"
}

// allMems is every base, every index at every scale, every pair of them, each
// size of displacement with each base.
func allMems() []Operand {
	disps := []int32{0, 1, -1, 127, -128, 128, -129, 0x7fffffff, -0x80000000}
	var all []Operand
	for b := RAX; b <= R15; b++ {
		for _, d := range disps {
			all = append(all, Mem{Base: b, Disp: d})
		}
		for i := RAX; i <= R15; i++ {
			if i != RSP {
				all = append(all, Mem{Base: b, Index: i, Scale: 1 << (uint(b+i) % 4), Disp: disps[int(b*3+i)%len(disps)]})
			}
		}
		if b != RSP {
			for k := range 4 {
				all = append(all, Mem{Base: RBX, Index: b, Scale: 1 << k}, Mem{Base: R13, Index: b, Scale: 1 << k})
				all = append(all, Mem{Base: NoReg, Index: b, Scale: 1 << k, Disp: int32(k - 1)})
			}
		}
	}
	return append(all, Mem{Base: NoReg, Disp: 64}, Mem{Label: selfLabel}, Mem{Label: selfLabel, Disp: -300})
}

// someMems is each register once as base and once as index.
func someMems() []Operand {
	disps := []int32{0, 12, -200}
	var some []Operand
	for b := RAX; b <= R15; b++ {
		x := Mem{Base: b, Disp: disps[int(b)%3]}
		if b&1 == 1 {
			x.Index, x.Scale = (b*7+3)%NumReg, 1<<(b/2%4)
			if x.Index == RSP {
				x.Index = R12
			}
		}
		some = append(some, x)
	}
	return append(some, Mem{Label: selfLabel, Disp: 100})
}

func allRegs() []Operand {
	var all []Operand
	for r := RAX; r <= R15; r++ {
		all = append(all, r)
	}
	return all
}

func imms(vs ...int64) []Operand {
	var all []Operand
	for _, v := range vs {
		all = append(all, Imm(v))
	}
	return all
}

// pool is the operands of a class to try.
func (c class) pool(w Width, full bool) []Operand {
	mems := someMems
	if full {
		mems = allMems
	}
	switch c {
	case r:
		return allRegs()
	case m:
		return mems()
	case rm:
		return append(allRegs(), mems()...)
	case acc:
		return []Operand{RAX}
	case cl:
		return []Operand{RCX}
	case one:
		return imms(1)
	case imm8:
		return imms(0, 1, -1, 127, -128)
	case immU8:
		return imms(0, 1, 2, 7, 31, 63, 128, 255)
	case immZ:
		switch w {
		case W8:
			return imms(0, 1, 127, -128, -1, 255)
		case W16:
			return imms(0, 1, 127, 128, -128, -129, 0x7fff, -0x8000, 0xffff)
		case W32:
			return imms(0, 1, 128, -129, 0x7fffffff, -0x80000000, 0xffffffff)
		}
		return imms(0, 1, 128, -129, 0x7fffffff, -0x80000000)
	case imm64:
		return imms(0x80000000, -0x80000001, 0x7fffffffffffffff, -0x8000000000000000, 0x0102030405060708)
	}
	return nil
}

// samples has, for every form at every width and condition, each operand of
// each place once; the other places go through theirs meanwhile, at their own
// pace.
func samples() []sample {
	var all []sample
	for base := opInvalid + 1; base < numOps; base++ {
		conds := []Cond{0}
		if base == SETcc || base == CMOVcc {
			conds = conds[:0]
			for c := O; c <= G; c++ {
				conds = append(conds, c)
			}
		}
		for _, f := range forms[base] {
			if f.widths == 0 {
				all = append(all, sample{op: base})
				continue
			}
			for _, w := range []Width{W8, W16, W32, W64} {
				if w&f.widths == 0 {
					continue
				}
				for _, c := range conds {
					all = append(all, f.samples(base.If(c), w)...)
				}
			}
		}
	}
	return all
}

func (f *form) samples(op Op, w Width) []sample {
	full := w == W64 && (op == MOV || op == LEA) || w == W8 && op == MOV
	var pools [][]Operand
	n := 0
	for _, c := range f.args {
		if c != none {
			pools = append(pools, c.pool(w, full))
			n = max(n, len(pools[len(pools)-1]))
		}
	}
	if op&0xff == CMOVcc && op.cond() != E || op&0xff == SETcc && op.cond() != NE {
		n = 20 // the operands go as with the one that has them all
	}
	var all []sample
	for i := range n {
		s := sample{op: op, w: w}
		for k, p := range pools {
			s.ops = append(s.ops, p[(i*(2*k+1)+k)%len(p)])
		}
		all = append(all, s)
	}
	return all
}
