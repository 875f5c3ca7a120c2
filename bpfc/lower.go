package bpfc

import (
	"cmp"
	"slices"

	"github.com/bpfjit/bpfjit/lir"
)

// lowerer turns a graph into LIR. What surrounds the graph's code is an entry's
// business: where the packet comes from, where the verdict goes.
type lowerer struct {
	f      *lir.Func
	b      *lir.Block
	reg    []lir.Reg // by Value.ID
	pinned bool
	vars   [numVars]lir.Reg // of a pinned graph: where its variables are
	at     []int            // the LIR block a block starts with, by Block.ID
	way    map[edge]int     // the place of an edge in its target's Preds
	fail   int              // the LIR block that rejects; -1 while nothing needs one
	fixups []fixup          // branch targets to be set once every block has its place

	packet, capLen, wireLen, aux lir.Reg                    // wireLen: the low 32 bits count
	ret                          func(v lir.Arg, pos int32) // ends the block with a verdict
}

type edge struct{ from, to *Block }

// fixup is a target of a LIR terminator that is not known yet.
type fixup struct {
	target *int
	to     *Block // nil: the block that rejects
}

// newLowerer starts a function with parameters.
func newLowerer(g *Graph, name string) *lowerer {
	g.number()
	l := &lowerer{
		f:    &lir.Func{Name: name, NumReg: 1, Origins: g.Origins},
		reg:  make([]lir.Reg, g.nextID),
		at:   make([]int, len(g.Blocks)),
		way:  map[edge]int{},
		fail: -1,
	}
	for range lir.MaxParams {
		l.f.Params = append(l.f.Params, l.newReg())
	}
	return l
}

// graph makes the code of all blocks.
func (l *lowerer) graph(g *Graph) {
	l.pinned = g.pinned
	for v := range l.vars {
		if l.pinned {
			l.vars[v] = l.newReg()
		}
	}
	for _, b := range g.Blocks {
		for _, phi := range b.Phis {
			if g.pinned {
				l.reg[phi.ID] = l.vars[phi.K]
			} else {
				l.reg[phi.ID] = l.newReg()
			}
		}
		if len(b.Phis) == 0 {
			continue
		}
		for i, p := range b.Preds {
			l.way[edge{p, b}] = i // of two edges between two blocks either: they carry the same
		}
	}
	rejects := -1
	for _, b := range g.Blocks {
		l.at[b.ID] = l.newBlock()
		if len(b.Body) == 0 && b.rejects() {
			rejects = l.at[b.ID]
		}
		for _, v := range b.Body {
			l.value(v)
		}
		l.term(b)
	}
	switch {
	case l.fail < 0:
	case rejects >= 0: // the program has such a block already
		l.fail = rejects
	default:
		l.fail = l.newBlock()
		l.ret(lir.I(reject), lir.NoPos)
	}
}

// finish sets the targets of all branches.
func (l *lowerer) finish() *lir.Func {
	for _, f := range l.fixups {
		if *f.target = l.fail; f.to != nil {
			*f.target = l.at[f.to.ID]
		}
	}
	for _, b := range l.f.Blocks {
		slices.SortFunc(b.Term.Cases, func(x, y lir.Case) int { return cmp.Compare(x.Value, y.Value) })
	}
	return l.f
}

// lowerFilter makes the function that Translate describes.
func lowerFilter(g *Graph) *lir.Func {
	l := newLowerer(g, "filter")
	p := l.f.Params
	l.packet, l.capLen, l.wireLen, l.aux = p[ParamPacket], p[ParamCapLen], p[ParamWireLen], p[ParamAux]
	l.ret = func(v lir.Arg, pos int32) {
		l.b.Term = lir.Term{Kind: lir.Return, B: v, Pos: pos}
	}
	l.graph(g)
	return l.finish()
}

func (l *lowerer) newReg() lir.Reg {
	r := l.f.NumReg
	l.f.NumReg++
	return r
}

// newBlock starts a LIR block; code goes there from now on.
func (l *lowerer) newBlock() int {
	l.b = &lir.Block{}
	l.f.Blocks = append(l.f.Blocks, l.b)
	return len(l.f.Blocks) - 1
}

func (l *lowerer) emit(inst lir.Inst) lir.Reg {
	inst.Dst = l.newReg()
	l.b.Insts = append(l.b.Insts, inst)
	return inst.Dst
}

// arg is a value as an operand.
func (l *lowerer) arg(v *Value) lir.Arg {
	if c, ok := v.constant(); ok {
		return lir.I(int64(c))
	}
	return lir.R(l.reg[v.ID])
}

// register is a value in a register.
func (l *lowerer) register(v *Value, pos int32) lir.Reg {
	if c, ok := v.constant(); ok {
		return l.emit(lir.Inst{Op: lir.Mov, W: lir.W32, B: lir.I(int64(c)), Pos: pos})
	}
	return l.reg[v.ID]
}

// lirOps has the LIR operation of each arithmetic operation.
var lirOps = map[ValueOp]lir.Op{
	OpAdd: lir.Add, OpSub: lir.Sub, OpMul: lir.Mul, OpDiv: lir.DivU, OpMod: lir.ModU,
	OpAnd: lir.And, OpOr: lir.Or, OpXor: lir.Xor,
	OpLsh: lir.ShlZ, OpRsh: lir.ShrZ, OpLshMasked: lir.ShlM, OpRshMasked: lir.ShrM,
}

// value computes a value, or tests a guard.
func (l *lowerer) value(v *Value) {
	pos := v.Pos
	switch v.Op {
	case OpLen:
		l.reg[v.ID] = l.emit(lir.Inst{Op: lir.Mov, W: lir.W32, B: lir.R(l.wireLen), Pos: pos})
	case OpAux:
		mem := lir.Mem{Base: l.aux, Off: int32(v.K), Scale: 1}
		l.reg[v.ID] = l.emit(lir.Inst{Op: lir.Load, W: lir.W32, Mem: mem, Pos: pos})
	case OpLoad:
		l.reg[v.ID] = l.load(v)
	case OpNeg:
		l.reg[v.ID] = l.emit(lir.Inst{Op: lir.Neg, W: lir.W32, A: l.register(v.Args[0], pos), Pos: pos})
	case OpLinuxOffset:
		l.reg[v.ID] = l.linuxOffset(v)
	case GuardLen:
		l.guardLen(v)
	case GuardNonZero:
		l.guard(lir.Term{W: lir.W32, Cond: lir.EQ, A: l.register(v.Args[0], pos), B: lir.I(0), Pos: pos})
	case GuardAux:
		l.guard(lir.Term{W: lir.W64, Cond: lir.EQ, A: l.aux, B: lir.I(0), Pos: pos})
	default:
		l.reg[v.ID] = l.emit(lir.Inst{Op: lirOps[v.Op], W: lir.W32, A: l.register(v.Args[0], pos), B: l.arg(v.Args[1]), Pos: pos})
	}
}

// guard rejects if the condition holds and goes on in a new block if not.
func (l *lowerer) guard(t lir.Term) {
	from := l.b
	t.Kind = lir.Branch
	from.Term = t
	from.Term.Else = l.newBlock()
	l.fail = 0
	l.fixups = append(l.fixups, fixup{&from.Term.Then, nil})
}

func (l *lowerer) guardLen(v *Value) {
	if len(v.Args) == 0 {
		l.guard(lir.Term{W: lir.W64, Cond: lir.LTU, A: l.capLen, B: lir.I(int64(v.Need)), Pos: v.Pos})
		return
	}
	end := l.emit(lir.Inst{Op: lir.Add, W: lir.W64, A: l.register(v.Args[0], v.Pos), B: lir.I(int64(v.Need)), Pos: v.Pos})
	l.guard(lir.Term{W: lir.W64, Cond: lir.GTU, A: end, B: lir.R(l.capLen), Pos: v.Pos})
}

// load reads the packet; a guard has seen to it that the bytes are there.
func (l *lowerer) load(v *Value) lir.Reg {
	order := lir.BigEndian
	if v.Swap {
		order = lir.LittleEndian
	}
	mem := lir.Mem{Base: l.packet, Scale: 1}
	if len(v.Args) > 0 {
		mem.Index = l.register(v.Args[0], v.Pos)
	}
	if off := int32(v.K); off >= 0 {
		mem.Off = off
	} else { // above 2^31: displacements are signed
		mem.Base = l.emit(lir.Inst{Op: lir.Add, W: lir.W64, A: mem.Base, B: lir.I(int64(v.K)), Pos: v.Pos})
	}
	return l.emit(lir.Inst{Op: lir.Load, W: lir.Width(v.Size), Order: order, Mem: mem, Pos: v.Pos})
}

// linuxOffset is what Program.linuxOffset computes, without branches.
func (l *lowerer) linuxOffset(v *Value) lir.Reg {
	pos := v.Pos
	off := l.register(v.Args[0], pos)
	inst := func(op lir.Op, w lir.Width, a lir.Reg, b lir.Arg) lir.Reg {
		return l.emit(lir.Inst{Op: op, W: w, A: a, B: b, Pos: pos})
	}
	choose := func(base uint32, above lir.Reg, below lir.Arg) lir.Reg {
		return l.emit(lir.Inst{Op: lir.Select, W: lir.W64, Cond: lir.GEU, A: off, B: lir.I(int64(base)), T: lir.R(above), F: below, Pos: pos})
	}
	const nowhere = 1<<32 - 1
	at := choose(1<<31, l.emit(lir.Inst{Op: lir.Mov, W: lir.W64, B: lir.I(nowhere), Pos: pos}), lir.R(off))
	at = choose(skfLLOff, inst(lir.Sub, lir.W32, off, lir.I(int64(skfLLOff))), lir.R(at))
	if len(v.Args) == 1 {
		return choose(skfNetOff, l.emit(lir.Inst{Op: lir.Mov, W: lir.W64, B: lir.I(nowhere), Pos: pos}), lir.R(at))
	}
	net := inst(lir.Sub, lir.W32, off, lir.I(int64(skfNetOff)))
	net = inst(lir.Add, lir.W64, net, l.arg(v.Args[1]))
	return choose(skfNetOff, net, lir.R(at))
}

var lirConds = [...]lir.Cond{TestEQ: lir.EQ, TestGT: lir.GTU, TestGE: lir.GEU, TestSET: lir.ANY}

// term ends the code of b.
func (l *lowerer) term(b *Block) {
	switch b.Term {
	case TermRet:
		l.ret(l.arg(b.A), b.Pos)
	case TermJump:
		l.moves(b, b.Succs[0])
		t := &l.b.Term
		*t = lir.Term{Kind: lir.Jump, Pos: b.Pos}
		l.fixups = append(l.fixups, fixup{&t.Then, b.Succs[0]})
	case TermTest:
		t := &l.b.Term
		*t = lir.Term{Kind: lir.Branch, W: lir.W32, Cond: lirConds[b.Test], A: l.register(b.A, b.Pos), B: l.arg(b.B), Pos: b.Pos}
		l.edge(b, 0, &t.Then)
		l.edge(b, 1, &t.Else)
	case TermSwitch:
		t := &l.b.Term
		*t = lir.Term{Kind: lir.Switch, W: lir.W32, A: l.register(b.A, b.Pos), Cases: make([]lir.Case, len(b.Cases)), Pos: b.Pos}
		for i, c := range b.Cases {
			t.Cases[i].Value = uint64(c)
			l.edge(b, i+1, &t.Cases[i].Target)
		}
		l.edge(b, 0, &t.Else)
	}
}

// edge sets target to where the i-th edge out of b leads: to the block there,
// or to a new one before it that gives its phis what they have on this edge.
func (l *lowerer) edge(b *Block, i int, target *int) {
	s := b.Succs[i]
	if len(s.Phis) == 0 {
		l.fixups = append(l.fixups, fixup{target, s})
		return
	}
	*target = l.newBlock()
	l.moves(b, s)
	t := &l.b.Term
	*t = lir.Term{Kind: lir.Jump, Pos: lir.NoPos}
	l.fixups = append(l.fixups, fixup{&t.Then, s})
}

// moves gives the phis of s what they have on the edge from b. Phis are read
// below s only and their arguments come from above it, so the order is free.
// Where phis of a variable share a register, all are read before one is written:
// A and X may change places.
func (l *lowerer) moves(b, s *Block) {
	if len(s.Phis) == 0 {
		return
	}
	type copied struct {
		to   lir.Reg
		from lir.Arg
	}
	var moves []copied
	way := l.way[edge{b, s}]
	for _, phi := range s.Phis {
		if m := (copied{l.reg[phi.ID], l.arg(phi.Args[way])}); m.from != lir.R(m.to) {
			moves = append(moves, m)
		}
	}
	emit := func(m copied) {
		l.b.Insts = append(l.b.Insts, lir.Inst{Op: lir.Mov, W: lir.W32, Dst: m.to, B: m.from, Pos: lir.NoPos})
	}
	if l.pinned {
		for i, m := range moves {
			if !m.from.IsImm() {
				moves[i].from = lir.R(l.newReg())
				emit(copied{moves[i].from.Reg, m.from})
			}
		}
	}
	for _, m := range moves {
		emit(m)
	}
}
