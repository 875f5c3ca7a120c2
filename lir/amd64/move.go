package amd64

import (
	x86 "github.com/bpfjit/bpfjit/asm/amd64"
	"github.com/bpfjit/bpfjit/lir"
)

// setImm sets all of a register. It may change the flags.
func (c *compiler) setImm(p x86.Reg, v int64) {
	if v == 0 {
		c.Emit(x86.XOR, x86.W32, p, p)
	} else {
		c.MovImm(p, v)
	}
}

// fitsImm32 tells whether an instruction of 64 bits can have v as immediate.
func fitsImm32(v int64) bool { return v == int64(int32(v)) }

// imm is the value of an immediate operand at width w, as Emit wants it: sign-
// extended.
func imm(w lir.Width, v int64) int64 {
	if w == lir.W32 {
		return int64(int32(v))
	}
	return v
}

// zeroExtended is v at width w with zeros above.
func zeroExtended(w lir.Width, v int64) uint64 {
	shift := 64 - uint(w.Bits())
	return uint64(v) << shift >> shift
}

// value gives an argument as an operand of instructions of width w: an
// immediate, where that fits, a register or a slot; a large immediate goes
// through via.
func (c *compiler) value(w lir.Width, a lir.Arg, via x86.Reg) x86.Operand {
	if !a.IsImm() {
		return c.rm(a.Reg)
	}
	v := imm(w, a.Imm)
	if fitsImm32(v) {
		return x86.Imm(v)
	}
	c.MovImm(via, v)
	return via
}

// moveTo moves an argument of width w into p, zero-extended, without touching
// the flags.
func (c *compiler) moveTo(w lir.Width, p x86.Reg, a lir.Arg) {
	switch {
	case a.IsImm():
		c.MovImm(p, int64(zeroExtended(w, a.Imm)))
	case !c.in(a.Reg, p) || w == lir.W32 && !c.narrow[a.Reg]:
		c.Emit(x86.MOV, x86.Width(w), p, c.rm(a.Reg))
	}
}

func (c *compiler) mov(in *lir.Inst) {
	w := in.W
	d, ok := c.reg(in.Dst)
	switch {
	case in.B.IsImm():
		v := int64(zeroExtended(w, in.B.Imm))
		switch {
		case ok:
			c.setImm(d, v)
		case fitsImm32(v):
			c.Emit(x86.MOV, x86.W64, c.slot(in.Dst), x86.Imm(v))
		default:
			c.MovImm(scratch, v)
			c.put(in.Dst, scratch)
		}
	case ok:
		c.moveTo(w, d, in.B)
	case c.samePlace(in.Dst, in.B.Reg) && (w == lir.W64 || c.narrow[in.B.Reg]):
		// It is there.
	default:
		c.moveTo(w, scratch, in.B)
		c.put(in.Dst, scratch)
	}
}

// enter moves the parameters from where they arrive to where they live, all at
// once: none may be overwritten before it is moved.
func (c *compiler) enter() {
	type move struct{ from, to x86.Reg }
	var moves []move
	for i, r := range c.f.Params {
		from := ParamRegs[i]
		switch c.alloc.Loc[r].Kind {
		case lir.LocFrame:
			c.Emit(x86.MOV, x86.W64, c.slot(r), from)
		case lir.LocReg:
			if to, _ := c.reg(r); to != from {
				moves = append(moves, move{from, to})
			}
		}
	}
	for len(moves) > 0 {
		// One whose destination nobody has to leave first; if there is
		// none, the moves are cycles.
		next := -1
		for i, m := range moves {
			free := true
			for _, other := range moves {
				free = free && other.from != m.to
			}
			if free {
				next = i
			}
		}
		if next >= 0 {
			c.Emit(x86.MOV, x86.W64, moves[next].to, moves[next].from)
			moves = append(moves[:next], moves[next+1:]...)
			continue
		}
		m := moves[0]
		c.Emit(x86.XCHG, x86.W64, m.to, m.from)
		moves = moves[1:]
		left := moves[:0]
		for _, other := range moves {
			if other.from == m.to {
				other.from = m.from // it was exchanged to there
			}
			if other.from != other.to {
				left = append(left, other)
			}
		}
		moves = left
	}
}
