//go:build amd64

package amd64

import (
	"fmt"
	"math"
	"math/rand"
	"testing"

	"github.com/bpfjit/bpfjit/lir"
	"github.com/bpfjit/bpfjit/lir/lirtest"
)

// immEdges are constants at which encodings and shortcuts change.
var immEdges = []int64{0, 1, -1, 2, 3, 5, 7, 8, 9, 31, 32, 33, 63, 64, 65, 127, 128, 129, -127, -128, -129, 0xff, 0x100, 0x180, 0x1ff,
	0x7fff, 0x8000, 0xffff, 0x10000, math.MaxInt32, 1 << 31, 0xff000000, 0xfffffffe, math.MaxUint32, 1 << 32, 1<<32 + 1,
	math.MinInt32, math.MinInt32 - 1, math.MaxInt64, math.MinInt64, math.MinInt64 + 1}

// Every operation with every constant at an edge, the result in the operand's
// place and elsewhere, with and without registers to spare.
func TestConstants(t *testing.T) {
	m := newMachine(t)
	r := rand.New(rand.NewSource(6))
	feats := hostFeatures()
	for op := lir.Add; op <= lir.SarM; op++ {
		for _, w := range []lir.Width{lir.W32, lir.W64} {
			for i, k := range immEdges {
				if op.Info().Operands&lir.UsesB == 0 || w == lir.W32 && (k < math.MinInt32 || k > math.MaxUint32) {
					continue
				}
				for variant := range 4 {
					if testing.Short() && (i+variant)%5 != int(op)%5 {
						continue
					}
					b := lir.NewBuilder(fmt.Sprintf("constant%d", variant))
					b.Param()
					x, y := b.Param(), b.Param()
					rest := func() lir.Reg { return y }
					if variant&1 != 0 {
						rest = spill(b)
					}
					dst := x
					if variant&2 != 0 {
						b.OpTo(x, op, w, x, lir.I(k))
					} else {
						dst = b.Op(op, w, x, lir.I(k))
						b.OpTo(dst, lir.Xor, lir.W64, dst, lir.R(x))
					}
					b.OpTo(dst, lir.Add, lir.W64, dst, lir.R(rest()))
					b.Return(lir.R(dst))
					f := must(t, b)
					feat := feats[i%len(feats)]
					for j, v := range []uint64{uint64(k), math.MaxUint64, lirtest.Value(r), lirtest.Value(r)} {
						args := [4]uint64{0, v, 3}
						var err error
						if j == 0 {
							err = m.same(f, feat, nil, false, args)
						} else {
							err = m.sameAgain(f, nil, false, args)
						}
						if err != nil {
							t.Fatalf("%#x: %v\n%s%s", v, err, f, listing(f, feat))
						}
					}
				}
			}
		}
	}
}

// Every comparison of registers and constants, as branch, set and select into
// one of the operands, with and without registers to spare.
func TestCompare(t *testing.T) {
	m := newMachine(t)
	for cond := lir.EQ; cond <= lir.NONE; cond++ {
		for _, w := range []lir.Width{lir.W32, lir.W64} {
			for i, k := range immEdges {
				if w == lir.W32 && (k < math.MinInt32 || k > math.MaxUint32) {
					continue
				}
				for variant := range 24 {
					if testing.Short() && (i+variant)%4 != int(cond)%4 {
						continue
					}
					f := compare(t, w, cond, k, variant)
					for j, v := range []uint64{uint64(k), uint64(k) + 1, uint64(k) - 1, uint64(k) | 1<<40, 1 << 33, 0} {
						args := [4]uint64{0, v, uint64(k), 3}
						var err error
						if j == 0 {
							err = m.same(f, Features{}, nil, false, args)
						} else {
							err = m.sameAgain(f, nil, false, args)
						}
						if err != nil {
							t.Fatalf("%#x: %v\n%s%s", v, err, f, listing(f, Features{}))
						}
					}
				}
			}
		}
	}
}

func compare(t *testing.T, w lir.Width, cond lir.Cond, k int64, variant int) *lir.Func {
	b := lir.NewBuilder(fmt.Sprintf("compare%d", variant))
	b.Param()
	x, y, z := b.Param(), b.Param(), b.Param()
	rest := func() lir.Reg { return z }
	if variant&1 != 0 {
		rest = spill(b)
	}
	arg := lir.I(k)
	if variant&2 != 0 {
		arg = lir.R(y)
	}
	dst := x
	switch variant >> 2 {
	case 0:
		yes, no := b.Block(), b.Block()
		b.Branch(w, cond, x, arg, yes, no)
		b.SetBlock(yes)
		b.Return(lir.I(-1))
		b.SetBlock(no)
		b.Return(lir.R(rest()))
		return must(t, b)
	case 1:
		b.Emit(lir.Inst{Op: lir.Set, W: w, Cond: cond, Dst: x, A: x, B: arg})
	case 2:
		b.Emit(lir.Inst{Op: lir.Set, W: w, Cond: cond, Dst: y, A: x, B: arg})
		dst = y
	case 3:
		b.Emit(lir.Inst{Op: lir.Select, W: w, Cond: cond, Dst: x, A: x, B: arg, T: lir.R(x), F: lir.R(z)})
	case 4:
		b.Emit(lir.Inst{Op: lir.Select, W: w, Cond: cond, Dst: y, A: x, B: arg, T: lir.I(-5), F: lir.R(y)})
		dst = y
	case 5:
		dst = b.Select(w, cond, x, arg, lir.R(y), lir.I(1<<31-1))
	}
	for _, r := range []lir.Reg{x, y, rest()} {
		b.OpTo(dst, lir.Mul, lir.W64, dst, lir.I(-0x61c8864680b583eb))
		b.OpTo(dst, lir.Add, lir.W64, dst, lir.R(r))
	}
	b.Return(lir.R(dst))
	return must(t, b)
}

// A load is not moved over what changes its result.
func TestLoadsStay(t *testing.T) {
	m := newMachine(t)
	for _, between := range []string{
		"store8 [%p + 8], 99",
		"store64.le [%p + 1], 99",
		"store16.le [%p + %i + 7], 99",
		"store8 [frame + 8], 99",
		"%p = add64 %p, 8",
		"%i = add64 %i, 8",
		"%q = load32.le [%p]\n\tstore32.le [%p + 8], %q",
		"%j = load64.le [%p + 16]\n\t%i = mov64 %j",
	} {
		for _, address := range []string{"%p + 8", "%p + %i + 7", "frame + 8"} {
			for _, use := range []string{
				"br32.eq %v, 0x12, yes, no",
				"br32.gtu %v, %i, yes, no",
				"%v2 = add32 %i, %v\n\tbr32.eq %v2, 0x13, yes, no",
				"%v2 = set32.any %v, 2\n\tbr32.eq %v2, 1, yes, no",
			} {
				src := fmt.Sprintf(`func stay(%%p, %%i, %%q) locals 16 {
start:
	store64.le [frame + 8], 0x12
	%%v = load32.le [%s]
	%s
	%s
yes:
	ret 1
no:
	ret 2
}`, address, between, use)
				f, err := lir.Parse(src)
				if err != nil {
					t.Fatalf("%v\n%s", err, src)
				}
				buf := make([]byte, 40)
				buf[8], buf[16], buf[24] = 0x12, 0x34, 0x56
				m.check(t, f, buf, 0, 1, 0)
			}
		}
	}
}

// A division does without its test for zero only where the divisor was tested:
// behind each branch, and where that says nothing because the register was
// written since, because other ways lead there, or because only more bits than
// count are known not to be zero.
func TestDivisorTested(t *testing.T) {
	m := newMachine(t)
	shapes := []string{`
	br%[1]d.%[2]s %%x, %[3]s, yes, no
yes:
	%%r = divu%[4]d %%y, %%x
	ret %%r
no:
	%%r = modu%[4]d %%y, %%x
	ret %%r`, `
	br%[1]d.%[2]s %%x, %[3]s, yes, no
yes:
	%%x = and64 %%x, 0xff00
	%%r = divu%[4]d %%y, %%x
	ret %%r
no:
	%%x = shrm64 %%x, 1
	jump on
on:
	%%r = modu%[4]d %%y, %%x
	ret %%r`, `
	br64.eq %%y, 7, both, test
test:
	br%[1]d.%[2]s %%x, %[3]s, both, no
both:
	%%r = divu%[4]d %%y, %%x
	ret %%r
no:
	br64.eq %%y, 8, yes, also
yes:
	%%r = divu%[4]d %%x, %%y
	ret %%r
also:
	%%r = modu%[4]d %%y, %%x
	%%s = divu%[4]d %%x, %%y
	%%r = add64 %%r, %%s
	ret %%r`, `
	%%i = mov64 5
	br%[1]d.%[2]s %%x, %[3]s, head, no
head:
	%%r = divu%[4]d %%y, %%x
	%%i = sub64 %%i, 1
	br64.eq %%i, 0, out, more
more:
	%%x = shrm64 %%x, 3
	%%y = add64 %%y, %%r
	jump head
out:
	ret %%y
no:
	ret %%i`}
	for _, shape := range shapes {
		for cond := lir.EQ; cond <= lir.NONE; cond++ {
			for _, with := range []string{"0", "1", "0x80", "-1", "%y"} {
				for _, w := range [][2]int{{32, 32}, {32, 64}, {64, 32}, {64, 64}} {
					src := "func tested(%x, %y) {\nstart:" + fmt.Sprintf(shape, w[0], cond, with, w[1]) + "\n}"
					f, err := lir.Parse(src)
					if err != nil {
						t.Fatalf("%v\n%s", err, src)
					}
					first := true
					for _, x := range []uint64{0, 1, 2, 0x7f, 0x80, 0x81, 1 << 32, 1<<32 + 1, 0x80 << 32, math.MaxUint64, 1 << 63} {
						for _, y := range []uint64{0, 1, 7, 8, 1 << 32, math.MaxUint64} {
							args := [4]uint64{x, y}
							if first {
								err = m.same(f, Features{}, nil, false, args)
							} else {
								err = m.sameAgain(f, nil, false, args)
							}
							if first = false; err != nil {
								t.Fatalf("%#x: %v\n%s%s", args, err, src, listing(f, Features{}))
							}
						}
					}
				}
			}
		}
	}
}

// What the rewriting of masked comparisons, the folding of loads into
// arithmetic and the knowledge about upper halves must not do.
func TestTraps(t *testing.T) {
	m := newMachine(t)
	for _, body := range []string{
		// The mask is of more bits than the comparison.
		"%m = and64 %a, %b\n\tbr32.eq %m, 0, yes, no",
		"%m = and32 %a, %b\n\tbr64.ne %m, 0, yes, no",
		"%m = and64 %a, 0xff00000000\n\tbr32.leu %m, 0, yes, no",
		// What was masked changes before the branch.
		"%m = and64 %a, 6\n\t%a = mov64 1\n\tbr64.gtu %m, 0, yes, no",
		"%m = and64 %a, %b\n\t%b = mov64 1\n\tbr64.eq %m, 0, yes, no",
		"%a = and64 %a, %b\n\tbr64.ne %a, 0, yes, no",
		"%b = and32 %a, %b\n\tbr64.eq %b, 0, yes, no",
		"%m = and32 %a, 6\n\t%m = or32 %m, 1\n\tbr32.eq %m, 0, yes, no",
		"%m = and32 %a, 6\n\tbr32.lts %m, 0, yes, no",
		// The result's place is a register of the address.
		"%i = and64 %a, 7\n\t%v = load32.le [%p + %i*4]\n\t%i = add32 %b, %v\n\tret %i\nx:\n\tbr32.eq %i, 0, yes, no",
		"%i = and64 %a, 7\n\t%v = load64.le [%p + %i]\n\t%i = sub64 %b, %v\n\t%i = add64 %i, %b\n\tret %i\nx:\n\tbr32.eq %i, 0, yes, no",
		"%v = load32.le [%p]\n\t%p = mul32 %v, %b\n\tret %p\nx:\n\tbr32.eq %p, 0, yes, no",
		"%v = load64.le [%p]\n\t%p = xor64 %p, %v\n\t%v2 = load64.le [%q]\n\t%q = sub64 %q, %v2\n\t%p = sub64 %p, %q\n\tret 0\nx:\n\tbr32.eq %p, 0, yes, no",
		// 33 bits are left.
		"%m = shrm64 %a, 31\n\t%r = mov32 %m\n\tret %r\nx:\n\tbr64.eq %m, 0, yes, no",
		"%m = shrm64 %a, 31\n\t%r = mulhu32 %b, %m\n\tret %r\nx:\n\tbr64.eq %m, 0, yes, no",
		"%m = and64 %a, 0x1ffffffff\n\t%r = mov32 %m\n\tret %r\nx:\n\tbr64.eq %m, 0, yes, no",
		"%m = and64 %a, -2\n\t%r = mov32 %m\n\tret %r\nx:\n\tbr64.eq %m, 0, yes, no",
		"%r = mov32 %a\n\tret %r\nx:\n\tbr64.eq %r, 0, yes, no",
		// Results nobody reads, in circles and not.
		"%x = add64 %a, 1\n\t%y = mul64 %x, %x\n\t%z = divu64 %y, %a\n\tbr64.eq %a, 1, yes, no",
	} {
		src := "func trap(%p, %a, %b) {\nstart:\n\t%q = mov64 %p\n\t" + body + "\nyes:\n\tret 1\nno:\n\tret 2\n}"
		f, err := lir.Parse(src)
		if err != nil {
			t.Fatalf("%v\n%s", err, src)
		}
		buf := make([]byte, 32)
		for i := range buf {
			buf[i] = byte(i * 37)
		}
		for _, a := range []uint64{0, 1, 2, 5, 1 << 32, 0xffffffff00000000, math.MaxUint64} {
			for _, b := range []uint64{0, 1, 6, 1 << 33, math.MaxUint64} {
				m.check(t, f, buf, 0, a, b)
			}
		}
	}
}
