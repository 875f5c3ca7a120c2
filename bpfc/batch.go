package bpfc

import (
	"unsafe"

	"github.com/bpfjit/bpfjit/lir"
)

// Parameters of a batch translation, in this order.
const (
	ParamPackets  = iota // the first []byte of a slice of them
	ParamCount           // how many there are, 64 bits
	ParamVerdicts        // room for as many uint32
	ParamBatchAux        // the *Aux of all of them
)

// The layout of a []byte in memory.
const (
	sliceSize = int64(unsafe.Sizeof([]byte(nil)))
	sliceLen  = int32(unsafe.Sizeof(uintptr(0)))
)

// lowerBatch makes the function that TranslateBatch describes: a loop around
// the code of the graph.
func lowerBatch(g *Graph) *lir.Func {
	l := newLowerer(g, "batch")
	p := l.f.Params
	inst := func(dst lir.Reg, op lir.Op, a lir.Reg, b lir.Arg) {
		l.b.Insts = append(l.b.Insts, lir.Inst{Op: op, W: lir.W64, Dst: dst, A: a, B: b, Pos: lir.NoPos})
	}
	word := lir.Width(sliceLen)
	load := func(base lir.Reg, off int32) lir.Reg {
		return l.emit(lir.Inst{Op: lir.Load, W: word, Mem: lir.Mem{Base: base, Off: off}, Pos: lir.NoPos})
	}

	l.newBlock()
	packets, verdicts, end := l.newReg(), l.newReg(), l.newReg()
	inst(packets, lir.Mov, lir.NoReg, lir.R(p[ParamPackets]))
	inst(verdicts, lir.Mov, lir.NoReg, lir.R(p[ParamVerdicts]))
	inst(end, lir.Mul, p[ParamCount], lir.I(sliceSize))
	inst(end, lir.Add, end, lir.R(packets))
	start := &l.b.Term

	loop := l.newBlock()
	l.packet = load(packets, 0)
	length := load(packets, sliceLen)
	l.capLen = l.emit(lir.Inst{
		Op: lir.Select, W: lir.W64, Cond: lir.LTU, A: length, B: lir.I(maxCapLen),
		T: lir.R(length), F: lir.I(maxCapLen), Pos: lir.NoPos,
	})
	l.wireLen, l.aux = length, p[ParamBatchAux]
	verdict := l.newReg()
	enter := &l.b.Term

	next := 0
	l.ret = func(v lir.Arg, pos int32) {
		l.b.Insts = append(l.b.Insts, lir.Inst{Op: lir.Mov, W: lir.W32, Dst: verdict, B: v, Pos: pos})
		t := &l.b.Term
		*t = lir.Term{Kind: lir.Jump, Pos: lir.NoPos}
		l.fixups = append(l.fixups, func() { t.Then = next })
	}
	l.graph(g)
	*enter = lir.Term{Kind: lir.Jump, Then: l.at[0], Pos: lir.NoPos}

	next = l.newBlock()
	l.b.Insts = append(l.b.Insts, lir.Inst{Op: lir.Store, W: lir.W32, B: lir.R(verdict), Mem: lir.Mem{Base: verdicts}, Pos: lir.NoPos})
	inst(verdicts, lir.Add, verdicts, lir.I(4))
	inst(packets, lir.Add, packets, lir.I(sliceSize))
	latch := &l.b.Term
	done := l.newBlock()
	l.b.Term = lir.Term{Kind: lir.Return, Pos: lir.NoPos}
	*start = lir.Term{Kind: lir.Branch, W: lir.W64, Cond: lir.EQ, A: p[ParamCount], Then: done, Else: loop, Pos: lir.NoPos}
	*latch = lir.Term{Kind: lir.Branch, W: lir.W64, Cond: lir.NE, A: packets, B: lir.R(end), Then: loop, Else: done, Pos: lir.NoPos}
	return l.finish()
}

// maxCapLen is the most bytes of a packet that a program sees.
const maxCapLen = 1<<32 - 1
