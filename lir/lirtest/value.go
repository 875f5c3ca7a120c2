package lirtest

import (
	"math"
	"math/rand"

	"github.com/bpfjit/bpfjit/lir"
)

// edges are numbers at which arithmetic and encodings change.
var edges = [...]int64{
	0, 1, 2, 3, 5, 7, 8, 9, 10, 15, 16, 31, 32, 33, 63, 64, 65, 100, 127, 128, 129, 255, 256, 257, 641, 1000,
	0x7fff, 0x8000, 0x8001, 0xfffe, 0xffff, 0x10000, 0xffffff, 0x1000000,
	math.MaxInt32 - 1, math.MaxInt32, math.MaxInt32 + 1, math.MaxUint32 - 1, math.MaxUint32, math.MaxUint32 + 1,
	1 << 40, 1<<48 - 1, math.MaxInt64 - 1, math.MaxInt64,
	math.MinInt64, math.MinInt64 + 1, math.MinInt32 - 1, math.MinInt32, -0x8000, -129, -128, -127, -2, -1,
}

// Value is a random 64-bit number, often one at an edge.
func Value(r *rand.Rand) uint64 {
	switch r.Intn(6) {
	case 0:
		return r.Uint64()
	case 1:
		return uint64(r.Uint32())
	case 2:
		return uint64(r.Intn(256))
	case 3: // a power of two, or next to one
		return 1<<r.Intn(64) + uint64(r.Intn(3)) - 1
	}
	return uint64(edges[r.Intn(len(edges))])
}

// Imm is a random immediate that Verify accepts at width w: signed or unsigned,
// often at an edge.
func Imm(r *rand.Rand, w lir.Width) int64 {
	v := int64(Value(r))
	shift := 64 - w.Bits()
	if r.Intn(2) == 0 {
		return v << shift >> shift
	}
	return int64(uint64(v) << shift >> shift)
}
