package jit

import (
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"unsafe"

	"github.com/bpfjit/bpfjit/lir"
)

func TestCallArguments(t *testing.T) {
	needNative(t)
	text := weighCode(t)
	for _, frame := range []int{0, smallFrame, smallFrame + 1, lir.MaxFrame} {
		l := loaded(t, 4, frame, text)
		for range 1000 {
			a := [4]uintptr{uintptr(rand.Uint64()), uintptr(rand.Uint64()), uintptr(rand.Uint64()), uintptr(rand.Uint64())}
			want := uint64(a[0] + 2*a[1] + 4*a[2] + 8*a[3])
			if got := l.Call(a[0], a[1], a[2], a[3]); got != want {
				t.Fatalf("frame %d: Call(%#x) = %#x, want %#x", frame, a, got, want)
			}
			if got := l.Call4(a[0], a[1], a[2], a[3]); got != want {
				t.Fatalf("frame %d: Call4(%#x) = %#x, want %#x", frame, a, got, want)
			}
		}
	}
	// Fewer parameters, and the full width of the result.
	if got, want := loaded(t, 1, 0, text).Call(^uintptr(0)), uint64(math.MaxUint64); got != want {
		t.Errorf("Call = %#x, want %#x", got, want)
	}
	if got := loaded(t, 0, 0, constantCode(7)).Call(); got != 7 {
		t.Errorf("Call() = %d, want 7", got)
	}
}

func TestCallMisuse(t *testing.T) {
	needNative(t)
	l := loaded(t, 2, 0, weighCode(t))
	check := func(want string, args ...uintptr) {
		t.Helper()
		defer func() {
			if got, _ := recover().(string); !strings.Contains(got, want) {
				t.Errorf("panic %q, want one with %q", got, want)
			}
		}()
		l.Call(args...)
	}
	check("1 arguments in call of", 1)
	check("3 arguments in call of", 1, 2, 3)
	if l.Bytes() == nil {
		t.Error("no bytes before Close")
	}
	for range 2 {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	check("call of a closed function", 1, 2)
	if l.Bytes() != nil || l.Lines() != nil {
		t.Error("bytes or lines after Close")
	}
}

func TestLoadRefusals(t *testing.T) {
	if _, err := Load(nil); err == nil {
		t.Error("Load(nil) succeeded")
	}
	for _, frame := range []int{-1, lir.MaxFrame + 1} {
		if _, err := install(&lir.Code{Bytes: constantCode(0), Frame: frame}, processArena().place); err == nil {
			t.Errorf("frame of %d bytes installed", frame)
		}
	}
	if _, err := install(&lir.Code{}, processArena().place); err == nil {
		t.Error("no bytes installed")
	}
}

// A frame may be used to its last byte: neither the caller's variables nor the
// way back are in it. Fresh goroutines enter at every distance from the end of
// their small stack, so that many of the calls have to move it.
func TestFrameLastByte(t *testing.T) {
	needNative(t)
	for _, n := range []int{1, 64, smallFrame, smallFrame + 1, lir.MaxFrame} {
		l := loaded(t, 1, n, frameCode(t, n))
		for depth := range 40 {
			done := make(chan bool)
			go func() {
				done <- descend(depth, func() bool {
					before := [4]uint64{1, 2, 3, 4}
					got := l.Call(uintptr(depth))
					return got == uint64(depth*n) && before == [4]uint64{1, 2, 3, 4}
				})
			}()
			if !<-done {
				t.Fatalf("frame of %d bytes, depth %d: wrong sum, or the caller's variables changed", n, depth)
			}
		}
	}
}

// descend calls f below depth frames of 80 bytes and more, and says whether
// all of them, and f, were found in order.
//
//go:noinline
func descend(depth int, f func() bool) bool {
	pad := [8]uint64{0: uint64(depth), 7: ^uint64(depth)}
	ok := true
	if depth > 0 {
		ok = descend(depth-1, f)
	} else {
		ok = f()
	}
	keep(&pad)
	return ok && pad[0] == uint64(depth) && pad[7] == ^uint64(depth)
}

//go:noinline
func keep(*[8]uint64) {}

// A pointer given as uintptr(unsafe.Pointer(&x)) in the call itself keeps x
// alive and in its place, and code may write through it.
func TestCallPointer(t *testing.T) {
	needNative(t)
	l := loaded(t, 2, lir.MaxFrame, assemble(t,
		insn{"add qword ptr [rdi], rsi", "48 01 37"},
		insn{"mov rax, qword ptr [rdi]", "48 8b 07"},
		insn{"ret", "c3"},
	))
	for depth := range 40 {
		done := make(chan bool)
		go func() {
			done <- descend(depth, func() bool {
				x := uint64(depth) << 32
				r := l.Call(uintptr(unsafe.Pointer(&x)), 5)
				return x == uint64(depth)<<32+5 && r == x
			})
		}()
		if !<-done {
			t.Fatalf("depth %d: wrong value", depth)
		}
	}
}

// A fault in generated code is a run-time panic in its caller: code that never
// moves the stack pointer can be unwound, though the runtime knows nothing of
// it.
func TestFaultRecovers(t *testing.T) {
	needNative(t)
	page, err := hostSystem().mapAnon(os.Getpagesize())
	if err != nil {
		t.Fatal(err)
	}
	defer hostSystem().unmap(page)
	if err := hostSystem().protect(page, protNone); err != nil {
		t.Fatal(err)
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))

	for _, frame := range []int{0, lir.MaxFrame} {
		l := loaded(t, 1, frame, peekCode(t))
		f := filtering(t, frame, peekCode(t))
		for range 10 {
			err := faultOf(func() { l.Call(0) })
			if err == nil || !strings.Contains(err.Error(), "nil pointer") {
				t.Fatalf("load from 0: %v", err)
			}
			at := uintptr(unsafe.Pointer(&page[16]))
			for _, run := range []func(){
				func() { l.Call(at) },
				func() { f.code.Load().verdict(page[16:], 0) },
			} {
				err = faultOf(run)
				if e, ok := err.(interface{ Addr() uintptr }); !ok || e.Addr() != at {
					t.Fatalf("load from %#x: %v", at, err)
				}
			}
		}
		// And life goes on.
		x := uint32(0xfeedface)
		if got := l.Call(uintptr(unsafe.Pointer(&x))); got != uint64(x) {
			t.Fatalf("after a fault: %#x", got)
		}
	}
}

// faultOf is the run-time error that f panics with. Before it recovers, it
// grows the stack and collects garbage, which both walk the stack.
func faultOf(f func()) (err runtime.Error) {
	defer func() {
		descend(50, func() bool { runtime.GC(); return true })
		err, _ = recover().(runtime.Error)
	}()
	f()
	return nil
}

func TestNoAllocationPerCall(t *testing.T) {
	needNative(t)
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	l := loaded(t, 4, 0, weighCode(t))
	if n := testing.AllocsPerRun(100, func() { l.Call4(1, 2, 3, 4) }); n != 0 {
		t.Errorf("Call4: %v allocations", n)
	}
	f := filtering(t, 0, sumCode(t))
	pkts, verdicts := [][]byte{{1, 2}, {3}, nil}, make([]uint32, 3)
	if n := testing.AllocsPerRun(100, func() {
		f.Run(pkts[0], 2)
		f.RunAux(pkts[0], 2, nil)
		f.RunBatch(pkts, verdicts)
	}); n != 0 {
		t.Errorf("Run, RunAux, RunBatch: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() {
		var onStack [64]byte
		f.Run(onStack[:], 64)
	}); n != 0 {
		t.Errorf("packet on the stack: %v allocations", n)
	}
}
