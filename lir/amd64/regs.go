package amd64

import (
	x86 "github.com/bpfjit/bpfjit/asm/amd64"
	"github.com/bpfjit/bpfjit/lir"
)

// FrameOffset is where the frame starts above the stack pointer: the return
// address is below it.
const FrameOffset = 8

// ParamRegs are the registers in which parameters arrive.
var ParamRegs = [lir.MaxParams]x86.Reg{x86.RDI, x86.RSI, x86.RDX, x86.RCX}

// ResultReg is the register in which the result leaves.
const ResultReg = x86.RAX

// The two registers that no virtual register is put in. Within an instruction,
// scratchA makes addresses of spilled registers; whoever asks for no address
// has both.
const (
	scratch  = x86.R10
	scratchA = x86.R11
)

// poolRegs are the registers for virtual registers: all but the two scratch
// registers, the stack pointer and, for frame-pointer unwinders, RBP. Go's ABI0
// leaves them all to the callee. Those that need no prefix byte come first,
// those that some instructions want for themselves (RAX, RDX: MUL, DIV; RCX:
// shifts) as late among these as the calling convention makes sensible, and
// last R12 and R13, whose addresses are a byte longer.
var poolRegs = [...]x86.Reg{
	x86.RAX, x86.RSI, x86.RDI, x86.RBX, x86.RDX, x86.RCX,
	x86.R8, x86.R9, x86.R14, x86.R15, x86.R12, x86.R13,
}

// poolIndex is the number of a register in poolRegs, -1 for those not there.
func poolIndex(r x86.Reg) int {
	for i, p := range poolRegs {
		if p == r {
			return i
		}
	}
	return -1
}

func newPool(folded []int32) lir.Pool {
	p := lir.Pool{Regs: len(poolRegs), Result: poolIndex(ResultReg), Folded: folded}
	for i, r := range ParamRegs {
		p.Params[i] = poolIndex(r)
	}
	return p
}

// reg is the physical register that r lives in; false if it lives in the frame.
func (c *compiler) reg(r lir.Reg) (x86.Reg, bool) {
	if l := c.alloc.Loc[r]; l.Kind == lir.LocReg {
		return poolRegs[l.N], true
	}
	return x86.NoReg, false
}

// in tells whether r lives in the physical register p.
func (c *compiler) in(r lir.Reg, p x86.Reg) bool {
	got, ok := c.reg(r)
	return ok && got == p
}

// slot is where r lives in the frame.
func (c *compiler) slot(r lir.Reg) x86.Mem {
	return x86.At(x86.RSP, FrameOffset+c.alloc.Loc[r].N)
}

// rm is where r lives, as an operand.
func (c *compiler) rm(r lir.Reg) x86.Operand {
	if p, ok := c.reg(r); ok {
		return p
	}
	return c.slot(r)
}

// samePlace tells whether two registers live in the same place. Of two that
// are live at once that is never so, but for r and r.
func (c *compiler) samePlace(r, s lir.Reg) bool { return c.alloc.Loc[r] == c.alloc.Loc[s] }

// inReg makes r available in a physical register, its own or else via, of
// which the low w bytes are then good.
func (c *compiler) inReg(w x86.Width, r lir.Reg, via x86.Reg) x86.Reg {
	if p, ok := c.reg(r); ok {
		return p
	}
	c.Emit(x86.MOV, max(w, x86.W32), via, c.slot(r))
	return via
}

// dst is the register to compute r in: its own, or via if it lives in the
// frame; put then stores it.
func (c *compiler) dst(r lir.Reg, via x86.Reg) x86.Reg {
	if p, ok := c.reg(r); ok {
		return p
	}
	return via
}

// put moves what was computed in p, all 64 bits of it, to where r lives.
func (c *compiler) put(r lir.Reg, p x86.Reg) {
	if d, ok := c.reg(r); !ok {
		c.Emit(x86.MOV, x86.W64, c.slot(r), p)
	} else if d != p {
		c.Emit(x86.MOV, x86.W64, d, p)
	}
}

// live tells whether the value in p is one that is needed after an instruction
// with result dst as it was before.
func (c *compiler) live(p x86.Reg, dst lir.Reg) bool {
	return !c.in(dst, p) && c.alloc.LiveAcross(poolIndex(p), c.at)
}

// needed tells whether the value in p is needed by this instruction or after.
func (c *compiler) needed(p x86.Reg) bool { return c.alloc.LiveBefore(poolIndex(p), c.at) }
