package bpfc

import (
	"unsafe"

	"github.com/bpfjit/bpfjit/lir"
)

// Parameters of a batch translation, in this order.
const (
	ParamPackets  = iota // the first []byte of a slice of them, or the first record
	ParamCount           // how many there are, 64 bits
	ParamVerdicts        // room for as many uint32
	ParamBatchAux        // the *Aux of all of them
)

// Records is where the headers of packets, each before or near its packet, have
// what a loop over them needs: in bytes from a header's start, and all in the
// machine's byte order.
type Records struct {
	Next    int32 // 32 bits: how far on the next header is; not read behind the last packet
	Data    int32 // 16 bits: how far on the packet is
	CapLen  int32 // 32 bits: captured bytes
	WireLen int32 // 32 bits: length on the wire

	// Limit is the most captured bytes that a program sees of a packet.
	Limit uint32
}

// The layout of a []byte in memory.
const (
	sliceSize = int64(unsafe.Sizeof([]byte(nil)))
	sliceLen  = int32(unsafe.Sizeof(uintptr(0)))
)

// maxCapLen is the most bytes of a packet that a program sees.
const maxCapLen = 1<<32 - 1

// packetLoop is how a loop comes from packet to packet. Its methods emit code
// into the lowerer's current block.
type packetLoop interface {
	// begin takes the parameters.
	begin(l *lowerer, packets, count lir.Reg)
	// load sets the lowerer's packet, capLen and wireLen.
	load(l *lowerer)
	// next goes to the next packet. Its condition holds if there is one.
	next(l *lowerer) lir.Term
	// result is what the function returns.
	result() lir.Arg
}

// lowerBatch makes the function that TranslateBatch describes.
func lowerBatch(g *Graph) *lir.Func { return lowerLoop(g, "batch", &sliceLoop{}) }

// lowerRecords makes the function that TranslateRecords describes.
func lowerRecords(layout Records) func(g *Graph) *lir.Func {
	return func(g *Graph) *lir.Func { return lowerLoop(g, "records", &recordLoop{Records: layout}) }
}

// lowerLoop makes a loop around the code of the graph.
func lowerLoop(g *Graph, name string, packets packetLoop) *lir.Func {
	l := newLowerer(g, name)
	p := l.f.Params

	l.newBlock()
	packets.begin(l, p[ParamPackets], p[ParamCount])
	verdicts := l.newReg()
	l.move(verdicts, lir.Mov, lir.NoReg, lir.R(p[ParamVerdicts]))
	start := &l.b.Term

	loop := l.newBlock()
	packets.load(l)
	l.aux = p[ParamBatchAux]
	verdict := l.newReg()
	enter := &l.b.Term

	var rets []*lir.Term
	l.ret = func(v lir.Arg, pos int32) {
		l.b.Insts = append(l.b.Insts, lir.Inst{Op: lir.Mov, W: lir.W32, Dst: verdict, B: v, Pos: pos})
		l.b.Term = lir.Term{Kind: lir.Jump, Pos: lir.NoPos}
		rets = append(rets, &l.b.Term)
	}
	l.graph(g)
	*enter = lir.Term{Kind: lir.Jump, Then: l.at[0], Pos: lir.NoPos}

	next := l.newBlock()
	for _, t := range rets {
		t.Then = next
	}
	l.b.Insts = append(l.b.Insts, lir.Inst{Op: lir.Store, W: lir.W32, B: lir.R(verdict), Mem: lir.Mem{Base: verdicts}, Pos: lir.NoPos})
	l.move(verdicts, lir.Add, verdicts, lir.I(4))
	more := packets.next(l)
	latch := &l.b.Term
	done := l.newBlock()
	l.b.Term = lir.Term{Kind: lir.Return, B: packets.result(), Pos: lir.NoPos}
	*start = lir.Term{Kind: lir.Branch, W: lir.W64, Cond: lir.EQ, A: p[ParamCount], Then: done, Else: loop, Pos: lir.NoPos}
	more.Kind, more.W, more.Then, more.Else, more.Pos = lir.Branch, lir.W64, loop, done, lir.NoPos
	*latch = more
	return l.finish()
}

// move computes into a register that is written again in each turn.
func (l *lowerer) move(dst lir.Reg, op lir.Op, a lir.Reg, b lir.Arg) {
	l.b.Insts = append(l.b.Insts, lir.Inst{Op: op, W: lir.W64, Dst: dst, A: a, B: b, Pos: lir.NoPos})
}

// field loads from a header: little-endian, like all machines with a backend.
func (l *lowerer) field(header lir.Reg, off int32, w lir.Width) lir.Reg {
	return l.emit(lir.Inst{Op: lir.Load, W: w, Mem: lir.Mem{Base: header, Off: off}, Pos: lir.NoPos})
}

// atMost is the smaller of a register and a constant.
func (l *lowerer) atMost(r lir.Reg, limit int64) lir.Reg {
	return l.emit(lir.Inst{
		Op: lir.Select, W: lir.W64, Cond: lir.LTU, A: r, B: lir.I(limit),
		T: lir.R(r), F: lir.I(limit), Pos: lir.NoPos,
	})
}

// sliceLoop goes over a slice of slices.
type sliceLoop struct{ at, end lir.Reg }

func (s *sliceLoop) begin(l *lowerer, packets, count lir.Reg) {
	s.at, s.end = l.newReg(), l.newReg()
	l.move(s.at, lir.Mov, lir.NoReg, lir.R(packets))
	l.move(s.end, lir.Mul, count, lir.I(sliceSize))
	l.move(s.end, lir.Add, s.end, lir.R(packets))
}

func (s *sliceLoop) load(l *lowerer) {
	word := lir.Width(sliceLen)
	l.packet = l.field(s.at, 0, word)
	l.wireLen = l.field(s.at, sliceLen, word)
	l.capLen = l.atMost(l.wireLen, maxCapLen)
}

func (s *sliceLoop) next(l *lowerer) lir.Term {
	l.move(s.at, lir.Add, s.at, lir.I(sliceSize))
	return lir.Term{Cond: lir.NE, A: s.at, B: lir.R(s.end)}
}

func (s *sliceLoop) result() lir.Arg { return lir.I(0) }

// recordLoop goes over packets with headers, each of which leads to the next.
type recordLoop struct {
	Records
	at, left lir.Reg
}

func (r *recordLoop) begin(l *lowerer, packets, count lir.Reg) {
	r.at, r.left = l.newReg(), l.newReg()
	l.move(r.at, lir.Mov, lir.NoReg, lir.R(packets))
	l.move(r.left, lir.Mov, lir.NoReg, lir.R(count))
}

func (r *recordLoop) load(l *lowerer) {
	l.packet = l.emit(lir.Inst{Op: lir.Add, W: lir.W64, A: r.at, B: lir.R(l.field(r.at, r.Data, lir.W16)), Pos: lir.NoPos})
	l.capLen = l.atMost(l.field(r.at, r.CapLen, lir.W32), int64(r.Limit))
	l.wireLen = l.field(r.at, r.WireLen, lir.W32)
}

func (r *recordLoop) next(l *lowerer) lir.Term {
	l.move(r.at, lir.Add, r.at, lir.R(l.field(r.at, r.Next, lir.W32)))
	l.move(r.left, lir.Sub, r.left, lir.I(1))
	return lir.Term{Cond: lir.NE, A: r.left}
}

func (r *recordLoop) result() lir.Arg { return lir.R(r.at) }
