package amd64

import (
	x86 "github.com/bpfjit/bpfjit/asm/amd64"
	"github.com/bpfjit/bpfjit/lir"
)

// shiftOp is how a shift is done: by the old instruction, or by the one of
// BMI2. Both take the count modulo the width (SDM vol. 2B, SAL/SAR/SHL/SHR),
// which is what the M contract wants.
type shiftOp struct {
	op, bmi2 x86.Op
	zero     bool // the Z contract: a count of the width and more shifts all out
}

var shiftOps = map[lir.Op]shiftOp{
	lir.ShlZ: {x86.SHL, x86.SHLX, true},
	lir.ShrZ: {x86.SHR, x86.SHRX, true},
	lir.SarZ: {x86.SAR, x86.SARX, true},
	lir.ShlM: {x86.SHL, x86.SHLX, false},
	lir.ShrM: {x86.SHR, x86.SHRX, false},
	lir.SarM: {x86.SAR, x86.SARX, false},
}

func (c *compiler) shift(in *lir.Inst) {
	s := shiftOps[in.Op]
	switch {
	case in.B.IsImm():
		c.shiftConst(in, s)
	case s.zero && s.op == x86.SAR:
		c.sarZ(in, s)
	case s.zero:
		c.shiftZ(in, s)
	case c.feat.BMI2:
		d := c.dst(in.Dst, scratch)
		c.Emit(s.bmi2, x86.Width(in.W), d, c.rm(in.A), c.inReg(x86.W32, in.B.Reg, scratchA))
		c.put(in.Dst, d)
	default:
		c.shiftCL(in, s.op)
		c.put(in.Dst, scratch)
	}
}

// shiftConst shifts by a constant.
func (c *compiler) shiftConst(in *lir.Inst, s shiftOp) {
	width := uint64(in.W.Bits())
	n := zeroExtended(in.W, in.B.Imm)
	if n >= width {
		switch {
		case !s.zero:
			n %= width
		case s.op == x86.SAR:
			n = width - 1
		default:
			c.mov(&lir.Inst{Op: lir.Mov, W: in.W, Dst: in.Dst})
			return
		}
	}
	c.shiftImm(s.op, in.W, in.Dst, in.A, int(n))
}

// shiftImm shifts a by n, which is less than the width.
func (c *compiler) shiftImm(op x86.Op, w lir.Width, dst, a lir.Reg, n int) {
	switch {
	case n == 0:
		c.mov(&lir.Inst{Op: lir.Mov, W: w, Dst: dst, B: lir.R(a)})
	case c.updatesSlot(w, dst, a):
		c.Emit(op, x86.Width(w), c.slot(dst), x86.Imm(n))
	default:
		d := c.dst(dst, scratch)
		c.moveInto(x86.Width(w), d, a)
		c.Emit(op, x86.Width(w), d, x86.Imm(n))
		c.put(dst, d)
	}
}

// shiftCL shifts in.A by in.B, modulo the width, into scratch, and leaves all
// else as it was. It uses scratchA.
func (c *compiler) shiftCL(in *lir.Inst, op x86.Op) {
	w := x86.Width(in.W)
	c.moveInto(w, scratch, in.A)
	moved := !c.in(in.B.Reg, x86.RCX)
	saved := moved && c.needed(x86.RCX)
	if saved {
		c.Emit(x86.MOV, x86.W64, scratchA, x86.RCX)
	}
	if moved {
		c.Emit(x86.MOV, x86.W32, x86.RCX, c.rm(in.B.Reg))
	}
	c.Emit(op, w, scratch, x86.RCX)
	if saved {
		c.Emit(x86.MOV, x86.W64, x86.RCX, scratchA)
	}
}

// shiftZ is ShlZ and ShrZ: a shift modulo the width, then 0 instead if the
// count was too large.
func (c *compiler) shiftZ(in *lir.Inst, s shiftOp) {
	w := x86.Width(in.W)
	d := scratch
	count := c.rm(in.B.Reg)
	if c.feat.BMI2 {
		if p, ok := c.reg(in.Dst); ok && count != x86.Operand(p) {
			d = p
		}
		n := c.inReg(w, in.B.Reg, scratchA)
		c.Emit(s.bmi2, w, d, c.rm(in.A), n)
		count = n
	} else {
		c.shiftCL(in, s.op)
	}
	c.Emit(x86.CMP, w, count, x86.Imm(in.W.Bits()))
	c.MovImm(scratchA, 0) // keeps the flags
	c.Emit(x86.CMOVcc.If(x86.AE), w, d, scratchA)
	c.put(in.Dst, d)
}

// sarZ is SarZ: the count is made at most the width less one.
func (c *compiler) sarZ(in *lir.Inst, s shiftOp) {
	w := x86.Width(in.W)
	count := c.rm(in.B.Reg)
	c.MovImm(scratchA, int64(in.W.Bits())-1)
	c.Emit(x86.CMP, w, scratchA, count)
	c.Emit(x86.CMOVcc.If(x86.A), w, scratchA, count)
	if c.feat.BMI2 {
		d := c.dst(in.Dst, scratch)
		c.Emit(s.bmi2, w, d, c.rm(in.A), scratchA)
		c.put(in.Dst, d)
		return
	}
	c.moveInto(w, scratch, in.A)
	c.Emit(x86.XCHG, x86.W64, x86.RCX, scratchA)
	c.Emit(s.op, w, scratch, x86.RCX)
	c.Emit(x86.MOV, x86.W64, x86.RCX, scratchA)
	c.put(in.Dst, scratch)
}
