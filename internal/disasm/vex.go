package disasm

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// x/arch's decoder knows no VEX-encoded instruction. Those that work on
// general registers (BMI1, BMI2) are decoded here: Intel SDM volume 2A, section
// 2.3.5 for the prefix, and the pages of the instructions.

// vexForm is the order of operands in Intel's syntax. Which field holds what
// is the same for all: ModRM.reg, ModRM.rm, VEX.vvvv.
type vexForm uint8

const (
	vexRMV vexForm = iota // reg, rm, vvvv
	vexRVM                // reg, vvvv, rm
	vexRMI                // reg, rm, imm8
	vexVM                 // vvvv, rm; ModRM.reg is part of the opcode
)

// vexKey identifies an instruction: opcode map (2: 0F38, 3: 0F3A), mandatory
// prefix (0: none, 1: 66, 2: F3, 3: F2), opcode, and the opcode's extension in
// ModRM.reg, -1 without one.
type vexKey struct {
	opmap, prefix, opcode byte
	ext                   int8
}

var vexInsts = map[vexKey]struct {
	name string
	form vexForm
}{
	{2, 0, 0xf2, -1}: {"andn", vexRVM},
	{2, 0, 0xf3, 1}:  {"blsr", vexVM},
	{2, 0, 0xf3, 2}:  {"blsmsk", vexVM},
	{2, 0, 0xf3, 3}:  {"blsi", vexVM},
	{2, 0, 0xf5, -1}: {"bzhi", vexRMV},
	{2, 2, 0xf5, -1}: {"pext", vexRVM},
	{2, 3, 0xf5, -1}: {"pdep", vexRVM},
	{2, 3, 0xf6, -1}: {"mulx", vexRVM},
	{2, 0, 0xf7, -1}: {"bextr", vexRMV},
	{2, 1, 0xf7, -1}: {"shlx", vexRMV},
	{2, 2, 0xf7, -1}: {"sarx", vexRMV},
	{2, 3, 0xf7, -1}: {"shrx", vexRMV},
	{3, 3, 0xf0, -1}: {"rorx", vexRMI},
}

var amd64Names = [2][16]string{
	{"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "r8d", "r9d", "r10d", "r11d", "r12d", "r13d", "r14d", "r15d"},
	{"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"},
}

// decodeVEX decodes an instruction with the three-byte VEX prefix on general
// registers. The size is 0 if it is none. All opcodes above are in maps that
// the two-byte prefix cannot name.
func decodeVEX(code []byte) (text string, size int) {
	if len(code) < 5 || code[0] != 0xc4 || code[2]&0x04 != 0 { // VEX.L: vectors
		return "", 0
	}
	// R, X, B and vvvv are stored inverted.
	r, x, b := ^code[1]>>7&1, ^code[1]>>6&1, ^code[1]>>5&1
	w, v := code[2]>>7, ^code[2]>>3&15
	names := &amd64Names[w]
	key := vexKey{code[1] & 31, code[2] & 3, code[3], -1}
	inst, ok := vexInsts[key]
	if !ok {
		key.ext = int8(code[4] >> 3 & 7)
		if inst, ok = vexInsts[key]; !ok {
			return "", 0
		}
	}
	rm, n := decodeModRM(code[4:], x, b, w)
	if n == 0 {
		return "", 0
	}
	size = 4 + n
	reg := names[r<<3|code[4]>>3&7]
	var operands []string
	switch inst.form {
	case vexRMV:
		operands = []string{reg, rm, names[v]}
	case vexRVM:
		operands = []string{reg, names[v], rm}
	case vexVM:
		operands = []string{names[v], rm}
	case vexRMI:
		if len(code) <= size {
			return "", 0
		}
		operands = []string{reg, rm, fmt.Sprintf("%#x", code[size])}
		size++
	}
	return inst.name + " " + strings.Join(operands, ", "), size
}

// decodeModRM decodes the register or memory operand that ModRM, SIB and
// displacement give (SDM volume 2A, section 2.1.3), for general registers of
// 32 (w == 0) or 64 bits. It returns how many bytes these have, 0 if code is
// too short.
func decodeModRM(code []byte, x, b, w byte) (text string, n int) {
	mod, rm := code[0]>>6, code[0]&7
	if mod == 3 {
		return amd64Names[w][b<<3|rm], 1
	}
	n = 1
	wide := &amd64Names[1]
	var parts []string
	disp := [3]int{0, 1, 4}[mod]
	switch {
	case rm == 4:
		if len(code) < 2 {
			return "", 0
		}
		sib := code[1]
		n++
		if base := sib & 7; base == 5 && mod == 0 {
			disp = 4
		} else {
			parts = append(parts, wide[b<<3|base])
		}
		if index := x<<3 | sib>>3&7; index != 4 {
			parts = append(parts, fmt.Sprintf("%s*%d", wide[index], 1<<(sib>>6)))
		}
	case rm == 5 && mod == 0:
		parts = append(parts, "rip")
		disp = 4
	default:
		parts = append(parts, wide[b<<3|rm])
	}
	if len(code) < n+disp {
		return "", 0
	}
	d := int64(0)
	switch disp {
	case 1:
		d = int64(int8(code[n]))
	case 4:
		d = int64(int32(binary.LittleEndian.Uint32(code[n:])))
	}
	text = strings.Join(parts, "+")
	if d != 0 || len(parts) == 0 {
		text += fmt.Sprintf("%+#x", d)
	}
	return fmt.Sprintf("%s ptr [%s]", [2]string{"dword", "qword"}[w], text), n + disp
}
