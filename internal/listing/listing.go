// Package listing prints machine code beside the BPF program it came from.
package listing

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc/bpfasm"
	"github.com/bpfjit/bpfjit/internal/disasm"
	"github.com/bpfjit/bpfjit/lir"
)

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

// Write lists code, which fn, a translation of prog, was compiled to: each BPF
// instruction with the machine instructions it became, as decode reads them;
// then code of no instruction, tables, and a line of totals. Code of several
// instructions is listed below the first of them.
func Write(w io.Writer, prog []bpf.RawInstruction, fn *lir.Func, code *lir.Code, decode Decoder) error {
	b := bufio.NewWriter(w)
	newListing(prog, fn, code, decode).write(b)
	return b.Flush()
}

// Decoder takes the instruction apart that starts at code[at:].
type Decoder func(code []byte, at int) disasm.Inst

// newListing sorts machine code.
func newListing(prog []bpf.RawInstruction, fn *lir.Func, code *lir.Code, decode Decoder) *listing {
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
			inst := decode(code.Bytes[:end], at)
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

func (l *listing) write(w io.Writer) {
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
func (l *listing) writeRun(w io.Writer, r *stretch) {
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
