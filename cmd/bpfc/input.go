package main

import (
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/bpfc/bpfasm"
	"github.com/bpfjit/bpfjit/capture"
	"github.com/bpfjit/bpfjit/internal/cli"
)

// source is a filter as it was given: a program, or an expression to be
// compiled for a link type.
type source struct {
	place string // what messages about it begin with: a file name and colon, or nothing
	prog  []bpf.RawInstruction
	expr  string
}

// programArgument recognises a program on the command line, as xt_bpf has it:
// no expression begins with a number and a comma.
var programArgument = regexp.MustCompile(`^\s*[0-9]+\s*,`)

// source reads the filter that the call names.
func (t *tool) source() (*source, error) {
	if t.file == "" {
		return t.argument("", strings.Join(t.args, " "))
	}
	return t.fileSource()
}

// argument makes a source of text on the command line.
func (t *tool) argument(place, text string) (*source, error) {
	return t.parse(place, []byte(text), t.form == bpfasm.Unknown && !programArgument.MatchString(text))
}

// fileSource reads the filter from the file that -f names.
func (t *tool) fileSource() (*source, error) {
	place, data, err := cli.ReadFilter(t.file, t.stdin)
	if err != nil {
		return nil, err
	}
	return t.parse(place, data, t.exprForm)
}

// parse makes a source of text that is an expression or a program.
func (t *tool) parse(place string, data []byte, isExpr bool) (*source, error) {
	s := &source{place: place}
	if isExpr || t.exprForm {
		s.expr = string(data)
		return s, nil
	}
	if t.arguments["s"] || t.arguments["m"] {
		return nil, cli.Usagef("-s and -m go with an expression: a program has its numbers in it")
	}
	var err error
	if t.form != bpfasm.Unknown {
		s.prog, err = bpfasm.ReadAs(t.form, data)
	} else {
		s.prog, _, err = bpfasm.Read(data)
	}
	if err != nil {
		return nil, cli.ProgramError(place, data, err, "-in expr")
	}
	return s, nil
}

// isExpr tells whether the filter is an expression, which means something for
// every link type.
func (s *source) isExpr() bool { return s.prog == nil }

// instructions is the filter for a link type. A program is for the one that
// the call names.
func (t *tool) instructions(s *source, link capture.LinkType) ([]bpf.RawInstruction, error) {
	if !s.isExpr() {
		return s.prog, nil
	}
	prog, err := t.compileExpression(s.expr, link)
	if err != nil {
		return nil, fmt.Errorf("%s%w", s.place, err)
	}
	return prog, nil
}

// check validates the filter for a link type in the call's dialect.
func (t *tool) check(s *source, link capture.LinkType, opts ...bpfc.Option) (*bpfc.Program, error) {
	prog, err := t.instructions(s, link)
	if err != nil {
		return nil, err
	}
	p, err := bpfc.Check(prog, t.dialect, opts...)
	if err != nil {
		return nil, fmt.Errorf("%s%w", s.place, err)
	}
	return p, nil
}

// listed is the filter for actions that run nothing: it may load what only the
// kernel knows of a packet.
func (t *tool) listed() (*bpfc.Program, error) {
	s, err := t.source()
	if err != nil {
		return nil, err
	}
	return t.check(s, t.linkType, bpfc.WithAux(bpfc.AuxAll))
}
