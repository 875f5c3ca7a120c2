package lir

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// The limits that keep the time and memory of everything done to a function in
// bounds, whoever made it.
const (
	// MaxRegs is the limit of Func.NumReg.
	MaxRegs = 1 << 20
	// MaxInsts is the largest number of instructions in a function; terminators
	// and the cases of switches count as well.
	MaxInsts = 1 << 24
	// MaxLive is the largest number of registers in use at any place: on a
	// machine without registers they and the local stack would fill the frame.
	MaxLive = (MaxFrame - MaxLocals) / 8
)

// ErrTooLarge is wrapped by the errors of functions that keep all rules but
// exceed MaxRegs, MaxInsts, MaxLive or MaxFrame.
var ErrTooLarge = errors.New("too large")

// Verify reports the first rule of the package documentation that f breaks,
// with the function, the block and the instruction. It accepts any value of
// the type, however wrong, and does not change it. What it finds right, the
// interpreter can run, the printer print and a backend compile.
func Verify(f *Func) error {
	if f == nil {
		return errors.New("lir: no function")
	}
	v := verifier{f: f}
	if err := v.function(); err != nil {
		return fmt.Errorf("func %s: %w", clip(formatName(f.Name)), err)
	}
	return nil
}

// clip shortens a text that is to be part of an error.
func clip(s string) string {
	const limit = 100
	if len(s) <= limit {
		return s
	}
	cut := limit
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}

type verifier struct {
	f *Func
}

func (v *verifier) function() error {
	f := v.f
	switch {
	case f.NumReg > MaxRegs:
		return fmt.Errorf("%w: NumReg is %d, more than %d", ErrTooLarge, f.NumReg, MaxRegs)
	case f.Locals < 0 || f.Locals > MaxLocals:
		return fmt.Errorf("local stack of %d bytes: it has 0 to %d", f.Locals, MaxLocals)
	case len(f.Params) > MaxParams:
		return fmt.Errorf("%d parameters, more than %d", len(f.Params), MaxParams)
	case len(f.Blocks) == 0:
		return errors.New("no block")
	}
	for i, r := range f.Params {
		if err := v.reg(r); err != nil {
			return fmt.Errorf("parameter %d: %w", i, err)
		}
		for j, other := range f.Params[:i] {
			if other == r {
				return fmt.Errorf("parameters %d and %d are both %s", j, i, r)
			}
		}
	}
	insts := 0
	for i, b := range f.Blocks {
		if b == nil {
			return fmt.Errorf("%s: no block", blockName(i))
		}
		if insts += len(b.Insts) + 1 + len(b.Term.Cases); insts > MaxInsts {
			return fmt.Errorf("%s: %w: more than %d instructions", blockName(i), ErrTooLarge, MaxInsts)
		}
	}
	for i, b := range f.Blocks {
		for j := range b.Insts {
			if err := v.inst(&b.Insts[j]); err != nil {
				return instError(i, j, &b.Insts[j], err)
			}
		}
		if err := v.term(&b.Term); err != nil {
			return termError(i, &b.Term, err)
		}
	}
	return v.assigned()
}

func instError(block, i int, in *Inst, err error) error {
	return fmt.Errorf("%s, instruction %d: %s: %w", blockName(block), i, in, err)
}

func termError(block int, t *Term, err error) error {
	if len(t.Cases) > 4 {
		short := *t
		short.Cases = short.Cases[:4]
		return fmt.Errorf("%s, end: %s ...: %w", blockName(block), short.String(), err)
	}
	return fmt.Errorf("%s, end: %s: %w", blockName(block), t, err)
}

func (v *verifier) reg(r Reg) error {
	switch {
	case r == NoReg:
		return errors.New("register missing")
	case r == Frame:
		return errors.New("frame is only the base of a memory operand")
	case r >= v.f.NumReg:
		return fmt.Errorf("register %s is not below NumReg, %d", r, v.f.NumReg)
	}
	return nil
}

func (v *verifier) arg(a Arg, w Width) error {
	if a.IsImm() {
		if !w.fits(a.Imm) {
			return fmt.Errorf("%s does not fit %d bits", formatInt(a.Imm), w.Bits())
		}
		return nil
	}
	if a.Imm != 0 {
		return fmt.Errorf("operand %s has an immediate too, %s", a.Reg, formatInt(a.Imm))
	}
	return v.reg(a.Reg)
}

// mem checks a memory operand for an access of size bytes.
func (v *verifier) mem(m *Mem, size int) error {
	if m.Base == Frame {
		switch {
		case m.Index != NoReg:
			return errors.New("frame takes no index")
		case m.Off < 0 || int64(m.Off)+int64(size) > int64(v.f.Locals):
			return fmt.Errorf("outside the local stack of %d bytes", v.f.Locals)
		}
	} else if err := v.reg(m.Base); err != nil {
		return fmt.Errorf("base: %w", err)
	}
	if m.Index == NoReg {
		if m.Scale > 1 {
			return fmt.Errorf("scale %d without an index", m.Scale)
		}
		return nil
	}
	if err := v.reg(m.Index); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	switch m.Scale {
	case 1, 2, 4, 8:
		return nil
	}
	return fmt.Errorf("scale %d is not 1, 2, 4 or 8", m.Scale)
}

// checkWidth accepts one width of those allowed; none, where none is allowed.
func checkWidth(w, allowed Width) error {
	if w == 0 && allowed == 0 {
		return nil
	}
	if w&allowed == 0 || w&(w-1) != 0 {
		return fmt.Errorf("no such width: %d bytes", w)
	}
	return nil
}

func checkCond(c Cond) error {
	if !c.Valid() {
		return fmt.Errorf("no such condition: %d", c)
	}
	return nil
}

func checkPos(pos int32) error {
	if pos < NoPos {
		return fmt.Errorf("position %d is negative", pos)
	}
	return nil
}

func (v *verifier) inst(in *Inst) error {
	info := in.Op.Info()
	if info.Operands == 0 {
		return fmt.Errorf("no such operation: %d", in.Op)
	}
	if err := v.unused(in, info.Operands); err != nil {
		return err
	}
	if err := checkWidth(in.W, info.Widths); err != nil {
		return err
	}
	use := info.Operands
	if use&UsesOrder != 0 && in.Order > BigEndian {
		return fmt.Errorf("no such byte order: %d", in.Order)
	}
	if use&UsesCond != 0 {
		if err := checkCond(in.Cond); err != nil {
			return err
		}
	}
	if use&UsesMem != 0 {
		if err := v.mem(&in.Mem, max(int(in.W), 1)); err != nil {
			return err
		}
	}
	if use&UsesA != 0 {
		if err := v.reg(in.A); err != nil {
			return err
		}
	}
	if use&UsesB != 0 {
		if err := v.arg(in.B, in.W); err != nil {
			return err
		}
	}
	if use&UsesTF != 0 {
		for _, a := range []Arg{in.T, in.F} {
			if err := v.arg(a, in.W); err != nil {
				return err
			}
		}
	}
	if use&UsesDst != 0 {
		if err := v.reg(in.Dst); err != nil {
			return fmt.Errorf("result: %w", err)
		}
	}
	return checkPos(in.Pos)
}

// unused refuses a value in a field that the operation does not use: whoever
// put it there meant something that would not happen.
func (v *verifier) unused(in *Inst, use Operands) error {
	for _, field := range [...]struct {
		used, zero bool
		name       string
	}{
		{use&UsesDst != 0, in.Dst == NoReg, "Dst"},
		{use&UsesA != 0, in.A == NoReg, "A"},
		{use&UsesB != 0, in.B == Arg{}, "B"},
		{use&UsesTF != 0, in.T == Arg{}, "T"},
		{use&UsesTF != 0, in.F == Arg{}, "F"},
		{use&UsesCond != 0, in.Cond == CondInvalid, "Cond"},
		{use&UsesOrder != 0, in.Order == LittleEndian, "Order"},
		{use&UsesMem != 0, in.Mem == Mem{}, "Mem"},
	} {
		if !field.used && !field.zero {
			return fmt.Errorf("%s does not use %s, which is set", in.Op, field.name)
		}
	}
	return nil
}

func (v *verifier) term(t *Term) error {
	if t.Kind == TermInvalid || t.Kind > Return {
		return fmt.Errorf("no such terminator: %d", t.Kind)
	}
	if err := v.unusedTerm(t); err != nil {
		return err
	}
	var err error
	switch t.Kind {
	case Jump:
		err = v.target(t.Then)
	case Branch:
		err = firstError(
			checkWidth(t.W, w3264),
			checkCond(t.Cond),
			v.reg(t.A),
			v.arg(t.B, t.W),
			v.target(t.Then),
			v.target(t.Else),
		)
	case Switch:
		err = firstError(
			checkWidth(t.W, w3264),
			v.reg(t.A),
			v.cases(t),
			v.target(t.Else),
		)
	case Return:
		err = v.arg(t.B, W64)
	}
	return firstError(err, checkPos(t.Pos))
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// unusedTerm is unused for terminators.
func (v *verifier) unusedTerm(t *Term) error {
	k := t.Kind
	for _, field := range [...]struct {
		used, zero bool
		name       string
	}{
		{k == Branch || k == Switch, t.W == 0, "W"},
		{k == Branch, t.Cond == CondInvalid, "Cond"},
		{k == Branch || k == Switch, t.A == NoReg, "A"},
		{k == Branch || k == Return, t.B == Arg{}, "B"},
		{k == Branch || k == Jump, t.Then == 0, "Then"},
		{k == Branch || k == Switch, t.Else == 0, "Else"},
		{k == Switch, len(t.Cases) == 0, "Cases"},
	} {
		if !field.used && !field.zero {
			return fmt.Errorf("the terminator does not use %s, which is set", field.name)
		}
	}
	return nil
}

func (v *verifier) target(b int) error {
	if b < 0 || b >= len(v.f.Blocks) {
		return fmt.Errorf("target %d: there are %d blocks", b, len(v.f.Blocks))
	}
	if b == 0 {
		return errors.New("the entry block cannot be a target")
	}
	return nil
}

func (v *verifier) cases(t *Term) error {
	for i, c := range t.Cases {
		if c.Value != t.W.trunc(c.Value) {
			return fmt.Errorf("case %s does not fit %d bits", formatUint(c.Value), t.W.Bits())
		}
		if i > 0 && c.Value <= t.Cases[i-1].Value {
			return fmt.Errorf("case %s does not come after the one before it, %s", formatUint(c.Value), formatUint(t.Cases[i-1].Value))
		}
		if err := v.target(c.Target); err != nil {
			return fmt.Errorf("case %s: %w", formatUint(c.Value), err)
		}
	}
	return nil
}

// assigned checks that every register is written before it is read, on every
// path, and that not too many are in use at once. The first is the same as that
// none but parameters are live into the entry.
func (v *verifier) assigned() error {
	f := v.f
	spans := newSpans(f)
	live := newLiveness(f, nil, spans)
	count := make([]int32, len(f.Blocks))
	for r := Reg(1); r < f.NumReg; r++ {
		blocks := live.blocks(r)
		for _, b := range blocks {
			if b == 0 && !slices.Contains(f.Params, r) {
				return v.unassigned(r)
			}
			// Those that are live where a block starts are counted at once: it
			// keeps the work of a function that is refused in bounds.
			if count[b]++; count[b] > MaxLive {
				return tooManyLive(b)
			}
		}
		spans.extend(r, live, blocks)
	}
	if i := spans.crowded(live.flow); i >= 0 {
		b, found := slices.BinarySearch(live.first, i)
		if !found {
			b--
		}
		return tooManyLive(int32(b))
	}
	return nil
}

func tooManyLive(block int32) error {
	return fmt.Errorf("%s: %w: more than %d registers are in use at once", blockName(int(block)), ErrTooLarge, MaxLive)
}

// unassigned makes the error for a register that is live into the entry: it
// finds an instruction that may read it too early by walking on from there.
func (v *verifier) unassigned(r Reg) error {
	f := v.f
	rule := fmt.Errorf("%s may be read before it is written", r)
	reads := func(regs []Reg) bool {
		for _, x := range regs {
			if x == r {
				return true
			}
		}
		return false
	}
	seen := make([]bool, len(f.Blocks))
	seen[0] = true
	work := []int{0}
	var regs []Reg
	var targets []int
	for len(work) > 0 {
		n := work[0]
		work = work[1:]
		b := f.Blocks[n]
		written := false
		for i := range b.Insts {
			in := &b.Insts[i]
			if regs = in.AppendReads(regs[:0]); reads(regs) {
				return instError(n, i, in, rule)
			}
			if written = in.Writes() == r; written {
				break
			}
		}
		if written {
			continue
		}
		if regs = b.Term.AppendReads(regs[:0]); reads(regs) {
			return termError(n, &b.Term, rule)
		}
		targets = b.Term.AppendTargets(targets[:0])
		for _, t := range targets {
			if !seen[t] {
				seen[t] = true
				work = append(work, t)
			}
		}
	}
	return rule // not reached: a register is live where a path reads it
}
