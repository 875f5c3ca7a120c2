package amd64

import (
	"math/bits"

	x86 "github.com/bpfjit/bpfjit/asm/amd64"
	"github.com/bpfjit/bpfjit/lir"
)

// divide is DivU and ModU.
func (c *compiler) divide(in *lir.Inst) {
	if in.B.IsImm() {
		c.divideConst(in, zeroExtended(in.W, in.B.Imm))
		return
	}
	w := x86.Width(in.W)
	div := in.Op == lir.DivU
	// DIV takes RDX:RAX and leaves quotient and remainder there.
	by := c.fixed(in.B.Reg, in.Dst)
	c.moveInto(w, x86.RAX, in.A)
	if c.facts.holds(in.B.Reg, in.W) {
		c.Emit(x86.XOR, x86.W32, x86.RDX, x86.RDX)
		c.Emit(x86.DIV, w, by)
	} else {
		c.testZero(w, by)
		done := c.NewLabel()
		if div {
			// The quotient by 0 is 0, which happens to be the divisor.
			c.Emit(x86.CMOVcc.If(x86.E), w, x86.RAX, by)
		} else {
			c.Emit(x86.MOV, w, x86.RDX, x86.RAX) // the remainder by 0
		}
		c.Jcc(x86.E, done)
		c.Emit(x86.XOR, x86.W32, x86.RDX, x86.RDX)
		c.Emit(x86.DIV, w, by)
		c.Bind(done)
	}
	result := x86.RAX
	if !div {
		result = x86.RDX
	}
	c.put(in.Dst, result)
	c.unfix(in.Dst)
}

// testZero compares an operand with 0.
func (c *compiler) testZero(w x86.Width, o x86.Operand) {
	if p, ok := o.(x86.Reg); ok {
		c.Emit(x86.TEST, w, p, p)
	} else {
		c.Emit(x86.CMP, w, o, x86.Imm(0))
	}
}

// fixed makes RAX and RDX free for an instruction with result dst that wants
// them, and tells where r is meanwhile. The scratch registers have what was in
// them, which is still there too, until one of the two is written.
func (c *compiler) fixed(r, dst lir.Reg) x86.Operand {
	at := c.rm(r)
	if c.in(r, x86.RAX) || c.live(x86.RAX, dst) {
		c.Emit(x86.MOV, x86.W64, scratch, x86.RAX)
	}
	if c.in(r, x86.RDX) || c.live(x86.RDX, dst) {
		c.Emit(x86.MOV, x86.W64, scratchA, x86.RDX)
	}
	switch at {
	case x86.RAX:
		return scratch
	case x86.RDX:
		return scratchA
	}
	return at
}

// unfix brings back what fixed saved, where it is needed.
func (c *compiler) unfix(dst lir.Reg) {
	if c.live(x86.RAX, dst) {
		c.Emit(x86.MOV, x86.W64, x86.RAX, scratch)
	}
	if c.live(x86.RDX, dst) {
		c.Emit(x86.MOV, x86.W64, x86.RDX, scratchA)
	}
}

// mulHigh is MulHU.
func (c *compiler) mulHigh(in *lir.Inst) {
	if in.W == lir.W32 {
		c.moveTo(lir.W32, scratch, lir.R(in.A))
		if b := in.B; !b.IsImm() && c.narrow[b.Reg] {
			c.Emit(x86.IMUL, x86.W64, scratch, c.rm(b.Reg))
		} else {
			c.moveTo(lir.W32, scratchA, b)
			c.Emit(x86.IMUL, x86.W64, scratch, scratchA)
		}
		c.Emit(x86.SHR, x86.W64, scratch, x86.Imm(32))
	} else {
		c.high(in.A, in.B)
	}
	c.put(in.Dst, scratch)
}

// high leaves the high half of the 128-bit product of a and b in scratch, and
// everything but scratchA as it was.
func (c *compiler) high(a lir.Reg, b lir.Arg) {
	keep := c.needed(x86.RDX)
	if keep {
		c.Emit(x86.MOV, x86.W64, scratch, x86.RDX)
	}
	if c.feat.BMI2 {
		// MULX multiplies by RDX. With one destination given twice, it
		// leaves the high half there (SDM vol. 2B, MULX).
		src := c.rm(a)
		if c.in(a, x86.RDX) {
			src = scratch
		}
		c.moveTo(lir.W64, x86.RDX, b)
		c.Emit(x86.MULX, x86.W64, scratchA, scratchA, src)
		if keep {
			c.Emit(x86.MOV, x86.W64, x86.RDX, scratch)
		}
		c.Emit(x86.MOV, x86.W64, scratch, scratchA)
		return
	}
	// MUL multiplies RAX by its operand, into RDX:RAX.
	if c.needed(x86.RAX) {
		c.Emit(x86.MOV, x86.W64, scratchA, x86.RAX)
	}
	src := c.rm(a)
	switch src {
	case x86.RAX:
		src = scratchA
	case x86.RDX:
		src = scratch
	}
	c.moveTo(lir.W64, x86.RAX, b)
	c.Emit(x86.MUL, x86.W64, src)
	if c.needed(x86.RAX) {
		c.Emit(x86.MOV, x86.W64, x86.RAX, scratchA)
	}
	if keep {
		c.Emit(x86.XCHG, x86.W64, x86.RDX, scratch)
	} else {
		c.Emit(x86.MOV, x86.W64, scratch, x86.RDX)
	}
}

// divideConst divides by a constant without dividing: n/d is the high half of
// the product of n and a constant near 2^N/d, shifted (Granlund and Montgomery,
// "Division by Invariant Integers using Multiplication", 1994; Warren,
// "Hacker's Delight", chapter 10).
func (c *compiler) divideConst(in *lir.Inst, d uint64) {
	div := in.Op == lir.DivU
	switch {
	case d == 0 && div || d == 1 && !div:
		c.mov(&lir.Inst{Op: lir.Mov, W: in.W, Dst: in.Dst})
		return
	case d == 0 || d == 1:
		c.mov(&lir.Inst{Op: lir.Mov, W: in.W, Dst: in.Dst, B: lir.R(in.A)})
		return
	case d&(d-1) == 0 && div:
		c.shiftImm(x86.SHR, in.W, in.Dst, in.A, bits.TrailingZeros64(d))
		return
	case d&(d-1) == 0:
		c.aluImm(&lir.Inst{Op: lir.And, W: in.W, Dst: in.Dst, A: in.A}, imm(in.W, int64(d-1)))
		return
	}
	if in.W == lir.W32 {
		c.quotient32(in.A, uint32(d))
	} else {
		c.quotient64(in.A, d)
	}
	if div {
		c.put(in.Dst, scratch)
		return
	}
	// The remainder is n less d times the quotient in scratch.
	w := x86.Width(in.W)
	if k := imm(in.W, int64(d)); fitsImm32(k) {
		c.Emit(x86.IMUL, w, scratch, scratch, x86.Imm(k))
	} else {
		c.MovImm(scratchA, k)
		c.Emit(x86.IMUL, w, scratch, scratchA)
	}
	if c.updatesSlot(in.W, in.Dst, in.A) {
		c.Emit(x86.SUB, w, c.slot(in.Dst), scratch)
		return
	}
	r := c.dst(in.Dst, scratchA)
	c.moveInto(w, r, in.A)
	c.Emit(x86.SUB, w, r, scratch)
	c.put(in.Dst, r)
}

// quotient32 leaves n/d in scratch: a product of 64 bits, shifted right.
func (c *compiler) quotient32(n lir.Reg, d uint32) {
	m := reciprocal32(d)
	c.moveTo(lir.W32, scratch, lir.R(n))
	if m.increment {
		c.Emit(x86.ADD, x86.W64, scratch, x86.Imm(1)) // of 64 bits: no overflow
	}
	if k := int64(m.factor); fitsImm32(k) {
		c.Emit(x86.IMUL, x86.W64, scratch, scratch, x86.Imm(k))
	} else {
		c.MovImm(scratchA, k)
		c.Emit(x86.IMUL, x86.W64, scratch, scratchA)
	}
	c.Emit(x86.SHR, x86.W64, scratch, x86.Imm(32+m.shift))
}

// quotient64 leaves n/d in scratch.
func (c *compiler) quotient64(n lir.Reg, d uint64) {
	m := reciprocal64(d)
	c.high(n, lir.I(int64(m.factor)))
	shift := m.shift
	if m.overflow {
		// The factor is 2^64 more, so n itself is to be added; the sum
		// may have 65 bits, but half the difference has not.
		c.Emit(x86.MOV, x86.W64, scratchA, c.rm(n))
		c.Emit(x86.SUB, x86.W64, scratchA, scratch)
		c.Emit(x86.SHR, x86.W64, scratchA, x86.Imm(1))
		c.Emit(x86.ADD, x86.W64, scratch, scratchA)
		shift--
	}
	if shift > 0 {
		c.Emit(x86.SHR, x86.W64, scratch, x86.Imm(shift))
	}
}
