package main

import (
	"bufio"
	"fmt"
	"os"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/bpfc/bpfasm"
)

// cPrelude has the packet's fields in host byte order.
const cPrelude = `#include <stdint.h>
#include <string.h>
static inline uint32_t load1(const uint8_t *p) { return *p; }
static inline uint32_t load2(const uint8_t *p) { uint16_t v; memcpy(&v, p, 2); return __builtin_bswap16(v); }
static inline uint32_t load4(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return __builtin_bswap32(v); }
uint32_t filter(const uint8_t *p, uint32_t len, uint32_t wire)
{
	uint32_t A = 0, X = 0, M[16] = {0};
	(void)A; (void)X; (void)M; (void)wire;
`

// writeC writes a program of the libpcap dialect as a C function, an instruction
// a statement and a bounds check a load: what a C compiler makes of the same
// program.
func writeC(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	prog, _, err := bpfasm.Read(text)
	if err != nil {
		return err
	}
	if err := bpfc.Validate(prog, bpfc.Libpcap); err != nil {
		return err
	}
	w := bufio.NewWriter(os.Stdout)
	fmt.Fprint(w, cPrelude)
	for i, ins := range prog {
		s, err := statement(i, ins)
		if err != nil {
			return fmt.Errorf("instruction %d: %w", i, err)
		}
		fmt.Fprintf(w, "L%d: __attribute__((unused));\n\t%s\n", i, s)
	}
	fmt.Fprint(w, "}\n")
	return w.Flush()
}

var (
	cOperators = map[uint16]string{
		bpfc.AluADD: "+", bpfc.AluSUB: "-", bpfc.AluMUL: "*", bpfc.AluDIV: "/", bpfc.AluMOD: "%",
		bpfc.AluAND: "&", bpfc.AluOR: "|", bpfc.AluXOR: "^", bpfc.AluLSH: "<<", bpfc.AluRSH: ">>",
	}
	cTests = map[uint16]string{bpfc.JmpJEQ: "==", bpfc.JmpJGT: ">", bpfc.JmpJGE: ">=", bpfc.JmpJSET: "&"}
)

// statement is instruction i in C.
func statement(i int, ins bpf.RawInstruction) (string, error) {
	k := ins.K
	operand := fmt.Sprintf("%#xu", k)
	if bpfc.Src(ins.Op) == bpfc.SrcX {
		operand = "X"
	}
	switch bpfc.Class(ins.Op) {
	case bpfc.ClassLD:
		return load("A", ins)
	case bpfc.ClassLDX:
		return load("X", ins)
	case bpfc.ClassST:
		return fmt.Sprintf("M[%d] = A;", k), nil
	case bpfc.ClassSTX:
		return fmt.Sprintf("M[%d] = X;", k), nil
	case bpfc.ClassALU:
		if ins.Op == bpfc.Neg {
			return "A = -A;", nil
		}
		op := bpfc.AluOp(ins.Op)
		guard := ""
		if operand == "X" && (op == bpfc.AluDIV || op == bpfc.AluMOD) {
			guard = "if (X == 0) return 0; "
		}
		if operand == "X" && (op == bpfc.AluLSH || op == bpfc.AluRSH) {
			return fmt.Sprintf("A = X < 32 ? A %s X : 0;", cOperators[op]), nil
		}
		return fmt.Sprintf("%sA = A %s %s;", guard, cOperators[op], operand), nil
	case bpfc.ClassJMP:
		if ins.Op == bpfc.Ja {
			return fmt.Sprintf("goto L%d;", i+1+int(int32(k))), nil
		}
		return fmt.Sprintf("if (A %s %s) goto L%d; else goto L%d;",
			cTests[bpfc.AluOp(ins.Op)], operand, i+1+int(ins.Jt), i+1+int(ins.Jf)), nil
	case bpfc.ClassRET:
		if ins.Op == bpfc.RetA {
			return "return A;", nil
		}
		return "return " + operand + ";", nil
	}
	if ins.Op == bpfc.Tax {
		return "X = A;", nil
	}
	return "A = X;", nil
}

// load is a load into a register.
func load(reg string, ins bpf.RawInstruction) (string, error) {
	k, size := ins.K, bpfc.Size(ins.Op)
	switch bpfc.Mode(ins.Op) {
	case bpfc.ModeIMM:
		return fmt.Sprintf("%s = %#xu;", reg, k), nil
	case bpfc.ModeMEM:
		return fmt.Sprintf("%s = M[%d];", reg, k), nil
	case bpfc.ModeLEN:
		return reg + " = wire;", nil
	case bpfc.ModeMSH:
		return fmt.Sprintf("if (%dull > len) return 0; X = 4 * (load1(p + %d) & 15);", uint64(k)+1, k), nil
	case bpfc.ModeIND:
		return fmt.Sprintf("if ((uint64_t)X + %dull > len) return 0; A = load%d(p + ((uint64_t)X + %d));", uint64(k)+uint64(size), size, k), nil
	case bpfc.ModeABS:
		if int32(k) < 0 {
			return "", fmt.Errorf("offset %#x is not in a packet", k)
		}
		return fmt.Sprintf("if (%dull > len) return 0; A = load%d(p + %d);", uint64(k)+uint64(size), size, k), nil
	}
	return "", fmt.Errorf("opcode %#x", ins.Op)
}
