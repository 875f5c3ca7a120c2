package fuzz

import (
	"math/rand/v2"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
)

// Gen makes random programs of one dialect and packets for them. A program's
// constants come from a small pool, and so do its packets' bytes, so that tests
// succeed often enough to lead deep into a program.
type Gen struct {
	r     *rand.Rand
	d     bpfc.Dialect
	pool  []uint32
	prog  []bpf.RawInstruction
	want  int       // instructions that the program is to have
	mem   [2]uint32 // scratch words that the program uses: from, to
	reads bool      // whether the program may read scratch words
	cops  int       // coprocessor functions there are
}

// NewGen makes a generator. Equal seeds make equal programs.
func NewGen(d bpfc.Dialect, seed uint64) *Gen {
	return &Gen{r: rand.New(rand.NewPCG(seed, uint64(d))), d: d}
}

// edges are the numbers at which something changes: shift counts, sign bits,
// the ends of packets, of immediates, of the special offset areas.
var edges = []uint32{
	0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 0x7ff, 0x800, 0x806, 0x86dd,
	0x7fff, 0x8000, 0xffff, 0x10000, 0xffffff, 0x7ffffffe, 0x7fffffff, 0x80000000, 0x80000001,
	0xffdfffff, 0xffe00000, 0xffe0000c, 0xffefffff, 0xfff00000, 0xfff00002, 0xffffefff, 0xfffffffc, 0xfffffffe, 0xffffffff,
}

func (g *Gen) pick(of ...uint32) uint32 { return of[g.r.IntN(len(of))] }

// number is a constant: of the pool, an edge, or anything.
func (g *Gen) number() uint32 {
	switch g.r.IntN(8) {
	case 0:
		return edges[g.r.IntN(len(edges))]
	case 1:
		return g.r.Uint32()
	case 2:
		return g.r.Uint32N(256)
	}
	return g.pool[g.r.IntN(len(g.pool))]
}

// offset is where a load reads: mostly inside short packets.
func (g *Gen) offset() uint32 {
	switch g.r.IntN(24) {
	case 0:
		return edges[g.r.IntN(len(edges))]
	case 1:
		return -g.r.Uint32N(8)
	case 2:
		return g.r.Uint32N(2000)
	case 3:
		return g.r.Uint32N(80)
	}
	return g.pick(0, 2, 4, 6, 8, 12, 12, 12, 14, 16, 20, 20, 22, 23, 26, 26, 30, 30, 36)
}

// program makes a program that is nearly always valid.
func (g *Gen) program() []bpf.RawInstruction {
	g.start()
	for len(g.prog) < g.want {
		g.fragment()
	}
	g.finish()
	return g.prog
}

// Subject makes a valid program with what it needs declared: all metadata in
// the Linux dialect, now and then coprocessor functions in NetBSD's.
func (g *Gen) Subject() Subject {
	s := Subject{Dialect: g.d}
	for {
		s.Prog = g.program()
		if g.d == bpfc.Linux {
			s.Aux = bpfc.AuxAll
		}
		s.Context = nil
		if g.cops > 0 {
			s.Context = coprocessors
		}
		if bpfc.Validate(s.Prog, s.Dialect, s.options()...) == nil {
			return s
		}
	}
}

// coprocessors are functions that depend on all they are given.
var coprocessors = &bpfc.Context{Funcs: []bpfc.CopFunc{
	func(a uint32, pkt []byte, wireLen int, _ *bpfc.Aux) uint32 { return a + uint32(len(pkt)) },
	func(a uint32, pkt []byte, wireLen int, _ *bpfc.Aux) uint32 { return a ^ uint32(wireLen) },
	func(uint32, []byte, int, *bpfc.Aux) uint32 { return 0x800 },
}}

func (g *Gen) start() {
	g.prog = g.prog[:0:0]
	g.want = 1 + g.r.IntN(12)
	switch g.r.IntN(40) {
	case 0:
		g.want = 200 + g.r.IntN(300) // longer than a jump
	case 1, 2, 3, 4, 5:
		g.want = 12 + g.r.IntN(80)
	}
	if g.d == bpfc.NetBSD {
		g.want = min(g.want, 480)
		g.cops = 0
		if g.r.IntN(16) == 0 {
			g.cops = len(coprocessors.Funcs)
		}
	}
	g.pool = g.pool[:0]
	for range 2 + g.r.IntN(4) {
		g.pool = append(g.pool, g.pick(0, 1, 6, 17, 53, 80, 0x800, 0x806, 0x86dd, 0x1fff, g.r.Uint32(), g.r.Uint32N(256), g.r.Uint32N(1<<16), edges[g.r.IntN(len(edges))]))
	}
	g.mem[0] = g.r.Uint32N(bpfc.MemWords)
	g.mem[1] = g.mem[0] + g.r.Uint32N(bpfc.MemWords-g.mem[0])
	g.reads = g.d == bpfc.Libpcap
	if !g.reads && g.r.IntN(2) == 0 { // elsewhere reads need writes on every path
		g.reads = true
		for k := g.mem[0]; k <= g.mem[1]; k++ {
			g.add(bpf.RawInstruction{Op: bpfc.ClassST + uint16(g.r.IntN(2)), K: k})
		}
	}
}

func (g *Gen) add(ins ...bpf.RawInstruction) { g.prog = append(g.prog, ins...) }

// fragment adds some instructions that belong together.
func (g *Gen) fragment() {
	switch n := g.r.IntN(100); {
	case n < 30:
		g.load()
	case n < 45:
		g.load()
		g.jump()
	case n < 60:
		g.jump()
	case n < 63:
		for range 2 + g.r.IntN(8) { // a list of constants
			g.jump()
		}
	case n < 64:
		switch g.r.IntN(3) {
		case 0:
			g.list()
		case 1:
			g.span()
		default:
			g.indexed()
		}
	case n < 84:
		g.alu()
	case n < 94:
		g.memory()
	case n < 97:
		g.add(bpf.RawInstruction{Op: uint16(g.pick(uint32(bpfc.Tax), uint32(bpfc.Txa)))})
	case n < 99:
		g.ret()
	default:
		g.odd()
	}
}

func (g *Gen) load() {
	ops := []uint16{
		bpfc.LdAbsB, bpfc.LdAbsH, bpfc.LdAbsH, bpfc.LdAbsW, bpfc.LdAbsW, bpfc.LdIndB, bpfc.LdIndH, bpfc.LdIndW,
		bpfc.LdxMsh, bpfc.LdxMsh, bpfc.LdImm, bpfc.LdxImm, bpfc.LdLen, bpfc.LdxLen,
	}
	ins := bpf.RawInstruction{Op: ops[g.r.IntN(len(ops))]}
	switch {
	case g.d == bpfc.Seccomp:
		ins.Op = []uint16{bpfc.LdAbsW, bpfc.LdAbsW, bpfc.LdImm, bpfc.LdxImm, bpfc.LdLen}[g.r.IntN(5)]
		ins.K = g.number()
		if ins.Op == bpfc.LdAbsW {
			ins.K = 4 * g.r.Uint32N(16)
		}
	case ins.Op == bpfc.LdImm || ins.Op == bpfc.LdxImm:
		ins.K = g.number()
		if g.r.IntN(2) == 0 {
			ins.K = g.offset()
		}
	case (g.d == bpfc.Linux || g.d == bpfc.Libpcap) && g.r.IntN(12) == 0 && bpfc.Mode(ins.Op) == bpfc.ModeABS:
		ins.K = 0xfffff000 + 4*g.r.Uint32N(16)
		if g.d == bpfc.Libpcap {
			ins = bpf.RawInstruction{Op: bpfc.LdAbsB, K: 0xfffff000 + g.pick(44, 48)}
		}
	case g.d == bpfc.Linux && g.r.IntN(12) == 0:
		ins.K = g.pick(0xfff00000, 0xffe00000) + g.r.Uint32N(40)
	default:
		ins.K = g.offset()
	}
	g.add(ins)
}

func (g *Gen) alu() {
	op := uint16(g.r.IntN(11)) << 4
	if g.r.IntN(3) == 0 {
		op = uint16(g.pick(uint32(bpfc.AluAND), uint32(bpfc.AluADD), uint32(bpfc.AluRSH), uint32(bpfc.AluLSH)))
	}
	if g.d == bpfc.Seccomp && op == bpfc.AluMOD {
		op = bpfc.AluXOR
	}
	ins := bpf.RawInstruction{Op: bpfc.ClassALU | op, K: g.number()}
	switch {
	case op == bpfc.AluNEG:
	case g.r.IntN(3) == 0:
		ins.Op |= bpfc.SrcX
	case op == bpfc.AluLSH || op == bpfc.AluRSH:
		ins.K = g.r.Uint32N(32)
		if g.d == bpfc.NetBSD {
			ins.K = g.r.Uint32N(70)
		}
	case op == bpfc.AluDIV || op == bpfc.AluMOD:
		ins.K = max(ins.K, 1)
	}
	g.add(ins)
}

// jump adds a conditional jump, or now and then a plain one. Its targets are
// inside the program that is to be; finish makes sure of that.
func (g *Gen) jump() {
	way := func() uint8 {
		switch g.r.IntN(4) {
		case 0:
			return 0
		case 1:
			return uint8(g.r.IntN(4))
		}
		left := min(max(g.want-len(g.prog), 1), 256)
		return uint8(g.r.IntN(left))
	}
	if g.r.IntN(16) == 0 {
		g.add(bpf.RawInstruction{Op: bpfc.Ja, K: uint32(way())})
		return
	}
	op := bpfc.ClassJMP | uint16(g.pick(0x10, 0x10, 0x10, 0x20, 0x30, 0x40))
	if g.r.IntN(8) == 0 {
		op |= bpfc.SrcX
	}
	g.add(bpf.RawInstruction{Op: op, Jt: way(), Jf: way(), K: g.number()})
}

// list adds tests of one value for equality, with something computed between
// some of them. A search in their place must not lose it.
func (g *Gen) list() {
	to := uint8(g.r.IntN(min(max(g.want-len(g.prog), 1), 40)))
	for range 4 + g.r.IntN(6) {
		switch {
		case g.d == bpfc.Seccomp || g.r.IntN(3) > 0:
		case g.r.IntN(2) == 0:
			g.add(bpf.RawInstruction{Op: bpfc.LdxMsh, K: g.offset()})
		default:
			g.add(bpf.RawInstruction{Op: bpfc.LdxLen})
		}
		g.add(bpf.RawInstruction{Op: bpfc.ClassJMP | bpfc.JmpJEQ, Jt: to, K: g.number()})
		if g.r.IntN(2) == 0 {
			to = uint8(g.r.IntN(40))
		}
	}
}

// span adds tests that a value lies between two constants, which are now and
// then in the wrong order, and a way around the first test.
func (g *Gen) span() {
	for range 1 + g.r.IntN(3) {
		out := uint8(g.r.IntN(10))
		if g.r.IntN(3) == 0 {
			g.add(bpf.RawInstruction{Op: bpfc.ClassJMP | bpfc.JmpJSET, Jt: 1, K: g.number()})
		}
		g.add(bpf.RawInstruction{Op: bpfc.ClassJMP | bpfc.JmpJGE, Jf: out + 1, K: g.number()},
			bpf.RawInstruction{Op: bpfc.ClassJMP | bpfc.JmpJGT, Jt: out, Jf: uint8(g.r.IntN(10)), K: g.number()})
	}
}

// indexed adds a load at an index that was computed from the packet: a sum that
// may wrap, and mostly one that leads back into it.
func (g *Gen) indexed() {
	if g.d == bpfc.Seccomp {
		return
	}
	size := func() uint16 { return uint16(g.pick(uint32(bpfc.SizeW), uint32(bpfc.SizeH), uint32(bpfc.SizeB))) }
	near := func() uint32 { return g.r.Uint32N(24) - 8 }
	g.add(bpf.RawInstruction{Op: bpfc.ClassLD | bpfc.ModeABS | size(), K: g.offset()},
		bpf.RawInstruction{Op: bpfc.ClassALU | bpfc.AluAND, K: g.pick(0x0f, 0x1f, 0xff, 0xffffffff)},
		bpf.RawInstruction{Op: bpfc.ClassALU | uint16(g.pick(uint32(bpfc.AluADD), uint32(bpfc.AluSUB))), K: near()},
		bpf.RawInstruction{Op: bpfc.Tax},
		bpf.RawInstruction{Op: bpfc.ClassLD | bpfc.ModeIND | size(), K: near()})
}

func (g *Gen) memory() {
	k := g.mem[0] + g.r.Uint32N(g.mem[1]-g.mem[0]+1)
	op := g.pick(uint32(bpfc.St), uint32(bpfc.Stx), uint32(bpfc.LdMem), uint32(bpfc.LdxMem))
	if !g.reads {
		op = g.pick(uint32(bpfc.St), uint32(bpfc.Stx))
	}
	g.add(bpf.RawInstruction{Op: uint16(op), K: k})
}

// ret adds a ret that tells by its verdict, as far as it can, which it was.
func (g *Gen) ret() {
	if g.r.IntN(2) == 0 {
		g.add(bpf.RawInstruction{Op: bpfc.RetA})
		return
	}
	g.add(bpf.RawInstruction{Op: bpfc.RetK, K: g.pick(0, uint32(len(g.prog)), uint32(len(g.prog)), 262144, 0xffffffff)})
}

// odd adds what only one dialect has.
func (g *Gen) odd() {
	switch {
	case g.d == bpfc.Libpcap && len(g.prog) > 2 && g.r.IntN(4) == 0: // backward
		g.add(bpf.RawInstruction{Op: bpfc.Ja, K: ^uint32(1) - g.r.Uint32N(uint32(len(g.prog)-1))})
	case g.d == bpfc.NetBSD && g.cops > 0:
		g.add(bpf.RawInstruction{Op: bpfc.Cop, K: g.r.Uint32N(uint32(g.cops))}, bpf.RawInstruction{Op: bpfc.Copx})
	case g.d == bpfc.NetBSD: // no such opcode, though its class and mode exist
		g.add(bpf.RawInstruction{Op: uint16(g.pick(0x0e, 0x08, 0x50|0x08, 0x0c|0x80, 0x0d, 0x12, 0xff))})
	}
}

// finish ends the program with a ret and pulls jumps beyond it back.
func (g *Gen) finish() {
	g.ret()
	last := len(g.prog) - 1
	for i := range g.prog {
		ins := &g.prog[i]
		if bpfc.Class(ins.Op) != bpfc.ClassJMP {
			continue
		}
		room := last - i - 1
		if bpfc.AluOp(ins.Op) == bpfc.JmpJA {
			if int32(ins.K) > int32(room) {
				ins.K = uint32(room)
			}
			continue
		}
		ins.Jt, ins.Jf = uint8(min(int(ins.Jt), room)), uint8(min(int(ins.Jf), room))
	}
}
