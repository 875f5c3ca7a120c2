package lir_test

import (
	"math/rand"
	"reflect"
	"strings"
	"testing"

	"github.com/bpfjit/bpfjit/lir"
	"github.com/bpfjit/bpfjit/lir/lirtest"
)

// plain is f with nothing in it that the text form leaves out: a scale of 1
// without an index, and a nil where another has an empty slice.
func plain(f *lir.Func) *lir.Func {
	g := &lir.Func{Name: f.Name, NumReg: f.NumReg, Locals: f.Locals}
	g.Params = append(g.Params, f.Params...)
	for _, b := range f.Blocks {
		c := &lir.Block{Term: b.Term}
		c.Term.Cases = append([]lir.Case(nil), b.Term.Cases...)
		c.Insts = append(c.Insts, b.Insts...)
		for i := range c.Insts {
			if m := &c.Insts[i].Mem; m.Index == lir.NoReg {
				m.Scale = 0
			}
		}
		g.Blocks = append(g.Blocks, c)
	}
	return g
}

func roundTrip(t *testing.T, f *lir.Func) {
	t.Helper()
	text := f.String()
	g, err := lir.Parse(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if !reflect.DeepEqual(plain(f), plain(g)) {
		t.Fatalf("parsed as\n%s\nnot\n%s", g, text)
	}
	if again := g.String(); again != text {
		t.Fatalf("printed as\n%s\nnot\n%s", again, text)
	}
}

func TestRoundTripRandom(t *testing.T) {
	for seed := int64(0); seed < 1000; seed++ {
		r := rand.New(rand.NewSource(seed))
		f := lirtest.Random(r, lirtest.Config{})
		f.Name = []string{"f", "", "tcp port 80", "a\"\\\n\x00\xff", "0", "a.b_c0", ".a", "über"}[seed%8]
		if seed%2 == 0 {
			f.NumReg += 3
		}
		roundTrip(t, f)
	}
}

// TestRoundTripEveryInst makes every operation with every width, order and
// condition, and operands at the limits of what Verify accepts.
func TestRoundTripEveryInst(t *testing.T) {
	const r lir.Reg = 1
	mems := []lir.Mem{
		lir.At(r, 0), lir.At(r, 1), lir.At(r, -1), lir.At(r, 1<<31-1), lir.At(r, -1<<31), lir.At(r, 12345),
		lir.Indexed(r, r, 1, 0), lir.Indexed(r, r, 2, -7), lir.Indexed(r, r, 4, 1<<31-1), lir.Indexed(r, r, 8, -1<<31),
		lir.At(lir.Frame, 0), lir.At(lir.Frame, lir.MaxLocals-8),
	}
	imms := map[lir.Width][]int64{
		lir.W8:  {-128, -1, 0, 255},
		lir.W16: {-1 << 15, 1<<16 - 1},
		lir.W32: {-1 << 31, 1<<32 - 1, -1000, 999, 1000, -999},
		lir.W64: {-1 << 63, -1<<63 + 1, 1<<63 - 1},
	}
	b := &lir.Block{Term: lir.Term{Kind: lir.Return, B: lir.R(r), Pos: 1<<31 - 1}}
	for op := lir.Mov; op <= lir.Prefetch; op++ {
		info := op.Info()
		for w := lir.Width(0); w <= lir.W64; w++ {
			if w&(w-1) != 0 || (info.Widths == 0) != (w == 0) || w&info.Widths != w {
				continue
			}
			for o := lir.LittleEndian; o <= lir.BigEndian; o++ {
				for c := lir.EQ; c <= lir.NONE; c++ {
					in := lir.Inst{Op: op, W: w, Pos: int32(len(b.Insts))}
					args := []lir.Arg{lir.R(r)}
					for _, v := range imms[w] {
						args = append(args, lir.I(v))
					}
					n := len(b.Insts)
					set := func(bit lir.Operands, do func()) {
						if info.Operands&bit != 0 {
							do()
						}
					}
					set(lir.UsesDst, func() { in.Dst = r })
					set(lir.UsesA, func() { in.A = r })
					set(lir.UsesB, func() { in.B = args[n%len(args)] })
					set(lir.UsesTF, func() { in.T, in.F = args[(n+1)%len(args)], args[n%len(args)] })
					set(lir.UsesOrder, func() { in.Order = o })
					set(lir.UsesCond, func() { in.Cond = c })
					if info.Operands&lir.UsesMem == 0 {
						b.Insts = append(b.Insts, in)
						continue
					}
					for _, in.Mem = range mems {
						b.Insts = append(b.Insts, in)
					}
				}
			}
		}
	}
	f := &lir.Func{Name: "all", Params: []lir.Reg{r}, NumReg: 2, Locals: lir.MaxLocals, Blocks: []*lir.Block{b}}
	if err := lir.Verify(f); err != nil {
		t.Fatal(err)
	}
	if len(b.Insts) < 1000 {
		t.Fatalf("only %d instructions", len(b.Insts))
	}
	roundTrip(t, f)
}

// TestParseForms has what people may write but String does not.
func TestParseForms(t *testing.T) {
	for _, test := range []struct{ name, src, want string }{
		{"named registers take the numbers that are free",
			`func f(%pkt, %len) { b0: %1 = load8 [%pkt] @0 %3 = add32 %1, %tmp ret %len }`,
			"func f(%2, %4) {\nb0:\n\t%1 = load8 [%2] @0\n\t%3 = add32 %1, %5\n\tret %4\n}\n"},
		{"blocks by any name, in order of their text",
			"func f(%1) {\nstart: br32.eq %1, 1, yes, no\nno: ret 0 ; none\nyes: ret -1\n}",
			"func f(%1) {\nb0:\n\tbr32.eq %1, 1, b2, b1\nb1:\n\tret 0\nb2:\n\tret -1\n}\n"},
		{"numbers in every base",
			`func "a b"(%1) regs 7 { a: %1 = mov64 0xffff_ffff_ffff_ffff %1 = mov64 0b101 %1 = mov64 0o17 %1 = mov32 0X1F ret %1}`,
			"func \"a b\"(%1) regs 7 {\nb0:\n\t%1 = mov64 -1\n\t%1 = mov64 5\n\t%1 = mov64 15\n\t%1 = mov32 31\n\tret %1\n}\n"},
		{"a switch over several lines, white space, a word that is a keyword elsewhere",
			"func else(%1){else1:switch32 %1{1:a,\r\n\t2 : b ,else:a}@5 a:ret 1 b:ret 2}",
			"func else(%1) {\nb0:\n\tswitch32 %1 {1: b1, 2: b2, else: b1} @5\nb1:\n\tret 1\nb2:\n\tret 2\n}\n"},
		{"explicit order of a byte, scale of one",
			`func f(%1) locals 8 { a: %2 = load8.le [%1 + %1*1 + 0] store8.be [frame + 7], %2 jump b b: ret 0 }`,
			"func f(%1) locals 8 {\nb0:\n\t%2 = load8 [%1 + %1]\n\tstore8.be [frame + 7], %2\n\tjump b1\nb1:\n\tret 0\n}\n"},
	} {
		f, err := lir.Parse(test.src)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if got := f.String(); got != test.want {
			t.Errorf("%s: got\n%s\nwant\n%s", test.name, got, test.want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	in := func(line string) string { return "func f(%1) {\na:\n\t" + line + "\n}" }
	for _, test := range []struct{ src, want string }{
		{"", `1:1: end of text where "func" should be`},
		{"func", `1:5: end of text where the function's name should be`},
		{"func f(%1", `1:10: end of text where "," should be`},
		{"func f(%1) {", `1:13: end of text where the name of a block should be`},
		{"func f() { a: ret 0 } x", `1:23: "x" where end of text should be`},
		{"func f() {\n a: ret 0\n a: ret 0 }", `3:2: block "a" is there twice`},
		{"func f() { else: ret 0 }", `1:12: "else" where the name of a block should be`},
		{"func f() { a: }", `1:15: "}" where an operation should be`},
		{"func f() locals 99999999999 { a: ret 0 }", `1:17: number "99999999999" is above 0x7fffffff`},
		{"func f() regs 9999999 { a: ret 0 }", `1:15: number "9999999" is above 0x100000`},
		{"func \"f", `1:6: string does not end on its line or has a wrong escape`},
		{"func f(%)", `1:8: no register after %`},
		{"func f(%0)", `1:8: register "%0": numbers begin with 1 and have no leading zero`},
		{"func f(%01)", `1:8: register "%01": numbers begin with 1 and have no leading zero`},
		{"func f(%1x)", `1:8: register "%1x" is neither a number nor a name`},
		{"func f(%1048576)", `1:8: register "%1048576": the highest is %1048575`},
		{"func f(%99999999999999999999)", `1:8: register "%99999999999999999999": the highest is %1048575`},
		{in("ret #"), `3:6: unexpected character "#"`},
		{in("ret \xff"), `3:6: unexpected character "\xff"`},
		{in("jump b"), `3:7: there is no block "b"`},
		{in("foo32 %1, 2"), `3:2: no such operation: "foo32"`},
		{in("invalid"), `3:2: no such operation: "invalid"`},
		{in("%2 = add %1, 2"), `3:7: add needs a width in bits`},
		{in("%2 = add16 %1, 2"), `3:7: add does not come in a width of 16 bits`},
		{in("%2 = add032 %1, 2"), `3:7: add does not come in a width of 032 bits`},
		{in("%2 = add32.eq %1, 2"), `3:7: add takes no suffix`},
		{in("%2 = set32 %1, 2"), `3:7: "set32" needs a condition, such as .eq`},
		{in("%2 = set32.lt %1, 2"), `3:7: "set32.lt" needs a condition, such as .eq`},
		{in("%2 = set32.invalid %1, 2"), `3:7: "set32.invalid" needs a condition, such as .eq`},
		{in("%2 = load16 [%1]"), `3:7: "load16" needs a byte order: .le or .be`},
		{in("%2 = load8. [%1]"), `3:7: "load8." needs a byte order: .le or .be`},
		{in("prefetch8 [%1]"), `3:2: prefetch takes no width`},
		{in("ret32 %1"), `3:2: ret takes no width`},
		{in("add32 %1, 2"), `3:2: add32 needs a register for its result`},
		{in("%2 = store8 [%1], 2"), `3:2: store8 has no result`},
		{in("%2 = ret 0"), `3:2: ret has no result`},
		{in("%2 = add32 1, 2"), `3:13: "1" where register should be`},
		{in("%2 = add32 %1 2"), `3:16: "2" where "," should be`},
		{in("%2 = add32 %1, frame"), `3:17: "frame" where a register or a number should be`},
		{in("%2 = mov32 010"), `3:13: number "010": decimal numbers have no leading zero`},
		{in("%2 = mov32 0x"), `3:13: number "0x" is malformed`},
		{in("%2 = mov64 0x10000000000000000"), `3:13: number "0x10000000000000000" is above 0xffffffffffffffff`},
		{in("%2 = mov64 -0x8000000000000001"), `3:14: number "0x8000000000000001" is above 0x8000000000000000`},
		{in("%2 = load8 [%1 + 0x80000000]"), `3:19: number "0x80000000" is above 0x7fffffff`},
		{in("%2 = load8 [%1 - 0x80000001]"), `3:19: number "0x80000001" is above 0x80000000`},
		{in("%2 = load8 [%1 + %1*16]"), `3:22: number "16" is above 8`},
		{in("%2 = load8 [5]"), `3:14: "5" where register should be`},
		{in("ret 0 @-1"), `3:9: "-" where a position should be`},
		{in("switch32 %1 {1: a}"), `3:19: "}" where "," should be`},
		{in("switch32 %1 {-1: a, else: a}"), `3:15: "-" where a case or "else" should be`},
	} {
		_, err := lir.Parse(test.src)
		if err == nil {
			t.Errorf("%q: no error, want %s", test.src, test.want)
		} else if err.Error() != test.want {
			t.Errorf("%q: %v, want %s", test.src, err, test.want)
		}
	}
}

func TestPrintSource(t *testing.T) {
	f, err := lir.Parse("func f(%1) { a: %2 = mov32 1 @0 %2 = mov32 2 @0 %2 = mov32 3 %2 = mov32 4 @0 ret 0 @1 }")
	if err != nil {
		t.Fatal(err)
	}
	text := []string{"one\ntwo", "ret"}
	f.Source = func(pos int32) string { return text[pos] }
	want := "func f(%1) {\nb0:\n\t%2 = mov32 1 @0 ; one two\n\t%2 = mov32 2 @0\n\t%2 = mov32 3\n\t%2 = mov32 4 @0 ; one two\n\tret 0 @1 ; ret\n}\n"
	if got := f.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	roundTrip(t, &lir.Func{Name: f.Name, Params: f.Params, NumReg: f.NumReg, Blocks: f.Blocks})
	if _, err := lir.Parse(want); err != nil {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	for seed := int64(0); seed < 5; seed++ {
		f.Add(lirtest.Random(rand.New(rand.NewSource(seed)), lirtest.Config{Blocks: 3, Insts: 4}).String())
	}
	f.Add("func f(%pkt) locals 16 regs 20 {\nb0:\n\tswitch32 %pkt {1: b1, else: b1} @5 ; x\nb1:\n\tret -0x10\n}\n")
	f.Fuzz(func(t *testing.T, src string) {
		fn, err := lir.Parse(src)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\r\n") {
				t.Fatalf("error of several lines: %q", err)
			}
			return
		}
		text := fn.String()
		again, err := lir.Parse(text)
		if err != nil {
			t.Fatalf("%q printed as\n%s: %v", src, text, err)
		}
		if !reflect.DeepEqual(fn, again) || again.String() != text {
			t.Fatalf("%q printed as\n%s\nand parsed as\n%s", src, text, again)
		}
		if err := lir.Verify(fn); err != nil {
			if strings.ContainsAny(err.Error(), "\r\n") {
				t.Fatalf("error of several lines: %q", err)
			}
			return
		}
		if _, err := lir.Allocate(fn, lir.Pool{Regs: 4}); err != nil {
			t.Logf("allocate: %v", err)
		}
		in, err := lir.NewInterpreter(fn)
		if err != nil {
			t.Fatal(err)
		}
		in.MaxSteps = 1000
		in.Run([]lir.Region{{Addr: 0, Data: make([]byte, 64), Writable: true}}, make([]uint64, len(fn.Params))...)
	})
}
