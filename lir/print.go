package lir

import (
	"strconv"
	"strings"
)

// String is the function in the text form that the package documentation
// specifies. Parse reads it back to an equal function. If f.Source is set, the
// source line of an instruction follows it as a comment where the line changes.
//
// Any Func can be printed; only one that Verify accepts is sure to parse.
func (f *Func) String() string {
	if f == nil {
		return "func nil\n"
	}
	var p printer
	p.function(f)
	return p.b.String()
}

// String is the instruction in the text form, without its position.
func (in *Inst) String() string {
	var p printer
	p.inst(in)
	return p.b.String()
}

// String is the terminator in the text form, without its position.
func (t *Term) String() string {
	var p printer
	p.term(t)
	return p.b.String()
}

func (r Reg) String() string {
	if r == Frame {
		return "frame"
	}
	return "%" + strconv.FormatUint(uint64(r), 10)
}

func (a Arg) String() string {
	if a.IsImm() {
		return formatInt(a.Imm)
	}
	return a.Reg.String()
}

// String is the operand in the text form: [base + index*scale + off].
func (m Mem) String() string {
	var p printer
	p.mem(&m)
	return p.b.String()
}

func (o Order) String() string {
	if o == BigEndian {
		return "be"
	}
	return "le"
}

// formatInt writes small numbers in decimal and others in hexadecimal: masks,
// addresses and EtherTypes are read that way.
func formatInt(v int64) string {
	if -1000 < v && v < 1000 {
		return strconv.FormatInt(v, 10)
	}
	if v < 0 {
		return "-" + formatUint(-uint64(v))
	}
	return formatUint(uint64(v))
}

func formatUint(v uint64) string {
	if v < 1000 {
		return strconv.FormatUint(v, 10)
	}
	return "0x" + strconv.FormatUint(v, 16)
}

// formatName writes a name as it is if it is a word of the text form, quoted
// if it is not.
func formatName(s string) string {
	for i := 0; i < len(s); i++ {
		if !isWord(s[i], i > 0) {
			return strconv.Quote(s)
		}
	}
	if s == "" {
		return `""`
	}
	return s
}

// isWord reports whether c may stand in a word: inside is false for its first
// byte.
func isWord(c byte, inside bool) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
		return true
	case '0' <= c && c <= '9', c == '.':
		return inside
	}
	return false
}

type printer struct {
	b      strings.Builder
	source func(int32) string
	pos    int32 // of the last source line written
}

func (p *printer) put(parts ...string) {
	for _, s := range parts {
		p.b.WriteString(s)
	}
}

func (p *printer) function(f *Func) {
	p.source, p.pos = f.Source, NoPos
	p.put("func ", formatName(f.Name), "(")
	for i, r := range f.Params {
		if i > 0 {
			p.put(", ")
		}
		p.put(r.String())
	}
	p.put(")")
	if f.Locals != 0 {
		p.put(" locals ", strconv.Itoa(f.Locals))
	}
	if f.NumReg != f.usedRegs() {
		p.put(" regs ", strconv.FormatUint(uint64(f.NumReg), 10))
	}
	p.put(" {\n")
	for i, b := range f.Blocks {
		p.put(blockName(i), ":\n")
		if b == nil {
			continue
		}
		for j := range b.Insts {
			p.put("\t")
			p.inst(&b.Insts[j])
			p.end(b.Insts[j].Pos)
		}
		p.put("\t")
		p.term(&b.Term)
		p.end(b.Term.Pos)
	}
	p.put("}\n")
}

// end finishes the line of an instruction with its position and, where that
// changes, its source line.
func (p *printer) end(pos int32) {
	if pos != NoPos {
		p.put(" @", strconv.Itoa(int(pos)))
		if p.source != nil && pos != p.pos {
			p.put(" ; ", strings.Map(oneLine, p.source(pos)))
		}
	}
	p.pos = pos
	p.put("\n")
}

// oneLine keeps a comment from ending early.
func oneLine(r rune) rune {
	if r == '\n' || r == '\r' {
		return ' '
	}
	return r
}

func blockName(i int) string { return "b" + strconv.Itoa(i) }

func (p *printer) inst(in *Inst) {
	info := in.Op.Info()
	use := info.Operands
	if use&UsesDst != 0 {
		p.put(in.Dst.String(), " = ")
	}
	p.put(info.Name)
	if in.W != 0 {
		p.put(strconv.Itoa(in.W.Bits()))
	}
	if use&UsesOrder != 0 && (in.W != W8 || in.Order != LittleEndian) {
		p.put(".", in.Order.String())
	}
	if use&UsesCond != 0 {
		p.put(".", in.Cond.String())
	}
	sep := " "
	next := func() {
		p.put(sep)
		sep = ", "
	}
	if use&UsesMem != 0 {
		next()
		p.mem(&in.Mem)
	}
	if use&UsesA != 0 {
		next()
		p.put(in.A.String())
	}
	if use&UsesB != 0 {
		next()
		p.put(in.B.String())
	}
	if use&UsesTF != 0 {
		next()
		p.put(in.T.String())
		next()
		p.put(in.F.String())
	}
}

func (p *printer) mem(m *Mem) {
	p.put("[", m.Base.String())
	if m.Index != NoReg {
		p.put(" + ", m.Index.String())
		if m.Scale != 1 {
			p.put("*", strconv.Itoa(int(m.Scale)))
		}
	}
	switch off := int64(m.Off); {
	case off > 0:
		p.put(" + ", formatInt(off))
	case off < 0:
		p.put(" - ", formatInt(-off))
	}
	p.put("]")
}

func (p *printer) term(t *Term) {
	switch t.Kind {
	case Jump:
		p.put("jump ", blockName(t.Then))
	case Branch:
		p.put("br", strconv.Itoa(t.W.Bits()), ".", t.Cond.String(), " ", t.A.String(), ", ", t.B.String(),
			", ", blockName(t.Then), ", ", blockName(t.Else))
	case Switch:
		p.put("switch", strconv.Itoa(t.W.Bits()), " ", t.A.String(), " {")
		for i := range t.Cases {
			p.put(formatUint(t.Cases[i].Value), ": ", blockName(t.Cases[i].Target), ", ")
		}
		p.put("else: ", blockName(t.Else), "}")
	case Return:
		p.put("ret ", t.B.String())
	default:
		p.put("invalid")
	}
}

// usedRegs is one more than the highest register that the function names.
func (f *Func) usedRegs() Reg {
	top := NoReg
	note := func(r Reg) {
		if r != Frame && r > top {
			top = r
		}
	}
	for _, r := range f.Params {
		note(r)
	}
	var buf []Reg
	for _, b := range f.Blocks {
		if b == nil {
			continue
		}
		for i := range b.Insts {
			buf = append(b.Insts[i].AppendReads(buf[:0]), b.Insts[i].Writes())
			for _, r := range buf {
				note(r)
			}
		}
		buf = b.Term.AppendReads(buf[:0])
		for _, r := range buf {
			note(r)
		}
	}
	return top + 1
}
