package lir

import (
	"math"
	"strconv"
	"strings"
)

// Parse reads a function in the text form that the package documentation
// specifies. Errors begin with line:column, both counted from 1, columns in
// bytes. The function is not verified.
func Parse(src string) (*Func, error) {
	p := parser{lexer: lexer{src: src, line: 1}}
	p.scan()
	p.lexer = lexer{src: src, line: 1, err: p.err}
	if p.err != nil {
		return nil, p.err
	}
	p.advance()
	f := p.function()
	if p.err == nil && p.tok.kind != tokEOF {
		p.unexpected("end of text")
	}
	if p.err != nil {
		return nil, p.err
	}
	return f, nil
}

// parser is a recursive descent parser. After an error it sees only tokEOF, at
// which every loop ends.
type parser struct {
	lexer
	tok    token // the next token
	blocks map[string]int
	names  map[string]Reg
	top    Reg // the highest register seen
}

// scan looks over the text once for what may be used before it is defined: it
// numbers the blocks, and gives the registers that have names the lowest
// numbers that the text does not use.
func (p *parser) scan() {
	p.blocks, p.names = map[string]int{}, map[string]Reg{}
	used := map[Reg]bool{}
	var named []string
	var last token
	for t := p.next(); t.kind != tokEOF; t = p.next() {
		switch {
		case t.kind == ':' && last.kind == tokWord && last.text != "else":
			if _, twice := p.blocks[last.text]; twice {
				p.failAt(last, "block %s is there twice", last)
			}
			p.blocks[last.text] = len(p.blocks)
		case t.kind == tokReg && isNumber(t.text):
			if r, ok := p.number(t); ok {
				used[r] = true
			}
		case t.kind == tokReg:
			if _, seen := p.names[t.text]; !seen {
				p.names[t.text] = NoReg
				named = append(named, t.text)
			}
		}
		last = t
	}
	r := Reg(1)
	for _, name := range named {
		for used[r] {
			r++
		}
		p.names[name] = r
		r++
	}
	if r > MaxRegs && p.err == nil {
		p.failAt(last, "more than %d registers", MaxRegs)
	}
}

func isNumber(s string) bool { return s != "" && '0' <= s[0] && s[0] <= '9' }

// number is the register of a token that gives it by number.
func (p *parser) number(t token) (Reg, bool) {
	n, err := strconv.ParseUint(t.text, 10, 32)
	switch {
	case err != nil && !strings.ContainsFunc(t.text, func(c rune) bool { return c < '0' || c > '9' }), n >= MaxRegs:
		p.failAt(t, "register %s: the highest is %%%d", t, MaxRegs-1)
	case err != nil:
		p.failAt(t, "register %s is neither a number nor a name", t)
	case n == 0 || t.text[0] == '0':
		p.failAt(t, "register %s: numbers begin with 1 and have no leading zero", t)
	default:
		return Reg(n), true
	}
	return NoReg, false
}

// failAt notes the first error and ends the text.
func (p *parser) failAt(t token, format string, args ...any) {
	p.fail(t, format, args...)
	p.tok = token{line: t.line, col: t.col}
}

func (p *parser) unexpected(want string) {
	if p.err == nil {
		p.failAt(p.tok, "%s where %s should be", p.tok, want)
	}
}

// advance steps over the next token and returns it.
func (p *parser) advance() token {
	t := p.tok
	p.tok = p.next()
	return t
}

// accept steps over the next token if it is of that kind.
func (p *parser) accept(k tokenKind) bool {
	if p.tok.kind != k {
		return false
	}
	p.advance()
	return true
}

func (p *parser) expect(k tokenKind) token {
	if p.tok.kind != k {
		p.unexpected(k.String())
		return token{}
	}
	return p.advance()
}

func (p *parser) acceptWord(w string) bool {
	if p.tok.kind != tokWord || p.tok.text != w {
		return false
	}
	p.advance()
	return true
}

func (p *parser) function() *Func {
	f := new(Func)
	if !p.acceptWord("func") {
		p.unexpected(`"func"`)
	}
	if p.tok.kind == tokString {
		t := p.advance()
		f.Name, _ = strconv.Unquote(t.text) // the lexer has checked it
	} else {
		if p.tok.kind != tokWord {
			p.unexpected("the function's name")
		}
		f.Name = p.expect(tokWord).text
	}
	p.expect('(')
	for p.err == nil && p.tok.kind != ')' {
		f.Params = append(f.Params, p.reg())
		if p.tok.kind != ')' {
			p.expect(',')
		}
	}
	p.expect(')')
	if p.acceptWord("locals") {
		f.Locals = int(p.uint(math.MaxInt32, "a size"))
	}
	regs := uint64(0)
	given := p.acceptWord("regs")
	if given {
		regs = p.uint(MaxRegs, "a number of registers")
	}
	p.expect('{')
	for p.err == nil && !p.accept('}') {
		f.Blocks = append(f.Blocks, p.block())
	}
	f.NumReg = p.top + 1
	if given {
		f.NumReg = Reg(regs)
	}
	return f
}

func (p *parser) block() *Block {
	b := new(Block)
	if p.tok.kind != tokWord || p.tok.text == "else" {
		p.unexpected("the name of a block")
	}
	p.expect(tokWord)
	p.expect(':')
	for p.err == nil {
		start := p.tok
		dst := NoReg
		if p.tok.kind == tokReg {
			dst = p.reg()
			p.expect('=')
		}
		m := p.mnemonic()
		if m.term != TermInvalid {
			if dst != NoReg {
				p.failAt(start, "%s has no result", m.text)
			}
			b.Term = p.term(m)
			return b
		}
		in := p.inst(m)
		if has := m.op.Info().Operands&UsesDst != 0; has != (dst != NoReg) {
			if has {
				p.failAt(start, "%s needs a register for its result", m.text)
			} else {
				p.failAt(start, "%s has no result", m.text)
			}
		}
		in.Dst = dst
		b.Insts = append(b.Insts, in)
	}
	return b
}

// mnemonic is a word such as load16.be, taken apart.
type mnemonic struct {
	token
	op    Op       // one of op and
	term  TermKind // term
	w     Width
	order Order
	cond  Cond
}

// terms is the table of terminators as the text form spells them.
var terms = [...]struct {
	name   string
	widths Width
}{
	Jump:   {"jump", 0},
	Branch: {"br", w3264},
	Switch: {"switch", w3264},
	Return: {"ret", 0},
}

func (p *parser) mnemonic() mnemonic {
	if p.tok.kind != tokWord {
		p.unexpected("an operation")
	}
	m := mnemonic{token: p.expect(tokWord)}
	if p.err != nil {
		return m
	}
	head, suffix, dotted := strings.Cut(m.text, ".")
	name := strings.TrimRight(head, "0123456789")
	var widths Width
	use := Operands(0)
	for k, t := range terms {
		if t.name == name && TermKind(k) != TermInvalid {
			m.term, widths = TermKind(k), t.widths
			if m.term == Branch {
				use = UsesCond
			}
		}
	}
	for op := OpInvalid + 1; op < numOps; op++ {
		if info := op.Info(); info.Name == name {
			m.op, widths, use = op, info.Widths, info.Operands
		}
	}
	if m.term == TermInvalid && m.op == OpInvalid {
		p.failAt(m.token, "no such operation: %s", m.token)
		return m
	}
	m.w = p.widthOf(m.token, name, head[len(name):], widths)
	switch {
	case use&UsesOrder != 0:
		switch {
		case suffix == "be":
			m.order = BigEndian
		case suffix == "le", !dotted && m.w == W8:
		default:
			p.failAt(m.token, "%s needs a byte order: .le or .be", m.token)
		}
	case use&UsesCond != 0:
		for c := EQ; c < numConds; c++ {
			if c.String() == suffix {
				m.cond = c
			}
		}
		if m.cond == CondInvalid {
			p.failAt(m.token, "%s needs a condition, such as .eq", m.token)
		}
	case dotted:
		p.failAt(m.token, "%s takes no suffix", name)
	}
	return m
}

// widthOf is the width that the digits of a mnemonic give.
func (p *parser) widthOf(t token, name, digits string, widths Width) Width {
	if digits == "" && widths == 0 {
		return 0
	}
	for w := W8; w <= W64; w *= 2 {
		if w&widths != 0 && digits == strconv.Itoa(w.Bits()) {
			return w
		}
	}
	switch {
	case widths == 0:
		p.failAt(t, "%s takes no width", name)
	case digits == "":
		p.failAt(t, "%s needs a width in bits", name)
	default:
		p.failAt(t, "%s does not come in a width of %s bits", name, clip(digits))
	}
	return 0
}

func (p *parser) inst(m mnemonic) Inst {
	in := Inst{Op: m.op, W: m.w, Order: m.order, Cond: m.cond}
	use := m.op.Info().Operands
	first := true
	next := func() {
		if !first {
			p.expect(',')
		}
		first = false
	}
	if use&UsesMem != 0 {
		next()
		in.Mem = p.mem()
	}
	if use&UsesA != 0 {
		next()
		in.A = p.reg()
	}
	if use&UsesB != 0 {
		next()
		in.B = p.arg()
	}
	if use&UsesTF != 0 {
		next()
		in.T = p.arg()
		next()
		in.F = p.arg()
	}
	in.Pos = p.pos()
	return in
}

func (p *parser) term(m mnemonic) Term {
	t := Term{Kind: m.term, W: m.w, Cond: m.cond}
	switch m.term {
	case Jump:
		t.Then = p.target()
	case Branch:
		t.A = p.reg()
		p.expect(',')
		t.B = p.arg()
		p.expect(',')
		t.Then = p.target()
		p.expect(',')
		t.Else = p.target()
	case Switch:
		t.A = p.reg()
		p.expect('{')
		for p.err == nil && !p.acceptWord("else") {
			c := Case{Value: p.uint(math.MaxUint64, `a case or "else"`)}
			p.expect(':')
			c.Target = p.target()
			p.expect(',')
			t.Cases = append(t.Cases, c)
		}
		p.expect(':')
		t.Else = p.target()
		p.expect('}')
	case Return:
		t.B = p.arg()
	}
	t.Pos = p.pos()
	return t
}

func (p *parser) target() int {
	t := p.expect(tokWord)
	n, ok := p.blocks[t.text]
	if !ok && p.err == nil {
		p.failAt(t, "there is no block %s", t)
	}
	return n
}

func (p *parser) pos() int32 {
	if !p.accept('@') {
		return NoPos
	}
	return int32(p.uint(math.MaxInt32, "a position"))
}

func (p *parser) reg() Reg {
	t := p.expect(tokReg)
	if p.err != nil {
		return NoReg
	}
	var r Reg
	if isNumber(t.text) {
		r, _ = p.number(t)
	} else {
		r = p.names[t.text]
	}
	p.top = max(p.top, r)
	return r
}

func (p *parser) arg() Arg {
	switch p.tok.kind {
	case tokReg:
		return R(p.reg())
	case '-':
		p.advance()
		return I(-int64(p.uint(1<<63, "a number")))
	case tokInt:
		return I(int64(p.uint(math.MaxUint64, "a number")))
	}
	p.unexpected("a register or a number")
	return Arg{}
}

func (p *parser) mem() Mem {
	var m Mem
	p.expect('[')
	if p.acceptWord("frame") {
		m.Base = Frame
	} else {
		m.Base = p.reg()
	}
	plus := p.accept('+')
	if plus && p.tok.kind == tokReg {
		m.Index, m.Scale = p.reg(), 1
		if p.accept('*') {
			m.Scale = uint8(p.uint(8, "a scale"))
		}
		plus = p.accept('+')
	}
	switch {
	case plus:
		m.Off = int32(p.uint(math.MaxInt32, "an offset"))
	case p.accept('-'):
		m.Off = int32(-int64(p.uint(-math.MinInt32, "an offset")))
	}
	p.expect(']')
	return m
}

// uint reads a number without sign, of at most limit.
func (p *parser) uint(limit uint64, what string) uint64 {
	if p.tok.kind != tokInt {
		p.unexpected(what)
		return 0
	}
	t := p.advance()
	n, err := strconv.ParseUint(t.text, 0, 64)
	switch {
	case len(t.text) > 1 && t.text[0] == '0' && isNumber(t.text[1:]):
		p.failAt(t, "number %s: decimal numbers have no leading zero", t)
	case err != nil && err.(*strconv.NumError).Err == strconv.ErrSyntax:
		p.failAt(t, "number %s is malformed", t)
	case err != nil || n > limit:
		p.failAt(t, "number %s is above %s", t, formatUint(limit))
	default:
		return n
	}
	return 0
}
