package lir

import (
	"cmp"
	"fmt"
	"slices"
)

// Builder makes a function block by block. Its first mistake sticks: calls
// after it do nothing, and Func returns it with the name of the call.
//
// A Builder is not for use by several goroutines at once.
type Builder struct {
	f    *Func
	cur  int // the block that instructions go to
	done []bool
	pos  int32
	err  error
}

// NewBuilder starts a function with that name. It has one block, the entry,
// and instructions go there.
func NewBuilder(name string) *Builder {
	return &Builder{
		f:    &Func{Name: name, NumReg: 1, Blocks: []*Block{{Term: Term{Pos: NoPos}}}},
		done: []bool{false},
		pos:  NoPos,
	}
}

func (b *Builder) fail(call, format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf("func %s: %s: %s", clip(formatName(b.f.Name)), call, fmt.Sprintf(format, args...))
	}
}

// Err is the first mistake made so far.
func (b *Builder) Err() error { return b.err }

// Reg makes a new register, for the results of instructions that write it in
// several places.
func (b *Builder) Reg() Reg {
	if b.f.NumReg >= MaxRegs {
		b.fail("Reg", "more than %d registers", MaxRegs)
		return NoReg
	}
	b.f.NumReg++
	return b.f.NumReg - 1
}

// Param makes the register of the next parameter.
func (b *Builder) Param() Reg {
	if len(b.f.Params) == MaxParams {
		b.fail("Param", "more than %d parameters", MaxParams)
		return NoReg
	}
	r := b.Reg()
	b.f.Params = append(b.f.Params, r)
	return r
}

// Local reserves size bytes of the local stack, at an offset that is a multiple
// of 8, and returns the memory operand of the first.
func (b *Builder) Local(size int) Mem {
	off := (b.f.Locals + 7) &^ 7
	if size < 0 || size > MaxLocals-off {
		b.fail("Local", "%d bytes more than %d exceed the local stack of %d", size, off, MaxLocals)
		return At(Frame, 0)
	}
	b.f.Locals = off + size
	return At(Frame, int32(off))
}

// Block makes a new block, laid out after those made before, and returns its
// index. Instructions do not go there before SetBlock.
func (b *Builder) Block() int {
	b.f.Blocks = append(b.f.Blocks, &Block{Term: Term{Pos: NoPos}})
	b.done = append(b.done, false)
	return len(b.f.Blocks) - 1
}

// SetBlock makes the block the one that instructions go to. It must not have
// ended.
func (b *Builder) SetBlock(block int) {
	switch {
	case block < 0 || block >= len(b.f.Blocks):
		b.fail("SetBlock", "there is no block %d", block)
	case b.done[block]:
		b.fail("SetBlock", "%s has ended", blockName(block))
	default:
		b.cur = block
	}
}

// SetPos sets the position of the instructions that follow.
func (b *Builder) SetPos(pos int32) { b.pos = pos }

// Emit appends an instruction, at the builder's position, and returns its
// result. If the operation has a result and Dst is NoReg, that is a new
// register.
func (b *Builder) Emit(in Inst) Reg {
	if b.err != nil {
		return NoReg
	}
	if b.done[b.cur] {
		b.fail(in.Op.String(), "%s has ended", blockName(b.cur))
		return NoReg
	}
	if in.Dst == NoReg && in.Op.Info().Operands&UsesDst != 0 {
		in.Dst = b.Reg()
	}
	in.Pos = b.pos
	v := verifier{f: b.f}
	if err := v.inst(&in); err != nil {
		b.fail(in.Op.String(), "%s: %v", &in, err)
		return NoReg
	}
	blk := b.f.Blocks[b.cur]
	blk.Insts = append(blk.Insts, in)
	return in.Dst
}

// Op emits an arithmetic, logic or shift operation: those of the form
// Dst = A op B.
func (b *Builder) Op(op Op, w Width, x Reg, y Arg) Reg {
	return b.Emit(Inst{Op: op, W: w, A: x, B: y})
}

// OpTo is Op with the result in dst.
func (b *Builder) OpTo(dst Reg, op Op, w Width, x Reg, y Arg) {
	b.emitTo(dst, Inst{Op: op, W: w, A: x, B: y})
}

// Unary emits Neg, Not or Bswap.
func (b *Builder) Unary(op Op, w Width, x Reg) Reg {
	return b.Emit(Inst{Op: op, W: w, A: x})
}

// UnaryTo is Unary with the result in dst.
func (b *Builder) UnaryTo(dst Reg, op Op, w Width, x Reg) {
	b.emitTo(dst, Inst{Op: op, W: w, A: x})
}

// Mov copies the low bits of x, that width of them, to a new register.
func (b *Builder) Mov(w Width, x Arg) Reg {
	return b.Emit(Inst{Op: Mov, W: w, B: x})
}

// MovTo is Mov with the result in dst.
func (b *Builder) MovTo(dst Reg, w Width, x Arg) {
	b.emitTo(dst, Inst{Op: Mov, W: w, B: x})
}

// Load reads memory.
func (b *Builder) Load(w Width, o Order, m Mem) Reg {
	return b.Emit(Inst{Op: Load, W: w, Order: o, Mem: m})
}

// LoadTo is Load with the result in dst.
func (b *Builder) LoadTo(dst Reg, w Width, o Order, m Mem) {
	b.emitTo(dst, Inst{Op: Load, W: w, Order: o, Mem: m})
}

// Store writes memory.
func (b *Builder) Store(w Width, o Order, m Mem, x Arg) {
	b.Emit(Inst{Op: Store, W: w, Order: o, Mem: m, B: x})
}

// Set makes 1 if c holds of x and y, else 0.
func (b *Builder) Set(w Width, c Cond, x Reg, y Arg) Reg {
	return b.Emit(Inst{Op: Set, W: w, Cond: c, A: x, B: y})
}

// Select makes t if c holds of x and y, else f.
func (b *Builder) Select(w Width, c Cond, x Reg, y, t, f Arg) Reg {
	return b.Emit(Inst{Op: Select, W: w, Cond: c, A: x, B: y, T: t, F: f})
}

// Prefetch hints that the memory is read soon.
func (b *Builder) Prefetch(m Mem) { b.Emit(Inst{Op: Prefetch, Mem: m}) }

func (b *Builder) emitTo(dst Reg, in Inst) {
	if dst == NoReg {
		b.fail(in.Op.String(), "no register for the result")
		return
	}
	in.Dst = dst
	b.Emit(in)
}

// Jump ends the block: on to the target.
func (b *Builder) Jump(target int) { b.end("Jump", Term{Kind: Jump, Then: target}) }

// Branch ends the block: to then if c holds of x and y, else to els.
func (b *Builder) Branch(w Width, c Cond, x Reg, y Arg, then, els int) {
	b.end("Branch", Term{Kind: Branch, W: w, Cond: c, A: x, B: y, Then: then, Else: els})
}

// Switch ends the block: to the case whose value x has, else to els. The cases
// may come in any order.
func (b *Builder) Switch(w Width, x Reg, cases []Case, els int) {
	cases = slices.Clone(cases)
	slices.SortFunc(cases, func(a, b Case) int { return cmp.Compare(a.Value, b.Value) })
	b.end("Switch", Term{Kind: Switch, W: w, A: x, Cases: cases, Else: els})
}

// Return ends the block and the function.
func (b *Builder) Return(x Arg) { b.end("Return", Term{Kind: Return, B: x}) }

func (b *Builder) end(call string, t Term) {
	if b.err != nil {
		return
	}
	if b.done[b.cur] {
		b.fail(call, "%s has ended", blockName(b.cur))
		return
	}
	t.Pos = b.pos
	v := verifier{f: b.f}
	if err := v.term(&t); err != nil {
		b.err = fmt.Errorf("func %s: %s: %w", clip(formatName(b.f.Name)), call, termError(b.cur, &t, err))
		return
	}
	b.f.Blocks[b.cur].Term = t
	b.done[b.cur] = true
}

// Func returns the verified function. The builder must not be used after it.
func (b *Builder) Func() (*Func, error) {
	if b.err != nil {
		return nil, b.err
	}
	for i, done := range b.done {
		if !done {
			return nil, fmt.Errorf("func %s: %s has no end", clip(formatName(b.f.Name)), blockName(i))
		}
	}
	if err := Verify(b.f); err != nil {
		return nil, err
	}
	return b.f, nil
}
