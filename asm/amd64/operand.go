package amd64

import (
	"strconv"

	"github.com/bpfjit/bpfjit/asm"
)

// Operand is a Reg, a Mem or an Imm.
type Operand interface{ operand() }

func (Reg) operand() {}
func (Mem) operand() {}
func (Imm) operand() {}

// Imm is an immediate. One of n bits may be given signed or unsigned: 255 and
// -1 are the same byte.
type Imm int64

// Mem is a memory operand: Base + Index*Scale + Disp, or Label + Disp.
type Mem struct {
	Base  Reg // NoReg: none
	Index Reg // any but RSP; ignored if Scale is 0
	Scale uint8
	Disp  int32
	// Label, if set, makes the operand relative to the instruction pointer;
	// Base, Index and Scale are ignored.
	Label asm.Label
}

// At makes the operand [base+disp].
func At(base Reg, disp int32) Mem { return Mem{Base: base, Disp: disp} }

// AtLabel makes an operand relative to the instruction pointer.
func AtLabel(l asm.Label) Mem { return Mem{Base: NoReg, Label: l} }

// Cond is a condition code, numbered as instructions number it (SDM vol. 1,
// appendix B).
type Cond uint8

const (
	O  Cond = iota // overflow
	NO             // no overflow
	B              // below, unsigned
	AE             // above or equal, unsigned
	E              // equal, zero
	NE             // not equal, not zero
	BE             // below or equal, unsigned
	A              // above, unsigned
	S              // sign
	NS             // no sign
	P              // parity even
	NP             // parity odd
	L              // less, signed
	GE             // greater or equal, signed
	LE             // less or equal, signed
	G              // greater, signed
)

var condNames = [16]string{"o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g"}

// Not is the opposite condition.
func (c Cond) Not() Cond { return c ^ 1 }

func (c Cond) String() string { return condNames[c&15] }

// class is a set of operands that a form takes in one place.
type class uint8

const (
	none  class = iota
	r           // a register
	m           // memory
	rm          // either
	acc         // RAX
	cl          // RCX, used as CL
	one         // the immediate 1
	imm8        // an immediate that is the sign extension of 8 bits
	immU8       // an immediate of 8 bits whatever the width: a count, a bit number
	immZ        // an immediate of the width, at most 32 bits, which 64-bit instructions sign-extend
	imm64       // any immediate
)

// bytes is how many bytes of the instruction the immediate takes.
func (c class) bytes(w Width) int {
	switch c {
	case imm8, immU8:
		return 1
	case immZ:
		return int(min(w, W32))
	case imm64:
		return 8
	}
	return 0
}

func (c class) takes(o Operand, w Width) bool {
	switch o := o.(type) {
	case Reg:
		switch c {
		case r, rm:
			return o < NumReg
		case acc:
			return o == RAX
		case cl:
			return o == RCX
		}
	case Mem:
		return c == m || c == rm
	case Imm:
		switch c {
		case one:
			return o == 1
		case imm8:
			v, ok := o.signed(w)
			return ok && v == int64(int8(v))
		case immU8:
			return 0 <= o && o <= 255
		case immZ:
			_, ok := o.signed(w)
			return ok
		case imm64:
			return true
		}
	}
	return false
}

// signed is the immediate as a number of the width's bits, at most 32 of them;
// false if it has more.
func (v Imm) signed(w Width) (int64, bool) {
	switch w {
	case W8:
		return int64(int8(v)), -1<<7 <= v && v < 1<<8
	case W16:
		return int64(int16(v)), -1<<15 <= v && v < 1<<16
	case W32:
		return int64(int32(v)), -1<<31 <= v && v < 1<<32
	}
	return int64(v), v == Imm(int32(v))
}

// describe names an operand for an error. It makes the text itself, so that
// operands stay off the heap.
func describe(o Operand) string {
	switch o := o.(type) {
	case Reg:
		return "register " + o.String()
	case Mem:
		return "memory"
	case Imm:
		return "immediate " + strconv.FormatInt(int64(o), 10)
	}
	return "nothing"
}
