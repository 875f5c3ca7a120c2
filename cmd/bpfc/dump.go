package main

import (
	"fmt"
	"strings"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/bpfc/bpfasm"
	"github.com/bpfjit/bpfjit/internal/disasm"
	"github.com/bpfjit/bpfjit/jit"
	"github.com/bpfjit/bpfjit/lir"
)

// dump lists the machine code of a program, or its decision graph after a pass.
func (t *tool) dump() error {
	p, err := t.listed()
	if err != nil {
		return err
	}
	if t.pass != "" {
		return t.dumpPass(p)
	}
	fn, err := bpfc.Translate(p, t.optLevel)
	if err != nil {
		return err
	}
	compile := t.arch.compile
	if t.arch.native() {
		compile = jit.Generate // what this very machine would run
	}
	code, err := compile(fn)
	if err != nil {
		return err
	}
	newListing(t.arch, p.Instructions(), fn, code).write(t.stdout)
	return nil
}

// lir prints the translation.
func (t *tool) lir() error {
	p, err := t.listed()
	if err != nil {
		return err
	}
	fn, err := bpfc.Translate(p, t.optLevel)
	if err != nil {
		return err
	}
	_, err = t.stdout.WriteString(fn.String())
	return err
}

// dumpPass prints the graph after the pass of that name, or after each of them.
func (t *tool) dumpPass(p *bpfc.Program) error {
	var names []string
	found := false
	_, err := bpfc.TranslateTraced(p, t.optLevel, func(pass string, g *bpfc.Graph) {
		names = append(names, pass)
		switch t.pass {
		case pass:
			t.stdout.WriteString(g.String())
			found = true
		case "all":
			fmt.Fprintf(t.stdout, "%s:\n%v\n", pass, g)
			found = true
		}
	})
	if err == nil && !found {
		return usagef("-dump=%s: no such pass at -O %d: one of %s, all", t.pass, t.optLevel, strings.Join(names, ", "))
	}
	return err
}

// listing is machine code sorted by the BPF instructions that it came from.
type listing struct {
	prog  []bpf.RawInstruction
	fn    *lir.Func
	frame int
	code  []byte // tables included
	text  int    // bytes of code before the tables
	runs  []stretch
	own   [][]int     // by BPF instruction: the runs listed below it
	none  []int       // runs that belong to no BPF instruction
	under []int       // by BPF instruction: the lowest one whose code is also its own; -1: none
	at    map[int]int // the run in which the machine instruction at an offset is
}

// stretch is a piece of machine code from one position.
type stretch struct {
	origins []int32
	insts   []disasm.Inst
}

// newListing sorts machine code. A run of several BPF instructions is listed
// below the first of them.
func newListing(a *arch, prog []bpf.RawInstruction, fn *lir.Func, code *lir.Code) *listing {
	l := &listing{
		prog:  prog,
		fn:    fn,
		frame: code.Frame,
		code:  code.Bytes,
		text:  len(code.Bytes) - code.Data,
		own:   make([][]int, len(prog)),
		under: make([]int, len(prog)),
		at:    map[int]int{},
	}
	for i := range l.under {
		l.under[i] = -1
	}
	for i, line := range code.Lines {
		end := l.text
		if i+1 < len(code.Lines) {
			end = min(end, code.Lines[i+1].Off)
		}
		if line.Off >= end {
			continue
		}
		r := stretch{origins: l.originsOf(line.Pos)}
		for at := line.Off; at < end; {
			inst := a.decode(code.Bytes[:end], at)
			r.insts = append(r.insts, inst)
			l.at[at] = len(l.runs)
			at += inst.Size
		}
		l.runs = append(l.runs, r)
	}
	for i, r := range l.runs {
		if len(r.origins) == 0 {
			l.none = append(l.none, i)
			continue
		}
		first := int(r.origins[0])
		l.own[first] = append(l.own[first], i)
		for _, o := range r.origins[1:] {
			if u := l.under[o]; u < 0 || first < u {
				l.under[o] = first
			}
		}
	}
	return l
}

// originsOf is the BPF instructions that a position stands for.
func (l *listing) originsOf(pos int32) []int32 {
	switch {
	case pos < 0:
		return nil
	case l.fn.Origins == nil:
		return []int32{pos}
	}
	return l.fn.Origins[pos]
}

func (l *listing) write(w *output) {
	absent := newAbsence(l)
	for i, ins := range l.prog {
		fmt.Fprintf(w, "%s\n", bpfasm.ListingLine(i, ins))
		for _, r := range l.own[i] {
			l.writeRun(w, &l.runs[r])
		}
		switch {
		case l.under[i] >= 0 && len(l.own[i]) > 0:
			fmt.Fprintf(w, "\t; more below (%03d)\n", l.under[i])
		case l.under[i] >= 0:
			fmt.Fprintf(w, "\t; code below (%03d)\n", l.under[i])
		case len(l.own[i]) == 0:
			fmt.Fprintf(w, "\t; no code: %s\n", absent.why(i))
		}
	}
	if len(l.none) > 0 {
		fmt.Fprintf(w, "of no instruction: entry, moves between blocks, the rejection that all share\n")
		for _, r := range l.none {
			l.writeRun(w, &l.runs[r])
		}
	}
	const row = 16 // bytes
	if l.text < len(l.code) {
		fmt.Fprintf(w, "tables that the code looks values up in\n")
	}
	for at := l.text; at < len(l.code); at += row {
		fmt.Fprintf(w, "\t%04x  %x\n", at, l.code[at:min(at+row, len(l.code))])
	}
	fmt.Fprintf(w, "; %d instructions, %d bytes of code, %d bytes of tables, %d bytes of frame\n",
		len(l.prog), l.text, len(l.code)-l.text, l.frame)
}

// writeRun writes machine instructions: offset, bytes and mnemonic, and behind
// them which other BPF instructions they belong to and where branches go.
func (l *listing) writeRun(w *output, r *stretch) {
	for i, inst := range r.insts {
		note := ""
		if inst.Target >= 0 {
			note = l.whereTo(inst.Target)
		}
		if i == 0 && len(r.origins) > 1 {
			note = strings.TrimSpace(note + " also" + instructionNumbers(r.origins[1:]))
		}
		line := fmt.Sprintf("\t%04x  %-20x  %s", inst.Off, l.code[inst.Off:inst.Off+inst.Size], inst.Text)
		if note != "" {
			line = fmt.Sprintf("%-60s ; %s", line, note)
		}
		fmt.Fprintf(w, "%s\n", line)
	}
}

func instructionNumbers(is []int32) string {
	s := ""
	for _, i := range is {
		s += fmt.Sprintf(" (%03d)", i)
	}
	return s
}

// whereTo names the BPF instruction that a branch leads to.
func (l *listing) whereTo(target int) string {
	r, ok := l.at[target]
	if !ok {
		return ""
	}
	if origins := l.runs[r].origins; len(origins) > 0 {
		return fmt.Sprintf("to (%03d)", origins[0])
	}
	return ""
}
