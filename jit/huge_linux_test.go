package jit

import (
	"math/bits"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/bpfjit/bpfjit/bpfc"
)

// Of a packet longer than 2^32-1 bytes, all engines see that many.
func TestHugePacket(t *testing.T) {
	if bits.UintSize < 64 || raceEnabled {
		t.Skip("address space or shadow memory is too small")
	}
	size := uint64(1)<<32 + 1<<16
	pkt, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		t.Skip(err)
	}
	defer unix.Munmap(pkt)
	for _, test := range []struct {
		op   uint16
		off  uint32
		want uint32
	}{
		{bpfc.LdAbsB, 1<<32 - 2, 9},
		{bpfc.LdAbsB, 1<<32 - 1, 0},
		{bpfc.LdAbsH, 1<<32 - 3, 9},
		{bpfc.LdAbsH, 1<<32 - 2, 0},
		{bpfc.LdAbsW, 1<<32 - 5, 9},
		{bpfc.LdAbsW, 1<<32 - 4, 0},
	} {
		prog := []bpf.RawInstruction{{Op: test.op, K: test.off}, {Op: bpfc.RetK, K: 9}}
		for _, opts := range [][]Option{nil, {WithOptLevel(0)}, {WithInterpreter()}} {
			f, err := Compile(prog, opts...)
			if err != nil {
				t.Fatal(err)
			}
			if got := f.Run(pkt, 60); got != test.want {
				t.Errorf("native %v, op %#x at %#x: verdict %d, want %d", f.Native(), test.op, test.off, got, test.want)
			}
		}
	}
}
