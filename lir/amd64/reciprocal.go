package amd64

import "math/bits"

// reciprocal says how to divide by a constant d, no power of two:
//
//	n/d = (n+i)*m >> (N+shift)
//
// where N is the width, i is 1 if increment is set, and m is factor, plus 2^N
// if overflow is set.
type reciprocal struct {
	factor    uint64
	shift     int
	increment bool
	overflow  bool
}

// With e = m*d - 2^(N+s) for m rounded up, n*m >> (N+s) is n/d for all n of N
// bits if e <= 2^s (Granlund and Montgomery, theorem 4.2). The least such s is
// at most log2 d rounded up, but m may then need N+1 bits.

// reciprocal32 is the reciprocal for N = 32; products have 64 bits. Where m
// would need 33, it rounds down instead and increments n: then the remainder
// r = 2^(N+s) - m*d must be at most 2^s (Robison, "N-Bit Unsigned Division via
// N-Bit Multiply-Add", 2005). One of the two always is, since e + r = d.
func reciprocal32(d uint32) reciprocal {
	for s := 0; ; s++ {
		m, r := uint64(1)<<(32+s)/uint64(d), uint64(1)<<(32+s)%uint64(d)
		if up := uint64(d) - r; up <= 1<<s && m+1 < 1<<32 {
			return reciprocal{factor: m + 1, shift: s}
		}
		if r <= 1<<s && 1<<(s+1) > uint64(d) {
			return reciprocal{factor: m, shift: s, increment: true}
		}
	}
}

// reciprocal64 is the reciprocal for N = 64. Incrementing n could overflow, so
// where m needs 65 bits it is used as it is.
func reciprocal64(d uint64) reciprocal {
	l := bits.Len64(d) // 2^(l-1) < d < 2^l
	for s := range l {
		m, r := bits.Div64(1<<s, 0, d)
		if d-r <= 1<<s {
			return reciprocal{factor: m + 1, shift: s}
		}
	}
	var top uint64 // 2^l - d; for l = 64, 2^l is 0
	if l < 64 {
		top = 1 << l
	}
	m, _ := bits.Div64(top-d, 0, d)
	return reciprocal{factor: m + 1, shift: l, overflow: true}
}
