package jit

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bpfjit/bpfjit/lir"
)

// stressTime is how long each of the tests that hope for bad luck tries.
func stressTime() time.Duration {
	if testing.Short() {
		return 100 * time.Millisecond
	}
	return 500 * time.Millisecond
}

// harass disturbs the program until f returns: the collector runs all the
// time, others allocate, the stacks of all goroutines are walked, the profiler
// interrupts, the execution tracer unwinds by frame pointers.
func harass(t *testing.T, f func()) {
	t.Helper()
	var (
		stop atomic.Bool
		wg   sync.WaitGroup
	)
	again := func(g func()) {
		wg.Go(func() {
			for !stop.Load() {
				g()
			}
		})
	}
	again(runtime.GC)
	again(func() { sinkOf(make([]byte, 1<<10)) })
	buf := make([]byte, 1<<16)
	again(func() { runtime.Stack(buf, true); time.Sleep(time.Millisecond) })
	again(func() { pprof.Lookup("goroutine").WriteTo(io.Discard, 0); time.Sleep(time.Millisecond) })
	// Either may be on already, for the whole test.
	if pprof.StartCPUProfile(io.Discard) == nil {
		defer pprof.StopCPUProfile()
	}
	if trace.Start(io.Discard) == nil {
		defer trace.Stop()
	}
	defer wg.Wait()
	defer stop.Store(true)
	f()
}

var sink atomic.Pointer[[]byte]

func sinkOf(b []byte) { sink.Store(&b) }

// Goroutines live in generated code while everything that can interrupt them
// does, with packets on stacks that grow, shrink and move.
func TestHarassed(t *testing.T) {
	needNative(t)
	for _, frame := range []int{0, lir.MaxFrame} {
		sum := installed(t, processArena(), frame, sumCode(t))
		spin := loaded(t, 1, frame, spinCode(t))
		fill := loaded(t, 1, frame, frameCode(t, max(frame, smallFrame)))
		harass(t, func() {
			deadline := time.Now().Add(stressTime())
			var wg sync.WaitGroup
			for g := range 4 {
				wg.Go(func() {
					for i := g; time.Now().Before(deadline); i++ {
						if !freshly(func() bool {
							return descend(i%50, func() bool {
								var pkt [128]byte
								want := uint32(0)
								for j := range pkt {
									pkt[j] = byte(i + j)
									want += uint32(pkt[j])
								}
								return sum.verdict(pkt[:], len(pkt)) == want &&
									spin.Call4(2000, 0, 0, 0) == 1 &&
									fill.Call4(1, 0, 0, 0) == uint64(max(frame, smallFrame))
							})
						}) {
							t.Error("wrong result")
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// freshly runs f on a new goroutine, whose stack is small.
func freshly(f func() bool) bool {
	done := make(chan bool)
	go func() { done <- f() }()
	return <-done
}

// The profiler finds the time that is spent in generated code, under the name
// that the runtime has for code it does not know, and with the labels of the
// goroutine.
func TestProfiled(t *testing.T) {
	needNative(t)
	spin := loaded(t, 1, 0, spinCode(t))
	var out bytes.Buffer
	if err := pprof.StartCPUProfile(&out); err != nil {
		t.Skip(err)
	}
	// The profiler counts CPU time, of which a busy machine may give little.
	pprof.Do(context.Background(), pprof.Labels("bpf", "tcp port 80"), func(context.Context) {
		for end := time.Now().Add(stressTime()); time.Now().Before(end); {
			spin.Call4(1e6, 0, 0, 0)
		}
	})
	pprof.StopCPUProfile()
	r, err := gzip.NewReader(&out)
	if err != nil {
		t.Fatal(err)
	}
	profile, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"runtime._ExternalCode", "tcp port 80"} {
		if !bytes.Contains(profile, []byte(s)) {
			t.Errorf("no %q in the profile", s)
		}
	}
}

// A collection waits for generated code and no longer: goroutines that do
// nothing but call filters do not keep the world from stopping.
func TestStopTheWorld(t *testing.T) {
	needNative(t)
	f := filtering(t, 0, sumCode(t))
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			pkt := make([]byte, 1500)
			for !stop.Load() {
				f.Run(pkt, len(pkt))
			}
		})
	}
	start := time.Now()
	var m runtime.MemStats
	for range 20 {
		runtime.ReadMemStats(&m)
	}
	t.Logf("the world stopped 20 times in %v", time.Since(start))
	stop.Store(true)
	wg.Wait()
}

// Other processes are started while there is code: nothing of it leaks into
// them, the descriptor least of all.
func TestNoDescriptorLeft(t *testing.T) {
	needNative(t)
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	for _, e := range entries {
		if link, _ := os.Readlink("/proc/self/fd/" + e.Name()); link == "/memfd:bpfjit (deleted)" {
			t.Errorf("descriptor %s is %s", e.Name(), link)
		}
	}
}
