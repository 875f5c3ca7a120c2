package amd64

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestCuckoo looks for values that are in a set, and for ones that are not.
func TestCuckoo(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	distinct := func(n int, next func() uint32) []uint32 {
		seen := map[uint32]bool{}
		for len(seen) < n {
			seen[next()] = true
		}
		var values []uint32
		for v := range seen {
			values = append(values, v)
		}
		slices.Sort(values)
		return values
	}
	count := uint32(0)
	for _, shape := range []struct {
		name string
		next func() uint32
	}{
		{"random", r.Uint32},
		{"one net", func() uint32 { return 10<<24 | r.Uint32N(1<<16) }},
		{"a row", func() uint32 { count++; return count }},
		{"low bits zero", func() uint32 { return r.Uint32() << 16 }},
		{"ports", func() uint32 { return r.Uint32N(1 << 16) }},
	} {
		for _, n := range []int{1, 2, hashMin, 100, 1000, 20000} {
			values := distinct(n, shape.next)
			c, ok := newCuckoo(values)
			if !ok {
				t.Errorf("%s: no table for %d values", shape.name, n)
				continue
			}
			has := func(v uint32) bool {
				return c.first.slots[c.first.slot(v)] == v || c.second.slots[c.second.slot(v)] == v
			}
			for _, v := range values {
				if !has(v) {
					t.Fatalf("%s, %d values: %#x is not found", shape.name, n, v)
				}
			}
			for range 1000 {
				v := r.Uint32()
				if _, in := slices.BinarySearch(values, v); has(v) != in {
					t.Fatalf("%s, %d values: %#x: got %v", shape.name, n, v, has(v))
				}
			}
			if _, in := slices.BinarySearch(values, 0); has(0) != in {
				t.Errorf("%s, %d values: 0: got %v", shape.name, n, has(0))
			}
		}
	}
}

// Values that collide under every pair of functions find no room, after
// bounded work.
func TestCuckooCollisions(t *testing.T) {
	if _, ok := newCuckoo([]uint32{0, 0, 0, 0, 0}); ok {
		t.Error("a table for five values in two places")
	}
}
