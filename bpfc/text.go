package bpfc

import (
	"fmt"

	"golang.org/x/net/bpf"
)

var aluNames = map[uint16]string{
	AluADD: "add", AluSUB: "sub", AluMUL: "mul", AluDIV: "div", AluOR: "or", AluAND: "and",
	AluLSH: "lsh", AluRSH: "rsh", AluNEG: "neg", AluMOD: "mod", AluXOR: "xor",
}

var jumpNames = map[uint16]string{JmpJA: "ja", JmpJEQ: "jeq", JmpJGT: "jgt", JmpJGE: "jge", JmpJSET: "jset"}

var sizeSuffix = map[uint16]string{SizeW: "", SizeH: "h", SizeB: "b"}

// text is one instruction in the syntax of Linux' bpf_asm, without its jump
// targets: what error messages call it. Package bpfasm has the full forms.
func text(ins bpf.RawInstruction) string {
	op, k := ins.Op, ins.K
	operand := fmt.Sprintf("#%#x", k)
	if Src(op) == SrcX {
		operand = "x"
	}
	switch Class(op) {
	case ClassLD, ClassLDX:
		name := "ld"
		if Class(op) == ClassLDX {
			name = "ldx"
		}
		suffix, ok := sizeSuffix[op&0x18]
		if !ok || !exactOpcode(op) {
			break
		}
		name += suffix
		switch Mode(op) {
		case ModeIMM:
			return name + " " + fmt.Sprintf("#%#x", k)
		case ModeABS:
			return fmt.Sprintf("%s [%d]", name, k)
		case ModeIND:
			return fmt.Sprintf("%s [x + %d]", name, k)
		case ModeMEM:
			return fmt.Sprintf("%s M[%d]", name, k)
		case ModeLEN:
			return name + " len"
		case ModeMSH:
			return fmt.Sprintf("%s 4*([%d]&0xf)", name, k)
		}
	case ClassST:
		return fmt.Sprintf("st M[%d]", k)
	case ClassSTX:
		return fmt.Sprintf("stx M[%d]", k)
	case ClassALU:
		if name, ok := aluNames[AluOp(op)]; ok && exactOpcode(op) {
			if op == Neg {
				return name
			}
			return name + " " + operand
		}
	case ClassJMP:
		if name, ok := jumpNames[AluOp(op)]; ok && exactOpcode(op) {
			if op == Ja {
				return fmt.Sprintf("%s %+d", name, int32(k))
			}
			return name + " " + operand
		}
	case ClassRET:
		switch op {
		case RetK:
			return fmt.Sprintf("ret #%d", k)
		case RetA:
			return "ret a"
		}
	case ClassMISC:
		switch op {
		case Tax:
			return "tax"
		case Txa:
			return "txa"
		case Cop:
			return fmt.Sprintf("cop #%d", k)
		case Copx:
			return "copx"
		}
	}
	return fmt.Sprintf("opcode %#04x", op)
}
