package lir_test

import (
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bpfjit/bpfjit/lir"
	"github.com/bpfjit/bpfjit/lir/lirtest"
)

// denseLive is liveness as the textbook has it: sets over all registers,
// iterated until nothing changes.
type denseLive struct {
	f       *lir.Func
	in, out []map[lir.Reg]bool // by block
}

func newDenseLive(f *lir.Func) *denseLive {
	d := &denseLive{f: f}
	for range f.Blocks {
		d.in = append(d.in, map[lir.Reg]bool{})
		d.out = append(d.out, map[lir.Reg]bool{})
	}
	for changed := true; changed; {
		changed = false
		for i := len(f.Blocks) - 1; i >= 0; i-- {
			for _, to := range f.Blocks[i].Term.AppendTargets(nil) {
				for r := range d.in[to] {
					d.out[i][r] = true
				}
			}
			n := len(d.in[i])
			d.walk(i, func(_ int, before, _ map[lir.Reg]bool) { d.in[i] = before })
			changed = changed || len(d.in[i]) != n
		}
	}
	return d
}

// walk goes through a block from its end and gives, for each instruction, the
// terminator last in the block's order but first here, what is live before and
// after it. The last call is for the first instruction.
func (d *denseLive) walk(block int, visit func(i int, before, after map[lir.Reg]bool)) {
	b := d.f.Blocks[block]
	after := d.out[block]
	for i := len(b.Insts); i >= 0; i-- {
		before := map[lir.Reg]bool{}
		for r := range after {
			before[r] = true
		}
		var reads []lir.Reg
		if i == len(b.Insts) {
			reads = b.Term.AppendReads(nil)
		} else {
			delete(before, b.Insts[i].Writes())
			reads = b.Insts[i].AppendReads(nil)
		}
		for _, r := range reads {
			before[r] = true
		}
		visit(i, before, after)
		after = before
	}
}

// checkAllocation compares an allocation with the dense liveness of the
// function.
func checkAllocation(t *testing.T, f *lir.Func, a *lir.Allocation, pool lir.Pool) {
	t.Helper()
	fail := func(format string, args ...any) {
		t.Helper()
		t.Fatalf("%s\n%s\n%v", fmt.Sprintf(format, args...), f, a.Loc)
	}
	used := map[lir.Reg]bool{}
	d := newDenseLive(f)
	first, last := map[lir.Reg]int{}, map[lir.Reg]int{}
	cover := func(r lir.Reg, at int) {
		if !used[r] {
			used[r] = true
			first[r], last[r] = at, at
		}
		first[r], last[r] = min(first[r], at), max(last[r], at)
	}
	for i, r := range f.Params {
		cover(r, 0)
		for _, s := range f.Params[:i] {
			if a.Loc[r] == a.Loc[s] {
				fail("parameters %v and %v are both in %v", r, s, a.Loc[r])
			}
		}
	}
	for n, b := range f.Blocks {
		start := a.First(n)
		d.walk(n, func(i int, before, after map[lir.Reg]bool) {
			at := start + i
			if i == 0 {
				for r := range before {
					cover(r, 4*at)
				}
			}
			dst := lir.NoReg
			if i == len(b.Insts) {
				for _, r := range b.Term.AppendReads(nil) {
					cover(r, 4*at+1)
				}
				for r := range after {
					cover(r, 4*at+3)
				}
			} else {
				for _, r := range b.Insts[i].AppendReads(nil) {
					cover(r, 4*at+1)
				}
				if dst = b.Insts[i].Writes(); dst != lir.NoReg {
					cover(dst, 4*at+2)
				}
			}
			for r := range after {
				if r == dst {
					continue
				}
				if dst != lir.NoReg && a.Loc[r] == a.Loc[dst] {
					fail("block %d, instruction %d writes %v over %v", n, i, dst, r)
				}
				if loc := a.Loc[r]; before[r] && loc.Kind == lir.LocReg && !a.LiveAcross(int(loc.N), at) {
					fail("block %d, instruction %d: LiveAcross does not have %v", n, i, r)
				}
				if a.Dies(r, at) {
					fail("block %d, instruction %d: Dies says %v does", n, i, r)
				}
			}
			for r := range before {
				if loc := a.Loc[r]; loc.Kind == lir.LocReg && !a.LiveBefore(int(loc.N), at) {
					fail("block %d, instruction %d: LiveBefore does not have %v", n, i, r)
				}
			}
		})
	}
	for r := lir.Reg(1); r < f.NumReg; r++ {
		loc := a.Loc[r]
		switch ok := false; loc.Kind {
		case lir.LocNone:
			if used[r] {
				fail("%v has no place", r)
			}
			continue
		case lir.LocReg:
			ok = loc.N >= 0 && int(loc.N) < pool.Regs
			fallthrough
		case lir.LocFrame:
			ok = ok || loc.Kind == lir.LocFrame && loc.N%8 == 0 && int(loc.N) >= f.Locals && int(loc.N)+8 <= a.Frame
			if !ok {
				fail("%v is at %v", r, loc)
			}
		}
		if f, l := a.Span(r); f != first[r] || l != last[r] {
			fail("%v lives from %d to %d, should be %d to %d", r, f, l, first[r], last[r])
		}
	}
}

// renamed is f with every register replaced by the number of its place, so that
// running it shows whether places are shared wrongly.
func renamed(f *lir.Func, a *lir.Allocation) *lir.Func {
	number := map[lir.Loc]lir.Reg{}
	g := &lir.Func{Name: f.Name, Locals: f.Locals, NumReg: 1}
	name := func(r lir.Reg) lir.Reg {
		if r == lir.NoReg || r == lir.Frame {
			return r
		}
		loc := a.Loc[r]
		if loc.Kind == lir.LocNone {
			loc.N = int32(r) // folded: nobody shares it
		}
		if number[loc] == lir.NoReg {
			number[loc] = g.NumReg
			g.NumReg++
		}
		return number[loc]
	}
	for _, r := range f.Params {
		g.Params = append(g.Params, name(r))
	}
	for _, b := range f.Blocks {
		c := &lir.Block{Insts: slices.Clone(b.Insts), Term: b.Term}
		for i := range c.Insts {
			in := &c.Insts[i]
			for _, r := range []*lir.Reg{&in.A, &in.B.Reg, &in.T.Reg, &in.F.Reg, &in.Mem.Base, &in.Mem.Index, &in.Dst} {
				*r = name(*r)
			}
		}
		c.Term.A, c.Term.B.Reg = name(c.Term.A), name(c.Term.B.Reg)
		g.Blocks = append(g.Blocks, c)
	}
	return g
}

// sameResult runs both functions and compares what they return and store.
func sameResult(t *testing.T, r *rand.Rand, f, g *lir.Func) {
	t.Helper()
	buf := make([]byte, lirtest.Config{}.BufferSize())
	r.Read(buf)
	x, y := lirtest.Value(r), lirtest.Value(r)
	run := func(f *lir.Func) (uint64, string) {
		data := slices.Clone(buf)
		v, err := f.Interpret([]lir.Region{{Addr: 1 << 32, Data: data, Writable: true}}, 1<<32, uint64(len(buf)), x, y)
		if err != nil {
			t.Fatalf("%v\n%s", err, f)
		}
		return v, string(data)
	}
	v1, m1 := run(f)
	v2, m2 := run(g)
	if v1 != v2 || m1 != m2 {
		t.Fatalf("%#x, allocated %#x\n%s\n%s", v1, v2, f, g)
	}
}

func randomPool(r *rand.Rand) lir.Pool {
	pool := lir.Pool{Regs: []int{0, 1, 2, 3, 4, 6, 8, 12, 16, 64}[r.Intn(10)], Result: r.Intn(8) - 2}
	for i := range pool.Params {
		pool.Params[i] = r.Intn(8) - 2
	}
	return pool
}

func TestAllocateRandom(t *testing.T) {
	n := int64(500)
	if testing.Short() {
		n = 100
	}
	for seed := int64(0); seed < n; seed++ {
		r := rand.New(rand.NewSource(seed))
		f := lirtest.Random(r, lirtest.Config{Vars: []int{0, 3, 12, 40}[seed%4]})
		pool := randomPool(r)
		a, err := lir.Allocate(f, pool)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, f)
		}
		checkAllocation(t, f, a, pool)
		sameResult(t, r, f, renamed(f, a))
	}
}

// TestAllocateFolded folds instructions into their only reader. The function
// with those instructions moved there is the one that the places must be right
// for.
func TestAllocateFolded(t *testing.T) {
	folds := 0
	for seed := int64(0); seed < 500; seed++ {
		r := rand.New(rand.NewSource(seed))
		f := lirtest.Random(r, lirtest.Config{Vars: 3})
		reads, writes := f.Reads(), f.Writes()
		pool := randomPool(r)
		moved := &lir.Func{Name: f.Name, Params: f.Params, NumReg: f.NumReg, Locals: f.Locals}
		at := 0 // the number of the block's first instruction
		for _, b := range f.Blocks {
			to := make([]int, len(b.Insts)) // the reader, where folded
			for i := len(b.Insts) - 1; i >= 0; i-- {
				dst := b.Insts[i].Writes()
				if dst == lir.NoReg || reads[dst] != 1 || writes[dst] != 1 {
					continue
				}
				if j := reader(b, i, to); j > 0 {
					to[i] = j
					folds++
				}
			}
			c := &lir.Block{Term: b.Term}
			for j := 0; j <= len(b.Insts); j++ {
				for i := 0; i < j; i++ {
					if to[i] == j {
						c.Insts = append(c.Insts, b.Insts[i])
					}
				}
				if j < len(b.Insts) && to[j] == 0 {
					c.Insts = append(c.Insts, b.Insts[j])
				}
			}
			moved.Blocks = append(moved.Blocks, c)
			for _, j := range to {
				n := int32(0)
				if j != 0 {
					n = int32(at + j)
				}
				pool.Folded = append(pool.Folded, n)
			}
			pool.Folded = append(pool.Folded, 0)
			at += len(b.Insts) + 1
		}
		if err := lir.Verify(moved); err != nil {
			t.Fatal(err)
		}
		a, err := lir.Allocate(f, pool)
		if err != nil {
			t.Fatal(err)
		}
		number := 0
		for _, b := range f.Blocks {
			for i := range b.Insts {
				if r := b.Insts[i].Writes(); pool.Folded[number] != 0 && a.Loc[r].Kind != lir.LocNone {
					t.Errorf("%v, the result of a folded instruction, has a place", r)
				}
				number++
			}
			number++
		}
		sameResult(t, r, f, renamed(moved, a))
	}
	if folds < 500 {
		t.Errorf("only %d instructions folded", folds)
	}
}

// reader is the index of the instruction, or the number of instructions for the
// terminator, that reads the result of b's i'th, if that can be done there just
// as well; 0 if not.
func reader(b *lir.Block, i int, to []int) int {
	in := &b.Insts[i]
	needs := in.AppendReads(nil)
	for j := i + 1; j < len(b.Insts); j++ {
		if slices.Contains(b.Insts[j].AppendReads(nil), in.Dst) {
			if to[j] != 0 {
				return 0
			}
			return j
		}
		if b.Insts[j].Op == lir.Store || slices.Contains(needs, b.Insts[j].Writes()) {
			return 0
		}
	}
	if slices.Contains(b.Term.AppendReads(nil), in.Dst) {
		return len(b.Insts)
	}
	return 0
}

func mustParse(t testing.TB, src string) *lir.Func {
	t.Helper()
	f, err := lir.Parse(src)
	if err == nil {
		err = lir.Verify(f)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestAllocatePreferences: moves vanish, parameters stay where they arrive, the
// result is made where it leaves.
func TestAllocatePreferences(t *testing.T) {
	f := mustParse(t, `func f(%1, %2) {
		b0:	%3 = mov64 %1		; the last use of 1
			%4 = add64 %3, %2	; the last use of both
			%5 = load32.le [%4]
			ret %5 }`)
	pool := lir.Pool{Regs: 6, Params: [4]int{3, 2}, Result: 5}
	a, err := lir.Allocate(f, pool)
	if err != nil {
		t.Fatal(err)
	}
	for r, want := range []int32{1: 3, 2: 2, 3: 3, 4: 3, 5: 5} {
		if r > 0 && a.Loc[r] != (lir.Loc{Kind: lir.LocReg, N: want}) {
			t.Errorf("%v is at %v, want register %d", lir.Reg(r), a.Loc[r], want)
		}
	}
}

// TestAllocateSpillsTheLeastUsed: with one register too few, what goes to the
// frame is not what the loop uses, nor the short-lived.
func TestAllocateSpillsTheLeastUsed(t *testing.T) {
	f := mustParse(t, `func f(%1, %2, %3) locals 12 {
		b0:	jump b1
		b1:	%4 = load8 [%1 + %2]
			%5 = mul64 %4, 3
			%2 = sub64 %2, %5
			br64.ne %2, 0, b1, b2
		b2:	ret %3 }`)
	a, err := lir.Allocate(f, lir.Pool{Regs: 3})
	if err != nil {
		t.Fatal(err)
	}
	for r := lir.Reg(1); r <= 5; r++ {
		kind := lir.LocReg
		if r == 3 {
			kind = lir.LocFrame
		}
		if a.Loc[r].Kind != kind {
			t.Errorf("%v is at %v", r, a.Loc[r])
		}
	}
	if a.Loc[3].N != 16 || a.Frame != 24 {
		t.Errorf("slot at %d, frame of %d bytes; want 16 after 12 bytes of locals, and 24", a.Loc[3].N, a.Frame)
	}
}

// TestAllocateKeepsTheLoop: one use in a loop outweighs several outside.
func TestAllocateKeepsTheLoop(t *testing.T) {
	f := mustParse(t, `func f(%1, %2, %3) {
		b0:	jump b1
		b1:	%3 = sub64 %3, %1
			br64.ne %3, 0, b1, b2
		b2:	%2 = add64 %2, %2
			%2 = mul64 %2, %2
			ret %2 }`)
	a, err := lir.Allocate(f, lir.Pool{Regs: 2})
	if err != nil {
		t.Fatal(err)
	}
	for r, want := range []lir.LocKind{1: lir.LocReg, 2: lir.LocFrame, 3: lir.LocReg} {
		if a.Loc[r].Kind != want {
			t.Errorf("%v is at %v", lir.Reg(r), a.Loc[r])
		}
	}
}

func TestAllocateErrors(t *testing.T) {
	f := mustParse(t, "func f(%1) { a: ret %1 }")
	for _, n := range []int{-1, 65} {
		if _, err := lir.Allocate(f, lir.Pool{Regs: n}); err == nil || !strings.Contains(err.Error(), "pool") {
			t.Errorf("%d registers: %v", n, err)
		}
	}
	// Verify refuses this one. A backend that changes a function before it
	// allocates may still come here.
	f = &lir.Func{Name: "many", Params: []lir.Reg{1}, NumReg: 522, Blocks: []*lir.Block{{Term: lir.Term{Kind: lir.Return, B: lir.R(1)}}}}
	for r := lir.Reg(2); r < f.NumReg; r++ {
		f.Blocks[0].Insts = append(f.Blocks[0].Insts, lir.Inst{Op: lir.Not, W: lir.W64, Dst: r, A: 1})
	}
	for r := lir.Reg(2); r < f.NumReg; r++ {
		f.Blocks[0].Insts = append(f.Blocks[0].Insts, lir.Inst{Op: lir.Xor, W: lir.W64, Dst: 1, A: 1, B: lir.R(r)})
	}
	// 521 are alive at once; the frame has 512 slots.
	if _, err := lir.Allocate(f, lir.Pool{Regs: 9}); err != nil {
		t.Errorf("9 registers: %v", err)
	}
	_, err := lir.Allocate(f, lir.Pool{Regs: 8})
	if want := "func many: too large: the frame needs 4104 bytes, more than the 4096 there are"; err == nil || err.Error() != want {
		t.Errorf("8 registers: %v, want %s", err, want)
	}
}

// chain is a function of n blocks, each with a test of its own and a way out,
// as a long list of addresses makes them, with wide registers alive throughout.
func chain(n, wide int) *lir.Func {
	b := lir.NewBuilder("chain")
	pkt := b.Param()
	var regs []lir.Reg
	for i := range wide {
		regs = append(regs, b.Load(lir.W8, lir.LittleEndian, lir.At(pkt, int32(i))))
	}
	out := b.Block()
	for i := range n {
		x := b.Load(lir.W32, lir.BigEndian, lir.At(pkt, int32(i%50)))
		y := b.Op(lir.Xor, lir.W32, x, lir.I(int64(i)))
		next := b.Block()
		b.Branch(lir.W32, lir.EQ, y, lir.I(7), out, next)
		b.SetBlock(next)
	}
	b.Jump(out)
	b.SetBlock(out)
	s := b.Mov(lir.W64, lir.I(0))
	for _, r := range regs {
		b.OpTo(s, lir.Add, lir.W64, s, lir.R(r))
	}
	b.Return(lir.R(s))
	f, err := b.Func()
	if err != nil {
		panic(err)
	}
	return f
}

// TestLarge: very many blocks, and very many registers alive in all of them, are verified and allocated in a time that a quadratic algorithm
// would miss by far.
func TestLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	for _, test := range []struct{ blocks, wide int }{{100_000, 2}, {20_000, lir.MaxLive - 2}} {
		wide := test.wide
		f := chain(test.blocks, wide)
		start := time.Now()
		if err := lir.Verify(f); err != nil {
			t.Fatal(err)
		}
		verified := time.Now()
		a, err := lir.Allocate(f, lir.Pool{Regs: 12})
		if err != nil {
			t.Fatal(err)
		}
		allocated := time.Now()
		t.Logf("%d blocks, %d alive: verified in %v, allocated in %v", test.blocks, wide, verified.Sub(start), allocated.Sub(verified))
		if slots := max(0, wide+3-12); a.Frame < 8*(slots-3) || a.Frame > 8*(slots+3) {
			t.Errorf("%d alive: frame of %d bytes", wide, a.Frame)
		}
	}
}

func BenchmarkAllocate(b *testing.B) {
	f := chain(10_000, 4)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := lir.Allocate(f, lir.Pool{Regs: 12}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	f := chain(10_000, 4)
	b.ReportAllocs()
	for b.Loop() {
		if err := lir.Verify(f); err != nil {
			b.Fatal(err)
		}
	}
}
