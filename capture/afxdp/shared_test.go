//go:build linux

package afxdp

import (
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"
)

// TestIndices runs both ends of a pair of rings, as the kernel and a Ring do,
// over the place where 32-bit indices wrap around.
func TestIndices(t *testing.T) {
	const size = 8
	at := unix.XDPRingOffset{Producer: 0, Consumer: 64, Desc: 128}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, begin := range []uint64{0, 1<<32 - 20, 5<<32 - 3} {
		rx := newRxRing(make([]byte, 128+16*size), at, size)
		fill := newFillRing(make([]byte, 128+8*size), at, size)
		*rx.producer, *rx.consumer, *fill.consumer = uint32(begin), uint32(begin), uint32(begin)
		// The kernel's side: sequence numbers of its own, in 32 bits.
		kernelFill, kernelRx := uint32(begin), uint32(begin)
		taken, filled := begin, begin
		for i := range uint64(size) {
			fill.put(filled+i, i)
		}
		filled += size
		fill.publish(filled)
		number := uint32(0) // of packets
		next := uint32(0)
		for range 200 {
			for range rng.IntN(size + 1) { // the kernel takes frames and hands packets over
				if kernelFill == *fill.producer {
					break
				}
				frame := fill.addrs[kernelFill%size]
				kernelFill++
				if kernelRx-*rx.consumer == size {
					t.Fatal("no room in the receive ring")
				}
				rx.descs[kernelRx%size] = unix.XDPDesc{Addr: frame, Len: number}
				number++
				kernelRx++
				*rx.producer = kernelRx
			}
			produced := rx.produced(taken)
			if n := produced - taken; n != uint64(number-next) {
				t.Fatalf("%d packets have come in, want %d", n, number-next)
			}
			n := uint64(rng.IntN(int(produced-taken) + 1))
			used := map[uint64]bool{}
			for i := taken; i < taken+n; i++ {
				d := rx.desc(i)
				if d.Len != next || used[d.Addr] || d.Addr >= size {
					t.Fatalf("packet %d from %d in frame %d, want %d", d.Len, begin, d.Addr, next)
				}
				used[d.Addr] = true
				next++
				fill.put(filled, d.Addr)
				filled++
			}
			taken += n
			fill.publish(filled)
			rx.consume(taken)
		}
		if number < 300 || uint32(taken)-uint32(begin) != next {
			t.Errorf("%d packets, %d read", number, next)
		}
	}
}
