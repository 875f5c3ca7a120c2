package jit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"
)

// heapSystem is memory that cannot be executed, for tests of how an arena
// keeps its books. It checks what it is told to protect and to unmap.
type heapSystem struct {
	syncs  int           // how often the cores were synchronized
	mapped map[*byte]int // length
	prot   map[*byte]protection
}

func (h *heapSystem) alloc(size int) []byte {
	b := make([]byte, size)
	h.mapped[&b[0]] = size
	h.prot[&b[0]] = protWrite
	return b
}

func (h *heapSystem) bytes() (n int) {
	for _, size := range h.mapped {
		n += size
	}
	return n
}

func newHeapSystem() (*heapSystem, system) {
	h := &heapSystem{mapped: map[*byte]int{}, prot: map[*byte]protection{}}
	return h, system{
		mapDouble: func(size int) (w, x []byte, err error) {
			w = h.alloc(size)
			// One memory under both views; the second is told from the
			// first by its capacity alone, so it is not booked.
			return w, w, nil
		},
		mapAnon: func(size int) ([]byte, error) { return h.alloc(size), nil },
		protect: func(b []byte, p protection) error {
			if h.mapped[&b[0]] != len(b) {
				return fmt.Errorf("protect of %d bytes of a mapping of %d", len(b), h.mapped[&b[0]])
			}
			h.prot[&b[0]] = p
			return nil
		},
		unmap: func(b []byte) error {
			if n, ok := h.mapped[&b[0]]; ok && n != len(b) {
				return fmt.Errorf("unmap of %d bytes of a mapping of %d", len(b), n)
			}
			delete(h.mapped, &b[0])
			return nil
		},
		syncCores: func() { h.syncs++ },
		pageSize:  4096,
	}
}

// Programs come and go at random. Each keeps its bytes while it is there, none
// overlaps another, all start at multiples of 32, whatever is free is a trap,
// the free list is exact and merged, and at most one chunk is kept for nothing.
func TestArenaRandom(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	h, sys := newHeapSystem()
	a := newArena(sys)
	type program struct {
		block block
		code  []byte
	}
	var live []program
	type unit struct {
		chunk *chunk
		off   int
	}
	ran := map[unit]bool{} // where programs ever were
	steps := 4000
	if testing.Short() {
		steps = 1000
	}
	for step := range steps {
		if grow := step/500%2 == 0; len(live) == 0 || r.IntN(3) != 0 == grow {
			n := 1 + r.IntN(300)
			switch r.IntN(100) {
			case 0:
				n = 1 + r.IntN(3*chunkMax/2)
			case 1:
				n = blockAlign
			}
			code := bytes.Repeat([]byte{byte(r.IntN(trap))}, n)
			syncs := h.syncs
			b, err := a.place(code)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			for off := b.span.off; off < b.span.end(); off += blockAlign {
				u := unit{b.chunk, off}
				if ran[u] && h.syncs == syncs {
					t.Fatalf("seed %d: code replaced at %d without synchronizing the cores", seed, off)
				}
				ran[u] = true
			}
			live = append(live, program{b, code})
		} else {
			i := r.IntN(len(live))
			if err := a.free(live[i].block); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			live[i] = live[len(live)-1]
			live = live[:len(live)-1]
		}
		if step%100 != 0 {
			continue
		}
		if err := checkArena(a); err != nil {
			t.Fatalf("seed %d, step %d: %v", seed, step, err)
		}
		used := 0
		for _, p := range live {
			used += p.block.span.len
			if !bytes.Equal(p.block.text, p.code) {
				t.Fatalf("seed %d, step %d: a program's bytes have changed", seed, step)
			}
		}
		free, empty := 0, 0
		for _, c := range a.chunks {
			for _, s := range c.free {
				free += s.len
			}
			if c.empty() {
				empty++
			}
		}
		if used+free != a.held || a.held != h.bytes() || empty > 1 {
			t.Fatalf("seed %d, step %d: %d used, %d free, %d held, %d mapped, %d empty chunks", seed, step, used, free, a.held, h.bytes(), empty)
		}
	}
	for _, p := range live {
		if err := a.free(p.block); err != nil {
			t.Fatal(err)
		}
	}
	if len(a.chunks) != 1 || a.held != len(a.chunks[0].x) || h.bytes() != a.held {
		t.Errorf("with every program gone: %d chunks, %d bytes held, %d mapped", len(a.chunks), a.held, h.bytes())
	}
}

// checkArena looks at every chunk's free list, and at the bytes it stands for.
func checkArena(a *arena) error {
	for _, c := range a.chunks {
		end := -1
		for _, s := range c.free {
			if s.off <= end || s.len <= 0 || s.end() > len(c.x) || s.off%blockAlign != 0 || s.len%blockAlign != 0 {
				return fmt.Errorf("span %v after one that ends at %d, in a chunk of %d bytes", s, end, len(c.x))
			}
			if s.len > c.room {
				return fmt.Errorf("span %v is longer than %d", s, c.room)
			}
			end = s.end()
			if bytes.Count(c.x[s.off:end], []byte{trap}) != s.len {
				return fmt.Errorf("span %v is not all traps", s)
			}
		}
	}
	return nil
}

func TestArenaPacks(t *testing.T) {
	needNative(t)
	a := newArena(hostSystem())
	var at []uintptr
	for i := range 64 {
		c := installed(t, a, 0, constantCode(uint32(i)))
		f := new(Filter)
		f.code.Store(c)
		defer func() {
			if got := f.Run(nil, 0); got != uint32(i) {
				t.Errorf("filter %d: verdict %d", i, got)
			}
		}()
		at = append(at, uintptr(c.entry))
	}
	if a.refused != nil {
		t.Skip("memory cannot be mapped twice: ", a.refused)
	}
	for i := range at {
		if want := at[0] + uintptr(i)*blockAlign; at[i] != want {
			t.Errorf("filter %d is at %#x, not at %#x", i, at[i], want)
		}
	}
	if at[0]%blockAlign != 0 || at[0]/4096 != at[63]/4096 {
		t.Errorf("64 filters from %#x to %#x", at[0], at[63])
	}
}

// Whatever is not a program is a trap: between programs, after the last, and
// where one has been.
func TestArenaTraps(t *testing.T) {
	needNative(t)
	for _, refuse := range []bool{false, true} {
		sys := hostSystem()
		if refuse {
			sys.mapDouble = func(int) (w, x []byte, err error) { return nil, nil, errNoMapping }
		}
		a := newArena(sys)
		b, err := a.place(constantCode(1))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := bytes.Count(b.chunk.x, []byte{trap}), len(b.chunk.x)-len(b.text); got != want {
			t.Errorf("refused %v: %d traps beside a program, want %d", refuse, got, want)
		}
		if err := a.free(b); err != nil {
			t.Fatal(err)
		}
		if b.chunk.w == nil {
			if a.held != 0 {
				t.Errorf("%d bytes held of no program", a.held)
			}
			continue
		}
		if got := bytes.Count(b.chunk.x, []byte{trap}); got != len(b.chunk.x) {
			t.Errorf("%d traps in a freed chunk of %d bytes", got, len(b.chunk.x))
		}
		again, err := a.place(constantCode(2))
		if err != nil {
			t.Fatal(err)
		}
		if unsafe.SliceData(again.text) != unsafe.SliceData(b.text) {
			t.Error("the freed memory was not used again")
		}
	}
}

// Each way of having memory refused, and the one after it taken.
func TestArenaRefusals(t *testing.T) {
	needNative(t)
	double := func(err error) func(*system) {
		return func(s *system) {
			s.mapDouble = func(int) (w, x []byte, e error) { return nil, nil, err }
		}
	}
	noProtect := func(kind protection) func(*system) {
		return func(s *system) {
			protect := s.protect
			s.protect = func(b []byte, p protection) error {
				if p == kind {
					return fs.ErrPermission
				}
				return protect(b, p)
			}
		}
	}
	none := func(s *system) { s.mapAnon = func(int) ([]byte, error) { return nil, errors.New("none left") } }
	for _, test := range []struct {
		name   string
		refuse []func(*system)
		alone  bool   // each program in a mapping of its own
		err    string // or none at all
	}{
		{name: "nothing"},
		{"no double mapping", []func(*system){double(fs.ErrPermission)}, true, ""},
		{"out of descriptors", []func(*system){double(errors.New("too many open files"))}, true, ""},
		{"view cannot be closed", []func(*system){noProtect(protNone)}, true, ""},
		{"view cannot be opened", []func(*system){noProtect(protWrite)}, true, ""},
		{"no execution of what was written", []func(*system){noProtect(protExecute)}, false, ""},
		{"both", []func(*system){double(errNoMapping), noProtect(protExecute)}, false,
			"no executable memory: unsupported operation; mprotect: permission denied"},
		{"no memory", []func(*system){double(fs.ErrPermission), none}, false,
			"no executable memory: permission denied; mmap: none left"},
	} {
		t.Run(test.name, func(t *testing.T) {
			sys := hostSystem()
			for _, refuse := range test.refuse {
				refuse(&sys)
			}
			a := newArena(sys)
			var blocks []block
			for i := range 3 {
				b, err := a.place(constantCode(uint32(i)))
				if test.err != "" {
					if err == nil || err.Error() != test.err {
						t.Fatalf("error %v, want %s", err, test.err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if alone := b.chunk.w == nil; alone != test.alone {
					t.Errorf("alone: %v", alone)
				}
				blocks = append(blocks, b)
			}
			for _, b := range blocks {
				if err := a.free(b); err != nil {
					t.Error(err)
				}
			}
			want := chunkMin
			if test.alone || test.err != "" {
				want = 0
			}
			if a.held != want {
				t.Errorf("%d bytes held in the end, want %d", a.held, want)
			}
			if err := available(newArena(sys)); (err == nil) != (test.err == "") {
				t.Errorf("available: %v", err)
			}
		})
	}
}

// A policy that comes later, when a chunk is already there: what runs goes on
// running, what is new goes elsewhere, and what is freed is not used again.
func TestArenaSealedLater(t *testing.T) {
	_, sys := newHeapSystem()
	refuse := false
	protect := sys.protect
	sys.protect = func(b []byte, p protection) error {
		if refuse && p == protWrite {
			return fs.ErrPermission
		}
		return protect(b, p)
	}
	a := newArena(sys)
	one, err := a.place([]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	two, err := a.place([]byte{2})
	if err != nil {
		t.Fatal(err)
	}
	refuse = true
	if err := a.free(one); err == nil {
		t.Error("freed bytes were overwritten without permission")
	}
	three, err := a.place([]byte{3})
	if err != nil || three.chunk == two.chunk {
		t.Errorf("third program: %v, in the sealed chunk: %v", err, three.chunk == two.chunk)
	}
	if two.text[0] != 2 || one.text[0] != 1 {
		t.Error("bytes of a sealed chunk have changed")
	}
	if err := a.free(two); err != nil {
		t.Error(err)
	}
	if len(a.chunks) != 0 {
		t.Errorf("%d chunks: a sealed one was kept", len(a.chunks))
	}
}

func TestArenaLimit(t *testing.T) {
	_, sys := newHeapSystem()
	a := newArena(sys)
	a.limit = 2 * chunkMin
	var blocks []block
	for {
		b, err := a.place(make([]byte, chunkMin/2))
		if err != nil {
			if !strings.Contains(err.Error(), "over the limit") {
				t.Error(err)
			}
			break
		}
		blocks = append(blocks, b)
	}
	if len(blocks) != 4 {
		t.Errorf("%d halves of a chunk in 2 chunks", len(blocks))
	}
	// What was refused for want of room is not refused for ever.
	if err := a.free(blocks[2]); err != nil {
		t.Fatal(err)
	}
	if _, err := a.place(make([]byte, chunkMin/2)); err != nil {
		t.Error(err)
	}
}
