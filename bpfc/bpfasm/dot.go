package bpfasm

import (
	"bytes"
	"fmt"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
)

// writeDot writes the control-flow graph for graphviz: a node for each basic
// block, with its listing, and for each conditional jump an edge to where it
// goes when the condition holds, marked t, and otherwise, marked f. Edges to
// places outside the program end in a node of their own.
func writeDot(b *bytes.Buffer, prog []bpf.RawInstruction) {
	leader := leaders(prog)
	b.WriteString("digraph filter {\n\tnode [shape=box, fontname=monospace];\n")
	outside := false
	edge := func(from int, to int64, attributes string) {
		name := fmt.Sprintf("b%d", to)
		if to < 0 || to >= int64(len(prog)) {
			name, outside = "outside", true
		}
		fmt.Fprintf(b, "\tb%d -> %s%s;\n", from, name, attributes)
	}
	for start := 0; start < len(prog); {
		end := start + 1
		for end < len(prog) && !leader[end] {
			end++
		}
		fmt.Fprintf(b, "\tb%d [label=\"", start)
		for i := start; i < end; i++ {
			b.WriteString(compactLine(i, prog[i]))
			b.WriteString(`\l`) // ends the line, left-justified
		}
		b.WriteString("\"];\n")
		last := prog[end-1]
		switch targets := targetsOf(end-1, last); {
		case len(targets) == 2:
			edge(start, targets[0], " [label=t]")
			edge(start, targets[1], " [label=f]")
		case len(targets) == 1:
			edge(start, targets[0], "")
		case bpfc.Class(last.Op) != bpfc.ClassRET:
			edge(start, int64(end), "")
		}
		start = end
	}
	if outside {
		b.WriteString("\toutside [label=\"outside the program\", style=dashed];\n")
	}
	b.WriteString("}\n")
}

// leaders marks the instructions that begin a basic block: the first, the
// targets of jumps, and those behind jumps and returns.
func leaders(prog []bpf.RawInstruction) []bool {
	n := len(prog)
	leader := make([]bool, n+1)
	leader[0] = true
	for i, ins := range prog {
		targets := targetsOf(i, ins)
		for _, t := range targets {
			if t >= 0 && t < int64(n) {
				leader[t] = true
			}
		}
		if targets != nil || bpfc.Class(ins.Op) == bpfc.ClassRET {
			leader[i+1] = true
		}
	}
	return leader
}
