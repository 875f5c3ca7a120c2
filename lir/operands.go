package lir

// At is the memory operand off bytes past base.
func At(base Reg, off int32) Mem { return Mem{Base: base, Off: off} }

// Indexed is the memory operand at base + index*scale + off.
func Indexed(base, index Reg, scale uint8, off int32) Mem {
	return Mem{Base: base, Index: index, Scale: scale, Off: off}
}

// AppendReads appends the registers that the instruction reads to regs, once
// for each time that it reads them. Frame, which is not a register, is left
// out.
func (in *Inst) AppendReads(regs []Reg) []Reg {
	use := in.Op.Info().Operands
	if use&UsesA != 0 {
		regs = appendReg(regs, in.A)
	}
	if use&UsesB != 0 {
		regs = appendReg(regs, in.B.Reg)
	}
	if use&UsesTF != 0 {
		regs = appendReg(regs, in.T.Reg)
		regs = appendReg(regs, in.F.Reg)
	}
	if use&UsesMem != 0 {
		regs = appendReg(regs, in.Mem.Base)
		regs = appendReg(regs, in.Mem.Index)
	}
	return regs
}

// Writes is the register that the instruction writes, NoReg if it writes none.
func (in *Inst) Writes() Reg {
	if in.Op.Info().Operands&UsesDst == 0 {
		return NoReg
	}
	return in.Dst
}

// AppendReads appends the registers that the terminator reads to regs.
func (t *Term) AppendReads(regs []Reg) []Reg {
	switch t.Kind {
	case Branch:
		regs = appendReg(regs, t.A)
		regs = appendReg(regs, t.B.Reg)
	case Switch:
		regs = appendReg(regs, t.A)
	case Return:
		regs = appendReg(regs, t.B.Reg)
	}
	return regs
}

// AppendTargets appends the indices of the blocks that the terminator leads to
// to blocks, once for each way that leads there.
func (t *Term) AppendTargets(blocks []int) []int {
	switch t.Kind {
	case Jump:
		blocks = append(blocks, t.Then)
	case Branch:
		blocks = append(blocks, t.Then, t.Else)
	case Switch:
		for i := range t.Cases {
			blocks = append(blocks, t.Cases[i].Target)
		}
		blocks = append(blocks, t.Else)
	}
	return blocks
}

func appendReg(regs []Reg, r Reg) []Reg {
	if r == NoReg || r == Frame {
		return regs
	}
	return append(regs, r)
}

// Reads counts, for each register, the operands of instructions and
// terminators that read it. f must be verified.
func (f *Func) Reads() []int32 {
	n := make([]int32, f.NumReg)
	var buf []Reg
	for _, b := range f.Blocks {
		for i := range b.Insts {
			buf = b.Insts[i].AppendReads(buf)
			for _, r := range buf {
				n[r]++
			}
			buf = buf[:0]
		}
		buf = b.Term.AppendReads(buf)
		for _, r := range buf {
			n[r]++
		}
		buf = buf[:0]
	}
	return n
}

// Writes counts, for each register, the instructions that write it. The
// arrival of a parameter counts as a write. f must be verified.
func (f *Func) Writes() []int32 {
	n := make([]int32, f.NumReg)
	for _, r := range f.Params {
		n[r]++
	}
	for _, b := range f.Blocks {
		for i := range b.Insts {
			if r := b.Insts[i].Writes(); r != NoReg {
				n[r]++
			}
		}
	}
	return n
}
