package fuzz

import (
	"flag"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/bpfjit/bpfjit/bpfc"
)

var (
	programs = flag.Int("programs", 300_000, "random programs that TestRandom runs")
	seed     = flag.Uint64("seed", 1, "seed of TestRandom's first program")
)

// TestRandom runs random programs of every dialect on random packets in every
// engine. A find names the seed that makes it again.
func TestRandom(t *testing.T) {
	n := *programs
	if testing.Short() {
		n /= 20
	}
	dialects := []bpfc.Dialect{bpfc.Libpcap, bpfc.Linux, bpfc.NetBSD, bpfc.Seccomp}
	share := []int{9, 6, 3, 2} // of 20
	workers := runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			fence, err := NewFence(4096)
			if err != nil {
				t.Error(err)
				return
			}
			defer fence.Close()
			for i, d := range dialects {
				count := n * share[i] / 20
				for j := w; j < count && !t.Failed(); j += workers {
					if err := one(d, *seed+uint64(j), 12, fence); err != nil {
						t.Errorf("dialect %v, seed %d: %v", d, *seed+uint64(j), err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

// one compares the engines on the program that a seed makes.
func one(d bpfc.Dialect, seed uint64, packets int, fence *Fence) (err error) {
	defer func() {
		if r := recover(); r != nil {
			buf := make([]byte, 4096)
			err = fmt.Errorf("panic: %v\n%s", r, buf[:runtime.Stack(buf, false)])
		}
	}()
	g := NewGen(d, seed)
	s := g.Subject()
	ps := make([]Packet, packets)
	for i := range ps {
		ps[i] = g.Packet()
	}
	return s.Compare(ps, fence)
}
