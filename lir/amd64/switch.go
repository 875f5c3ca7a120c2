package amd64

import (
	"math"

	"github.com/bpfjit/bpfjit/asm"
	x86 "github.com/bpfjit/bpfjit/asm/amd64"
	"github.com/bpfjit/bpfjit/lir"
)

// cluster is a set of values of a Switch that lead to one target: all from lo
// to hi or, if set is not 0, those lo+i for which bit i of set is 1. The others
// between lo and hi then lead to the default.
type cluster struct {
	lo, hi uint64
	set    uint64
	target int
}

const (
	// linearMax is how many clusters are tried one after the other, rather
	// than halved.
	linearMax = 3
	// setMin is how many clusters a bit set has to replace to be worth its
	// five instructions.
	setMin = 4
	// setSpan is how many values a bit set can tell apart.
	setSpan = 64
)

// clusters joins the cases, ascending by value: neighbours to ranges, and
// ranges that are near to bit sets.
func clusters(cases []lir.Case) []cluster {
	var ranges []cluster
	for _, c := range cases {
		if n := len(ranges); n > 0 && ranges[n-1].target == c.Target && ranges[n-1].hi+1 == c.Value {
			ranges[n-1].hi = c.Value
		} else {
			ranges = append(ranges, cluster{lo: c.Value, hi: c.Value, target: c.Target})
		}
	}
	joined := ranges[:0]
	for i := 0; i < len(ranges); {
		first, n, set := ranges[i], 0, uint64(0)
		for _, r := range ranges[i:] {
			if r.target != first.target || r.hi-first.lo >= setSpan {
				break
			}
			set |= (2<<(r.hi-r.lo) - 1) << (r.lo - first.lo)
			n++
		}
		if n >= setMin {
			first.hi, first.set = ranges[i+n-1].hi, set
		} else {
			n = 1
		}
		joined = append(joined, first)
		i += n
	}
	return joined
}

// multiway is Switch: a hash (see hash.go), or a balanced binary search among
// the clusters. No jump table: an indirect jump is mispredicted as often as the
// search's last branches together, and is open to branch target injection.
// Block next is laid out after this one.
func (c *compiler) multiway(t *lir.Term, next int) {
	s := search{compiler: c, t: t, w: x86.Width(t.W), next: next}
	s.a = c.inReg(s.w, t.A, scratch)
	cs := clusters(t.Cases)
	if len(cs) >= hashMin && s.hashed() {
		return
	}
	s.tree(cs, 0, zeroExtended(t.W, -1), true)
}

type search struct {
	*compiler
	t    *lir.Term
	w    x86.Width
	a    x86.Reg // has the value; scratch if that lives in the frame
	next int
}

// tree finds the value, which is known to be at least lo and at most hi, among
// the clusters. last tells that the next block's code follows.
func (s *search) tree(cs []cluster, lo, hi uint64, last bool) {
	if len(cs) > linearMax {
		mid := len(cs) / 2
		pivot := cs[mid].lo
		upper := s.NewLabel()
		s.cmp(pivot)
		s.Jcc(x86.AE, upper)
		s.tree(cs[:mid], lo, pivot-1, false)
		s.Bind(upper)
		s.tree(cs[mid:], pivot, hi, last)
		return
	}
	for i, c := range cs {
		to := s.labels[c.target]
		switch {
		case c.set != 0:
			s.bitSet(c, to, i == len(cs)-1) // the jump to the default follows
		case c.lo == lo && c.hi == hi:
			s.Jmp(to)
			return
		case c.lo == c.hi:
			s.cmp(c.lo)
			s.Jcc(x86.E, to)
		case c.lo == lo:
			s.cmp(c.hi)
			s.Jcc(x86.BE, to)
		case c.hi == hi:
			s.cmp(c.lo)
			s.Jcc(x86.AE, to)
		default:
			s.within(c, to)
		}
		if c.lo == lo && c.set == 0 {
			lo = c.hi + 1 // less than hi
		}
	}
	if !last || s.t.Else != s.next {
		s.Jmp(s.labels[s.t.Else])
	}
}

// cmp compares the value with v.
func (s *search) cmp(v uint64) {
	if v == 0 {
		s.Emit(x86.TEST, s.w, s.a, s.a)
		return
	}
	s.Emit(x86.CMP, s.w, s.a, s.value(s.t.W, lir.I(int64(v)), scratchA))
}

// within goes to a label if the value is in a range.
func (s *search) within(c cluster, to asm.Label) {
	if c.hi-c.lo <= math.MaxInt32 && s.less(c.lo) {
		s.Emit(x86.CMP, s.w, scratchA, x86.Imm(c.hi-c.lo))
		s.Jcc(x86.BE, to)
		return
	}
	below := s.NewLabel()
	s.cmp(c.lo)
	s.Jcc(x86.B, below)
	s.cmp(c.hi)
	s.Jcc(x86.BE, to)
	s.Bind(below)
}

// less leaves the value less v in scratchA, and tells whether it could.
func (s *search) less(v uint64) bool {
	k := imm(s.t.W, -int64(v))
	if !fitsImm32(k) {
		return false
	}
	s.Emit(x86.LEA, s.w, scratchA, x86.At(s.a, int32(k)))
	return true
}

// bitSet goes to a label if the value is in a bit set, and to the default if it
// is in the gaps. If the value was in scratch, it still is where it was neither.
func (s *search) bitSet(c cluster, to asm.Label, last bool) {
	out := s.NewLabel()
	if !s.less(c.lo) {
		s.MovImm(scratchA, -int64(c.lo))
		s.Emit(x86.ADD, x86.W64, scratchA, s.a)
	}
	s.Emit(x86.CMP, s.w, scratchA, x86.Imm(c.hi-c.lo))
	s.Jcc(x86.A, out)
	s.MovImm(scratch, int64(c.set))
	s.Emit(x86.BT, x86.W64, scratch, scratchA)
	s.Jcc(x86.B, to) // BT leaves the bit in the carry flag
	if !last {
		s.Jmp(s.labels[s.t.Else])
	}
	s.Bind(out)
}
