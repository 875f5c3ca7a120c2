package flows

import (
	"hash/maphash"
	"math/bits"
)

// ways is how many entries a set has. Eight are two or three cache lines of
// keys to compare, and few enough that finding the lightest costs little.
const ways = 8

// entry is a flow, or a source.
type entry struct {
	key    key
	used   bool
	weight uint32 // packets, halved with each interval
	now    Count  // in the current interval
}

// table is a cache of entries: of a fixed size, set-associative.
type table struct {
	sets    [][ways]entry
	mask    uint64
	seed    maphash.Seed
	evicted Count // in the current interval
	gone    int
}

// newTable makes a table for at least n entries.
func newTable(n int) *table {
	sets := 1 << bits.Len(uint((n-1)/ways))
	return &table{sets: make([][ways]entry, sets), mask: uint64(sets - 1), seed: maphash.MakeSeed()}
}

// add counts c for a key.
func (t *table) add(k *key, c Count) {
	set := &t.sets[maphash.Bytes(t.seed, k[:])&t.mask]
	victim := 0
	for i := range set {
		e := &set[i]
		if !e.used {
			victim = i
			break
		}
		if e.key == *k {
			e.count(c)
			return
		}
		if e.weight < set[victim].weight {
			victim = i
		}
	}
	// Entries are used from the front: behind a free one there are none.
	e := &set[victim]
	if e.used {
		t.evicted.add(e.now)
		t.gone++
	}
	*e = entry{key: *k, used: true}
	e.count(c)
}

func (e *entry) count(c Count) {
	e.now.add(c)
	if e.weight < 1<<31 {
		e.weight++
	}
}

// endInterval calls visit for every entry and begins the next interval. Entries
// without weight, of flows that ended a while ago, are dropped.
func (t *table) endInterval(visit func(*entry)) {
	t.evicted, t.gone = Count{}, 0
	for s := range t.sets {
		set := &t.sets[s]
		kept := 0
		for i := range set {
			e := &set[i]
			if !e.used {
				break
			}
			visit(e)
			e.now = Count{}
			if e.weight /= 2; e.weight > 0 {
				set[kept] = *e
				kept++
			}
		}
		clear(set[kept:])
	}
}
