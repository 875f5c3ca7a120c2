package main

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/arch/x86/x86asm"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/bpfc/bpfasm"
	"github.com/bpfjit/bpfjit/jit"
)

// dumpCode prints machine code as it runs on this machine, in the order of its
// addresses, and above each piece the instructions of the program that it came
// from. (bpfc -dump has it in the program's order.)
func (t *tool) dumpCode(p *bpfc.Program) error {
	fn, err := bpfc.Translate(p, 1)
	if err != nil {
		return err
	}
	code, err := jit.Generate(fn)
	if err != nil {
		return err
	}
	prog := p.Instructions()
	last := -2
	for i, line := range code.Lines {
		end := len(code.Bytes)
		if i+1 < len(code.Lines) {
			end = code.Lines[i+1].Off
		}
		if line.Off == end {
			continue
		}
		if int(line.Pos) != last {
			last = int(line.Pos)
			t.dumpOrigins(fn.Origins, line.Pos, func(o int32) string { return bpfasm.ListingLine(int(o), prog[o]) })
		}
		for at := line.Off; at < end; {
			size, text := disassemble(code.Bytes[at:end], at)
			fmt.Fprintf(t.stdout, "\t%04x  %-20s  %s\n", at, hex.EncodeToString(code.Bytes[at:at+size]), text)
			at += size
		}
	}
	_, err = fmt.Fprintf(t.stdout, "; %d instructions, %d bytes of code\n", len(prog), len(code.Bytes))
	return err
}

// dumpOrigins prints the instructions that a position stands for.
func (t *tool) dumpOrigins(origins [][]int32, pos int32, text func(int32) string) {
	if pos < 0 {
		fmt.Fprintln(t.stdout, "of no instruction:")
		return
	}
	of := []int32{pos}
	if origins != nil {
		of = slices.Clone(origins[pos])
	}
	for _, o := range of {
		fmt.Fprintln(t.stdout, text(o))
	}
}

// disassemble decodes one instruction. Of what the decoder does not know (VEX
// encodings, BMI), it gives the bytes up to the end of the piece.
func disassemble(code []byte, at int) (size int, text string) {
	inst, err := x86asm.Decode(code, 64)
	if err != nil || inst.Op == 0 {
		return len(code), "(not decoded)"
	}
	if rel, ok := inst.Args[0].(x86asm.Rel); ok {
		return inst.Len, fmt.Sprintf("%s %04x", strings.ToLower(inst.Op.String()), at+inst.Len+int(rel))
	}
	return inst.Len, x86asm.IntelSyntax(inst, uint64(at), nil)
}
