package bpfasm

import (
	"bytes"
	"fmt"
	"strings"

	"golang.org/x/net/bpf"
)

// insnDirective gives an instruction by its fields: those that have no
// mnemonic, and those with something in a field that they do not use.
const insnDirective = ".insn"

// nextLabel is the target of a jump that falls through.
const nextLabel = -1

// statement is an instruction whose jumps are still labels.
type statement struct {
	ins    bpf.RawInstruction
	raw    bool  // given by its fields
	jt, jf int32 // labels; ja has only jt
	offset int   // in the text
}

// label is a name in the program.
type label struct {
	name  string
	def   int // the statement that it stands before; -1: none yet
	defAt int // the offset of its definition
	useAt int // and of its first use
}

// assembler reads assembler text.
type assembler struct {
	*scanner
	code   []statement
	labels []label
	index  map[string]int32 // of labels
}

func readAsm(data []byte) ([]bpf.RawInstruction, error) {
	a := &assembler{scanner: newScanner(Asm, data), index: make(map[string]int32)}
	t := a.next()
	for ; t.kind != tokEnd; t = a.next() {
		if t.kind == tokIdent && a.peek().kind == ':' {
			a.next()
			if err := a.define(t); err != nil {
				return nil, err
			}
			continue
		}
		if err := a.tooMany(len(a.code), t); err != nil {
			return nil, err
		}
		a.within = true
		st, err := a.statement(t)
		a.within = false
		if err != nil {
			return nil, err
		}
		st.offset = t.offset
		a.code = append(a.code, st)
	}
	if a.comment != nil {
		return nil, a.comment
	}
	if len(a.code) == 0 {
		return nil, a.errorf(t, "no instructions")
	}
	for _, l := range a.labels {
		switch {
		case l.def < 0:
			return nil, a.errorAt(l.useAt, "undefined label %q", l.name)
		case l.def == len(a.code):
			return nil, a.errorAt(l.defAt, "expected an instruction after label %q, found the end", l.name)
		}
	}
	return a.layout()
}

// intern is the number of the label named by t.
func (a *assembler) intern(t token) (int32, error) {
	id, ok := a.index[t.text]
	if !ok {
		if len(a.labels) == MaxInstructions {
			return 0, a.errorf(t, "more than %d labels", MaxInstructions)
		}
		id = int32(len(a.labels))
		a.index[t.text] = id
		a.labels = append(a.labels, label{name: t.text, def: -1, useAt: t.offset})
	}
	return id, nil
}

func (a *assembler) define(t token) error {
	id, err := a.intern(t)
	if err != nil {
		return err
	}
	l := &a.labels[id]
	if l.def >= 0 {
		line, col := a.place(l.defAt)
		return a.errorf(t, "label %v is already defined at %d:%d", t, line, col)
	}
	l.def, l.defAt = len(a.code), t.offset
	return nil
}

// target takes a label after a jump.
func (a *assembler) target() (int32, error) {
	t := a.next()
	if t.kind != tokIdent {
		return 0, a.expected(t, "a label")
	}
	return a.intern(t)
}

// statement takes the instruction that begins with t.
func (a *assembler) statement(t token) (statement, error) {
	if strings.EqualFold(t.text, insnDirective) {
		return a.fields()
	}
	m, err := a.lookup(t)
	if err != nil {
		return statement{}, err
	}
	f, k, err := a.operand(m)
	if err != nil {
		return statement{}, err
	}
	st := statement{ins: bpf.RawInstruction{Op: f.op, K: k}, jt: nextLabel, jf: nextLabel}
	switch {
	case f.arg == argLabel:
		st.jt, err = a.target()
	case f.conditional():
		err = a.targets(&st, m)
	}
	return st, err
}

// targets takes the labels of a conditional jump.
func (a *assembler) targets(st *statement, m mnemonic) error {
	if err := a.expect(','); err != nil {
		return err
	}
	first, err := a.target()
	if err != nil {
		return err
	}
	comma := a.peek()
	switch {
	case m.inverted:
		st.jf = first
		if comma.kind == ',' {
			return a.errorf(comma, "expected one label only: this jump is %s with its labels exchanged", m.mnemonic)
		}
		return nil
	case comma.kind == ',':
		a.next()
		st.jf, err = a.target()
	}
	st.jt = first
	return err
}

// fields takes what stands after .insn.
func (a *assembler) fields() (statement, error) {
	var v [4]uint32
	for i, field := range rawFields {
		if i > 0 {
			if err := a.expect(','); err != nil {
				return statement{}, err
			}
		}
		t := a.next()
		var err error
		if v[i], err = a.numberFrom(t, field.name); err == nil {
			err = a.limit(t, int64(v[i]), field.max, field.name)
		}
		if err != nil {
			return statement{}, err
		}
	}
	return statement{ins: rawInstruction(v), jt: nextLabel, jf: nextLabel, raw: true}, nil
}

// writeAsm writes labels for all targets and .insn for what no mnemonic says
// exactly.
func writeAsm(b *bytes.Buffer, prog []bpf.RawInstruction) {
	labelled := make([]bool, len(prog))
	for i, ins := range prog {
		if !spelled(prog, i) {
			continue
		}
		_, targets := spelling(i, ins)
		for _, t := range targets {
			labelled[t] = true
		}
	}
	line := make([]byte, 0, 64)
	for i, ins := range prog {
		line = line[:0]
		if labelled[i] {
			line = fmt.Appendf(line, "L%d:", i)
		}
		line = append(line, '\t')
		if spelled(prog, i) {
			line = appendStatement(line, i, ins)
		} else {
			line = appendRaw(line, ins)
		}
		b.Write(append(line, '\n'))
	}
}

// spelled tells whether a mnemonic gives instruction i exactly: it uses every
// field that is not zero, and the labels that it needs can stand somewhere.
func spelled(prog []bpf.RawInstruction, i int) bool {
	ins := prog[i]
	f := formatOf(ins.Op)
	if f == nil || ins != used(f, ins) {
		return false
	}
	for _, t := range targetsOf(i, ins) {
		if t < 0 || t >= int64(len(prog)) {
			return false
		}
	}
	return true
}

// used is ins without the fields that its format does not use.
func used(f *format, ins bpf.RawInstruction) bpf.RawInstruction {
	if !f.arg.usesK() {
		ins.K = 0
	}
	if !f.conditional() {
		ins.Jt, ins.Jf = 0, 0
	}
	return ins
}

// targetsOf lists where the jump at i goes, if it is one: for ja, whose k is
// signed, one place, otherwise those of jt and jf.
func targetsOf(i int, ins bpf.RawInstruction) []int64 {
	next := int64(i) + 1
	switch f := formatOf(ins.Op); {
	case f == nil:
		return nil
	case f.arg == argLabel:
		return []int64{next + int64(int32(ins.K))}
	case f.conditional():
		return []int64{next + int64(ins.Jt), next + int64(ins.Jf)}
	}
	return nil
}

// spelling is the mnemonic for the instruction at i and the targets that it
// gets as labels: not the next instruction where the syntax can do without.
func spelling(i int, ins bpf.RawInstruction) (name string, targets []int64) {
	f := formatOf(ins.Op)
	name, targets = f.mnemonic, targetsOf(i, ins)
	if f.conditional() {
		if inverse := inverses[name]; ins.Jt == 0 && ins.Jf != 0 && inverse != "" {
			return inverse, targets[1:]
		}
		if ins.Jf == 0 {
			return name, targets[:1]
		}
	}
	return name, targets
}

// appendStatement writes the instruction at i with its labels.
func appendStatement(b []byte, i int, ins bpf.RawInstruction) []byte {
	f := formatOf(ins.Op)
	name, targets := spelling(i, ins)
	b = appendMnemonic(b, f, name, ins.K)
	for n, t := range targets {
		if n > 0 || f.conditional() {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, " L%d", t)
	}
	return b
}
