package amd64

import (
	"math"
	"math/bits"

	x86 "github.com/bpfjit/bpfjit/asm/amd64"
	"github.com/bpfjit/bpfjit/lir"
)

// condCodes are the condition codes after CMP A, B or TEST A, B.
var condCodes = [...]x86.Cond{
	lir.EQ:   x86.E,
	lir.NE:   x86.NE,
	lir.LTU:  x86.B,
	lir.LEU:  x86.BE,
	lir.GTU:  x86.A,
	lir.GEU:  x86.AE,
	lir.LTS:  x86.L,
	lir.LES:  x86.LE,
	lir.GTS:  x86.G,
	lir.GES:  x86.GE,
	lir.ANY:  x86.NE,
	lir.NONE: x86.E,
}

func isBitTest(c lir.Cond) bool { return c == lir.ANY || c == lir.NONE }

// compare sets the flags from a comparison of a with b and returns the
// condition code under which cond holds. Both scratch registers are free
// afterwards. If zero is a register, none of the operands', it is cleared
// first.
func (c *compiler) compare(cond lir.Cond, w lir.Width, a lir.Reg, b lir.Arg, zero x86.Reg) x86.Cond {
	if zero != x86.NoReg {
		c.Emit(x86.XOR, x86.W32, zero, zero)
	}
	op := x86.CMP
	if isBitTest(cond) {
		op = x86.TEST
	}
	xw := x86.Width(w)
	if ld, isA := c.foldedLoad(a); ld != nil {
		m := c.address(&ld.Mem)
		if isA && b.IsImm() {
			t, _ := memCompare(ld, cond, w, b.Imm)
			c.compareMem(t, ld.W, m)
			return condCodes[t.cond]
		}
		other := a
		if isA {
			other = b.Reg
		}
		reg := c.inReg(xw, other, scratch)
		if isA || op == x86.TEST { // TEST has no order, nor has it this form
			c.Emit(op, xw, m, reg)
		} else {
			c.Emit(op, xw, reg, m)
		}
		return condCodes[cond]
	}
	left, right := c.rm(a), c.value(w, b, scratch)
	leftReg, isReg := left.(x86.Reg)
	_, rightMem := right.(x86.Mem)
	switch {
	case op == x86.CMP && isReg && right == x86.Operand(x86.Imm(0)):
		// The flags are those of a comparison with 0 (SDM vol. 2, CMP,
		// TEST), but the code is shorter.
		op, right = x86.TEST, left
	case op == x86.TEST && isReg && rightMem:
		left, right = right, left
	case !isReg && rightMem:
		leftReg = c.inReg(xw, a, scratchA)
		left = leftReg
		if op == x86.TEST {
			left, right = right, left
		}
	}
	if k, ok := right.(x86.Imm); ok && op == x86.TEST {
		// A short mask needs no more than the operand's low bytes.
		switch {
		case 0 <= k && k <= 0xff && (!isReg || leftReg < x86.RSP):
			xw = x86.W8
		case 0 <= k && k <= math.MaxInt32:
			xw = x86.W32
		}
	}
	c.Emit(op, xw, left, right)
	return condCodes[cond]
}

// compareMem compares or tests w bytes of memory with a constant.
func (c *compiler) compareMem(t memTest, w lir.Width, m x86.Mem) {
	op := x86.CMP
	if isBitTest(t.cond) {
		op = x86.TEST
		// One byte of memory may be all that the mask needs. It lies in
		// the field, so nothing else is read.
		if low := bits.TrailingZeros64(t.k) / 8 * 8; t.k != 0 && t.k>>low <= 0xff && int64(m.Disp)+int64(low/8) <= math.MaxInt32 {
			m.Disp += int32(low / 8)
			t.k >>= low
			w = lir.W8
		} else if w == lir.W64 && t.k <= math.MaxUint32 {
			w = lir.W32
		}
	}
	k := int64(t.k) << (64 - w.Bits()) >> (64 - w.Bits())
	switch {
	case w == lir.W16 && (op == x86.TEST || k != int64(int8(k))):
		// An immediate of 16 bits, being behind an operand size prefix,
		// changes the instruction's length, at which predecoders stall for
		// several cycles (Intel Optimization Reference Manual, "Length-
		// Changing Prefixes").
		c.Emit(x86.MOVZX16, x86.W32, scratch, m)
		c.Emit(op, x86.W32, scratch, x86.Imm(t.k))
	case fitsImm32(k):
		c.Emit(op, x86.Width(w), m, x86.Imm(k))
	default:
		c.MovImm(scratch, k)
		c.Emit(op, x86.W64, m, scratch)
	}
}

// comparesWith tells whether the comparison of a with b reads p, be it for
// the address of a folded load.
func (c *compiler) comparesWith(p x86.Reg, a lir.Reg, b lir.Arg) bool {
	reads := func(r lir.Reg) bool { return r != lir.NoReg && r != lir.Frame && c.in(r, p) }
	ld, isA := c.foldedLoad(a)
	if ld != nil && (reads(ld.Mem.Base) || reads(ld.Mem.Index)) {
		return true
	}
	return (ld == nil || !isA) && reads(a) || (ld == nil || isA) && reads(b.Reg)
}

func (c *compiler) set(in *lir.Inst) {
	d := c.dst(in.Dst, scratch)
	if !c.comparesWith(d, in.A, in.B) && d != scratch {
		cc := c.compare(in.Cond, in.W, in.A, in.B, d)
		c.Emit(x86.SETcc.If(cc), x86.W8, d)
		return
	}
	cc := c.compare(in.Cond, in.W, in.A, in.B, x86.NoReg)
	c.Emit(x86.SETcc.If(cc), x86.W8, d)
	c.Emit(x86.MOVZX8, x86.W32, d, d)
	c.put(in.Dst, d)
}

// choose is Select.
func (c *compiler) choose(in *lir.Inst) {
	cc := c.compare(in.Cond, in.W, in.A, in.B, x86.NoReg)
	t, f := in.T, in.F
	d := c.dst(in.Dst, scratch)
	if !t.IsImm() && c.in(t.Reg, d) {
		t, f, cc = f, t, cc.Not()
	}
	// From here on only moves, which keep the flags. If F is not there, it is
	// moved there, where T is not.
	if f.IsImm() || !c.in(f.Reg, d) {
		c.moveTo(in.W, d, f)
	}
	var from x86.Operand
	if t.IsImm() {
		c.MovImm(scratchA, int64(zeroExtended(in.W, t.Imm)))
		from = scratchA
	} else {
		from = c.rm(t.Reg)
	}
	// CMOV of 32 bits zero-extends whether it moves or not (SDM vol. 2A,
	// CMOVcc).
	c.Emit(x86.CMOVcc.If(cc), x86.Width(in.W), d, from)
	c.put(in.Dst, d)
}
