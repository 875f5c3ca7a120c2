// Package amd64 compiles LIR to 64-bit x86 machine code.
//
// Each virtual register lives in one physical register or one slot of the
// frame for all its life (package lir's allocator), and each instruction is
// lowered by itself, but for loads that become memory operands (select.go).
// What no instruction can say directly goes through two scratch registers.
//
// Parameters arrive in RDI, RSI, RDX and RCX, the result leaves in RAX, and the
// frame starts at RSP+8, above the return address. Generated code changes
// neither RSP nor RBP, stores only to its frame and where its Store
// instructions say, and calls nothing.
//
// The package runs on every architecture. "SDM" is the Intel 64 and IA-32
// Architectures Software Developer's Manual.
package amd64

import (
	"fmt"

	"github.com/bpfjit/bpfjit/asm"
	x86 "github.com/bpfjit/bpfjit/asm/amd64"
	"github.com/bpfjit/bpfjit/lir"
)

// Features says which instructions beyond the architecture's baseline the code
// may use. The zero value is code for every 64-bit x86.
type Features struct {
	BMI2  bool // SHLX, SHRX, SARX, MULX (CPUID.7.0:EBX[8])
	MOVBE bool // MOVBE (CPUID.1:ECX[22])
}

// Compile generates the machine code of f, which it verifies first and does
// not change. The code is position-independent. Compile may be called from
// several goroutines at once.
func Compile(f *lir.Func, feat Features) (*lir.Code, error) {
	if err := lir.Verify(f); err != nil {
		return nil, err
	}
	c := compiler{f: prepare(f), feat: feat}
	c.narrow = narrowRegs(c.f)
	c.selectLoads()
	alloc, err := lir.Allocate(c.f, newPool(c.folded))
	if err != nil {
		return nil, err
	}
	c.alloc = alloc
	c.facts = newNonzero(c.f)
	c.emit()
	c.emitData()
	code, marks, err := c.Finish()
	if err != nil {
		return nil, fmt.Errorf("func %s: %w", f.Name, err)
	}
	lines := make([]lir.Line, len(marks))
	for i, m := range marks {
		lines[i] = lir.Line{Off: m.Off, Pos: m.Pos}
	}
	size := 0
	for _, d := range c.data {
		size += 4 * len(d.words)
	}
	return &lir.Code{Bytes: code, Data: size, Frame: alloc.Frame, Lines: lines}, nil
}

// compiler compiles one function.
type compiler struct {
	x86.Assembler
	f      *lir.Func
	feat   Features
	narrow []bool // by register: always below 2^32
	alloc  *lir.Allocation

	// By instruction, numbered as the allocator numbers them:
	folded []int32 // the later one that it is part of, 0 if none
	loads  []int32 // the one that is part of it, plus one

	labels []asm.Label // by block
	data   []data      // what is to follow the code
	facts  *nonzero
	block  int // being compiled
	at     int // number of the instruction being compiled
}

func (c *compiler) emit() {
	c.labels = make([]asm.Label, len(c.f.Blocks))
	used := make([]bool, len(c.f.Blocks)) // blocks that are entered
	used[0] = true
	var targets []int
	for i, b := range c.f.Blocks {
		c.labels[i] = c.NewLabel()
		targets = b.Term.AppendTargets(targets[:0])
		for _, t := range targets {
			used[t] = true
		}
	}
	c.Mark(lir.NoPos)
	c.enter()
	for i := range c.f.Blocks {
		if used[i] && c.Err() == nil {
			next := i + 1
			for next < len(used) && !used[next] {
				next++
			}
			c.emitBlock(i, next)
		}
	}
}

// emitBlock compiles block i. Block next is laid out after it.
func (c *compiler) emitBlock(i, next int) {
	b := c.f.Blocks[i]
	c.block = i
	c.Bind(c.labels[i])
	c.facts.enter(i)
	first := c.alloc.First(i)
	for j := range b.Insts {
		if c.at = first + j; c.folded[c.at] == 0 {
			c.Mark(b.Insts[j].Pos)
			c.inst(&b.Insts[j])
		}
		c.facts.write(b.Insts[j].Writes())
	}
	c.at = first + len(b.Insts)
	c.Mark(b.Term.Pos)
	c.facts.leave(&b.Term)
	c.term(&b.Term, next)
}

func (c *compiler) term(t *lir.Term, next int) {
	switch t.Kind {
	case lir.Jump:
		c.jump(t.Then, next)
	case lir.Branch:
		cc := c.compare(t.Cond, t.W, t.A, t.B, x86.NoReg)
		if t.Then == next {
			c.Jcc(cc.Not(), c.labels[t.Else])
			return
		}
		c.Jcc(cc, c.labels[t.Then])
		c.jump(t.Else, next)
	case lir.Switch:
		c.multiway(t, next)
	case lir.Return:
		if t.B.IsImm() {
			c.setImm(ResultReg, t.B.Imm)
		} else {
			c.moveTo(lir.W64, ResultReg, t.B)
		}
		c.Emit(x86.RET, 0)
	}
}

// jump goes to block b, which costs nothing if it is the next.
func (c *compiler) jump(b, next int) {
	if b != next {
		c.Jmp(c.labels[b])
	}
}

func (c *compiler) inst(in *lir.Inst) {
	switch in.Op {
	case lir.Mov:
		c.mov(in)
	case lir.Add, lir.Sub, lir.And, lir.Or, lir.Xor:
		c.alu(in)
	case lir.Mul:
		c.mul(in)
	case lir.MulHU:
		c.mulHigh(in)
	case lir.DivU, lir.ModU:
		c.divide(in)
	case lir.Neg:
		c.unary(x86.NEG, in)
	case lir.Not:
		c.unary(x86.NOT, in)
	case lir.ShlZ, lir.ShrZ, lir.SarZ, lir.ShlM, lir.ShrM, lir.SarM:
		c.shift(in)
	case lir.Bswap:
		c.bswap(in)
	case lir.Load:
		c.load(in)
	case lir.Store:
		c.store(in)
	case lir.Set:
		c.set(in)
	case lir.Select:
		c.choose(in)
	case lir.Prefetch:
		c.Emit(x86.PREFETCHT0, x86.W8, c.address(&in.Mem))
	default:
		c.Failf("operation %s is not known", in.Op)
	}
}
