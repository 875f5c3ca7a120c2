package lir

import (
	"container/heap"
	"fmt"
	"math/bits"
	"slices"
)

// MaxPool is the largest number of physical registers in a Pool.
const MaxPool = 64

// Pool describes the physical registers that a backend gives to virtual ones.
// It numbers them from 0; of several that are equally good, the lowest number
// is taken.
type Pool struct {
	Regs int // how many there are, at most MaxPool
	// Params[i] is the number of the register in which parameter i arrives;
	// negative if that one is not in the pool.
	Params [MaxParams]int
	// Result is the number of the register in which the result leaves;
	// negative if that one is not in the pool.
	Result int
	// Folded, if not nil, tells for each instruction, numbered as in
	// Allocation, the number of the later instruction or terminator of its
	// block that the backend makes it a part of, one that is not folded itself;
	// 0 if none. The operands of a folded instruction are then read there, and
	// its result, which nothing else may write or read, gets no place.
	Folded []int32
}

// LocKind is the kind of a Loc.
type LocKind uint8

const (
	LocNone  LocKind = iota // the register is not in use
	LocReg                  // N is the number of a physical register
	LocFrame                // N is an offset into the frame, in bytes; the slot has 8
)

// Loc is the place of a virtual register, the same for all its life.
type Loc struct {
	Kind LocKind
	N    int32
}

// Allocation is the result of Allocate.
//
// Where an instruction is asked for by number, instructions and terminators
// are numbered together from 0, in layout order.
type Allocation struct {
	Loc   []Loc // by virtual register
	Frame int   // bytes of frame: the local stack, then the slots

	flow  *flow
	spans spans    // by virtual register
	held  [][]span // by physical register: when it is taken, in order
}

// First is the number of block b's first instruction; for the number of
// blocks, that of all instructions.
func (a *Allocation) First(b int) int { return int(a.flow.first[b]) }

// LiveBefore reports whether the physical register holds a value just before
// instruction i that i or a later instruction may read.
func (a *Allocation) LiveBefore(reg, i int) bool {
	return a.taken(reg, before(int32(i)), readAt(int32(i)))
}

// LiveAcross reports whether the physical register holds a value that is there
// before instruction i and may be read after it: one that an instruction which
// clobbers the register has to save.
func (a *Allocation) LiveAcross(reg, i int) bool {
	return a.taken(reg, readAt(int32(i)), writeAt(int32(i)))
}

// taken reports whether one value holds the register from first to last.
func (a *Allocation) taken(reg int, first, last int32) bool {
	held := a.held[reg]
	// The first stretch that ends at last or later.
	i, _ := slices.BinarySearchFunc(held, last, func(s span, at int32) int {
		return int(s.last) - int(at)
	})
	return i < len(held) && held[i].first <= first
}

// Dies reports whether no instruction after i reads what r holds before i.
func (a *Allocation) Dies(r Reg, i int) bool { return a.spans[r].last <= readAt(int32(i)) }

// Allocate gives every register of f that is in use one place for all its
// life: a physical register or a slot of the frame. f must be verified.
//
// It is a linear scan over the stretches from a register's birth to its last
// use in layout order, which loops lengthen as far as the register is really
// live. When more are alive than there are registers, the one with the fewest
// uses for its length goes to the frame, where a use in a loop counts for more.
// The other end of a move, the first operand of an operation, the places of
// parameters and of the result are preferred, so that moves vanish.
func Allocate(f *Func, pool Pool) (*Allocation, error) {
	if pool.Regs < 0 || pool.Regs > MaxPool {
		return nil, fmt.Errorf("lir: pool of %d registers: a pool has 0 to %d", pool.Regs, MaxPool)
	}
	s := newScan(f, pool)
	s.assign()
	a := &Allocation{
		Loc:   make([]Loc, f.NumReg),
		flow:  s.live.flow,
		spans: s.spans,
		held:  make([][]span, pool.Regs),
	}
	var spilled []Reg
	for _, r := range s.order {
		if reg := s.reg[r]; reg >= 0 {
			a.Loc[r] = Loc{LocReg, int32(reg)}
			a.held[reg] = append(a.held[reg], s.spans[r])
		} else {
			spilled = append(spilled, r)
		}
	}
	base := (f.Locals + 7) &^ 7
	a.Frame = f.Locals
	if slots := assignSlots(a.Loc, s.spans, spilled, base); slots > 0 {
		a.Frame = base + 8*slots
	}
	if a.Frame > MaxFrame {
		return nil, fmt.Errorf("func %s: %w: the frame needs %d bytes, more than the %d there are", formatName(f.Name), ErrTooLarge, a.Frame, MaxFrame)
	}
	return a, nil
}

// scan is the state of one allocation.
type scan struct {
	f     *Func
	pool  Pool
	live  *liveness
	spans spans
	depth []int8    // by block: the loops around it
	cost  []float64 // by register: its uses, weighted
	wants []want    // by register: the first of its list
	prefs []pref
	order []Reg  // registers in use, by birth
	reg   []int8 // by register: its physical register, or one of the below
}

const (
	unassigned = -1
	inFrame    = -2
)

// pref is one wish of a register: to be where another one is, or in a certain
// physical register.
type pref struct {
	with   Reg // NoReg: in phys
	phys   int8
	weight float32
	next   int32 // the next of the list, plus one
}

// want is the head of a register's list of prefs, plus one.
type want int32

func newScan(f *Func, pool Pool) *scan {
	s := &scan{
		f: f, pool: pool,
		spans: newSpans(f),
		depth: loopDepths(f),
		cost:  make([]float64, f.NumReg),
		wants: make([]want, f.NumReg),
		reg:   make([]int8, f.NumReg),
	}
	for i, r := range f.Params {
		if p := pool.Params[i]; p >= 0 && p < pool.Regs {
			s.prefer(r, pref{phys: int8(p), weight: 1})
		}
	}
	s.live = newLiveness(f, pool.Folded, s)
	for r := Reg(1); r < f.NumReg; r++ {
		s.spans.extend(r, s.live, s.live.blocks(r))
		if s.spans[r].used() {
			s.order = append(s.order, r)
		}
	}
	slices.SortFunc(s.order, func(a, b Reg) int {
		if d := int(s.spans[a].first) - int(s.spans[b].first); d != 0 {
			return d
		}
		return int(a) - int(b)
	})
	s.preferences()
	return s
}

// read and write make scan a visitor of newLiveness.

func (s *scan) read(r Reg, block, at int32) {
	s.spans.read(r, block, at)
	s.cost[r] += loopWeight(s.depth[block])
}

func (s *scan) write(r Reg, block, at int32) {
	s.spans.write(r, block, at)
	s.cost[r] += loopWeight(s.depth[block])
}

// loopDepths counts for each block the loops around it: a loop is what lies,
// in layout order, between a block and the last that jumps back to it.
func loopDepths(f *Func) []int8 {
	end := make([]int, len(f.Blocks)) // by block: one past the last that jumps back to it
	var buf []int
	for i, b := range f.Blocks {
		buf = b.Term.AppendTargets(buf[:0])
		for _, t := range buf {
			if t <= i {
				end[t] = i + 1
			}
		}
	}
	change := make([]int, len(f.Blocks)+1)
	for i, e := range end {
		if e > 0 {
			change[i]++
			change[e]--
		}
	}
	depth := make([]int8, len(f.Blocks))
	d := 0
	for i := range depth {
		d += change[i]
		depth[i] = int8(min(d, maxDepth))
	}
	return depth
}

// Deeper loops weigh no more than this depth: by then the weight decides.
const maxDepth = 6

// loopWeight is how often a block of that depth is taken to run.
func loopWeight(depth int8) float64 {
	w := 1.0
	for range depth {
		w *= 10
	}
	return w
}

// prefer adds to r's wishes.
func (s *scan) prefer(r Reg, p pref) {
	p.next = int32(s.wants[r])
	s.prefs = append(s.prefs, p)
	s.wants[r] = want(len(s.prefs))
}

// preferences notes which registers want to share a place. A share between two
// that are alive together is never given, so no test is needed here.
func (s *scan) preferences() {
	share := func(a, b Reg, weight float64) {
		if a != b && a != NoReg && b != NoReg {
			s.prefer(a, pref{with: b, weight: float32(weight)})
			s.prefer(b, pref{with: a, weight: float32(weight)})
		}
	}
	for i, b := range s.f.Blocks {
		w := loopWeight(s.depth[i])
		for j := range b.Insts {
			in := &b.Insts[j]
			switch info := in.Op.Info(); {
			case in.Op == Mov:
				share(in.Dst, in.B.Reg, w)
			case in.Op == Select:
				// As one move that may not happen.
				share(in.Dst, in.T.Reg, w/2)
				share(in.Dst, in.F.Reg, w/2)
			case in.Op == Set:
				// No part of the result is there before.
			case info.Operands&unary == unary:
				share(in.Dst, in.A, w/2)
				if info.Commutes {
					share(in.Dst, in.B.Reg, w/4)
				}
			}
		}
		if t := &b.Term; t.Kind == Return && t.B.Reg != NoReg && s.pool.Result >= 0 && s.pool.Result < s.pool.Regs {
			s.prefer(t.B.Reg, pref{phys: int8(s.pool.Result), weight: float32(w)})
		}
	}
}

// assign is the linear scan.
func (s *scan) assign() {
	for r := range s.reg {
		s.reg[r] = unassigned
	}
	var holder [MaxPool]Reg
	free := uint64(1)<<s.pool.Regs - 1 // all ones for 64: the shift gives 0
	for _, r := range s.order {
		sp := s.spans[r]
		for taken := (uint64(1)<<s.pool.Regs - 1) &^ free; taken != 0; taken &= taken - 1 {
			p := bits.TrailingZeros64(taken)
			if s.spans[holder[p]].last < sp.first {
				free |= 1 << p
			}
		}
		p := s.best(r, free)
		if p < 0 {
			p = s.evict(r, holder[:s.pool.Regs])
		}
		if p >= 0 {
			s.reg[r], holder[p] = int8(p), r
			free &^= 1 << p
		} else {
			s.reg[r] = inFrame
		}
	}
}

// best is the free register that r wants most, -1 if none is free.
func (s *scan) best(r Reg, free uint64) int {
	if free == 0 {
		return -1
	}
	var score [MaxPool]float32
	best := bits.TrailingZeros64(free)
	for i := s.wants[r]; i != 0; {
		w := s.prefs[i-1]
		i = want(w.next)
		p := w.phys
		if w.with != NoReg {
			p = s.reg[w.with]
		}
		if p < 0 || free>>p&1 == 0 {
			continue
		}
		score[p] += w.weight
		if score[p] > score[best] {
			best = int(p)
		}
	}
	return best
}

// evict sends to the frame the one of r and the holders that is used least for
// its length. It returns the register that becomes free, -1 if r itself goes.
func (s *scan) evict(r Reg, holder []Reg) int {
	least, at := s.density(r), -1
	for p, h := range holder {
		if d := s.density(h); d < least {
			least, at = d, p
		}
	}
	if at >= 0 {
		s.reg[holder[at]] = inFrame
	}
	return at
}

func (s *scan) density(r Reg) float64 {
	sp := s.spans[r]
	return s.cost[r] / float64(sp.last-sp.first+1)
}

// assignSlots gives each spilled register, which come by birth, a slot of the
// frame and returns how many slots there are. Registers that are not alive
// together share.
func assignSlots(loc []Loc, spans spans, spilled []Reg, base int) int {
	var busy slotHeap
	slots := 0
	for _, r := range spilled {
		sp := spans[r]
		slot := slots
		if len(busy) > 0 && busy[0].last < sp.first {
			slot = heap.Pop(&busy).(busySlot).slot
		} else {
			slots++
		}
		heap.Push(&busy, busySlot{sp.last, slot})
		loc[r] = Loc{LocFrame, int32(base + 8*slot)}
	}
	return slots
}

// busySlot is a slot and the end of what is in it.
type busySlot struct {
	last int32
	slot int
}

// slotHeap has the slot that is free first on top.
type slotHeap []busySlot

func (h slotHeap) Len() int           { return len(h) }
func (h slotHeap) Less(i, j int) bool { return h[i].last < h[j].last }
func (h slotHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *slotHeap) Push(x any)        { *h = append(*h, x.(busySlot)) }
func (h *slotHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
