package amd64

import (
	"math/bits"

	x86 "github.com/bpfjit/bpfjit/asm/amd64"
	"github.com/bpfjit/bpfjit/lir"
)

// address makes a memory operand. It may use scratchA, and change the flags.
func (c *compiler) address(m *lir.Mem) x86.Mem {
	if m.Base == lir.Frame {
		return x86.At(x86.RSP, FrameOffset+m.Off)
	}
	x := x86.Mem{Disp: m.Off}
	base, baseInReg := c.reg(m.Base)
	if m.Index == lir.NoReg {
		if !baseInReg {
			base = c.inReg(x86.W64, m.Base, scratchA)
		}
		x.Base = base
		return x
	}
	index, indexInReg := c.reg(m.Index)
	switch {
	case baseInReg:
		index = c.inReg(x86.W64, m.Index, scratchA)
	case indexInReg:
		base = c.inReg(x86.W64, m.Base, scratchA)
	default:
		c.Emit(x86.MOV, x86.W64, scratchA, c.slot(m.Index))
		if m.Scale > 1 {
			c.Emit(x86.SHL, x86.W64, scratchA, x86.Imm(bits.TrailingZeros8(m.Scale)))
		}
		c.Emit(x86.ADD, x86.W64, scratchA, c.slot(m.Base))
		x.Base = scratchA
		return x
	}
	x.Base, x.Index, x.Scale = base, index, m.Scale
	return x
}

func (c *compiler) load(in *lir.Inst) {
	m := c.address(&in.Mem)
	d := c.dst(in.Dst, scratch)
	swapped := in.Order == lir.BigEndian
	switch w := x86.Width(in.W); {
	case w == x86.W8:
		c.Emit(x86.MOVZX8, x86.W32, d, m)
	case w == x86.W16:
		// MOVBE of 16 bits would leave the upper ones as they were.
		c.Emit(x86.MOVZX16, x86.W32, d, m)
		if swapped {
			c.Emit(x86.ROL, x86.W16, d, x86.Imm(8))
		}
	case swapped && c.feat.MOVBE:
		c.Emit(x86.MOVBE, w, d, m)
	default:
		c.Emit(x86.MOV, w, d, m)
		if swapped {
			c.Emit(x86.BSWAP, w, d)
		}
	}
	c.put(in.Dst, d)
}

func (c *compiler) store(in *lir.Inst) {
	m := c.address(&in.Mem)
	w := x86.Width(in.W)
	swapped := in.Order == lir.BigEndian && w != x86.W8
	if in.B.IsImm() {
		k := in.B.Imm
		if swapped {
			k = int64(bits.ReverseBytes64(uint64(k)) >> (64 - in.W.Bits()))
		}
		k = k << (64 - in.W.Bits()) >> (64 - in.W.Bits())
		if w == x86.W16 || !fitsImm32(k) { // for 16 bits, see compareMem
			c.MovImm(scratch, int64(zeroExtended(in.W, k)))
			c.Emit(x86.MOV, w, m, scratch)
		} else {
			c.Emit(x86.MOV, w, m, x86.Imm(k))
		}
		return
	}
	switch {
	case !swapped:
		c.Emit(x86.MOV, w, m, c.inReg(w, in.B.Reg, scratch))
	case c.feat.MOVBE:
		c.Emit(x86.MOVBE, w, m, c.inReg(w, in.B.Reg, scratch))
	default:
		c.moveInto(w, scratch, in.B.Reg)
		if w == x86.W16 {
			c.Emit(x86.ROL, w, scratch, x86.Imm(8))
		} else {
			c.Emit(x86.BSWAP, w, scratch)
		}
		c.Emit(x86.MOV, w, m, scratch)
	}
}
