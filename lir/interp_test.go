package lir_test

import (
	"errors"
	"math/big"
	"math/rand"
	"strings"
	"testing"

	"github.com/bpfjit/bpfjit/lir"
	"github.com/bpfjit/bpfjit/lir/lirtest"
)

// The second way to compute what operations are: on integers without a width,
// cut down at the end.

func unsigned(w lir.Width, v uint64) *big.Int {
	m := new(big.Int).Lsh(big.NewInt(1), uint(w.Bits()))
	return new(big.Int).Mod(new(big.Int).SetUint64(v), m)
}

func signed(w lir.Width, v uint64) *big.Int {
	x := unsigned(w, v)
	if x.Bit(w.Bits()-1) == 1 {
		x.Sub(x, new(big.Int).Lsh(big.NewInt(1), uint(w.Bits())))
	}
	return x
}

// evalBig is Eval over big integers.
func evalBig(op lir.Op, w lir.Width, a, b uint64) uint64 {
	n := uint64(w.Bits())
	x, y := unsigned(w, a), unsigned(w, b)
	z := new(big.Int)
	masked := uint(y.Uint64() % n)
	// A count so large that nothing is left, but that can be computed.
	count := uint(200)
	if y.IsUint64() && y.Uint64() < 200 {
		count = uint(y.Uint64())
	}
	switch op {
	case lir.Mov:
		z = y
	case lir.Add:
		z.Add(x, y)
	case lir.Sub:
		z.Sub(x, y)
	case lir.Mul:
		z.Mul(x, y)
	case lir.MulHU:
		z.Rsh(z.Mul(x, y), uint(n))
	case lir.DivU:
		if y.Sign() != 0 {
			z.Div(x, y)
		}
	case lir.ModU:
		z.Set(x)
		if y.Sign() != 0 {
			z.Mod(x, y)
		}
	case lir.And:
		z.And(x, y)
	case lir.Or:
		z.Or(x, y)
	case lir.Xor:
		z.Xor(x, y)
	case lir.Neg:
		z.Neg(x)
	case lir.Not:
		z.Not(x)
	case lir.ShlZ:
		z.Lsh(x, count)
	case lir.ShrZ:
		z.Rsh(x, count)
	case lir.SarZ:
		z.Rsh(signed(w, a), count)
	case lir.ShlM:
		z.Lsh(x, masked)
	case lir.ShrM:
		z.Rsh(x, masked)
	case lir.SarM:
		z.Rsh(signed(w, a), masked)
	case lir.Bswap:
		buf := make([]byte, w)
		x.FillBytes(buf)
		for i := len(buf) - 1; i >= 0; i-- {
			z.Or(z.Lsh(z, 8), big.NewInt(int64(buf[i])))
		}
	}
	m := new(big.Int).Lsh(big.NewInt(1), uint(n))
	return z.Mod(z, m).Uint64()
}

func holdsBig(c lir.Cond, w lir.Width, a, b uint64) bool {
	u, s := unsigned(w, a).Cmp(unsigned(w, b)), signed(w, a).Cmp(signed(w, b))
	both := new(big.Int).And(unsigned(w, a), unsigned(w, b)).Sign() != 0
	switch c {
	case lir.EQ:
		return u == 0
	case lir.NE:
		return u != 0
	case lir.LTU:
		return u < 0
	case lir.LEU:
		return u <= 0
	case lir.GTU:
		return u > 0
	case lir.GEU:
		return u >= 0
	case lir.LTS:
		return s < 0
	case lir.LES:
		return s <= 0
	case lir.GTS:
		return s > 0
	case lir.GES:
		return s >= 0
	case lir.ANY:
		return both
	case lir.NONE:
		return !both
	}
	panic("no such condition")
}

func TestEval(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for op := lir.Mov; op <= lir.Bswap; op++ {
		for w := lir.W8; w <= lir.W64; w *= 2 {
			if w&op.Info().Widths == 0 {
				if got := lir.Eval(op, w, 7, 1); got != 0 {
					t.Errorf("%v%d, which there is not: %#x", op, w.Bits(), got)
				}
				continue
			}
			for range 3000 {
				a, b := lirtest.Value(r), lirtest.Value(r)
				if r.Intn(4) == 0 {
					b = a
				}
				if got, want := lir.Eval(op, w, a, b), evalBig(op, w, a, b); got != want {
					t.Fatalf("%v%d(%#x, %#x) = %#x, want %#x", op, w.Bits(), a, b, got, want)
				}
			}
		}
	}
	for _, op := range []lir.Op{lir.OpInvalid, lir.Load, lir.Store, lir.Prefetch, 99} {
		for _, w := range []lir.Width{0, lir.W16, lir.W64, 3, 255} {
			if got := lir.Eval(op, w, 7, 7); got != 0 {
				t.Errorf("%v at width %d: %#x", op, w, got)
			}
		}
	}
}

func TestConds(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for c := lir.EQ; c <= lir.NONE; c++ {
		for _, w := range []lir.Width{lir.W8, lir.W16, lir.W32, lir.W64} {
			for range 1000 {
				a, b := lirtest.Value(r), lirtest.Value(r)
				if r.Intn(4) == 0 {
					b = a
				}
				want := holdsBig(c, w, a, b)
				if got := c.Holds(w, a, b); got != want {
					t.Fatalf("%v%d of %#x and %#x: %v", c, w.Bits(), a, b, got)
				}
				if got := c.Not().Holds(w, a, b); got == want {
					t.Fatalf("%v, the opposite of %v, of %#x and %#x: %v too", c.Not(), c, a, b, got)
				}
				if got := c.Swap().Holds(w, b, a); got != want {
					t.Fatalf("%v, the mirror of %v, of %#x and %#x: %v", c.Swap(), c, b, a, got)
				}
			}
		}
	}
	for _, c := range []lir.Cond{lir.CondInvalid, lir.NONE + 1, 255} {
		if c.Valid() || c.Not().Valid() || c.Swap().Valid() || c.Holds(lir.W64, 0, 0) || c.String() != "invalid" {
			t.Errorf("condition %d passes for one", uint8(c))
		}
	}
}

// TestInterpret runs each text with the arguments 1<<32, an address at which
// there are the bytes 0, 1, 2 ... 15, and 5.
func TestInterpret(t *testing.T) {
	for _, test := range []struct {
		body string
		want uint64
	}{
		{"a: ret -2", 1<<64 - 2},
		{"a: ret %2", 5},
		{"a: %3 = mov32 -2 ret %3", 1<<32 - 2},
		{"a: %3 = mov64 -2 %3 = mov32 %3 ret %3", 1<<32 - 2},
		{"a: %3 = load8 [%1 + 15] ret %3", 15},
		{"a: %3 = load16.be [%1 + 3] ret %3", 0x0304},
		{"a: %3 = load16.le [%1 + 3] ret %3", 0x0403},
		{"a: %3 = load32.be [%1 + 3] ret %3", 0x03040506},
		{"a: %3 = load32.le [%1 + 3] ret %3", 0x06050403},
		{"a: %3 = load64.be [%1 + 8] ret %3", 0x08090a0b0c0d0e0f},
		{"a: %3 = load64.le [%1 + 8] ret %3", 0x0f0e0d0c0b0a0908},
		{"a: %3 = load8 [%1 + %2*2 + 1] ret %3", 11},
		{"a: %3 = load8 [%1 + %2 - 5] ret %3", 0},
		{"a: %3 = mov64 -1 %3 = load8 [%1 + %3*4 + 8] ret %3", 4},
		{"a: %3 = sub64 %1, 1 %3 = load8 [%3 + 1] ret %3", 0},
		{"a: store32.be [%1 + 1], 0xdeadbeef %3 = load32.le [%1] ret %3", 0xbeadde00},
		{"a: store16.le [%1 + 1], -2 %3 = load32.be [%1] ret %3", 0x00feff03},
		{"a: store8 [%1], 255 %3 = load8 [%1] ret %3", 255},
		{"a: store64.be [frame + 8], %1 store8 [frame], 3 %3 = load16.be [frame + 11] ret %3", 0x100},
		{"a: prefetch [%2] prefetch [%1 + %2*8] ret 1", 1},
		{"a: %3 = set32.eq %1, 0 ret %3", 1}, // the low half only
		{"a: %3 = set64.eq %1, 0 ret %3", 0},
		{"a: %3 = select32.gtu %2, 4, %1, 9 ret %3", 0},
		{"a: %3 = select64.gtu %2, 4, %1, 9 ret %3", 1 << 32},
		{"a: %3 = select64.gtu %2, 5, %1, 9 ret %3", 9},
		{"a: %3 = select32.ltu %2, 5, 1, -1 ret %3", 1<<32 - 1},
		{"a: %2 = divu64 %2, 0 ret %2", 0},
		{"a: %2 = modu64 %2, 0 ret %2", 5},
		{"a: br64.lts %2, -1, b, c b: ret 1 c: ret 2", 2},
		{"a: br64.ltu %2, -1, b, c b: ret 1 c: ret 2", 1},
		{"a: br32.any %2, 4, b, c b: ret 1 c: ret 2", 1},
		{"a: br32.any %2, 0xfffffffa, b, c b: ret 1 c: ret 2", 2},
		{"a: switch64 %2 {1: b, 5: c, 7: b, else: b} b: ret 1 c: ret 2", 2},
		{"a: switch64 %2 {1: c, 4: c, 7: c, else: b} b: ret 1 c: ret 2", 1},
		{"a: switch32 %1 {0: c, else: b} b: ret 1 c: ret 2", 2},
		{"a: switch64 %1 {0: c, else: b} b: ret 1 c: ret 2", 1},
		{"a: switch64 %1 {else: b} b: ret 1", 1},
		{`a: %3 = mov64 1 jump b
		  b: %3 = mul64 %3, %2 %2 = sub64 %2, 1 br64.ne %2, 0, b, c
		  c: ret %3`, 120},
	} {
		f := mustParse(t, "func f(%1, %2) locals 16 {"+test.body+"}")
		data := make([]byte, 16)
		for i := range data {
			data[i] = byte(i)
		}
		got, err := f.Interpret([]lir.Region{{Addr: 1 << 32, Data: data, Writable: true}}, 1<<32, 5)
		if err != nil || got != test.want {
			t.Errorf("%s: %#x, %v; want %#x", test.body, got, err, test.want)
		}
	}
}

func TestInterpretErrors(t *testing.T) {
	top := ^uint64(0)
	mem := []lir.Region{
		{Addr: 100, Data: make([]byte, 10)},
		{Addr: 110, Data: make([]byte, 10), Writable: true},
		{Addr: top - 3, Data: make([]byte, 10), Writable: true}, // only 4 bytes of it exist
		{Addr: 500},
	}
	for _, test := range []struct {
		body string
		arg  uint64
		want string
	}{
		{"a: %2 = load8 [%1] ret %2", 109, ""},
		{"a: %2 = load64.le [%1] ret %2", 102, ""},
		{"a: %2 = load8 [%1] ret %2", 99, "func f: b0, instruction 0: %2 = load8 [%1]: no access to 1 bytes at 0x63"},
		{"a: %2 = load8 [%1] ret %2", 120, "no access to 1 bytes at 0x78"},
		{"a: %2 = load8 [%1] ret %2", 500, "no access to 1 bytes at 0x1f4"},
		{"a: %2 = load16.le [%1 + 9] ret %2", 100, "no access to 2 bytes at 0x6d"}, // over the border of two
		{"a: %2 = load64.be [%1 - 4] ret %2", 100, "no access to 8 bytes at 0x60"},
		{"a: store8 [%1], 0 ret 0", 109, "no access to 1 bytes at 0x6d"},
		{"a: store8 [%1], 0 ret 0", 110, ""},
		{"a: %2 = load32.le [%1] ret %2", top - 3, ""},
		{"a: %2 = load32.le [%1] ret %2", top - 2, "no access to 4 bytes at 0xfffffffffffffffd"},
		{"a: %2 = load8 [%1] ret %2", 0, "no access to 1 bytes at 0x0"},
		{"a: %2 = load64.le [%1] ret %2", top - 3, "no access to 8 bytes at 0xfffffffffffffffc"},
		{"a: store8 [frame], 0 %2 = load16.be [frame] ret 0", 0,
			"func f: b0, instruction 1: %2 = load16.be [frame]: byte 1 of the local stack has not been written"},
		{"a: jump b b: jump b", 0, "func f: b1: more than 1000 steps"},
	} {
		f := mustParse(t, "func f(%1) locals 8 {"+test.body+"}")
		in, err := lir.NewInterpreter(f)
		if err != nil {
			t.Fatal(err)
		}
		in.MaxSteps = 1000
		_, err = in.Run(mem, test.arg)
		switch {
		case test.want == "" && err != nil, test.want != "" && (err == nil || !strings.HasSuffix(err.Error(), test.want)):
			t.Errorf("%s of %#x: %v; want %s", test.body, test.arg, err, test.want)
		case strings.Contains(test.want, "no access"):
			var access *lir.AccessError
			if !errors.As(err, &access) {
				t.Errorf("%s: %T", test.body, err)
			}
		}
	}
	f := mustParse(t, "func f(%1) { a: ret %1 }")
	if _, err := f.Interpret(nil); err == nil || err.Error() != "func f: 0 arguments for 1 parameters" {
		t.Error(err)
	}
	if _, err := new(lir.Func).Interpret(nil); err == nil {
		t.Error("ran a function without blocks")
	}
	// What one run wrote to the local stack is not there in the next.
	f = mustParse(t, `func f(%1) locals 1 { a: br64.eq %1, 0, b, c b: store8 [frame], 1 ret 0 c: %2 = load8 [frame] ret %2 }`)
	in, err := lir.NewInterpreter(f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.Run(nil, 0); err != nil {
		t.Error(err)
	}
	if _, err := in.Run(nil, 1); err == nil {
		t.Error("read the local stack of the run before")
	}
}
