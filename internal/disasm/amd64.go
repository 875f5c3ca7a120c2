package disasm

import (
	"fmt"
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// AMD64 decodes the instruction at code[at:], in Intel's syntax.
func AMD64(code []byte, at int) Inst {
	if text, size := decodeVEX(code[at:]); size > 0 {
		return Inst{Off: at, Size: size, Text: text, Target: -1, OK: true}
	}
	inst, err := x86asm.Decode(code[at:], 64)
	if err != nil || inst.Op == 0 {
		return Inst{Off: at, Size: 1, Text: fmt.Sprintf(".byte %#02x", code[at]), Target: -1}
	}
	m := Inst{Off: at, Size: inst.Len, Target: -1, OK: true}
	if rel, isBranch := inst.Args[0].(x86asm.Rel); isBranch {
		m.Target = at + inst.Len + int(rel)
		m.Text = fmt.Sprintf("%s %04x", strings.ToLower(inst.Op.String()), m.Target)
		return m
	}
	// The decoder has immediates sign-extended to 64 bits; BPF's are unsigned.
	for i, arg := range inst.Args {
		if imm, ok := arg.(x86asm.Imm); ok && imm < 0 && inst.DataSize < 64 {
			inst.Args[i] = imm & (1<<inst.DataSize - 1)
		}
	}
	m.Text = x86asm.IntelSyntax(inst, uint64(at), nil)
	return m
}
