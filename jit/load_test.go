package jit

import (
	"bytes"
	"math/rand"
	"testing"
	"unsafe"

	"github.com/bpfjit/bpfjit/lir"
	"github.com/bpfjit/bpfjit/lir/lirtest"
)

// Random functions, loaded, do what lir's interpreter says they mean: result,
// memory, local stack and all. Some have frames for the large trampoline.
func TestLoadRandom(t *testing.T) {
	needNative(t)
	n := 1500
	if testing.Short() || raceEnabled {
		n = 150
	}
	small, large := 0, 0
	for seed := range int64(n) {
		r := rand.New(rand.NewSource(seed))
		cfg := lirtest.Config{Buffer: 64}
		if seed%4 == 0 {
			cfg.Vars = 120 // most of them spilled
		}
		fn := lirtest.Random(r, cfg)
		l, err := Load(fn)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if l.code.Load().large {
			large++
		} else {
			small++
		}
		for range 4 {
			want := make([]byte, cfg.BufferSize())
			r.Read(want)
			got := bytes.Clone(want)
			x, y := lirtest.Value(r), lirtest.Value(r)
			const at = 0x10000
			wantResult, err := fn.Interpret([]lir.Region{{Addr: at, Data: want, Writable: true}}, at, uint64(len(want)), x, y)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			gotResult := l.Call(uintptr(unsafe.Pointer(&got[0])), uintptr(len(got)), uintptr(x), uintptr(y))
			if gotResult != wantResult || !bytes.Equal(got, want) {
				t.Fatalf("seed %d: result %#x, want %#x; memory\n% x, want\n% x\n%s", seed, gotResult, wantResult, got, want, fn)
			}
		}
		l.Close()
	}
	if small == 0 || large == 0 {
		t.Errorf("%d small frames, %d large", small, large)
	}
}

func TestLoadInvalid(t *testing.T) {
	for name, fn := range map[string]*lir.Func{
		"nothing in it": {Name: "f"},
		"nil block":     {Name: "f", NumReg: 1, Blocks: []*lir.Block{nil}},
		"register read before it is written": {Name: "f", NumReg: 2, Blocks: []*lir.Block{
			{Term: lir.Term{Kind: lir.Return, B: lir.R(1)}}}},
	} {
		if _, err := Load(fn); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
}
