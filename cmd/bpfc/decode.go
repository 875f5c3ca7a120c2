package main

import (
	"fmt"
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// machineInst is a machine instruction in a listing.
type machineInst struct {
	off, size int
	text      string
	target    int // where a branch goes, as an offset into the code; -1: it is none
	ok        bool
}

// decodeAMD64 decodes one instruction, in Intel's syntax.
func decodeAMD64(code []byte, at int) machineInst {
	if text, size := decodeVEX(code[at:]); size > 0 {
		return machineInst{off: at, size: size, text: text, target: -1, ok: true}
	}
	inst, err := x86asm.Decode(code[at:], 64)
	if err != nil || inst.Op == 0 {
		return machineInst{off: at, size: 1, text: fmt.Sprintf(".byte %#02x", code[at]), target: -1}
	}
	m := machineInst{off: at, size: inst.Len, target: -1, ok: true}
	if rel, isBranch := inst.Args[0].(x86asm.Rel); isBranch {
		m.target = at + inst.Len + int(rel)
		m.text = fmt.Sprintf("%s %04x", strings.ToLower(inst.Op.String()), m.target)
		return m
	}
	// The decoder has immediates sign-extended to 64 bits; BPF's are unsigned.
	for i, arg := range inst.Args {
		if imm, ok := arg.(x86asm.Imm); ok && imm < 0 && inst.DataSize < 64 {
			inst.Args[i] = imm & (1<<inst.DataSize - 1)
		}
	}
	m.text = x86asm.IntelSyntax(inst, uint64(at), nil)
	return m
}
