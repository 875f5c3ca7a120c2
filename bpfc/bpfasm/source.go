package bpfasm

import (
	"bytes"
	"fmt"
	"strings"

	"golang.org/x/net/bpf"
)

func readDD(data []byte) ([]bpf.RawInstruction, error) { return readSource(DD, data) }
func readC(data []byte) ([]bpf.RawInstruction, error)  { return readSource(C, data) }
func readGo(data []byte) ([]bpf.RawInstruction, error) { return readSource(Go, data) }

// readSource reads an array of instructions in C or Go; the grammar is in the
// package's documentation.
func readSource(f Form, data []byte) ([]bpf.RawInstruction, error) {
	s := newScanner(f, data)
	outer, err := s.preamble()
	if err != nil {
		return nil, err
	}
	var prog []bpf.RawInstruction
	for {
		t := s.next()
		if outer && t.kind == '}' || !outer && t.kind == tokEnd {
			if s.comment != nil {
				return nil, s.comment
			}
			if len(prog) == 0 {
				return nil, s.errorf(t, "no instructions")
			}
			break
		}
		if err := s.tooMany(len(prog), t); err != nil {
			return nil, err
		}
		ins, err := s.element(t)
		if err != nil {
			return nil, err
		}
		prog = append(prog, ins)
		switch t := s.peek(); {
		case t.kind == ',':
			s.next()
		case outer && t.kind != '}':
			return nil, s.expected(t, `"," or "}" after an instruction`)
		case !outer && t.kind != tokEnd:
			return nil, s.expected(t, `"," or the end after an instruction`)
		}
	}
	if err := s.postscript(); err != nil {
		return nil, err
	}
	return prog, nil
}

// preamble moves to the first instruction, and tells whether it is inside the
// braces of an array. Where the type of the instructions is named, what is
// before that may have braces of its own.
func (s *scanner) preamble() (outer bool, err error) {
	if at, ok := s.typeName(); ok {
		*s = at
	}
	first := s.peek()
	for {
		before := *s
		t := s.next()
		switch {
		case t.kind == tokEnd:
			return false, s.expected(t, `"{"`)
		case isMacro(t):
			*s = before
			return false, nil
		case t.kind == '{':
			inner := s.peek()
			if t != first || inner.kind == '{' || inner.kind == '}' || isMacro(inner) {
				return true, nil
			}
			*s = before
			return false, nil
		}
	}
}

// typeName is the scanner behind the first name of an instruction's type that
// an array follows.
func (s *scanner) typeName() (scanner, bool) {
	ahead := *s
	for t := ahead.next(); t.kind != tokEnd; t = ahead.next() {
		if isMacro(t) {
			break
		}
		if t.kind != tokIdent {
			continue
		}
		switch name := t.text[strings.LastIndexByte(t.text, '.')+1:]; name {
		case "sock_filter", "bpf_insn", "RawInstruction":
			return ahead, true
		}
	}
	return scanner{}, false
}

// postscript checks that what follows the program has no second one.
func (s *scanner) postscript() error {
	last := token{}
	for t := s.next(); t.kind != tokEnd; t = s.next() {
		if isMacro(t) || t.kind == '{' && last.kind == '{' {
			return s.errorf(t, "expected one program, found a second")
		}
		last = t
	}
	if s.comment != nil {
		return s.comment
	}
	return nil
}

// element takes an instruction that begins with t.
func (s *scanner) element(t token) (bpf.RawInstruction, error) {
	switch {
	case t.kind == '{':
		return s.braced()
	case isMacro(t):
		return s.macro(t)
	}
	return bpf.RawInstruction{}, s.expected(t, `"{" of an instruction`)
}

// macro takes the arguments of BPF_STMT(op, k) or BPF_JUMP(op, k, jt, jf).
func (s *scanner) macro(t token) (bpf.RawInstruction, error) {
	order := []int{0, 3}
	if t.text == "BPF_JUMP" {
		order = []int{0, 3, 1, 2}
	}
	var v [4]uint32
	sep := tokenKind('(')
	for _, field := range order {
		if err := s.expect(sep); err != nil {
			return bpf.RawInstruction{}, err
		}
		var err error
		if v[field], err = s.field(field); err != nil {
			return bpf.RawInstruction{}, err
		}
		sep = ','
	}
	return rawInstruction(v), s.expect(')')
}

// braced takes an instruction in braces, from behind the first one: either all
// four fields in their order, or any by their names.
func (s *scanner) braced() (bpf.RawInstruction, error) {
	var none bpf.RawInstruction
	var v [4]uint32
	var set [4]bool
	named := false
	for n := 0; ; n++ {
		t := s.peek()
		if t.kind == '}' && (named || n == len(v)) {
			s.next()
			return rawInstruction(v), nil
		}
		field, isNamed, err := s.designator()
		switch {
		case err != nil:
			return none, err
		case n > 0 && isNamed != named:
			return none, s.errorf(t, "expected all fields with names or all without, found %v", t)
		case isNamed && set[field]:
			return none, s.errorf(t, "field %v is given twice", t)
		case !isNamed:
			if field = n; n == len(v) {
				return none, s.expected(t, `"}" after op, jt, jf and k`)
			}
		}
		named, set[field] = isNamed, true
		if v[field], err = s.field(field); err != nil {
			return none, err
		}
		switch t := s.peek(); {
		case t.kind == ',':
			s.next()
		case t.kind != '}':
			return none, s.expected(t, `"," or "}"`)
		case !named && n < len(v)-1:
			return none, s.errorf(t, "expected %s, found the end of the instruction", rawFields[n+1].name)
		}
	}
}

// designator takes ".code =" or "Op:", if there is one.
func (s *scanner) designator() (field int, ok bool, err error) {
	ahead := *s
	t := ahead.next()
	assign := ahead.next().kind
	if t.kind != tokIdent || assign != ':' && assign != '=' {
		return 0, false, nil
	}
	name := strings.ToLower(strings.TrimPrefix(t.text, "."))
	if name == "code" {
		name = "op"
	}
	for i, f := range rawFields {
		if f.name == name {
			*s = ahead
			return i, true, nil
		}
	}
	return 0, false, s.expected(t, "field code (or op), jt, jf or k")
}

// field takes the expression for a field. Only k may be negative: it is then
// the two's complement.
func (s *scanner) field(i int) (uint32, error) {
	f := rawFields[i]
	at := s.peek()
	v, err := s.expression(f.name, 0)
	if err != nil {
		return 0, err
	}
	if f.max == 1<<32-1 && v < 0 && v >= -1<<31 {
		return uint32(v), nil
	}
	return uint32(v), s.limit(at, v, f.max, f.name)
}

// maxNesting is how deep parentheses may go: hostile input has millions.
const maxNesting = 16

func (s *scanner) expression(what string, depth int) (int64, error) {
	var sum int64
	op := tokenKind('+')
	for {
		v, err := s.term(what, depth)
		if err != nil {
			return 0, err
		}
		if op == '|' {
			sum |= v
		} else {
			sum += v
		}
		if op = s.peek().kind; op != '+' && op != '|' {
			return sum, nil
		}
		s.next()
	}
}

func (s *scanner) term(what string, depth int) (int64, error) {
	t := s.next()
	sign := int64(1)
	if t.kind == '-' {
		t, sign = s.next(), -1
	}
	switch t.kind {
	case '(':
		if depth == maxNesting {
			return 0, s.errorf(t, "more than %d parentheses in each other", maxNesting)
		}
		v, err := s.expression(what, depth+1)
		if err != nil {
			return 0, err
		}
		return sign * v, s.expect(')')
	case tokIdent:
		v, ok := constants[t.text]
		if !ok {
			return 0, s.errorf(t, "expected %s, found %v, which is no known constant", what, t)
		}
		return sign * v, nil
	case tokNumber:
		v, err := s.literal(t, what)
		return sign * int64(v), err
	}
	return 0, s.expected(t, what)
}

func writeDD(b *bytes.Buffer, prog []bpf.RawInstruction) {
	for _, ins := range prog {
		b.Write(append(appendDD(b.AvailableBuffer(), ins), '\n'))
	}
}

func appendDD(b []byte, ins bpf.RawInstruction) []byte {
	return fmt.Appendf(b, "{ 0x%x, %d, %d, 0x%08x },", ins.Op, ins.Jt, ins.Jf, ins.K)
}

func writeC(b *bytes.Buffer, prog []bpf.RawInstruction) {
	b.WriteString("struct sock_filter filter[] = {\n")
	writeCommented(b, prog, appendDD, "/* ", " */")
	b.WriteString("};\n")
}

func writeGo(b *bytes.Buffer, prog []bpf.RawInstruction) {
	b.WriteString("[]bpf.RawInstruction{\n")
	writeCommented(b, prog, func(b []byte, ins bpf.RawInstruction) []byte {
		return fmt.Appendf(b, "{Op: 0x%x, Jt: %d, Jf: %d, K: 0x%08x},", ins.Op, ins.Jt, ins.Jf, ins.K)
	}, "// ", "")
	b.WriteString("}\n")
}

// writeCommented writes a line for each instruction, with its listing as a
// comment, all in one column as gofmt has them.
func writeCommented(b *bytes.Buffer, prog []bpf.RawInstruction, element func([]byte, bpf.RawInstruction) []byte, before, after string) {
	line := make([]byte, 0, 64)
	width := 0
	for _, ins := range prog {
		width = max(width, len(element(line[:0], ins)))
	}
	for i, ins := range prog {
		fmt.Fprintf(b, "\t%-*s %s%s%s\n", width, element(line[:0], ins), before, compactLine(i, ins), after)
	}
}
