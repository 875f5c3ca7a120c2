package bpfc

import (
	"errors"
	"fmt"
	"math/bits"
	"unsafe"

	"golang.org/x/net/bpf"
)

// ErrNotTranslatable is wrapped by the errors of programs that only the
// interpreter runs: those with coprocessor calls, external memory, backward
// jumps or netlink attribute searches.
var ErrNotTranslatable = errors.New("only the interpreter can run it")

// The variables of a program: A, X and M[0] to M[15].
const (
	varA = iota
	varX
	varM
	numVars = varM + MemWords
)

// state is what the variables hold at some place.
type state [numVars]*Value

// builder turns a program into its graph in one walk: jumps lead forward, so
// a block's predecessors are complete before the block.
type builder struct {
	p    *Program
	g    *Graph
	live []uint32     // the variables that are read after an instruction is entered
	in   [][]incoming // by first instruction: the edges into a block
	head []bool       // whether an instruction starts a block
	land []int        // where a jump to an instruction ends up, through ja
	b    *Block       // the block being filled
	vars state        // at this place in b

	spare []Block // memory for blocks
}

// incoming is an edge whose target has no block yet.
type incoming struct {
	from *Block
	succ int // the place in from.Succs
	vars *state
}

// newGraph builds the decision graph of a program in one of its forms.
func newGraph(p *Program, f form) (*Graph, error) {
	if err := p.translatable(); err != nil {
		return nil, err
	}
	n := len(p.insns)
	g := &Graph{plain: f != folded, pinned: f == pinned, table: map[valueKey]*Value{}, consts: map[uint32]*Value{}, Origins: make([][]int32, n)}
	lines := make([]int32, n)
	for i := range lines {
		lines[i] = int32(i)
		g.Origins[i] = lines[i : i+1 : i+1]
	}
	bd := &builder{p: p, g: g, in: make([][]incoming, n), head: make([]bool, n), land: make([]int, n)}
	bd.analyse()
	bd.build()
	return g, nil
}

// translatable says whether a graph can express the program.
func (p *Program) translatable() error {
	if p.ctx != nil && p.ctx.ExtWords > 0 {
		return fmt.Errorf("external memory: %w", ErrNotTranslatable)
	}
	for i, ins := range p.insns {
		switch {
		case ins.Op == Cop || ins.Op == Copx:
			return fmt.Errorf("instruction %d: coprocessor call: %w", i, ErrNotTranslatable)
		case ins.Op == Ja && p.rules.backwardJA && int32(ins.K) < 0:
			return fmt.Errorf("instruction %d: backward jump: %w", i, ErrNotTranslatable)
		}
		if off, ok := p.rules.ancillaryOf(ins); ok && (off == adNlattr || off == adNlattrNest) {
			return fmt.Errorf("instruction %d: netlink attribute search: %w", i, ErrNotTranslatable)
		}
	}
	return nil
}

// access says which variable an instruction writes (-1: none) and which ones
// it reads.
func access(ins bpf.RawInstruction) (writes int, reads uint32) {
	const a, x = 1 << varA, 1 << varX
	srcX := uint32(0)
	if Src(ins.Op) == SrcX {
		srcX = x
	}
	switch Class(ins.Op) {
	case ClassLD:
		switch {
		case Mode(ins.Op) == ModeIND:
			return varA, x
		case ins.Op == LdMem:
			return varA, 1 << (varM + ins.K)
		case isAbs(ins.Op):
			return varA, a | x // for SKF_AD_ALU_XOR_X; the others do not mind
		}
		return varA, 0
	case ClassLDX:
		if ins.Op == LdxMem {
			return varX, 1 << (varM + ins.K)
		}
		return varX, 0
	case ClassST:
		return varM + int(ins.K), a
	case ClassSTX:
		return varM + int(ins.K), x
	case ClassALU:
		return varA, a | srcX
	case ClassJMP:
		if ins.Op == Ja {
			return -1, 0
		}
		return -1, a | srcX
	case ClassRET:
		if ins.Op == RetA {
			return -1, a
		}
		return -1, 0
	}
	switch ins.Op {
	case Tax:
		return varX, a
	case Txa:
		return varA, x
	}
	return -1, 0
}

// targets are the n instructions that may run after instruction i.
func targets(i int, ins bpf.RawInstruction) (to [2]int, n int) {
	switch {
	case Class(ins.Op) == ClassRET, !exactOpcode(ins.Op):
		return to, 0
	case ins.Op == Ja:
		return [2]int{i + 1 + int(ins.K)}, 1
	case Class(ins.Op) == ClassJMP:
		return [2]int{i + 1 + int(ins.Jt), i + 1 + int(ins.Jf)}, 2
	}
	return [2]int{i + 1}, 1
}

// analyse finds where blocks start and which variables are live.
func (bd *builder) analyse() {
	insns := bd.p.insns
	bd.live = make([]uint32, len(insns)+1)
	for i := len(insns) - 1; i >= 0; i-- {
		ins := insns[i]
		bd.land[i] = i
		if ins.Op == Ja && !bd.g.plain {
			bd.land[i] = bd.land[i+1+int(ins.K)]
		}
		live := uint32(0)
		next, n := targets(i, ins)
		for _, to := range next[:n] {
			live |= bd.live[to]
			bd.head[to] = bd.head[to] || Class(ins.Op) == ClassJMP
		}
		writes, reads := access(ins)
		if writes >= 0 {
			live &^= 1 << writes
		}
		bd.live[i] = live | reads
	}
}

func (bd *builder) build() {
	g := bd.g
	for i, ins := range bd.p.insns {
		switch {
		case i == 0:
			bd.b = bd.newBlock(nil)
			zero := g.constant(0)
			for v := range bd.vars {
				bd.vars[v] = zero
			}
		case bd.head[i]:
			if bd.b != nil {
				bd.end(TermJump, int32(i-1), i)
			}
			if !bd.enter(i) {
				continue
			}
		case bd.b == nil:
			continue // nothing leads here
		}
		bd.instruction(int32(i), ins)
	}
}

func (bd *builder) newBlock(preds []*Block) *Block {
	if len(bd.spare) == 0 {
		bd.spare = make([]Block, 16)
	}
	b := &bd.spare[0]
	bd.spare = bd.spare[1:]
	b.ID, b.Preds, b.Pos = len(bd.g.Blocks), preds, -1
	b.setDominator()
	bd.g.Blocks = append(bd.g.Blocks, b)
	return b
}

// end ends the block with edges to the given instructions.
func (bd *builder) end(term TermOp, pos int32, to ...int) {
	b := bd.b
	b.Term, b.Pos, b.Succs = term, pos, b.succs[:len(to)]
	if len(to) > 0 {
		vars := bd.vars
		for i, target := range to {
			target = bd.land[target]
			bd.in[target] = append(bd.in[target], incoming{b, i, &vars})
		}
	}
	bd.b = nil
}

// ret ends the block with a verdict.
func (bd *builder) ret(v *Value, pos int32) {
	bd.b.A = v
	bd.end(TermRet, pos)
}

// enter starts the block at instruction i; false if nothing leads there.
func (bd *builder) enter(i int) bool {
	edges := bd.in[i]
	bd.in[i] = nil
	if len(edges) == 0 {
		return false
	}
	preds := make([]*Block, len(edges))
	for j, e := range edges {
		preds[j] = e.from
	}
	b := bd.newBlock(preds)
	for _, e := range edges {
		e.from.Succs[e.succ] = b
	}
	bd.b, bd.vars = b, *edges[0].vars
	for v := range bd.vars {
		if bd.live[i]&(1<<v) != 0 {
			bd.vars[v] = bd.merge(b, v, edges)
		}
	}
	return true
}

// merge is what a variable holds at the start of b.
func (bd *builder) merge(b *Block, variable int, edges []incoming) *Value {
	first := edges[0].vars[variable]
	same, equal := true, true
	for _, e := range edges[1:] {
		v := e.vars[variable]
		same = same && v == first
		equal = equal && v.num == first.num
	}
	switch {
	case bd.g.pinned:
	case same, equal && first.Op == OpConst: // its block dominates all of them, and b
		return first
	case equal && !bd.g.plain && first.leaf():
		return bd.g.add(b, Value{Op: first.Op, Size: first.Size, Swap: first.Swap, K: first.K, Pos: first.Pos})
	}
	args := make([]*Value, len(edges))
	for j, e := range edges {
		args[j] = e.vars[variable]
	}
	phi := bd.g.node(b, Value{Op: OpPhi, K: uint32(variable), Pos: -1}, args...)
	b.Phis = append(b.Phis, phi)
	return phi
}

// aluOps has the operation of each arithmetic opcode, NEG apart.
var aluOps = map[uint16]ValueOp{
	AluADD: OpAdd, AluSUB: OpSub, AluMUL: OpMul, AluDIV: OpDiv, AluMOD: OpMod,
	AluAND: OpAnd, AluOR: OpOr, AluXOR: OpXor, AluLSH: OpLsh, AluRSH: OpRsh,
}

var jumpTests = map[uint16]Test{JmpJEQ: TestEQ, JmpJGT: TestGT, JmpJGE: TestGE, JmpJSET: TestSET}

func (bd *builder) instruction(i int32, ins bpf.RawInstruction) {
	g, op, k := bd.g, ins.Op, ins.K
	a, x := &bd.vars[varA], &bd.vars[varX]
	operand := func() *Value {
		if Src(op) == SrcX {
			return *x
		}
		return g.constant(k)
	}

	if !exactOpcode(op) { // NetBSD lets it pass and rejects here
		bd.ret(g.constant(reject), i)
		return
	}
	switch Class(op) {
	case ClassLD, ClassLDX:
		v := bd.load(i, ins)
		if Class(op) == ClassLD {
			*a = v
		} else {
			*x = v
		}
	case ClassST:
		bd.vars[varM+int(k)] = *a
	case ClassSTX:
		bd.vars[varM+int(k)] = *x
	case ClassALU:
		if op == Neg {
			if c, ok := (*a).constant(); ok && !g.plain {
				*a = g.constant(-c)
				break
			}
			*a = g.add(bd.b, Value{Op: OpNeg, Pos: i}, *a)
			break
		}
		*a = bd.alu(aluOps[AluOp(op)], *a, operand(), i)
	case ClassJMP:
		if op == Ja {
			bd.end(TermJump, i, int(i)+1+int(k))
			break
		}
		bd.test(jumpTests[AluOp(op)], *a, operand(), i, ins)
	case ClassRET:
		if op == RetA {
			bd.ret(*a, i)
			break
		}
		bd.ret(g.constant(k), i)
	case ClassMISC:
		if op == Tax {
			*x = *a
		} else {
			*a = *x
		}
	}
}

func (bd *builder) alu(op ValueOp, a, operand *Value, pos int32) *Value {
	switch op {
	case OpDiv, OpMod:
		if c, ok := operand.constant(); !ok || c == 0 || bd.g.plain {
			bd.g.add(bd.b, Value{Op: GuardNonZero, Pos: pos}, operand)
		}
	case OpLsh:
		if bd.p.rules.shiftMasks {
			op = OpLshMasked
		}
	case OpRsh:
		if bd.p.rules.shiftMasks {
			op = OpRshMasked
		}
	}
	return bd.g.binary(bd.b, op, a, operand, pos)
}

func (bd *builder) test(test Test, a, operand *Value, pos int32, ins bpf.RawInstruction) {
	then, els := int(pos)+1+int(ins.Jt), int(pos)+1+int(ins.Jf)
	if !bd.g.plain {
		if outcome, known := decide(test, a, operand); known && outcome || bd.land[then] == bd.land[els] {
			bd.end(TermJump, pos, then)
			return
		} else if known {
			bd.end(TermJump, pos, els)
			return
		}
	}
	bd.b.Test, bd.b.A, bd.b.B = test, a, operand
	bd.end(TermTest, pos, then, els)
}

// load is what an LD or LDX instruction loads.
func (bd *builder) load(i int32, ins bpf.RawInstruction) *Value {
	g, b, r, k := bd.g, bd.b, bd.p.rules, ins.K
	switch Mode(ins.Op) {
	case ModeIMM:
		return g.constant(k)
	case ModeMEM:
		return bd.vars[varM+int(k)]
	case ModeLEN:
		if r.lenConstant != 0 {
			return g.constant(r.lenConstant)
		}
		return g.add(b, Value{Op: OpLen, Pos: i})
	case ModeMSH:
		v := bd.packetLoad(nil, k, 1, i)
		v = g.binary(b, OpAnd, v, g.constant(0x0f), i)
		return g.binary(b, OpLsh, v, g.constant(2), i)
	case ModeIND:
		return bd.packetLoad(bd.vars[varX], k, Size(ins.Op), i)
	}
	if off, ok := r.ancillaryOf(ins); ok {
		if off == adAluXorX {
			return g.binary(b, OpXor, bd.vars[varA], bd.vars[varX], i)
		}
		if r.vlanLoads {
			g.add(b, Value{Op: GuardAux, Pos: i})
		}
		return g.add(b, Value{Op: OpAux, K: auxOffset(ancillaries[off].field), Pos: i})
	}
	return bd.packetLoad(nil, k, Size(ins.Op), i)
}

// packetLoad is a load from the packet, at k or at index + k, and its guard.
func (bd *builder) packetLoad(index *Value, k uint32, size int, pos int32) *Value {
	g, b, r := bd.g, bd.b, bd.p.rules
	if index != nil && !g.plain {
		index, k = bd.splitIndex(index, k)
	}
	if r.negative {
		index, k = bd.linuxIndex(index, k, pos)
	}
	guard := Value{Op: GuardLen, Need: uint64(k) + uint64(size), Pos: pos}
	load := Value{Op: OpLoad, K: k, Size: uint8(size), Swap: r.seccomp, Pos: pos}
	if index == nil {
		g.add(b, guard)
		return g.add(b, load)
	}
	g.add(b, guard, index)
	return g.add(b, load, index)
}

// splitIndex moves the constant part of an index into the offset, where the
// sum does not pass 2^32.
func (bd *builder) splitIndex(index *Value, k uint32) (*Value, uint32) {
	if c, ok := index.constant(); ok && uint64(c)+uint64(k) < 1<<32 {
		return nil, c + k
	}
	if index.Op == OpAdd {
		if c, ok := index.Args[1].constant(); ok && uint64(index.Args[0].bits)+uint64(c)+uint64(k) < 1<<32 {
			return index.Args[0], c + k
		}
	}
	return index, k
}

// linuxIndex turns an offset as Linux loads understand it into an index and
// an offset from the packet's first byte.
func (bd *builder) linuxIndex(index *Value, k uint32, pos int32) (*Value, uint32) {
	g, b := bd.g, bd.b
	net := func() *Value {
		return g.add(b, Value{Op: OpAux, K: auxOffset(AuxNetOffset), Pos: pos})
	}
	switch {
	case index == nil && int32(k) >= 0:
		return nil, k
	case index == nil && k >= skfNetOff && bd.p.aux&AuxNetOffset != 0:
		return net(), k - skfNetOff
	case index == nil && k >= skfLLOff && k < skfNetOff:
		return nil, k - skfLLOff
	case index == nil:
		return nil, ^uint32(0) // beyond any packet
	case uint64(index.bits)+uint64(k) < 1<<31:
		return index, k
	}
	off := g.binary(b, OpAdd, index, g.constant(k), pos)
	if c, ok := off.constant(); ok && !g.plain {
		return bd.linuxIndex(nil, c, pos)
	}
	v := Value{Op: OpLinuxOffset, Pos: pos}
	if bd.p.aux&AuxNetOffset != 0 {
		return g.add(b, v, off, net()), 0
	}
	return g.add(b, v, off), 0
}

// auxOffsets has where in an Aux each field lies, by the field's bit number.
var auxOffsets = [...]uintptr{
	unsafe.Offsetof(Aux{}.Protocol), unsafe.Offsetof(Aux{}.PktType), unsafe.Offsetof(Aux{}.IfIndex),
	unsafe.Offsetof(Aux{}.Mark), unsafe.Offsetof(Aux{}.Queue), unsafe.Offsetof(Aux{}.HaType),
	unsafe.Offsetof(Aux{}.RxHash), unsafe.Offsetof(Aux{}.CPU), unsafe.Offsetof(Aux{}.VLANTag),
	unsafe.Offsetof(Aux{}.VLANPresent), unsafe.Offsetof(Aux{}.VLANProto), unsafe.Offsetof(Aux{}.PayOffset),
	unsafe.Offsetof(Aux{}.Random), unsafe.Offsetof(Aux{}.NetOffset),
}

func auxOffset(field AuxFields) uint32 {
	return uint32(auxOffsets[bits.TrailingZeros32(uint32(field))])
}
