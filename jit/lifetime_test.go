package jit

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

// Many goroutines run filters while others close them and put new ones in
// their place, and the collector frees code as fast as it can. Code that is
// freed too early is all traps, or another filter: the process dies or a
// verdict is wrong.
func TestCloseUnderLoad(t *testing.T) {
	needNative(t)
	// A filter's verdict is its number; what it answered before and while it
	// was closed, it answered itself.
	type entry struct {
		f       *Filter
		verdict uint32
	}
	apart := hostSystem()
	apart.mapDouble = func(int) (w, x []byte, err error) { return nil, nil, errNoMapping }
	for _, a := range []*arena{newArena(hostSystem()), newArena(apart)} {
		var number atomic.Uint32
		fresh := func() *entry {
			v := number.Add(1)
			f := new(Filter)
			f.code.Store(installed(t, a, 0, constantCode(v)))
			return &entry{f, v}
		}
		var table [8]atomic.Pointer[entry]
		for i := range table {
			table[i].Store(fresh())
		}
		deadline := time.Now().Add(stressTime())
		var wg sync.WaitGroup
		var calls, closed atomic.Int64
		for range 4 {
			wg.Go(func() {
				pkts, verdicts := make([][]byte, 16), make([]uint32, 16)
				for n := 0; time.Now().Before(deadline); n++ {
					for range 100 {
						e := table[rand.IntN(len(table))].Load()
						got := e.f.Run(nil, 0)
						if got != e.verdict && got != 0 {
							t.Errorf("filter %d: verdict %d", e.verdict, got)
							return
						}
						if got == 0 {
							closed.Add(1)
						}
						e.f.RunBatch(pkts, verdicts)
						for _, v := range verdicts {
							if v != verdicts[0] {
								t.Errorf("filter %d: verdicts %d in one batch", e.verdict, verdicts)
								return
							}
						}
					}
					calls.Add(100)
				}
			})
		}
		wg.Go(func() {
			for time.Now().Before(deadline) {
				place := &table[rand.IntN(len(table))]
				old := place.Load()
				old.f.Close()
				place.Store(fresh())
				if old.f.Run(nil, 0) != 0 {
					t.Error("a verdict after Close")
				}
			}
		})
		wg.Go(func() {
			for time.Now().Before(deadline) {
				runtime.GC()
			}
		})
		wg.Wait()
		t.Logf("%d calls, %d of them of a closed filter, %d filters", calls.Load(), closed.Load(), number.Load())
		for i := range table {
			table[i].Load().f.Close()
		}
	}
}

// Close takes nothing from under a call: the code of one that is under way is
// still there, and is freed only after.
func TestCloseDuringCall(t *testing.T) {
	needNative(t)
	a := newArena(hostSystem())
	l := &Code{params: 1}
	c := installed(t, a, 0, spinCode(t))
	freed := make(chan struct{})
	runtime.AddCleanup(c, func(freed chan struct{}) { close(freed) }, freed)
	l.code.Store(c)
	c = nil

	started, done := make(chan struct{}), make(chan uint64)
	go func() {
		close(started)
		done <- l.Call4(2e8, 0, 0, 0) // 50 ms and more
	}()
	<-started
	time.Sleep(5 * time.Millisecond)
	l.Close()
	runtime.GC()
	if got := <-done; got != 1 {
		t.Errorf("result %d", got)
	}
	waitFor(t, "the code to be freed", func() bool {
		select {
		case <-freed:
			return true
		default:
			return false
		}
	})
}

// Freed code is overwritten, through no pointer of the program's own.
func TestFreedCodeIsTraps(t *testing.T) {
	needNative(t)
	a := newArena(hostSystem())
	stay := installed(t, a, 0, constantCode(1))
	if a.refused != nil {
		t.Skip(a.refused)
	}
	f := new(Filter)
	f.code.Store(installed(t, a, 0, bytes.Repeat([]byte{0x90}, 100)))
	text := f.code.Load().text
	f.Close()
	waitFor(t, "traps", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return bytes.Count(text, []byte{trap}) == len(text)
	})
	if got := stay.verdict(nil, 0); got != 1 {
		t.Errorf("the code beside it returns %d", got)
	}
	runtime.KeepAlive(stay)
}

// Filters that are made and dropped, closed or not, do not add up.
func TestDroppedFiltersAreFreed(t *testing.T) {
	needNative(t)
	apart := hostSystem()
	apart.mapDouble = func(int) (w, x []byte, err error) { return nil, nil, errNoMapping }
	for name, sys := range map[string]system{"packed": hostSystem(), "apart": apart} {
		t.Run(name, func(t *testing.T) {
			a := newArena(sys)
			n := 20000
			if testing.Short() || raceEnabled {
				n = 2000
			}
			most := 0
			for i := range n {
				f := new(Filter)
				f.code.Store(installed(t, a, 0, bytes.Repeat([]byte{0x90}, 1+i%500)))
				if i%2 == 0 {
					f.Close()
				}
				if i%1000 == 0 {
					runtime.GC()
				}
				a.mu.Lock()
				most = max(most, a.held)
				a.mu.Unlock()
			}
			waitFor(t, "all memory but one chunk to be freed", func() bool {
				a.mu.Lock()
				defer a.mu.Unlock()
				return a.held <= chunkMax && len(a.chunks) <= 1
			})
			t.Logf("%d filters, at most %d KiB", n, most>>10)
			if most > 64<<20 {
				t.Errorf("at most %d bytes held", most)
			}
		})
	}
}

// waitFor collects garbage until what is waited for has come.
func waitFor(t *testing.T, what string, come func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !come(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited too long for ", what)
		}
		runtime.GC()
	}
}

// The packet may be on the caller's stack, which moves when the trampoline
// wants more of it: the code must get the new address.
func TestPacketOnMovingStack(t *testing.T) {
	needNative(t)
	if raceEnabled {
		t.Skip("what is announced to the race detector is never on a stack")
	}
	where := assemble(t,
		insn{"mov eax, edi", "89 f8"},
		insn{"ret", "c3"},
	)
	for _, frame := range []int{0, 1, smallFrame + 1} {
		c := installed(t, processArena(), frame, where)
		moved := 0
		for i := range 2000 {
			ok := freshly(func() bool {
				return descend(i%60, func() bool {
					var pkt [4]byte
					// An address as a number does not follow the stack.
					before := uintptr(unsafe.Pointer(&pkt))
					got := c.verdict(pkt[:], 4)
					after := uintptr(unsafe.Pointer(&pkt))
					if before != after {
						moved++
					}
					return got == uint32(after)
				})
			})
			if !ok {
				t.Fatalf("call %d: the code was given another address than the packet's", i)
			}
		}
		if moved == 0 && frame > 0 {
			t.Errorf("frame of %d bytes: no stack moved in a call, nothing was tested", frame)
		}
	}
}
