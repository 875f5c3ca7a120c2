package amd64

import (
	"math"
	"math/bits"

	x86 "github.com/bpfjit/bpfjit/asm/amd64"
	"github.com/bpfjit/bpfjit/lir"
)

var aluOps = map[lir.Op]x86.Op{
	lir.Add: x86.ADD,
	lir.Sub: x86.SUB,
	lir.And: x86.AND,
	lir.Or:  x86.OR,
	lir.Xor: x86.XOR,
	lir.Mul: x86.IMUL,
}

// updatesSlot tells whether an instruction of width w that makes dst from a can
// work on the slot in which both live. One of 32 bits leaves the upper half
// alone, which must be zero before.
func (c *compiler) updatesSlot(w lir.Width, dst, a lir.Reg) bool {
	_, isReg := c.reg(dst)
	return !isReg && c.samePlace(dst, a) && (w == lir.W64 || c.narrow[a])
}

func (c *compiler) unary(op x86.Op, in *lir.Inst) {
	w := x86.Width(in.W)
	if c.updatesSlot(in.W, in.Dst, in.A) {
		c.Emit(op, w, c.slot(in.Dst))
		return
	}
	d := c.dst(in.Dst, scratch)
	c.moveInto(w, d, in.A)
	c.Emit(op, w, d)
	c.put(in.Dst, d)
}

// moveInto moves the low w bytes of r, at least 32 bits, to p, before an
// instruction of that width. What is above does not matter.
func (c *compiler) moveInto(w x86.Width, p x86.Reg, r lir.Reg) {
	if !c.in(r, p) {
		c.Emit(x86.MOV, max(w, x86.W32), p, c.rm(r))
	}
}

func (c *compiler) bswap(in *lir.Inst) {
	d := c.dst(in.Dst, scratch)
	if in.W == lir.W16 {
		c.Emit(x86.MOVZX16, x86.W32, d, c.rm(in.A))
		c.Emit(x86.ROL, x86.W16, d, x86.Imm(8))
	} else {
		c.moveInto(x86.Width(in.W), d, in.A)
		c.Emit(x86.BSWAP, x86.Width(in.W), d)
	}
	c.put(in.Dst, d)
}

// alu is Add, Sub, And, Or and Xor.
func (c *compiler) alu(in *lir.Inst) {
	op, w := aluOps[in.Op], in.W
	ld, isA := c.foldedLoad(in.A)
	switch {
	case ld != nil && isA: // only where A and B may change places
		c.binary(op, w, in.Dst, in.B.Reg, ld)
		return
	case ld != nil:
		c.binary(op, w, in.Dst, in.A, ld)
		return
	case in.B.IsImm():
		c.aluImm(in, imm(w, in.B.Imm))
		return
	}
	a, b := in.A, in.B.Reg
	d, isReg := c.reg(in.Dst)
	bReg, bIsReg := c.reg(b)
	aReg, aIsReg := c.reg(a)
	switch {
	case c.updatesSlot(w, in.Dst, a):
		c.Emit(op, x86.Width(w), c.slot(in.Dst), c.inReg(x86.Width(w), b, scratch))
	case in.Op == lir.Add && isReg && aIsReg && bIsReg && d != aReg && d != bReg:
		c.Emit(x86.LEA, x86.Width(w), d, x86.Mem{Base: aReg, Index: bReg, Scale: 1})
	case isReg && bIsReg && d == bReg && !(aIsReg && aReg == d):
		// d = a - d is -d + a.
		if in.Op == lir.Sub {
			c.Emit(x86.NEG, x86.Width(w), d)
			op = x86.ADD
		}
		c.Emit(op, x86.Width(w), d, c.rm(a))
	default:
		d = c.dst(in.Dst, scratch)
		c.moveInto(x86.Width(w), d, a)
		c.Emit(op, x86.Width(w), d, c.rm(b))
		c.put(in.Dst, d)
	}
}

// binary is an operation whose second operand is a folded load.
func (c *compiler) binary(op x86.Op, w lir.Width, dst, a lir.Reg, ld *lir.Inst) {
	m := c.address(&ld.Mem)
	d := c.dst(dst, scratch)
	if !c.in(a, d) && (m.Base == d || m.Scale != 0 && m.Index == d) {
		d = scratch // the address is still needed when a has been moved
	}
	c.moveInto(x86.Width(w), d, a)
	c.Emit(op, x86.Width(w), d, m)
	c.put(dst, d)
}

// aluImm is an operation with a constant.
func (c *compiler) aluImm(in *lir.Inst, k int64) {
	op, w := in.Op, in.W
	if op == lir.Sub && k != math.MinInt64 {
		op, k = lir.Add, imm(w, -k)
	}
	switch {
	case k == 0 && op == lir.And:
		c.mov(&lir.Inst{Op: lir.Mov, W: w, Dst: in.Dst})
		return
	case k == 0 || k == -1 && op == lir.And:
		c.mov(&lir.Inst{Op: lir.Mov, W: w, Dst: in.Dst, B: lir.R(in.A)})
		return
	case k == -1 && op == lir.Xor:
		c.unary(x86.NOT, in)
		return
	case op == lir.And:
		switch uint64(k) {
		case 0xff:
			c.extend(x86.MOVZX8, in)
			return
		case 0xffff:
			c.extend(x86.MOVZX16, in)
			return
		case 0xffffffff:
			c.mov(&lir.Inst{Op: lir.Mov, W: lir.W32, Dst: in.Dst, B: lir.R(in.A)})
			return
		}
		if w == lir.W64 && uint64(k) <= math.MaxUint32 {
			w, k = lir.W32, int64(int32(k)) // clears the upper half
		}
	}
	xop, xw := aluOps[op], x86.Width(w)
	if c.updatesSlot(in.W, in.Dst, in.A) {
		// Clearing the upper half takes all 64 bits of the slot.
		if w != in.W {
			k, xw = int64(uint32(k)), x86.W64
		}
		c.Emit(xop, xw, c.slot(in.Dst), c.value(lir.W64, lir.I(k), scratch))
		return
	}
	d := c.dst(in.Dst, scratch)
	if a, ok := c.reg(in.A); ok && op == lir.Add && a != d && fitsImm32(k) {
		c.Emit(x86.LEA, xw, d, x86.At(a, int32(k)))
	} else {
		c.moveInto(xw, d, in.A)
		if op == lir.Add && k == 128 {
			xop, k = x86.SUB, -128 // a byte is enough for that
		}
		c.Emit(xop, xw, d, c.value(lir.W64, lir.I(k), scratchA))
	}
	c.put(in.Dst, d)
}

// extend keeps the low bits of A.
func (c *compiler) extend(op x86.Op, in *lir.Inst) {
	d := c.dst(in.Dst, scratch)
	c.Emit(op, x86.W32, d, c.rm(in.A))
	c.put(in.Dst, d)
}

func (c *compiler) mul(in *lir.Inst) {
	w := x86.Width(in.W)
	if in.B.IsImm() {
		c.mulImm(in, imm(in.W, in.B.Imm))
		return
	}
	a, b := in.A, in.B.Reg
	if ld, isA := c.foldedLoad(a); ld != nil {
		if isA {
			a = b
		}
		c.binary(x86.IMUL, in.W, in.Dst, a, ld)
		return
	}
	d := c.dst(in.Dst, scratch)
	if c.in(b, d) {
		a, b = b, a
	}
	c.moveInto(w, d, a)
	c.Emit(x86.IMUL, w, d, c.rm(b))
	c.put(in.Dst, d)
}

// mulImm multiplies by a constant.
func (c *compiler) mulImm(in *lir.Inst, k int64) {
	w := x86.Width(in.W)
	u := zeroExtended(in.W, k)
	switch {
	case u == 0:
		c.mov(&lir.Inst{Op: lir.Mov, W: in.W, Dst: in.Dst})
		return
	case u&(u-1) == 0:
		c.shiftImm(x86.SHL, in.W, in.Dst, in.A, bits.TrailingZeros64(u))
		return
	case k == -1:
		c.unary(x86.NEG, in)
		return
	}
	d := c.dst(in.Dst, scratch)
	a, isReg := c.reg(in.A)
	switch {
	case isReg && (k == 3 || k == 5 || k == 9):
		c.Emit(x86.LEA, w, d, x86.Mem{Base: a, Index: a, Scale: uint8(k - 1)})
	case fitsImm32(k):
		c.Emit(x86.IMUL, w, d, c.rm(in.A), x86.Imm(k))
	default:
		// d may be A's register, so the constant does not go there.
		c.MovImm(scratchA, k)
		c.moveInto(w, d, in.A)
		c.Emit(x86.IMUL, w, d, scratchA)
	}
	c.put(in.Dst, d)
}
