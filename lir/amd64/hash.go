package amd64

import (
	"math/bits"

	"github.com/bpfjit/bpfjit/asm"
	x86 "github.com/bpfjit/bpfjit/asm/amd64"
	"github.com/bpfjit/bpfjit/lir"
)

// A Switch with many cases that lead to one place only asks whether a value is
// in a set. A cuckoo hash answers with two look-ups whatever the set's size,
// and with branches that are predicted as well as the answer can be; a binary
// search mispredicts half of its branches (Pagh and Rodler, "Cuckoo hashing",
// 2001). The tables follow the code.

const (
	// hashMin is how many clusters make a hash cheaper than a search.
	hashMin = 24
	// hashTries is how many pairs of hash functions are tried. They do not
	// depend on anything but the try; values made to collide in all of them
	// are searched for.
	hashTries = 16
)

// cuckoo is a set of 32-bit values: v is in it if first[v*mul>>(32-bits)], by
// the first multiplier, or second[...], by the second, is v. Places that no
// value needs hold one that is in the set.
type cuckoo struct {
	first, second table
}

type table struct {
	mul   uint32
	slots []uint32
	used  []bool
}

func newTable(mul uint32, size int) table {
	return table{mul, make([]uint32, size), make([]bool, size)}
}

func (t *table) shift() int           { return 32 - bits.Len(uint(len(t.slots)-1)) }
func (t *table) slot(v uint32) uint32 { return v * t.mul >> t.shift() }

// put puts v in its place and gives what was there.
func (t *table) put(v uint32) (old uint32, was bool) {
	i := t.slot(v)
	old, was = t.slots[i], t.used[i]
	t.slots[i], t.used[i] = v, true
	return old, was
}

// newCuckoo finds room for all of values, which are distinct.
func newCuckoo(values []uint32) (*cuckoo, bool) {
	size := 1 << bits.Len(uint(len(values))) // above their number, at most twice
	mul := uint32(0x9e3779b1)                // 2^32 by the golden ratio, as Knuth has it
	for range hashTries {
		c := &cuckoo{first: newTable(mul, 2*size)}
		mul = mul*1664525 + 1013904222 | 1
		c.second = newTable(mul, size)
		mul = mul*1664525 + 1013904222 | 1
		if c.fill(values) {
			return c, true
		}
	}
	return nil, false
}

func (c *cuckoo) fill(values []uint32) bool {
	for _, v := range values {
		if !c.insert(v) {
			return false
		}
	}
	for _, t := range []*table{&c.first, &c.second} {
		for i, used := range t.used {
			if !used {
				t.slots[i] = values[0]
			}
		}
	}
	return true
}

// insert makes room for v. Who is first in the first table stays there, so
// that most values are found at the first look-up, until there is no other way.
func (c *cuckoo) insert(v uint32) bool {
	if !c.first.used[c.first.slot(v)] {
		c.first.put(v)
		return true
	}
	steps := 4 * bits.Len(uint(len(c.first.slots)))
	for range steps {
		var was bool
		if v, was = c.second.put(v); !was {
			return true
		}
		if v, was = c.first.put(v); !was {
			return true
		}
	}
	return false
}

// data is a table that is to follow the code.
type data struct {
	label asm.Label
	words []uint32
}

// emitData writes the tables.
func (c *compiler) emitData() {
	if len(c.data) > 0 {
		c.Mark(lir.NoPos)
	}
	for _, d := range c.data {
		c.Bind(d.label)
		for _, w := range d.words {
			c.U32(w)
		}
	}
}

// hashed looks the value up in a hash of the cases, and tells whether that is
// possible: if they are many, of 32 bits, and lead to one place, and the value
// leaves both scratch registers free.
func (s *search) hashed() bool {
	t := s.t
	if t.W != lir.W32 || len(t.Cases) < hashMin || s.a == scratch {
		return false
	}
	values := make([]uint32, len(t.Cases))
	for i, c := range t.Cases {
		if c.Target != t.Cases[0].Target {
			return false
		}
		values[i] = uint32(c.Value)
	}
	set, ok := newCuckoo(values)
	if !ok {
		return false
	}
	l := s.NewLabel()
	s.compiler.data = append(s.compiler.data, data{l, append(set.first.slots, set.second.slots...)})
	s.Emit(x86.LEA, x86.W64, scratchA, x86.AtLabel(l))
	base := int32(0)
	for _, table := range []*table{&set.first, &set.second} {
		s.Emit(x86.IMUL, x86.W32, scratch, s.a, x86.Imm(int64(int32(table.mul))))
		s.Emit(x86.SHR, x86.W32, scratch, x86.Imm(table.shift()))
		s.Emit(x86.CMP, x86.W32, s.a, x86.Mem{Base: scratchA, Index: scratch, Scale: 4, Disp: base})
		s.Jcc(x86.E, s.labels[t.Cases[0].Target])
		base += int32(4 * len(table.slots))
	}
	s.jump(t.Else, s.next)
	return true
}
