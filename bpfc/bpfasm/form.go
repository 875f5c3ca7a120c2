package bpfasm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/net/bpf"
)

// Form is a way to write a program down.
type Form uint8

const (
	Unknown Form = iota
	Asm          // assembler text, the union of Linux bpf_asm's and netsniff-ng's bpfc's syntax
	Listing      // tcpdump -d: "(001) jeq #0x800 jt 2 jf 5"
	DD           // tcpdump -dd: "{ 0x15, 0, 3, 0x00000800 },"
	DDD          // tcpdump -ddd: a line with the count, then lines "21 0 3 2048"
	XT           // xt_bpf and tc: "6,40 0 0 12,21 0 3 2048,..." on one line
	C            // DD with a declaration around it: "struct sock_filter filter[] = { ... };"
	Go           // "[]bpf.RawInstruction{ {Op: 0x15, Jt: 0, Jf: 3, K: 0x00000800}, ... }"
	Raw          // struct sock_filter, little endian: 8 bytes an instruction: op 2, jt 1, jf 1, k 4
	RawBE        // the same, big endian
	Hex          // Raw in hexadecimal, a line an instruction
	HexBE        // RawBE in hexadecimal
	Dot          // the control-flow graph in graphviz's language; only written
	numForms
)

// MaxInstructions is how long a program may be. It is above every dialect's
// own limit, and only keeps hostile input from using memory without end.
const MaxInstructions = 4 << 20

type form struct {
	name  string
	read  func([]byte) ([]bpf.RawInstruction, error)
	write func(*bytes.Buffer, []bpf.RawInstruction)
}

// forms returns the row of f, and one without functions for what is no form.
// It is a function, not a variable, because the readers refer back to it
// through Form.String.
func forms(f Form) form {
	switch f {
	case Asm:
		return form{"asm", readAsm, writeAsm}
	case Listing:
		return form{"d", readListing, writeListing}
	case DD:
		return form{"dd", readDD, writeDD}
	case DDD:
		return form{"ddd", readDDD, writeDDD}
	case XT:
		return form{"xt", readXT, writeXT}
	case C:
		return form{"c", readC, writeC}
	case Go:
		return form{"go", readGo, writeGo}
	case Raw:
		return form{"raw", readRaw, writeRaw}
	case RawBE:
		return form{"rawbe", readRawBE, writeRawBE}
	case Hex:
		return form{"hex", readHex, writeHex}
	case HexBE:
		return form{"hexbe", readHexBE, writeHexBE}
	case Dot:
		return form{"dot", nil, writeDot}
	case Unknown:
		return form{name: "unknown"}
	}
	return form{name: fmt.Sprintf("Form(%d)", uint8(f))}
}

// String is the form's short name, such as "asm", "ddd" or "rawbe".
func (f Form) String() string { return forms(f).name }

// Readable tells whether [ReadAs] takes the form.
func (f Form) Readable() bool { return forms(f).read != nil }

// Forms lists all forms, for use in messages.
func Forms() []Form {
	var all []Form
	for f := Asm; f < numForms; f++ {
		all = append(all, f)
	}
	return all
}

// ParseForm is the inverse of String.
func ParseForm(s string) (Form, error) {
	var names []string
	for _, f := range Forms() {
		if f.String() == s {
			return f, nil
		}
		names = append(names, f.String())
	}
	return Unknown, fmt.Errorf("unknown form %q: one of %s", s, strings.Join(names, ", "))
}

// SyntaxError says where a program's text is wrong.
type SyntaxError struct {
	Form      Form   // what the text was read as
	Line, Col int    // both from 1, Col in bytes; 0 in the binary forms
	Offset    int    // of the byte, from 0
	Msg       string // what was expected
}

func (e *SyntaxError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("byte %d: %v: %s", e.Offset, e.Form, e.Msg)
	}
	return fmt.Sprintf("%d:%d: %v: %s", e.Line, e.Col, e.Form, e.Msg)
}

var (
	errEmpty       = errors.New("empty input: no program")
	errNoProgram   = errors.New("a program without instructions cannot be written")
	errUnreadable  = errors.New("this form can only be written")
	errTooLong     = fmt.Sprintf("more than %d instructions", MaxInstructions)
	byteOrderMark  = []byte("\xef\xbb\xbf") // some editors start a UTF-8 file with it
	errUnknownForm = errors.New("not a form")
)

// Read reads a program in the form that the data has by its looks, and says
// which that was. It reports what is wrong for that form only.
//
// Binary data may be of either byte order: the one that has more of the known
// opcodes, little endian if both have as many.
func Read(data []byte) ([]bpf.RawInstruction, Form, error) {
	f, err := recognise(data)
	if err != nil {
		return nil, Unknown, err
	}
	prog, err := ReadAs(f, data)
	return prog, f, err
}

// ReadAs reads a program in form f.
func ReadAs(f Form, data []byte) ([]bpf.RawInstruction, error) {
	read := forms(f).read
	if read == nil {
		return nil, fmt.Errorf("%v: %w", f, errUnreadable)
	}
	if f != Raw && f != RawBE {
		data = bytes.TrimPrefix(data, byteOrderMark)
		if len(bytes.TrimSpace(data)) == 0 {
			return nil, errEmpty
		}
	}
	if len(data) == 0 {
		return nil, errEmpty
	}
	return read(data)
}

// Write writes a program in form f.
//
// What is written reads back as the same program, bit for bit, with two
// exceptions. Dot cannot be read. Listing is what tcpdump -d prints, which
// leaves out the fields that an instruction does not use; libpcap's optimiser
// leaves values in some.
//
// Asm is text that other assemblers take too, unless an instruction needs the
// directive .insn.
func Write(w io.Writer, f Form, prog []bpf.RawInstruction) error {
	write := forms(f).write
	if write == nil {
		return fmt.Errorf("%v: %w", f, errUnknownForm)
	}
	if len(prog) == 0 {
		return errNoProgram
	}
	var b bytes.Buffer
	b.Grow(len(prog) * 16)
	write(&b, prog)
	_, err := w.Write(b.Bytes())
	return err
}

// known counts the instructions whose opcode is in the table. LD IMM does not
// count, being 0 in either byte order.
func known(prog []bpf.RawInstruction) int {
	n := 0
	for _, ins := range prog {
		if ins.Op != 0 && formatOf(ins.Op) != nil {
			n++
		}
	}
	return n
}

// recognise finds the form that the data has.
func recognise(data []byte) (Form, error) {
	if len(data) == 0 {
		return Unknown, errEmpty
	}
	if isBinary(data) {
		return byteOrder(Raw, RawBE, data, readRaw, readRawBE)
	}
	data = bytes.TrimPrefix(data, byteOrderMark)
	if isHex(data) {
		return byteOrder(Hex, HexBE, data, readHex, readHexBE)
	}
	s := newScanner(Asm, data)
	first := s.next()
	switch {
	case s.comment != nil:
		return Unknown, s.comment
	case first.kind == tokEnd:
		if len(bytes.TrimSpace(data)) == 0 {
			return Unknown, errEmpty
		}
		return Unknown, errors.New("only comments: no program")
	case first.kind == '(':
		return Listing, nil
	case first.kind == tokNumber:
		switch s.next().kind {
		case ',':
			return XT, nil
		case '*': // assembler text cannot start with a number, but it is nearest to that
			return Asm, nil
		}
		return DDD, nil
	}
	return sourceForm(data), nil
}

// sourceForm tells assembler text from an array in a programming language. The
// former has no braces outside its comments, and in C, where a semicolon is no
// comment, the first brace of the program comes before the first semicolon of
// its line.
func sourceForm(data []byte) Form {
	s := newScanner(Asm, data)
	outer, inGo := false, false
	for t := s.next(); t.kind != tokEnd; t = s.next() {
		switch {
		case t.kind == '{':
			if inGo {
				return Go
			}
			inner := s.next()
			if outer || inner.kind == '{' || isMacro(inner) {
				return C
			}
			if inner.kind == tokIdent && s.next().kind == ':' {
				return Go
			}
			return DD
		case isMacro(t):
			if s.next().kind == '(' {
				return DD
			}
		case t.kind == tokIdent && strings.HasSuffix(t.text, "RawInstruction"):
			inGo = true
		}
		outer = true
	}
	return Asm
}

func isMacro(t token) bool {
	return t.kind == tokIdent && (t.text == "BPF_STMT" || t.text == "BPF_JUMP")
}

// isBinary tells data that no text has: control characters. Every known opcode
// is below 256, so that a struct sock_filter holds a zero byte in either order.
func isBinary(data []byte) bool {
	return slices.ContainsFunc(data, func(c byte) bool {
		return c < ' ' && !isSpace(c)
	})
}

// isHex tells text of nothing but hexadecimal digits: in words of at least one
// instruction, or byte by byte as hexdump prints it.
func isHex(data []byte) bool {
	for _, c := range data {
		if !isSpace(c) && hexDigit(c) < 0 {
			return false
		}
	}
	line, _, _ := bytes.Cut(bytes.TrimSpace(data), []byte("\n"))
	words := bytes.Fields(line)
	switch {
	case len(words) == 0:
		return false
	case len(words[0]) >= 16:
		return true
	}
	return len(words) >= 8 && !slices.ContainsFunc(words, func(w []byte) bool { return len(w) != 2 })
}

// byteOrder decides between two byte orders of the same data. Swapping an
// opcode below 256 makes one above, which is unknown.
func byteOrder(little, big Form, data []byte, readLittle, readBig func([]byte) ([]bpf.RawInstruction, error)) (Form, error) {
	l, err := readLittle(data)
	if err != nil {
		return little, nil // let reading say it
	}
	b, err := readBig(data)
	if err != nil {
		return little, nil
	}
	nl, nb := known(l), known(b)
	if nl == 0 && nb == 0 && !slices.ContainsFunc(l, func(ins bpf.RawInstruction) bool { return ins.Op == 0 }) {
		return Unknown, errors.New("no form recognised: binary data without a known opcode in either byte order")
	}
	if nb > nl {
		return big, nil
	}
	return little, nil
}
