package amd64

// Reg is a general-purpose register. How much of it an instruction uses is the
// instruction's Width.
type Reg uint8

// The registers, numbered as instructions number them (SDM vol. 2A, 3.1.1.1).
const (
	RAX Reg = iota
	RCX
	RDX
	RBX
	RSP
	RBP
	RSI
	RDI
	R8
	R9
	R10
	R11
	R12
	R13
	R14
	R15
	// NoReg stands for a missing base in a Mem.
	NoReg
)

// NumReg is the number of registers.
const NumReg = 16

// Width is the operand size of an instruction, in bytes.
type Width uint8

const (
	W8  Width = 1
	W16 Width = 2
	W32 Width = 4
	W64 Width = 8
)

var regNames = map[Width][NumReg]string{
	W8:  {"al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil", "r8b", "r9b", "r10b", "r11b", "r12b", "r13b", "r14b", "r15b"},
	W16: {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di", "r8w", "r9w", "r10w", "r11w", "r12w", "r13w", "r14w", "r15w"},
	W32: {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "r8d", "r9d", "r10d", "r11d", "r12d", "r13d", "r14d", "r15d"},
	W64: {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"},
}

// Name is the register's name at a width, as Intel writes it.
func (r Reg) Name(w Width) string {
	names, ok := regNames[w]
	if !ok || r >= NumReg {
		return "invalid"
	}
	return names[r]
}

func (r Reg) String() string { return r.Name(W64) }
