package amd64

// Op is an instruction's mnemonic; those with a condition carry it too.
type Op uint16

const (
	opInvalid Op = iota
	ADD
	OR
	AND
	SUB
	XOR
	CMP
	TEST
	MOV
	MOVZX8  // zero-extends from 8 bits
	MOVZX16 // zero-extends from 16 bits
	MOVSX8  // sign-extends from 8 bits
	MOVSX16 // sign-extends from 16 bits
	MOVSX32 // sign-extends from 32 bits: movsxd
	MOVBE   // load or store with the bytes reversed (CPUID MOVBE)
	LEA
	XCHG
	BSWAP
	NEG
	NOT
	MUL  // RDX:RAX = RAX * operand
	IMUL // two or three operands: the low half
	DIV  // RAX, RDX = quotient, remainder of RDX:RAX by operand
	SHL
	SHR
	SAR
	ROL
	ROR
	SHLX // reg, reg/mem, count (BMI2)
	SHRX
	SARX
	RORX // reg, reg/mem, immediate (BMI2)
	MULX // high, low, reg/mem: product with RDX (BMI2)
	BT
	SETcc  // give the condition with If
	CMOVcc // give the condition with If
	JMP    // through a register or memory; Assembler.Jmp goes to a label
	RET
	UD2
	INT3
	PREFETCHT0
	numOps
)

// If is the conditional instruction op under condition c.
func (op Op) If(c Cond) Op { return op&0xff | Op(c)<<8 }

func (op Op) cond() Cond { return Cond(op >> 8) }

var opNames = [numOps]string{
	"invalid", "add", "or", "and", "sub", "xor", "cmp", "test", "mov",
	"movzx", "movzx", "movsx", "movsx", "movsxd", "movbe", "lea", "xchg", "bswap",
	"neg", "not", "mul", "imul", "div", "shl", "shr", "sar", "rol", "ror",
	"shlx", "shrx", "sarx", "rorx", "mulx", "bt", "set", "cmov", "jmp", "ret", "ud2", "int3", "prefetcht0",
}

// String is the mnemonic as Intel writes it.
func (op Op) String() string {
	base := op & 0xff
	if base >= numOps {
		base = opInvalid
	}
	if base == SETcc || base == CMOVcc {
		return opNames[base] + op.cond().String()
	}
	return opNames[base]
}

// encoding says where an instruction keeps its operands: the column "Op/En" of
// the SDM.
type encoding uint8

const (
	enZO  encoding = iota // nowhere
	enMR                  // ModRM.rm, ModRM.reg
	enRM                  // ModRM.reg, ModRM.rm
	enRMI                 // ModRM.reg, ModRM.rm, immediate
	enM                   // ModRM.rm; ModRM.reg is part of the opcode
	enMI                  // ModRM.rm, immediate; the same
	enMC                  // ModRM.rm, implied; the same
	enO                   // the opcode's low 3 bits
	enOI                  // the opcode's low 3 bits, immediate
	enI                   // implied, immediate
	enOx                  // implied, the opcode's low 3 bits
	enRMV                 // ModRM.reg, ModRM.rm, VEX.vvvv
	enRVM                 // ModRM.reg, VEX.vvvv, ModRM.rm
	numEncodings
)

// slot is a place for an operand.
type slot uint8

const (
	slotNone slot = iota
	slotReg
	slotRM
	slotVvvv
	slotOpcode
	slotImm
)

var slots = [numEncodings][3]slot{
	enMR:  {slotRM, slotReg},
	enRM:  {slotReg, slotRM},
	enRMI: {slotReg, slotRM, slotImm},
	enM:   {slotRM},
	enMI:  {slotRM, slotImm},
	enMC:  {slotRM},
	enO:   {slotOpcode},
	enOI:  {slotOpcode, slotImm},
	enI:   {slotNone, slotImm},
	enOx:  {slotNone, slotOpcode},
	enRMV: {slotReg, slotRM, slotVvvv},
	enRVM: {slotReg, slotVvvv, slotRM},
}

// opmap is an opcode map, by the number that VEX.mmmmm gives it.
type opmap uint8

const (
	map1B   opmap = iota // one byte
	map0F                // 0F
	map0F38              // 0F 38
	map0F3A              // 0F 3A
)

// form is one way to encode an instruction.
type form struct {
	en     encoding
	args   [3]class
	widths Width // or'ed; 0: the instruction has none
	opcode byte  // of the widths above 8 bits; where there is one of 8 bits too, it has bit 0 clear
	digit  byte  // ModRM.reg where no operand is there: "/digit"
	opmap  opmap
	prefix byte // mandatory prefix
	flags  flags
}

type flags uint8

const (
	flagVEX   flags = 1 << iota
	flagW64         // 64 bits without REX.W
	flagByteR       // the register or memory operand in ModRM.rm is of 8 bits
)

const (
	wAll    = W8 | W16 | W32 | W64
	w163264 = W16 | W32 | W64
	w3264   = W32 | W64
)

type args = [3]class

// forms is the table of all instructions, from the SDM's vol. 2. The first form
// that takes the operands is used, so the shorter stand first. Where two are as
// short, GNU as decides.
var forms = [numOps][]form{
	ADD: arith(0),
	OR:  arith(1),
	AND: arith(4),
	SUB: arith(5),
	XOR: arith(6),
	CMP: arith(7),
	TEST: {
		{en: enMR, args: args{rm, r}, widths: wAll, opcode: 0x85},
		{en: enI, args: args{acc, immZ}, widths: wAll, opcode: 0xa9},
		{en: enMI, args: args{rm, immZ}, widths: wAll, opcode: 0xf7, digit: 0},
	},
	MOV: {
		{en: enMR, args: args{rm, r}, widths: wAll, opcode: 0x89},
		{en: enRM, args: args{r, m}, widths: wAll, opcode: 0x8b},
		{en: enOI, args: args{r, immZ}, widths: W8, opcode: 0xb0},
		{en: enOI, args: args{r, immZ}, widths: W16 | W32, opcode: 0xb8},
		{en: enMI, args: args{rm, immZ}, widths: wAll, opcode: 0xc7, digit: 0},
		{en: enOI, args: args{r, imm64}, widths: W64, opcode: 0xb8},
	},
	MOVZX8:  {{en: enRM, args: args{r, rm}, widths: w163264, opcode: 0xb6, opmap: map0F, flags: flagByteR}},
	MOVZX16: {{en: enRM, args: args{r, rm}, widths: w3264, opcode: 0xb7, opmap: map0F}},
	MOVSX8:  {{en: enRM, args: args{r, rm}, widths: w163264, opcode: 0xbe, opmap: map0F, flags: flagByteR}},
	MOVSX16: {{en: enRM, args: args{r, rm}, widths: w3264, opcode: 0xbf, opmap: map0F}},
	MOVSX32: {{en: enRM, args: args{r, rm}, widths: W64, opcode: 0x63}},
	MOVBE: {
		{en: enRM, args: args{r, m}, widths: w163264, opcode: 0xf0, opmap: map0F38},
		{en: enMR, args: args{m, r}, widths: w163264, opcode: 0xf1, opmap: map0F38},
	},
	LEA: {{en: enRM, args: args{r, m}, widths: w163264, opcode: 0x8d}},
	XCHG: {
		// The one-byte form with EAX twice is NOP, which does not clear
		// the upper half; with RAX twice it may as well be NOP.
		{en: enMR, args: args{acc, acc}, widths: W32, opcode: 0x87},
		{en: enOx, args: args{acc, acc}, widths: W64, opcode: 0x90, flags: flagW64},
		{en: enOx, args: args{acc, r}, widths: w163264, opcode: 0x90},
		{en: enO, args: args{r, acc}, widths: w163264, opcode: 0x90},
		{en: enMR, args: args{rm, r}, widths: wAll, opcode: 0x87},
		{en: enRM, args: args{r, m}, widths: wAll, opcode: 0x87},
	},
	BSWAP: {{en: enO, args: args{r}, widths: w3264, opcode: 0xc8, opmap: map0F}},
	NOT:   {{en: enM, args: args{rm}, widths: wAll, opcode: 0xf7, digit: 2}},
	NEG:   {{en: enM, args: args{rm}, widths: wAll, opcode: 0xf7, digit: 3}},
	MUL:   {{en: enM, args: args{rm}, widths: wAll, opcode: 0xf7, digit: 4}},
	DIV:   {{en: enM, args: args{rm}, widths: wAll, opcode: 0xf7, digit: 6}},
	IMUL: {
		{en: enRM, args: args{r, rm}, widths: w163264, opcode: 0xaf, opmap: map0F},
		{en: enRMI, args: args{r, rm, imm8}, widths: w163264, opcode: 0x6b},
		{en: enRMI, args: args{r, rm, immZ}, widths: w163264, opcode: 0x69},
	},
	ROL:    shift(0),
	ROR:    shift(1),
	SHL:    shift(4),
	SHR:    shift(5),
	SAR:    shift(7),
	SHLX:   {{en: enRMV, args: args{r, rm, r}, widths: w3264, opcode: 0xf7, opmap: map0F38, prefix: 0x66, flags: flagVEX}},
	SARX:   {{en: enRMV, args: args{r, rm, r}, widths: w3264, opcode: 0xf7, opmap: map0F38, prefix: 0xf3, flags: flagVEX}},
	SHRX:   {{en: enRMV, args: args{r, rm, r}, widths: w3264, opcode: 0xf7, opmap: map0F38, prefix: 0xf2, flags: flagVEX}},
	RORX:   {{en: enRMI, args: args{r, rm, immU8}, widths: w3264, opcode: 0xf0, opmap: map0F3A, prefix: 0xf2, flags: flagVEX}},
	MULX:   {{en: enRVM, args: args{r, r, rm}, widths: w3264, opcode: 0xf6, opmap: map0F38, prefix: 0xf2, flags: flagVEX}},
	SETcc:  {{en: enM, args: args{rm}, widths: W8, opcode: 0x90, opmap: map0F}},
	CMOVcc: {{en: enRM, args: args{r, rm}, widths: w163264, opcode: 0x40, opmap: map0F}},
	BT: {
		{en: enMR, args: args{rm, r}, widths: w163264, opcode: 0xa3, opmap: map0F},
		{en: enMI, args: args{rm, immU8}, widths: w163264, opcode: 0xba, digit: 4, opmap: map0F},
	},
	JMP:        {{en: enM, args: args{rm}, widths: W64, opcode: 0xff, digit: 4, flags: flagW64}},
	RET:        {{en: enZO, opcode: 0xc3}},
	UD2:        {{en: enZO, opcode: 0x0b, opmap: map0F}},
	INT3:       {{en: enZO, opcode: 0xcc}},
	PREFETCHT0: {{en: enM, args: args{m}, widths: W8, opcode: 0x18, digit: 1, opmap: map0F}},
}

// arith makes the forms of the n-th of the eight classic operations (SDM vol.
// 2D, table A-2 and its group 1).
func arith(n byte) []form {
	return []form{
		{en: enMR, args: args{rm, r}, widths: wAll, opcode: n<<3 | 1},
		{en: enRM, args: args{r, m}, widths: wAll, opcode: n<<3 | 3},
		{en: enMI, args: args{rm, imm8}, widths: w163264, opcode: 0x83, digit: n},
		{en: enI, args: args{acc, immZ}, widths: wAll, opcode: n<<3 | 5},
		{en: enMI, args: args{rm, immZ}, widths: wAll, opcode: 0x81, digit: n},
	}
}

// shift makes the forms of the n-th of the shifts (group 2).
func shift(n byte) []form {
	return []form{
		{en: enM, args: args{rm, one}, widths: wAll, opcode: 0xd1, digit: n},
		{en: enMI, args: args{rm, immU8}, widths: wAll, opcode: 0xc1, digit: n},
		{en: enMC, args: args{rm, cl}, widths: wAll, opcode: 0xd3, digit: n},
	}
}
