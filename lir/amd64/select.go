package amd64

import (
	"math/bits"

	"github.com/bpfjit/bpfjit/lir"
)

// selectLoads finds the loads that become the memory operand of the one
// instruction that uses them. Such a load happens at that instruction, so
// between the two nothing may write its address registers, nor memory that it
// may read.
func (c *compiler) selectLoads() {
	f := c.f
	total := 0
	for _, b := range f.Blocks {
		total += len(b.Insts) + 1
	}
	c.folded, c.loads = make([]int32, total), make([]int32, total)
	s := selector{
		compiler: c,
		reads:    f.Reads(), writes: f.Writes(),
		written: make([]int32, f.NumReg),
	}
	for i := range s.written {
		s.written[i] = -1
	}
	first := int32(0)
	for _, b := range f.Blocks {
		s.begin(b, first)
		for j := range b.Insts {
			s.use(b, first+int32(j))
			s.after(&b.Insts[j], first+int32(j))
		}
		s.use(b, first+int32(len(b.Insts)))
		first += int32(len(b.Insts)) + 1
	}
}

type selector struct {
	*compiler
	reads, writes []int32 // by register: how often
	written       []int32 // by register: the last instruction that wrote it
	first         int32   // the block's first instruction
	// The last stores of the block, one before its first if there is none:
	// those to the frame and those anywhere else.
	frameStore, otherStore int32
}

func (s *selector) begin(b *lir.Block, first int32) {
	s.first = first
	s.frameStore, s.otherStore = first-1, first-1
}

func (s *selector) after(in *lir.Inst, at int32) {
	if r := in.Writes(); r != lir.NoReg {
		s.written[r] = at
	}
	if in.Op == lir.Store {
		// LIR cannot make a pointer into the frame, so that the two kinds
		// of memory are apart.
		if in.Mem.Base == lir.Frame {
			s.frameStore = at
		} else {
			s.otherStore = at
		}
	}
}

// use folds a load into the instruction or terminator at, if it can.
func (s *selector) use(b *lir.Block, at int32) {
	var a lir.Reg
	var arg lir.Arg
	var fits func(ld *lir.Inst, isA bool) bool
	if j := at - s.first; int(j) < len(b.Insts) {
		in := &b.Insts[j]
		a, arg = in.A, in.B
		switch in.Op {
		case lir.Set, lir.Select:
			fits = func(ld *lir.Inst, isA bool) bool { return comparable(ld, in.Cond, in.W, in.B, isA) }
		case lir.Add, lir.Sub, lir.And, lir.Or, lir.Xor, lir.Mul:
			fits = func(ld *lir.Inst, isA bool) bool {
				return ld.W == in.W && ld.Order == lir.LittleEndian &&
					(!isA || in.Op.Info().Commutes && !in.B.IsImm())
			}
		default:
			return
		}
	} else if t := &b.Term; t.Kind == lir.Branch {
		a, arg = t.A, t.B
		fits = func(ld *lir.Inst, isA bool) bool { return comparable(ld, t.Cond, t.W, t.B, isA) }
	} else {
		return
	}
	for _, r := range []lir.Reg{arg.Reg, a} {
		if r == lir.NoReg || s.reads[r] != 1 || s.writes[r] != 1 || s.written[r] < s.first {
			continue
		}
		from := s.written[r]
		ld := &b.Insts[from-s.first]
		if ld.Op == lir.Load && s.undisturbed(ld, from) && fits(ld, r == a) {
			s.folded[from], s.loads[at] = at, from+1
			return
		}
	}
}

// undisturbed tells whether the load at from would read the same now.
func (s *selector) undisturbed(ld *lir.Inst, from int32) bool {
	if ld.Mem.Base == lir.Frame {
		return s.frameStore < from
	}
	return s.otherStore < from && s.written[ld.Mem.Base] <= from &&
		(ld.Mem.Index == lir.NoReg || s.written[ld.Mem.Index] <= from)
}

// foldedLoad is the load that is part of the present instruction, nil if none,
// and whether it stands for the instruction's operand A, rather than B.
func (c *compiler) foldedLoad(a lir.Reg) (ld *lir.Inst, isA bool) {
	from := c.loads[c.at]
	if from == 0 {
		return nil, false
	}
	ld = &c.f.Blocks[c.block].Insts[int(from)-1-c.alloc.First(c.block)]
	return ld, ld.Dst == a
}

// comparable tells whether a load can be an operand of the comparison in
// memory; isA says which.
func comparable(ld *lir.Inst, cond lir.Cond, w lir.Width, b lir.Arg, isA bool) bool {
	if isA && b.IsImm() {
		_, ok := memCompare(ld, cond, w, b.Imm)
		return ok
	}
	return ld.W == w && ld.Order == lir.LittleEndian
}

// memTest is a comparison or bit test of memory, as it lies there, with a
// constant, at the memory's width.
type memTest struct {
	cond lir.Cond
	k    uint64
}

// memCompare turns a comparison, at width w, of a loaded value with a constant
// into one of the memory itself. Where the load reverses the bytes, the
// constant's are reversed instead, which equality and bit tests permit. The
// loaded value has zeros above its width, so that a narrow comparison is an
// unsigned one, and the constant must be as narrow.
func memCompare(ld *lir.Inst, cond lir.Cond, w lir.Width, k int64) (memTest, bool) {
	t := memTest{cond, zeroExtended(w, k)}
	if ld.W > w {
		return t, false
	}
	mask := zeroExtended(ld.W, -1)
	bitTest := cond == lir.ANY || cond == lir.NONE
	switch {
	case bitTest:
		t.k &= mask
	case t.k > mask:
		return t, false
	case ld.W < w:
		t.cond = unsigned(cond)
	}
	if ld.Order == lir.BigEndian && ld.W != lir.W8 {
		if !bitTest && cond != lir.EQ && cond != lir.NE {
			return t, false
		}
		t.k = bits.ReverseBytes64(t.k) >> (64 - ld.W.Bits())
	}
	return t, true
}

// unsigned is the condition that says of numbers that are not negative what
// cond says.
func unsigned(cond lir.Cond) lir.Cond {
	switch cond {
	case lir.LTS:
		return lir.LTU
	case lir.LES:
		return lir.LEU
	case lir.GTS:
		return lir.GTU
	case lir.GES:
		return lir.GEU
	}
	return cond
}
