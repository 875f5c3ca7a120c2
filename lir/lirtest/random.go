// Package lirtest makes random functions of package lir, for tests that
// compare what two engines make of one.
package lirtest

import (
	"fmt"
	"math/rand"
	"slices"

	"github.com/bpfjit/bpfjit/lir"
)

// Config says what Random makes. The zero value is a good mixture.
type Config struct {
	Blocks   int  // the most blocks besides the entry; 0 stands for 12
	Insts    int  // the most instructions in a block, about; 0 stands for 12
	Vars     int  // registers that are alive from entry to return; 0 stands for 6, 40 makes every backend spill
	Buffer   int  // bytes of memory at parameter 0; 0 stands for 64, at least 16
	ReadOnly bool // no store to that memory
	NoLoops  bool
}

func (c Config) orDefaults() Config {
	for _, d := range []struct {
		field *int
		value int
	}{{&c.Blocks, 12}, {&c.Insts, 12}, {&c.Vars, 6}, {&c.Buffer, 64}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	c.Buffer = max(c.Buffer, 16)
	return c
}

// BufferSize is the number of bytes that must be at parameter 0.
func (c Config) BufferSize() int { return c.orDefaults().Buffer }

// Random makes a function that Verify accepts, with all operations, widths and
// conditions, switches, loops, accesses to the local stack and to memory.
//
// It has four parameters: the address of c.BufferSize() bytes, which it reads
// and, unless c.ReadOnly, writes; their number; and two integers of any value.
// It touches no other memory, ends after a bounded number of steps, and its
// result and what it leaves in memory do not depend on the address. It reads
// no part of its local stack that it has not written.
func Random(r *rand.Rand, c Config) *lir.Func {
	g := &generator{r: r, c: c.orDefaults(), f: &lir.Func{Name: "random", NumReg: 1}}
	g.entry()
	n := 1 + g.r.Intn(g.c.Blocks)
	g.in = make([][]bool, n+1)
	for len(g.f.Blocks) <= n {
		g.f.Blocks = append(g.f.Blocks, new(lir.Block))
	}
	g.flowTo(1)
	for i := 1; i <= n; i++ {
		g.block(i)
	}
	if g.chance(4) {
		g.shuffle()
	}
	if err := lir.Verify(g.f); err != nil {
		panic(fmt.Sprintf("lirtest: %v\n%s", err, g.f))
	}
	return g.f
}

// generator holds the function so far and, of the block that is being made,
// what may be read.
type generator struct {
	r *rand.Rand
	c Config
	f *lir.Func

	buf     lir.Reg
	fuel    lir.Reg   // loops count it down
	vars    []lir.Reg // alive throughout
	windows []int32   // offsets of 16 bytes each of the local stack in use

	cur     *lir.Block
	base    []bool    // by register: written at the end of the entry
	written []bool    // by register: written on every path to here
	in      [][]bool  // by block: written at its start on every path known so far
	temps   []lir.Reg // results of this block, latest last
	pos     int32
}

// chance is true once in n times.
func (g *generator) chance(n int) bool { return g.r.Intn(n) == 0 }

func (g *generator) newReg() lir.Reg {
	g.f.NumReg++
	g.written = append(g.written, false)
	return g.f.NumReg - 1
}

func (g *generator) emit(in lir.Inst) {
	in.Pos = g.position()
	g.cur.Insts = append(g.cur.Insts, in)
	if in.Op.Info().Operands&lir.UsesDst != 0 {
		g.written[in.Dst] = true
		g.temps = append(g.temps, in.Dst)
	}
}

func (g *generator) position() int32 {
	switch g.r.Intn(8) {
	case 0:
		return lir.NoPos
	case 1:
		g.pos++
	}
	return g.pos
}

func (g *generator) entry() {
	g.written = make([]bool, 1)
	for range 4 {
		g.f.Params = append(g.f.Params, g.newReg())
		g.written[g.f.NumReg-1] = true
	}
	g.buf = g.f.Params[0]
	g.vars = append(g.vars, g.f.Params[1:]...)
	g.cur = new(lir.Block)
	g.f.Blocks = []*lir.Block{g.cur}

	g.fuel = g.newReg()
	g.emit(lir.Inst{Op: lir.Mov, W: lir.W64, Dst: g.fuel, B: lir.I(int64(g.r.Intn(20)))})
	for range g.c.Vars {
		v := g.newReg()
		g.emit(lir.Inst{Op: lir.Mov, W: lir.W64, Dst: v, B: g.arg(lir.W64)})
		g.vars = append(g.vars, v)
	}
	g.f.Locals = []int{0, 16, 40, 64, lir.MaxLocals}[g.r.Intn(5)]
	if g.f.Locals >= 16 {
		last := int32(g.f.Locals - 16)
		g.windows = []int32{0, last / 2, last}
		for _, w := range g.windows {
			for off := w; off < w+16; off += 8 {
				g.emit(lir.Inst{Op: lir.Store, W: lir.W64, Mem: lir.At(lir.Frame, off), B: g.arg(lir.W64)})
			}
		}
	}
	g.cur.Term = lir.Term{Kind: lir.Jump, Then: 1, Pos: g.position()}
	g.base = slices.Clone(g.written)
}

// flowTo notes a way from here to the start of a block that is still to be
// made.
func (g *generator) flowTo(block int) {
	if g.in[block] == nil {
		g.in[block] = slices.Clone(g.written)
		return
	}
	for r := range g.in[block] {
		g.in[block][r] = g.in[block][r] && r < len(g.written) && g.written[r]
	}
}

func (g *generator) block(i int) {
	if g.in[i] == nil { // nothing leads here, except perhaps later a jump back
		g.in[i] = slices.Clone(g.base)
	}
	g.cur = g.f.Blocks[i]
	g.temps = nil
	g.written = slices.Clone(g.in[i])
	for len(g.written) < int(g.f.NumReg) {
		g.written = append(g.written, false)
	}
	for range g.r.Intn(g.c.Insts + 1) {
		g.inst()
	}
	g.end(i)
}

// data is a register that holds a number, not an address or the fuel.
func (g *generator) data() lir.Reg {
	switch n := g.r.Intn(10); {
	case n < 4 && len(g.temps) > 0:
		return g.temps[len(g.temps)-1]
	case n < 6 && len(g.temps) > 0:
		return g.temps[g.r.Intn(len(g.temps))]
	case n < 8:
		// Something that an earlier block wrote, if it surely did.
		if r := lir.Reg(g.r.Intn(int(g.f.NumReg))); r > g.fuel && g.written[r] {
			return r
		}
	}
	return g.vars[g.r.Intn(len(g.vars))]
}

func (g *generator) arg(w lir.Width) lir.Arg {
	if g.chance(2) {
		return lir.I(Imm(g.r, w))
	}
	return lir.R(g.data())
}

func (g *generator) dst() lir.Reg {
	switch g.r.Intn(10) {
	case 0, 1:
		return g.vars[g.r.Intn(len(g.vars))]
	case 2:
		return g.data()
	case 3:
		if r := lir.Reg(g.r.Intn(int(g.f.NumReg))); r > g.fuel {
			return r
		}
	}
	return g.newReg()
}

func (g *generator) width(of lir.Width) lir.Width {
	for {
		if w := lir.Width(1) << g.r.Intn(4); w&of != 0 {
			return w
		}
	}
}

func (g *generator) order() lir.Order { return lir.Order(g.r.Intn(2)) }

func (g *generator) cond() lir.Cond { return lir.EQ + lir.Cond(g.r.Intn(int(lir.NONE))) }

// inst emits one instruction, and what it needs before it.
func (g *generator) inst() {
	op := lir.Op(1 + g.r.Intn(int(lir.Prefetch)))
	if g.chance(4) {
		op = lir.Load
	}
	info := op.Info()
	in := lir.Inst{Op: op}
	if info.Widths != 0 {
		in.W = g.width(info.Widths)
	}
	use := info.Operands
	if use&lir.UsesMem != 0 {
		in.Mem = g.mem(max(int(in.W), 1), op == lir.Store)
	}
	if use&lir.UsesOrder != 0 {
		in.Order = g.order()
	}
	if use&lir.UsesCond != 0 {
		in.Cond = g.cond()
	}
	if use&lir.UsesA != 0 {
		in.A = g.data()
	}
	if use&lir.UsesB != 0 {
		in.B = g.arg(in.W)
	}
	if use&lir.UsesTF != 0 {
		in.T, in.F = g.arg(in.W), g.arg(in.W)
	}
	if use&lir.UsesDst != 0 {
		in.Dst = g.dst()
	}
	g.emit(in)
}

// mem makes an operand for an access of size bytes, by one of the ways there
// are to spell an address inside the buffer.
func (g *generator) mem(size int, write bool) lir.Mem {
	if len(g.windows) > 0 && (g.chance(3) || write && g.c.ReadOnly) {
		return lir.At(lir.Frame, g.windows[g.r.Intn(len(g.windows))]+int32(g.r.Intn(16-size+1)))
	}
	if write && g.c.ReadOnly {
		// A local stack for this store alone; nobody reads it.
		g.f.Locals = 8
		return lir.At(lir.Frame, 0)
	}
	at := g.r.Intn(g.c.Buffer - size + 1)
	if g.chance(3) { // edges are where reads beyond the end show
		at = []int{0, g.c.Buffer - size}[g.r.Intn(2)]
	}
	switch g.r.Intn(4) {
	case 0:
		// Another base, at any distance.
		shift := []int{1, 127, 128, 129, 4096, 1 << 30}[g.r.Intn(6)]
		if g.chance(2) {
			shift = -shift
		}
		p := g.address(lir.Inst{Op: lir.Add, W: lir.W64, A: g.buf, B: lir.I(int64(shift))})
		return lir.At(p, int32(at-shift))
	case 1:
		// An index of at most mask, times scale, which ends at at.
		scale := uint8(1) << g.r.Intn(4)
		mask := 0
		for m := 1; m*int(scale) <= at && g.r.Intn(3) != 0; m = 2*m + 1 {
			mask = m
		}
		i := g.address(lir.Inst{Op: lir.And, W: g.width(lir.W32 | lir.W64), A: g.data(), B: lir.I(int64(mask))})
		return lir.Indexed(g.buf, i, scale, int32(at-mask*int(scale)))
	case 2:
		// An index below zero, which wraps.
		n := 1 + g.r.Intn(8)
		i := g.address(lir.Inst{Op: lir.Mov, W: lir.W64, B: lir.I(int64(-n))})
		scale := uint8(1) << g.r.Intn(4)
		return lir.Indexed(g.buf, i, scale, int32(at+n*int(scale)))
	}
	return lir.At(g.buf, int32(at))
}

// address emits an instruction whose result is an address or an index, in a
// register that data does not return.
func (g *generator) address(in lir.Inst) lir.Reg {
	in.Dst = g.newReg()
	in.Pos = g.position()
	g.cur.Insts = append(g.cur.Insts, in)
	return in.Dst
}

// end makes block i's terminator. A way back costs fuel.
func (g *generator) end(i int) {
	t := &g.cur.Term
	last := len(g.f.Blocks) - 1
	ahead := func() int {
		j := i + 1
		if g.chance(2) {
			j += g.r.Intn(last - i)
		}
		g.flowTo(j)
		return j
	}
	switch kind := g.r.Intn(10); {
	case i == last || kind == 0:
		*t = lir.Term{Kind: lir.Return, B: lir.R(g.sum())}
		if g.chance(8) {
			t.B = lir.I(Imm(g.r, lir.W64))
		}
	case kind == 1:
		*t = lir.Term{Kind: lir.Jump, Then: ahead()}
	case kind == 2:
		*t = lir.Term{Kind: lir.Switch, W: g.width(lir.W32 | lir.W64), A: g.data()}
		t.Cases = g.cases(t.W, ahead)
		t.Else = ahead()
	case kind <= 4 && !g.c.NoLoops:
		if back := 1 + g.r.Intn(i); g.mayEnter(back) {
			g.cur.Insts = append(g.cur.Insts, lir.Inst{Op: lir.Sub, W: lir.W64, Dst: g.fuel, A: g.fuel, B: lir.I(1), Pos: lir.NoPos})
			*t = lir.Term{Kind: lir.Branch, W: lir.W64, Cond: lir.GTS, A: g.fuel, B: lir.I(0), Then: back, Else: ahead()}
			if g.chance(2) {
				t.Cond, t.Then, t.Else = lir.LES, t.Else, t.Then
			}
			break
		}
		fallthrough
	default:
		*t = lir.Term{Kind: lir.Branch, W: g.width(lir.W32 | lir.W64), Cond: g.cond(), A: g.data(), Then: ahead(), Else: ahead()}
		t.B = g.arg(t.W)
	}
	t.Pos = g.position()
}

// mayEnter reports whether all that block's start relies on is written here.
func (g *generator) mayEnter(block int) bool {
	for r, must := range g.in[block] {
		if must && !g.written[r] {
			return false
		}
	}
	return true
}

// sum mixes all variables into one value, so that a wrong one shows.
func (g *generator) sum() lir.Reg {
	s := g.newReg()
	g.emit(lir.Inst{Op: lir.Mov, W: lir.W64, Dst: s, B: lir.R(g.data())})
	for _, v := range g.vars {
		g.emit(lir.Inst{Op: lir.Mul, W: lir.W64, Dst: s, A: s, B: lir.I(31)})
		g.emit(lir.Inst{Op: lir.Add, W: lir.W64, Dst: s, A: s, B: lir.R(v)})
	}
	return s
}

// cases makes the cases of a switch: few or many, close together or not.
func (g *generator) cases(w lir.Width, target func() int) []lir.Case {
	values := map[uint64]bool{}
	trunc := func(v uint64) uint64 {
		if w == lir.W32 {
			return uint64(uint32(v))
		}
		return v
	}
	first := trunc(Value(g.r))
	for range g.r.Intn(g.r.Intn(20) + 1) {
		v := trunc(Value(g.r))
		if g.chance(2) {
			v = trunc(first + uint64(g.r.Intn(16)))
		}
		values[v] = true
	}
	var cases []lir.Case
	for v := range values {
		cases = append(cases, lir.Case{Value: v})
	}
	slices.SortFunc(cases, func(a, b lir.Case) int {
		if a.Value < b.Value {
			return -1
		}
		return 1
	})
	for i := range cases { // after sorting, so that the seed decides
		cases[i].Target = target()
	}
	return cases
}

// shuffle lays the blocks out in another order.
func (g *generator) shuffle() {
	n := len(g.f.Blocks)
	to := make([]int, n) // new index by old
	for i, j := range g.r.Perm(n - 1) {
		to[i+1] = j + 1
	}
	blocks := make([]*lir.Block, n)
	for i, b := range g.f.Blocks {
		blocks[to[i]] = b
		t := &b.Term
		if t.Kind != lir.Return {
			t.Then = to[t.Then]
			t.Else = to[t.Else]
		}
		for k := range t.Cases {
			t.Cases[k].Target = to[t.Cases[k].Target]
		}
	}
	g.f.Blocks = blocks
}
