package bpfasm

import (
	"fmt"
	"strings"

	"golang.org/x/net/bpf"
)

// mnemonic is what a word at the start of an instruction stands for.
type mnemonic struct {
	alias
	name string                // as it was written
	rows *[numOperands]*format // by operand; nil where it takes none such
}

// lookup finds a mnemonic or one of its aliases, in any case.
func (s *scanner) lookup(t token) (mnemonic, error) {
	if t.kind != tokIdent {
		return mnemonic{}, s.expected(t, "an instruction")
	}
	name := strings.ToLower(t.text)
	a, ok := aliases[name]
	if !ok {
		a.mnemonic = name
	}
	rows := formatByName[a.mnemonic]
	if rows == nil {
		return mnemonic{}, s.errorf(t, "unknown instruction %v", t)
	}
	return mnemonic{a, name, rows}, nil
}

// takes lists the operands that are allowed, for errors.
func (m mnemonic) takes() string {
	var names []string
	for arg, f := range m.rows {
		if f != nil && (m.only == argNone || m.only == operand(arg)) {
			names = append(names, operandNames[arg])
		}
	}
	if m.rows[argAbs] != nil && m.only == argNone {
		names = append(names, "an extension's name")
	}
	if last := len(names) - 1; last > 0 {
		names = append(names[:last-1], names[last-1]+" or "+names[last])
	}
	return strings.Join(names, ", ")
}

// operand takes the operand of m and finds its row of the table.
func (s *scanner) operand(m mnemonic) (*format, uint32, error) {
	if f := m.rows[argNone]; f != nil {
		return f, 0, nil
	}
	if f := m.rows[argLabel]; f != nil {
		return f, 0, nil // labels are the caller's
	}
	t := s.next()
	arg, k, err := s.anyOperand(t, m)
	if err != nil {
		return nil, 0, err
	}
	f := m.rows[arg]
	if f == nil || m.only != argNone && m.only != arg {
		return nil, 0, s.errorf(t, "%s takes %s, not %s", m.name, m.takes(), operandNames[arg])
	}
	return f, k, nil
}

// anyOperand takes an operand that begins with t.
func (s *scanner) anyOperand(t token, m mnemonic) (operand, uint32, error) {
	switch t.kind {
	case '#':
		t := s.next()
		if t.kind == tokIdent {
			return s.named(t, m)
		}
		k, err := s.numberFrom(t, "a number")
		return argImm, k, err
	case '[':
		return s.address(m)
	case '%':
		if r := s.next(); isRegister(r, "x") {
			return argX, 0, nil
		} else if isRegister(r, "a") {
			return argA, 0, nil
		} else {
			return 0, 0, s.expected(r, "register a or x")
		}
	case tokIdent:
		switch {
		case isRegister(t, "x"):
			return argX, 0, nil
		case isRegister(t, "a"):
			return argA, 0, nil
		case isRegister(t, "m"):
			k, err := s.bracketed()
			return argMem, k, err
		}
		return s.named(t, m)
	case tokNumber, '-':
		if s.peek().kind == '*' && m.rows[argMsh] != nil {
			return s.headerLength(t)
		}
		if m.bare {
			k, err := s.numberFrom(t, "a number")
			return argImm, k, err
		}
	}
	return 0, 0, s.expected(t, m.takes())
}

// named is an operand that is a name: the length or an extension.
func (s *scanner) named(t token, m mnemonic) (operand, uint32, error) {
	name := strings.ToLower(t.text)
	if name == "len" || name == "pktlen" {
		return argLen, 0, nil
	}
	if k, ok := extensionNames[name]; ok {
		return argAbs, k, nil
	}
	return 0, 0, s.expected(t, m.takes())
}

// address is the rest of [k], [x + k] and, as bpf_image prints extensions,
// [name].
func (s *scanner) address(m mnemonic) (operand, uint32, error) {
	arg := argAbs
	t := s.next()
	if t.kind == '%' {
		if t = s.next(); !isRegister(t, "x") {
			return 0, 0, s.expected(t, "register x")
		}
	}
	var k uint32
	var err error
	switch {
	case isRegister(t, "x"):
		arg = argInd
		if err := s.expect('+'); err != nil {
			return 0, 0, err
		}
		k, err = s.number("an offset")
	case t.kind == tokIdent:
		arg, k, err = s.named(t, m)
	default:
		k, err = s.numberFrom(t, "an offset")
	}
	if err != nil {
		return 0, 0, err
	}
	return arg, k, s.expect(']')
}

// bracketed is [k].
func (s *scanner) bracketed() (uint32, error) {
	if err := s.expect('['); err != nil {
		return 0, err
	}
	k, err := s.number("an index")
	if err != nil {
		return 0, err
	}
	return k, s.expect(']')
}

// headerLength is 4*([k]&0xf): four times the low nibble, what an IPv4 header
// says of its own length. Only these two constants exist.
func (s *scanner) headerLength(t token) (operand, uint32, error) {
	constant := func(t token, want uint32, spelling string) error {
		if v, err := s.numberFrom(t, spelling); err != nil || v != want {
			return s.expected(t, spelling+" as in "+operandNames[argMsh])
		}
		return nil
	}
	if err := constant(t, 4, "4"); err != nil {
		return 0, 0, err
	}
	if err := s.expect('*'); err != nil {
		return 0, 0, err
	}
	if err := s.expect('('); err != nil {
		return 0, 0, err
	}
	k, err := s.bracketed()
	if err != nil {
		return 0, 0, err
	}
	if err := s.expect('&'); err != nil {
		return 0, 0, err
	}
	if err := constant(s.next(), 0xf, "0xf"); err != nil {
		return 0, 0, err
	}
	return argMsh, k, s.expect(')')
}

func isRegister(t token, name string) bool {
	return t.kind == tokIdent && strings.EqualFold(t.text, name)
}

// appendOperand writes the operand that f has with constant k, without labels,
// as the assembler has it or, in a listing, as bpf_image has it.
func appendOperand(b []byte, f *format, k uint32, listing bool) []byte {
	switch f.arg {
	case argImm:
		if f.decimal {
			return fmt.Appendf(b, "#%d", int32(k))
		}
		return fmt.Appendf(b, "#0x%x", k)
	case argX:
		return append(b, 'x')
	case argA:
		if listing {
			return b // bpf_image prints nothing
		}
		return append(b, 'a')
	case argAbs:
		if e := extensionOf(k); e != nil {
			switch {
			case listing:
				return fmt.Appendf(b, "[%s]", e.image)
			case e.asm != "":
				return append(b, e.asm...)
			}
		}
		return fmt.Appendf(b, "[%d]", int32(k))
	case argInd:
		return fmt.Appendf(b, "[x + %d]", int32(k))
	case argMem:
		return fmt.Appendf(b, "M[%d]", int32(k))
	case argMsh:
		return fmt.Appendf(b, "4*([%d]&0xf)", int32(k))
	case argLen:
		if listing {
			return append(b, "#pktlen"...)
		}
		return append(b, "#len"...)
	}
	return b
}

// appendRaw writes the directive that gives an instruction by its fields.
func appendRaw(b []byte, ins bpf.RawInstruction) []byte {
	return fmt.Appendf(b, "%s 0x%x, %d, %d, 0x%x", insnDirective, ins.Op, ins.Jt, ins.Jf, ins.K)
}

// Text is one instruction in the assembler's syntax, without the labels that
// jumps have there: "ldh [12]", "jeq #0x800", "ja", "ret a". An opcode that
// has no mnemonic appears as the directive ".insn op, jt, jf, k".
//
// The fields that the instruction does not use are left out; [Write] in form
// Asm keeps them.
func Text(ins bpf.RawInstruction) string {
	f := formatOf(ins.Op)
	if f == nil {
		return string(appendRaw(nil, ins))
	}
	return string(appendMnemonic(nil, f, f.mnemonic, ins.K))
}

// appendMnemonic writes an instruction of format f under one of its names.
func appendMnemonic(b []byte, f *format, name string, k uint32) []byte {
	b = append(b, name...)
	if f.arg != argNone && f.arg != argLabel {
		b = append(b, ' ')
	}
	return appendOperand(b, f, k, false)
}
