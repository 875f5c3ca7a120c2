//go:build amd64

package amd64

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand"
	"slices"
	"testing"

	x86 "github.com/bpfjit/bpfjit/asm/amd64"
	"github.com/bpfjit/bpfjit/lir"
	"github.com/bpfjit/bpfjit/lir/lirtest"
)

func must(t *testing.T, b *lir.Builder) *lir.Func {
	t.Helper()
	f, err := b.Func()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// spill makes every register that is alive here go to the frame, all but a few:
// it is a block of more registers than there are, all alive at once.
func spill(b *lir.Builder) (use func() lir.Reg) {
	var regs []lir.Reg
	for i := range 20 {
		regs = append(regs, b.Mov(lir.W64, lir.I(int64(i))))
	}
	return func() lir.Reg {
		sum := b.Mov(lir.W64, lir.I(0))
		for range 3 { // often used, so that others go to the frame
			for _, r := range regs {
				b.OpTo(sum, lir.Add, lir.W64, sum, lir.R(r))
			}
		}
		return sum
	}
}

// Each load, followed by each comparison with constants at the edges, of
// values around them, as branch, set and select, with and without registers to
// spare.
func TestCompareLoaded(t *testing.T) {
	m := newMachine(t)
	r := rand.New(rand.NewSource(1))
	edges := []int64{0, 1, 0x7f, 0x80, 0xff, 0x100, 0x180, 0x1fe, 0x7f00, 0x7fff, 0x8000, 0xff00, 0xffff, 0x10000, 0xff0000,
		math.MaxInt32, 1 << 31, 0xff000000, math.MaxUint32, 1 << 32, 0xff << 48, math.MaxInt64, math.MinInt64, -1, -0x80, -0x8000, math.MinInt32}
	n := 0
	for _, lw := range []lir.Width{lir.W8, lir.W16, lir.W32, lir.W64} {
		for _, w := range []lir.Width{lir.W32, lir.W64} {
			for cond := lir.EQ; cond <= lir.NONE; cond++ {
				for _, k := range edges {
					if w == lir.W32 && (k < math.MinInt32 || k > math.MaxUint32) {
						continue
					}
					order := lir.Order(n & 1)
					if n++; testing.Short() && n%7 != 0 {
						continue
					}
					f := compareLoaded(t, lw, order, w, cond, k, n)
					buf := make([]byte, 8)
					feats := hostFeatures()
					for i, v := range []uint64{uint64(k), uint64(k) + 1, uint64(k) - 1, ^uint64(k), r.Uint64(), 0} {
						if order == lir.BigEndian {
							binary.BigEndian.PutUint64(buf, v<<(64-lw.Bits()))
						} else {
							binary.LittleEndian.PutUint64(buf, v)
						}
						args := [4]uint64{0, uint64(n / 2 % 3), v, 5}
						var err error
						if i == 0 {
							err = m.same(f, feats[n%len(feats)], buf[:lw], true, args)
						} else {
							err = m.sameAgain(f, buf[:lw], true, args)
						}
						if err != nil {
							t.Fatalf("memory %x: %v\n%s%s", buf[:lw], err, f, listing(f, Features{}))
						}
					}
				}
			}
		}
	}
}

// compareLoaded makes one of the functions of TestCompareLoaded; the variant
// decides the rest.
func compareLoaded(t *testing.T, lw lir.Width, order lir.Order, w lir.Width, cond lir.Cond, k int64, variant int) *lir.Func {
	b := lir.NewBuilder("compare")
	base, index, x := b.Param(), b.Param(), b.Param()
	rest := func() lir.Reg { return index }
	if variant%3 == 0 {
		rest = spill(b)
	}
	mem := lir.At(base, 0)
	if variant/2%3 != 0 { // the parameter is not 0 then
		mem = lir.Indexed(base, index, 1<<(variant%4), int32(-(variant/2%3)<<(variant%4)))
	}
	loaded := b.Load(lw, order, mem)
	a, arg := loaded, lir.I(k)
	switch variant / 3 % 4 {
	case 0:
		arg = lir.R(x)
	case 1:
		a, arg = x, lir.R(loaded)
	}
	switch variant / 12 % 3 {
	case 0:
		yes, no := b.Block(), b.Block()
		b.Branch(w, cond, a, arg, yes, no)
		b.SetBlock(yes)
		b.Return(lir.I(-1))
		b.SetBlock(no)
		b.Return(lir.R(rest()))
	case 1:
		s := b.Set(w, cond, a, arg)
		b.OpTo(s, lir.Add, lir.W64, s, lir.R(rest()))
		b.Return(lir.R(s))
	case 2:
		s := b.Select(w, cond, a, arg, lir.I(77), lir.R(x))
		b.OpTo(s, lir.Add, lir.W64, s, lir.R(rest()))
		b.Return(lir.R(s))
	}
	return must(t, b)
}

// Division by constants, of the dividends for which a wrong reciprocal shows:
// around multiples of the divisor, the largest above all.
func TestDivideByConstants(t *testing.T) {
	m := newMachine(t)
	r := rand.New(rand.NewSource(2))
	for _, w := range []lir.Width{lir.W32, lir.W64} {
		top := uint64(math.MaxUint64) >> (64 - w.Bits())
		divisors := []uint64{641, 6700417, 274177, 1e9, 1e9 + 7, 10, 100, 1000, 3600, 86400, top / 2, top / 3, top/3 + 1}
		for d := uint64(0); d < 130; d++ {
			divisors = append(divisors, d, top-d)
		}
		for i := range w.Bits() {
			divisors = append(divisors, 1<<i, 1<<i-1, 1<<i+1, 3<<i&top)
		}
		for range 300 {
			divisors = append(divisors, r.Uint64()&top>>r.Intn(w.Bits()))
		}
		for i, d := range divisors {
			if testing.Short() && i%9 != 0 {
				continue
			}
			f := divideBy(t, w, int64(d<<(64-w.Bits()))>>(64-w.Bits()), i)
			feats := hostFeatures()
			first := true
			for _, n := range dividends(r, d, top) {
				args := [4]uint64{0, n | r.Uint64()&^top, 1, 2}
				var err error
				if first {
					err = m.same(f, feats[i%len(feats)], nil, false, args)
				} else {
					err = m.sameAgain(f, nil, false, args)
				}
				first = false
				if err != nil {
					t.Fatalf("%d bits, %d by %d: %v\n%s%s", w.Bits(), n, d, err, f, listing(f, feats[i%len(feats)]))
				}
			}
		}
	}
}

func dividends(r *rand.Rand, d, top uint64) []uint64 {
	all := []uint64{0, 1, top, top - 1, top/2 + 1, top / 2, d, (d - 1) & top, (d + 1) & top, r.Uint64() & top}
	if d > 1 {
		last := top / d * d
		for _, m := range []uint64{last, top / 2 / d * d, r.Uint64() & top / d * d} {
			all = append(all, m, m-1&top, (m+1)&top)
		}
		all = append(all, last-d, (last-d-1)&top)
	}
	return all
}

// divideBy makes quotient*31 + remainder*37 of its second parameter, with the
// registers that the code wants for itself in use.
func divideBy(t *testing.T, w lir.Width, d int64, variant int) *lir.Func {
	b := lir.NewBuilder("divide")
	b.Param()
	n, p, q := b.Param(), b.Param(), b.Param()
	rest := func() lir.Reg { return p }
	if variant%4 == 0 {
		rest = spill(b)
	}
	var div, mod lir.Reg
	if variant%3 == 0 { // the result in place of the dividend
		m := b.Mov(lir.W64, lir.R(n))
		b.OpTo(m, lir.ModU, w, m, lir.I(d))
		mod = m
		b.OpTo(n, lir.DivU, w, n, lir.I(d))
		div = n
	} else {
		div = b.Op(lir.DivU, w, n, lir.I(d))
		mod = b.Op(lir.ModU, w, n, lir.I(d))
	}
	div = b.Op(lir.Mul, lir.W64, div, lir.I(31))
	mod = b.Op(lir.Mul, lir.W64, mod, lir.I(37))
	sum := b.Op(lir.Add, lir.W64, div, lir.R(mod))
	sum = b.Op(lir.Add, lir.W64, sum, lir.R(rest()))
	sum = b.Op(lir.Add, lir.W64, sum, lir.R(q))
	b.Return(lir.R(sum))
	return must(t, b)
}

// Switches of all sizes and densities find every case, and nothing between.
func TestSwitches(t *testing.T) {
	m := newMachine(t)
	r := rand.New(rand.NewSource(3))
	for i := range 300 {
		w := lir.Width(4 << (i & 1))
		top := uint64(math.MaxUint64) >> (64 - w.Bits())
		f, values := randomSwitch(t, r, w, 1+r.Intn(1<<r.Intn(9)), 1+r.Intn(5), i%3 == 0)
		tries := []uint64{0, 1, top, top - 1, top / 2, top/2 + 1, r.Uint64() & top}
		for _, v := range values {
			tries = append(tries, v, (v-1)&top, (v+1)&top)
		}
		for j, v := range tries {
			args := [4]uint64{0, v | r.Uint64()&^top, 1, 2}
			var err error
			if j == 0 {
				err = m.same(f, Features{}, nil, false, args)
			} else {
				err = m.sameAgain(f, nil, false, args)
			}
			if err != nil {
				t.Fatalf("switch of %#x: %v\n%s%s", v, err, f, listing(f, Features{}))
			}
		}
	}
}

func randomSwitch(t *testing.T, r *rand.Rand, w lir.Width, cases, ways int, spilled bool) (*lir.Func, []uint64) {
	b := lir.NewBuilder("switch")
	b.Param()
	x := b.Param()
	rest := func() lir.Reg { return x }
	if spilled {
		rest = spill(b)
	}
	targets := make([]int, ways+1) // the last is the default's
	for i := range targets {
		targets[i] = b.Block()
	}
	top := uint64(math.MaxUint64) >> (64 - w.Bits())
	seen := map[uint64]bool{}
	var list []lir.Case
	var values []uint64
	v := lirtest.Value(r) & top
	target := targets[0]
	for range cases {
		if r.Intn(5) == 0 && ways > 1 {
			target = targets[r.Intn(len(targets))]
		}
		switch r.Intn(4) {
		case 0:
			v = lirtest.Value(r)
		case 1:
			v += uint64(1 + r.Intn(3)*r.Intn(32))
		case 2:
			v += uint64(r.Intn(200))
		default:
			v++
		}
		v &= top
		if !seen[v] {
			seen[v] = true
			values = append(values, v)
			list = append(list, lir.Case{Value: v, Target: target})
		}
	}
	b.Switch(w, x, list, targets[len(targets)-1])
	for i, target := range targets {
		b.SetBlock(target)
		b.Return(lir.R(b.Op(lir.Add, lir.W64, rest(), lir.I(int64(i+1)<<32))))
	}
	return must(t, b), values
}

// A parameter may have to move to any register, or the frame, while others
// move to where it was.
func TestEnter(t *testing.T) {
	m := newMachine(t)
	r := rand.New(rand.NewSource(4))
	for i := range 3000 {
		c := compiler{f: &lir.Func{NumReg: 5, Params: []lir.Reg{1, 2, 3, 4}}, alloc: &lir.Allocation{Loc: make([]lir.Loc, 5)}}
		places := r.Perm(len(poolRegs))
		if i < 24*4 { // among themselves: all cycles
			places = places[:0]
			for _, p := range r.Perm(lir.MaxParams) {
				places = append(places, poolIndex(ParamRegs[p]))
			}
		}
		for p := range 4 {
			c.alloc.Loc[p+1] = lir.Loc{Kind: lir.LocReg, N: int32(places[p])}
			switch r.Intn(8) {
			case 0:
				c.alloc.Loc[p+1] = lir.Loc{Kind: lir.LocFrame, N: int32(8 * p)}
			case 1:
				c.alloc.Loc[p+1] = lir.Loc{}
			}
		}
		want := uint64(0)
		args := [4]uint64{2, 3, 5, 7}
		c.enter()
		// Sum them up with weights, in the scratch register.
		c.MovImm(scratch, 0)
		for p := range 4 {
			if c.alloc.Loc[p+1].Kind != lir.LocNone {
				want = want*11 + args[p]
				c.Emit(x86.IMUL, x86.W64, scratch, scratch, x86.Imm(11))
				c.Emit(x86.ADD, x86.W64, scratch, c.rm(lir.Reg(p+1)))
			}
		}
		c.Emit(x86.MOV, x86.W64, ResultReg, scratch)
		c.Emit(x86.RET, 0)
		code, _, err := c.Finish()
		if err != nil {
			t.Fatal(err)
		}
		if err := m.code.Set(code); err != nil {
			t.Fatal(err)
		}
		got, err := m.code.Call(args)
		if err != nil || got != want {
			s, _ := text(code)
			t.Fatalf("%v: %d, want %d: %v\n%s", c.alloc.Loc, got, want, err, s)
		}
	}
}

// Frames are used to their last byte, and the code runs without a parameter,
// too.
func TestFrames(t *testing.T) {
	m := newMachine(t)
	for _, locals := range []int{1, 8, 13, lir.MaxLocals - 1, lir.MaxLocals} {
		b := lir.NewBuilder("frame")
		mem := b.Local(locals)
		last := mem
		last.Off += int32(locals - 1)
		b.Store(lir.W8, lir.LittleEndian, mem, lir.I(3))
		b.Store(lir.W8, lir.LittleEndian, last, lir.I(5))
		var regs []lir.Reg
		for i := range 380 {
			regs = append(regs, b.Mov(lir.W64, lir.I(int64(i)<<20)))
		}
		sum := b.Load(lir.W8, lir.LittleEndian, last)
		for _, r := range regs {
			b.OpTo(sum, lir.Add, lir.W64, sum, lir.R(r))
		}
		b.OpTo(sum, lir.Add, lir.W64, sum, lir.R(b.Load(lir.W8, lir.BigEndian, mem)))
		b.Return(lir.R(sum))
		m.check(t, must(t, b), nil)
	}
}

// Calls of every arity keep their arguments apart.
func TestParams(t *testing.T) {
	m := newMachine(t)
	for n := range lir.MaxParams + 1 {
		b := lir.NewBuilder("params")
		var params []lir.Reg
		for range n {
			params = append(params, b.Param())
		}
		sum := b.Mov(lir.W64, lir.I(1))
		slices.Reverse(params)
		for _, p := range params {
			b.OpTo(sum, lir.Mul, lir.W64, sum, lir.I(1000))
			b.OpTo(sum, lir.Add, lir.W64, sum, lir.R(p))
		}
		b.Return(lir.R(sum))
		m.check(t, must(t, b), nil, 2, 3, 5, 7)
	}
}

// Every operation with every aliasing of its operands, at edges, with and
// without registers to spare.
func TestOperations(t *testing.T) {
	m := newMachine(t)
	r := rand.New(rand.NewSource(5))
	for op := lir.Mov; op <= lir.Bswap; op++ {
		info := op.Info()
		for _, w := range []lir.Width{lir.W16, lir.W32, lir.W64} {
			if w&info.Widths == 0 {
				continue
			}
			for variant := range 60 {
				if testing.Short() && variant%6 != int(op)%6 {
					continue
				}
				f := operation(t, r, op, w, variant)
				feats := hostFeatures()
				for i := range 12 {
					args := [4]uint64{lirtest.Value(r), lirtest.Value(r), lirtest.Value(r), lirtest.Value(r)}
					if i < 4 {
						args[i&1] = 0
					}
					var err error
					if i == 0 {
						err = m.same(f, feats[variant%len(feats)], nil, false, args)
					} else {
						err = m.sameAgain(f, nil, false, args)
					}
					if err != nil {
						t.Fatalf("%#x: %v\n%s%s", args, err, f, listing(f, feats[variant%len(feats)]))
					}
				}
			}
		}
	}
}

func operation(t *testing.T, r *rand.Rand, op lir.Op, w lir.Width, variant int) *lir.Func {
	b := lir.NewBuilder(fmt.Sprintf("%s%d", op, variant))
	var p []lir.Reg
	for range 4 {
		p = append(p, b.Param())
	}
	rest := func() lir.Reg { return p[3] }
	if variant%3 == 0 {
		rest = spill(b)
	}
	in := lir.Inst{Op: op, W: w}
	use := op.Info().Operands
	if use&lir.UsesA != 0 {
		in.A = p[variant/3%4]
	}
	if use&lir.UsesB != 0 {
		in.B = lir.R(p[variant/12%4])
		if variant%2 == 0 {
			in.B = lir.I(lirtest.Imm(r, w))
		}
	}
	if variant >= 20 {
		in.Dst = p[r.Intn(4)]
	}
	dst := b.Emit(in)
	sum := b.Mov(lir.W64, lir.R(dst))
	for _, x := range append(p, rest()) {
		b.OpTo(sum, lir.Mul, lir.W64, sum, lir.I(-0x61c8864680b583eb))
		b.OpTo(sum, lir.Xor, lir.W64, sum, lir.R(x))
	}
	b.Return(lir.R(sum))
	return must(t, b)
}
