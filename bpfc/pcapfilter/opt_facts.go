package pcapfilter

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/bpfjit/bpfjit/bpfc"
)

// facts is what is known of the packet at a place in the program: how many
// bytes it has at least, and about the values tested before. It is never
// changed; deriving new facts makes a copy.
type facts struct {
	length uint32        // at least this many bytes were captured
	at     []indexFact   // sorted by the index's id
	known  []valueFact   // sorted by the value's id
	ne     *unequalFacts // shared by all facts of a run
}

// indexFact says that index plus end is not beyond the packet.
type indexFact struct {
	index *value
	end   uint32
}

// valueFact says that a value is in a range, and which numbers in it it is not:
// those that unequalFacts has since the fact's beginning.
type valueFact struct {
	v      *value
	lo, hi uint32
	since  int
	hash   uint64    // of the set of numbers it is not
	not    *unequals // those numbers, in threadOnce
}

// unequalFacts are the numbers values are known not to be on the way the walk
// is on. A long list of hosts makes thousands of them, so they are kept in one
// table that follows the walk instead of in every facts.
type unequalFacts struct {
	vs     *values
	facts  slab[facts]
	values slab[valueFact]
	linked bool            // they are in the facts instead: there is no one way
	tab    map[unequal]int // when it was learnt; 0: not
	now    int
}

type unequal struct {
	v *value
	k uint32
}

// add notes that v is not k and returns what takes the note back.
func (u *unequalFacts) add(v *value, k uint32) (undo func()) {
	key := unequal{v, k}
	old := u.tab[key]
	u.now++
	u.tab[key] = u.now
	return func() { u.tab[key] = old }
}

func (f *facts) find(v *value) (int, bool) {
	return slices.BinarySearchFunc(f.known, v.id, func(a valueFact, id int) int { return a.v.id - id })
}

// rangeOf is the range a value is known to be in.
func (f *facts) rangeOf(v *value) (lo, hi uint32) {
	if v.op == opConst {
		return v.k, v.k
	}
	if i, ok := f.find(v); ok {
		return f.known[i].lo, f.known[i].hi
	}
	if v.op == opALU {
		alo, ahi := f.rangeOf(v.a)
		blo, bhi := f.rangeOf(v.b)
		if alo == ahi && blo == bhi {
			if k, ok := fold(v.alu, alo, blo); ok {
				return k, k
			}
		}
		if v.alu == bpfc.AluAND {
			return 0, min(ahi, bhi)
		}
	}
	if v.op == opNeg {
		if lo, hi := f.rangeOf(v.a); lo == hi {
			return -lo, -lo
		}
	}
	return 0, v.max
}

// isNot tells whether v is known not to be k, by tests for equality.
func (f *facts) isNot(v *value, k uint32) bool {
	i, ok := f.find(v)
	return ok && (f.ne.tab[unequal{v, k}] > f.known[i].since || f.known[i].not.has(k))
}

// decide tells how a test comes out, if that is known.
func (f *facts) decide(t test) (outcome, known bool) {
	alo, ahi := f.rangeOf(t.a)
	blo, bhi := f.rangeOf(t.b)
	if alo == ahi && blo == bhi {
		return t.holds(alo, blo), true
	}
	if t.a == t.b && t.cmp != bpfc.JmpJSET {
		return t.cmp != bpfc.JmpJGT, true
	}
	switch t.cmp {
	case bpfc.JmpJEQ:
		return false, ahi < blo || alo > bhi || blo == bhi && f.isNot(t.a, blo)
	case bpfc.JmpJGT:
		return alo > bhi, alo > bhi || ahi <= blo
	case bpfc.JmpJGE:
		return alo >= bhi, alo >= bhi || ahi < blo
	case bpfc.JmpJSET:
		if blo == bhi {
			// What was learnt of the bits is kept as a fact about "a & k".
			lo, hi := f.rangeOf(f.ne.vs.and(t.a, blo))
			return lo > 0, lo > 0 || hi == 0 || ahi < 1<<bits.TrailingZeros32(blo)
		}
	}
	return false, false
}

// available tells whether computing v cannot reject the packet.
func (f *facts) available(v *value) bool {
	switch {
	case v.pure:
		return true
	case v.a != nil && !f.available(v.a), v.b != nil && !f.available(v.b):
		return false
	}
	switch v.op {
	case opLoad:
		return f.bytesAt(v.a, v.k, uint32(v.size))
	case opMSH:
		return f.bytesAt(nil, v.k, 1)
	case opChain:
		return false
	case opALU:
		if (v.alu == bpfc.AluDIV || v.alu == bpfc.AluMOD) && !v.immediate() {
			lo, _ := f.rangeOf(v.b)
			return lo > 0 || f.isNot(v.b, 0)
		}
	}
	return true
}

func (f *facts) bytesAt(index *value, k, size uint32) bool {
	if k >= maxOffset {
		return false
	}
	if index == nil {
		return k+size <= f.length
	}
	for _, a := range f.at {
		if a.index == index {
			return k+size <= a.end
		}
	}
	return false
}

// computed is what is known once v was computed.
func (f *facts) computed(v *value) *facts {
	if v.pure {
		return f
	}
	if v.a != nil {
		f = f.computed(v.a)
	}
	if v.b != nil {
		f = f.computed(v.b)
	}
	switch v.op {
	case opLoad:
		return f.reached(v.a, v.k, uint32(v.size))
	case opMSH:
		return f.reached(nil, v.k, 1)
	}
	return f
}

// reached is what is known once bytes were loaded. Metadata of Linux captures is
// loaded from offsets beyond any packet, and says nothing of it.
func (f *facts) reached(index *value, k, size uint32) *facts {
	if k >= maxOffset || f.bytesAt(index, k, size) {
		return f
	}
	if index == nil {
		c := f.ne.facts.make(*f)
		c.length = k + size
		return c
	}
	if uint64(index.max)+uint64(k+size) >= 1<<32 {
		return f // Linux lets the sum wrap: it may have read elsewhere
	}
	i, ok := slices.BinarySearchFunc(f.at, index.id, func(a indexFact, id int) int { return a.index.id - id })
	c := f.ne.facts.make(*f)
	c.at = slices.Clone(f.at)
	if ok {
		c.at[i].end = k + size
	} else {
		c.at = slices.Insert(c.at, i, indexFact{index, k + size})
	}
	return c
}

// within is what is known once v is known to be from lo to hi.
func (f *facts) within(v *value, lo, hi uint32) *facts {
	if v.op == opConst {
		return f
	}
	c := f.ne.facts.make(*f)
	i, ok := f.find(v)
	if ok {
		c.known = f.ne.values.take(len(f.known))
		copy(c.known, f.known)
	} else {
		c.known = f.ne.values.take(len(f.known) + 1)
		copy(c.known, f.known[:i])
		c.known[i] = valueFact{v: v, hi: v.max, since: f.ne.now}
		copy(c.known[i+1:], f.known[i:])
	}
	c.known[i].lo = max(c.known[i].lo, lo)
	c.known[i].hi = min(c.known[i].hi, hi)
	return c
}

// without is what is known once v is known not to be k; the caller has it noted
// in unequalFacts.
func (f *facts) without(v *value, k uint32) *facts {
	lo, hi := f.rangeOf(v)
	switch {
	case k == lo && lo < hi:
		return f.within(v, lo+1, hi)
	case k == hi && lo < hi:
		return f.within(v, lo, hi-1)
	}
	c := f.within(v, lo, hi)
	i, _ := c.find(v)
	if c.ne.linked {
		c.known[i].not = c.known[i].not.add(k)
	}
	c.known[i].hash ^= mix(uint64(k) + 1)
	return c
}

// mix spreads a number over 64 bits (the finaliser of SplitMix64).
func mix(z uint64) uint64 {
	z *= 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// overwritten is what is still known once scratch words were written.
func (f *facts) overwritten(slots uint32) *facts {
	c := *f
	c.known = slices.DeleteFunc(slices.Clone(f.known), func(k valueFact) bool { return k.v.slots&slots != 0 })
	c.at = slices.DeleteFunc(slices.Clone(f.at), func(a indexFact) bool { return a.index.slots&slots != 0 })
	return &c
}

// project leaves only what matters to the blocks from here on, so that ways
// that differ in nothing else come together again.
func (f *facts) project(n *needs) *facts {
	if f.length <= n.length && len(f.at) == 0 &&
		!slices.ContainsFunc(f.known, func(k valueFact) bool { return !n.uses(k.v) }) {
		return f
	}
	c := facts{length: min(f.length, n.length), ne: f.ne}
	for _, k := range f.known {
		if n.uses(k.v) {
			c.known = append(c.known, k)
		}
	}
	for _, a := range f.at {
		if n.uses(a.index) {
			c.at = append(c.at, a)
		}
	}
	return &c
}

// exactly leaves the packet's length, and what v is if that is one number.
func (f *facts) exactly(v *value) *facts {
	c := facts{length: f.length, ne: f.ne}
	for _, k := range f.known {
		if k.v == v && k.lo == k.hi {
			c.known = []valueFact{k}
		}
	}
	return &c
}

// key is the same for facts that say the same.
func (f *facts) key() string {
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, 64), f.length)
	for _, k := range f.known {
		b = binary.LittleEndian.AppendUint32(b, uint32(k.v.id))
		b = binary.LittleEndian.AppendUint32(b, k.lo)
		b = binary.LittleEndian.AppendUint32(b, k.hi)
		b = binary.LittleEndian.AppendUint64(b, k.hash)
	}
	b = append(b, '|')
	for _, a := range f.at {
		b = binary.LittleEndian.AppendUint32(b, uint32(a.index.id))
		b = binary.LittleEndian.AppendUint32(b, a.end)
	}
	return string(b)
}
