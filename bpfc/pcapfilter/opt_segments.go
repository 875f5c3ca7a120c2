package pcapfilter

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"slices"
)

// segment is an interval of numbers that all lead to the same part.
type segment struct {
	lo, hi uint32
	to     *part
	order  int // the place in the list of the first case that is in it
}

// paint makes disjoint segments in rising order of a list of cases, of which
// earlier ones go over later ones, and tells which of them are seen anywhere.
// Numbers above limit do not occur.
func paint(list *caseList, n int, limit uint32) (segs []segment, seen []bool) {
	seen = make([]bool, n)
	type event struct {
		at    uint64
		order int
		c     *caseList
	}
	events := make([]event, 0, n)
	for i, c := 0, list; i < n; i, c = i+1, c.next {
		if c.lo <= limit {
			events = append(events, event{uint64(c.lo), i, c})
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return cmp.Compare(a.at, b.at) })

	// A sweep over the starts: the open case of the lowest order counts.
	add := func(lo, hi uint64, to *part, order int) {
		seen[order] = true
		if k := len(segs) - 1; k >= 0 && segs[k].to == to && uint64(segs[k].hi)+1 == lo {
			segs[k].hi, segs[k].order = uint32(hi), min(segs[k].order, order)
			return
		}
		segs = append(segs, segment{uint32(lo), uint32(hi), to, order})
	}
	var open openCases
	pos := uint64(0)
	flush := func(until uint64) { // paints up to, not including, until
		for len(open) > 0 && pos < until {
			top := open[0]
			end := min(uint64(top.c.hi)+1, until, uint64(limit)+1)
			if end <= pos {
				heap.Pop(&open)
				continue
			}
			add(pos, end-1, top.c.to, top.order)
			pos = end
			if pos > uint64(limit) {
				break
			}
		}
		pos = max(pos, until)
	}
	for _, e := range events {
		flush(e.at)
		heap.Push(&open, openCase{e.order, e.c})
	}
	flush(uint64(limit) + 1)
	return segs, seen
}

type openCase struct {
	order int
	c     *caseList
}

// openCases is a heap: the case of the lowest order first.
type openCases []openCase

func (o openCases) Len() int           { return len(o) }
func (o openCases) Less(i, j int) bool { return o[i].order < o[j].order }
func (o openCases) Swap(i, j int)      { o[i], o[j] = o[j], o[i] }
func (o *openCases) Push(x any)        { *o = append(*o, x.(openCase)) }
func (o *openCases) Pop() any {
	last := (*o)[len(*o)-1]
	*o = (*o)[:len(*o)-1]
	return last
}

// sharedSearch is a sequence of searches that several places make, each with
// its own values: the addresses of an IP packet, and those of an ARP packet.
type sharedSearch struct {
	heads []*part
	block *block
	slots []int
}

// sharedSize is from how many cases on it pays to put the values into scratch
// words and make the searches once. Those of the last search do not count: it
// needs no scratch word to be shared (opt_merge.go).
const sharedSize = 5

// findShared looks for sequences of long searches that differ in nothing but the
// values.
func (s *searcher) findShared(root *part) {
	s.shared = map[string]*sharedSearch{}
	s.keys = map[*part]string{}
	names := map[*part]uint32{}
	name := func(p *part) uint32 {
		if _, ok := names[p]; !ok {
			names[p] = uint32(len(names))
		}
		return names[p]
	}
	seen := map[*part]bool{root: true}
	stack := []*part{root}
	inner := map[*part]bool{} // parts of a sequence that are not its first
	visit := func(p *part) {
		if p != nil && !seen[p] {
			seen[p] = true
			stack = append(stack, p)
		}
	}
	for len(stack) > 0 {
		p := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if p.v == nil {
			for _, b := range []*block{p.old.jt, p.old.jf} {
				if b != nil {
					visit(s.conv[b.id])
				}
			}
			continue
		}
		if chain := sequence(p); len(chain) > 0 && !inner[p] {
			var key []byte
			for i, c := range chain {
				inner[c] = inner[c] || i > 0
				key = binary.LittleEndian.AppendUint32(key, c.v.max)
				segs, _ := paint(c.list, c.n, c.v.max)
				for _, g := range segs {
					key = binary.LittleEndian.AppendUint32(key, g.lo)
					key = binary.LittleEndian.AppendUint32(key, g.hi)
					key = binary.LittleEndian.AppendUint32(key, name(g.to))
				}
				key = append(key, '|')
			}
			key = binary.LittleEndian.AppendUint32(key, name(chain[len(chain)-1].def))
			s.keys[p] = string(key)
			if s.shared[string(key)] == nil {
				s.shared[string(key)] = &sharedSearch{}
			}
			sh := s.shared[string(key)]
			sh.heads = append(sh.heads, p)
		}
		for i, c := 0, p.list; i < p.n; i, c = i+1, c.next {
			visit(c.to)
		}
		visit(p.def)
	}
}

// sequence is the searches from p on, of which only the first may fail, or
// nothing if there are too few cases.
func sequence(p *part) (chain []*part) {
	cases := 0
	for p.v != nil && p.n > 1 && len(chain) < 4 && (len(chain) == 0 || p.single && p.safe) {
		chain = append(chain, p)
		cases += p.n
		p = p.def
	}
	if len(chain) < 2 || cases-chain[len(chain)-1].n < sharedSize {
		return nil
	}
	return chain
}

// buildShared stores p's values and goes to the common search.
func (s *searcher) buildShared(p *part, sh *sharedSearch) *block {
	chain := sequence(p)
	if sh.block == nil {
		if s.slots+len(chain)+s.vs.spills+1 > scratchWords { // one more for a test of two values
			return s.branch(p.v, p.list, p.n, s.build(p.def))
		}
		for range chain {
			sh.slots = append(sh.slots, s.slots)
			s.slots++
		}
		next := s.build(chain[len(chain)-1].def)
		for i := len(chain) - 1; i >= 0; i-- {
			c := chain[i]
			word := s.vs.slotMax(sh.slots[i], c.v.max)
			next = s.branch(word, c.list, c.n, next)
		}
		sh.block = next
	}
	// The value of the first search comes last: it is in the accumulator then,
	// and its scratch word is not needed.
	sets := make([]assign, 0, len(chain))
	for i, c := range slices.Backward(chain) {
		sets = append(sets, assign{sh.slots[i], c.v})
	}
	return s.gr.assign(sets, sh.block)
}
