package amd64

import (
	"fmt"
	"strings"

	"github.com/bpfjit/bpfjit/lir"

	"golang.org/x/arch/x86/x86asm"
)

// instructions is code without the tables behind it.
func instructions(code *lir.Code) []byte { return code.Bytes[:len(code.Bytes)-code.Data] }

// decode decodes machine code.
func decode(code []byte) ([]x86asm.Inst, error) {
	var insts []x86asm.Inst
	for off := 0; off < len(code); {
		inst, err := x86asm.Decode(code[off:], 64)
		if err != nil {
			return insts, fmt.Errorf("offset %#x: %x: %v", off, code[off:min(off+15, len(code))], err)
		}
		insts = append(insts, inst)
		off += inst.Len
	}
	return insts, nil
}

// text is machine code, an instruction a line, without addresses.
func text(code []byte) (string, error) {
	insts, err := decode(code)
	var b strings.Builder
	pc := uint64(0)
	for _, inst := range insts {
		fmt.Fprintln(&b, x86asm.IntelSyntax(inst, pc, nil))
		pc += uint64(inst.Len)
	}
	return b.String(), err
}

// listing is the code of f for a failure's report.
func listing(f *lir.Func, feat Features) string {
	code, err := Compile(f, feat)
	if err != nil {
		return err.Error()
	}
	insts, err := decode(instructions(code))
	var b strings.Builder
	pc, line := 0, 0
	for _, inst := range insts {
		pos := ""
		if line < len(code.Lines) && code.Lines[line].Off == pc {
			pos = fmt.Sprintf("@%d", code.Lines[line].Pos)
			line++
		}
		fmt.Fprintf(&b, "%5x %-5s %-30x %s\n", pc, pos, code.Bytes[pc:pc+inst.Len], x86asm.IntelSyntax(inst, uint64(pc), nil))
		pc += inst.Len
	}
	return fmt.Sprint(b.String(), err)
}
