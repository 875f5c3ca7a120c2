package lir

// span is a stretch of the function, from one point to another, both inside.
// Each instruction has four points: before it, where it reads, where it writes,
// and after it. Parameters arrive at point 0, before the first.
type span struct{ first, last int32 }

func before(i int32) int32  { return 4 * i }
func readAt(i int32) int32  { return 4*i + 1 }
func writeAt(i int32) int32 { return 4*i + 2 }
func after(i int32) int32   { return 4*i + 3 }

// used says whether the span has any point.
func (s span) used() bool { return s.last >= s.first }

// spans has, by register, the stretch from its first use to its last in layout
// order, which loops lengthen as far as the register is really live.
type spans []span

// newSpans has the arrival of the parameters.
func newSpans(f *Func) spans {
	s := make(spans, f.NumReg)
	for r := range s {
		s[r] = span{first: 1<<31 - 1, last: -1}
	}
	for _, r := range f.Params {
		s.cover(r, 0)
	}
	return s
}

func (s spans) cover(r Reg, at int32) {
	sp := &s[r]
	sp.first, sp.last = min(sp.first, at), max(sp.last, at)
}

// read and write make spans a visitor of newLiveness.

func (s spans) read(r Reg, _, at int32)  { s.cover(r, readAt(at)) }
func (s spans) write(r Reg, _, at int32) { s.cover(r, writeAt(at)) }

// extend covers the ways into the blocks at whose start r is live.
func (s spans) extend(r Reg, l *liveness, blocks []int32) {
	for _, b := range blocks {
		s.cover(r, before(l.first[b]))
		for _, p := range l.predecessors(b) {
			s.cover(r, after(l.term(p)))
		}
	}
}

// crowded is the first instruction at which more than MaxLive registers are in
// use, -1 if there is none. One that is read for the last time and one that is
// written by the same instruction are not in use at once.
func (s spans) crowded(g *flow) int32 {
	n := g.first[len(g.first)-1]
	change := make([]int32, 2*n+1) // before and where it reads, where it writes and after
	for _, sp := range s {
		if sp.used() {
			change[sp.first/2]++
			change[sp.last/2+1]--
		}
	}
	inUse := int32(0)
	for i, c := range change {
		if inUse += c; inUse > MaxLive {
			return int32(i / 2)
		}
	}
	return -1
}
