package lir_test

import (
	"testing"

	"github.com/bpfjit/bpfjit/lir"
)

func TestBuilder(t *testing.T) {
	b := lir.NewBuilder("all")
	p, n := b.Param(), b.Param()
	loop, out := b.Block(), b.Block()
	b.SetPos(1)
	x := b.Load(lir.W16, lir.BigEndian, lir.At(p, 12))
	y := b.Op(lir.Add, lir.W32, x, lir.I(1))
	b.UnaryTo(y, lir.Neg, lir.W64, y)
	z := b.Unary(lir.Not, lir.W32, y)
	l := b.Local(3)
	m := b.Local(8)
	b.Store(lir.W8, lir.LittleEndian, l, lir.R(z))
	b.Store(lir.W64, lir.LittleEndian, m, lir.I(-1))
	b.LoadTo(z, lir.W8, lir.LittleEndian, l)
	b.Jump(loop)
	b.SetBlock(loop)
	b.SetPos(lir.NoPos)
	i := b.Reg()
	b.MovTo(i, lir.W64, lir.R(n))
	s := b.Set(lir.W32, lir.GTS, z, lir.I(0))
	v := b.Select(lir.W64, lir.ANY, s, lir.I(1), lir.R(i), lir.I(0))
	b.Prefetch(lir.Indexed(p, v, 2, -1))
	b.OpTo(n, lir.Sub, lir.W64, n, lir.R(b.Mov(lir.W32, lir.I(1))))
	b.Branch(lir.W64, lir.NE, n, lir.I(0), loop, out)
	b.SetBlock(out)
	c1, c2 := b.Block(), b.Block()
	b.Switch(lir.W32, v, []lir.Case{{9, c1}, {3, c2}}, c1)
	b.SetBlock(c1)
	b.Return(lir.R(v))
	b.SetBlock(c2)
	b.Return(lir.I(0))
	f, err := b.Func()
	if err != nil {
		t.Fatal(err)
	}
	want := `func all(%1, %2) locals 16 {
b0:
	%3 = load16.be [%1 + 12] @1
	%4 = add32 %3, 1 @1
	%4 = neg64 %4 @1
	%5 = not32 %4 @1
	store8 [frame], %5 @1
	store64.le [frame + 8], -1 @1
	%5 = load8 [frame] @1
	jump b1 @1
b1:
	%6 = mov64 %2
	%7 = set32.gts %5, 0
	%8 = select64.any %7, 1, %6, 0
	prefetch [%1 + %8*2 - 1]
	%9 = mov32 1
	%2 = sub64 %2, %9
	br64.ne %2, 0, b1, b2
b2:
	switch32 %8 {3: b4, 9: b3, else: b3}
b3:
	ret %8
b4:
	ret 0
}
`
	if got := f.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestBuilderErrors(t *testing.T) {
	for _, test := range []struct {
		make func(b *lir.Builder, p lir.Reg)
		want string
	}{
		{func(b *lir.Builder, p lir.Reg) {}, "func f: b0 has no end"},
		{func(b *lir.Builder, p lir.Reg) { b.Return(lir.I(0)); b.Block() }, "func f: b1 has no end"},
		{func(b *lir.Builder, p lir.Reg) { b.Return(lir.I(0)); b.Return(lir.I(1)) }, "func f: Return: b0 has ended"},
		{func(b *lir.Builder, p lir.Reg) { b.Return(lir.I(0)); b.Mov(lir.W64, lir.I(1)) }, "func f: mov: b0 has ended"},
		{func(b *lir.Builder, p lir.Reg) { b.Return(lir.I(0)); b.SetBlock(0) }, "func f: SetBlock: b0 has ended"},
		{func(b *lir.Builder, p lir.Reg) { b.SetBlock(1) }, "func f: SetBlock: there is no block 1"},
		{func(b *lir.Builder, p lir.Reg) { b.SetBlock(-1) }, "func f: SetBlock: there is no block -1"},
		{func(b *lir.Builder, p lir.Reg) { b.Jump(0) }, "func f: Jump: b0, end: jump b0: the entry block cannot be a target"},
		{func(b *lir.Builder, p lir.Reg) { b.Op(lir.Add, lir.W8, p, lir.I(0)) }, "func f: add: %2 = add8 %1, 0: no such width: 1 bytes"},
		{func(b *lir.Builder, p lir.Reg) { b.Op(lir.Load, lir.W8, p, lir.I(0)) }, "func f: load: %2 = load8 [%0]: load does not use A, which is set"},
		{func(b *lir.Builder, p lir.Reg) { b.Unary(lir.Add, lir.W8, 9) }, "func f: add: %2 = add8 %9, 0: no such width: 1 bytes"},
		{func(b *lir.Builder, p lir.Reg) { b.OpTo(0, lir.Add, lir.W32, p, lir.I(0)) }, "func f: add: no register for the result"},
		{func(b *lir.Builder, p lir.Reg) { b.Op(lir.Add, lir.W32, 7, lir.I(0)) }, "func f: add: %2 = add32 %7, 0: register %7 is not below NumReg, 3"},
		{func(b *lir.Builder, p lir.Reg) { b.Local(1000); b.Local(25) }, "func f: Local: 25 bytes more than 1000 exceed the local stack of 1024"},
		{func(b *lir.Builder, p lir.Reg) { b.Local(-1) }, "func f: Local: -1 bytes more than 0 exceed the local stack of 1024"},
		{func(b *lir.Builder, p lir.Reg) {
			for range 4 {
				b.Param()
			}
		}, "func f: Param: more than 4 parameters"},
		{func(b *lir.Builder, p lir.Reg) {
			for range lir.MaxRegs {
				b.Reg()
			}
		}, "func f: Reg: more than 1048576 registers"},
		{func(b *lir.Builder, p lir.Reg) { b.Return(lir.R(b.Reg())) }, "func f: b0, end: ret %2: %2 may be read before it is written"},
		{func(b *lir.Builder, p lir.Reg) {
			c := b.Block()
			b.Switch(lir.W32, p, []lir.Case{{1, c}, {1, c}}, c)
		}, "func f: Switch: b0, end: switch32 %1 {1: b1, 1: b1, else: b1}: case 1 does not come after the one before it, 1"},
		// The first mistake is the one that is told, and nothing after it does harm.
		{func(b *lir.Builder, p lir.Reg) {
			x := b.Op(lir.ShlZ, 0, p, lir.I(1))
			y := b.Op(lir.Add, lir.W64, x, lir.R(x))
			b.Branch(lir.W64, lir.EQ, y, lir.I(0), 5, 6)
			b.SetBlock(77)
			b.Return(lir.R(y))
		}, "func f: shlz: %2 = shlz %1, 1: no such width: 0 bytes"},
	} {
		b := lir.NewBuilder("f")
		test.make(b, b.Param())
		if _, err := b.Func(); err == nil || err.Error() != test.want {
			t.Errorf("got  %v\nwant %s", err, test.want)
		} else if e := b.Err(); e != nil && e != err {
			t.Errorf("Err gives another error: %v", e)
		}
	}
}
