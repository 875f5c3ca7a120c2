package lir

// Reg is a virtual register: 64 bits wide, as many as a function wants. The
// zero value is no register. Registers may be written more than once; LIR is
// an assembly, not an SSA form.
type Reg uint32

const (
	NoReg Reg = 0
	// Frame is the base of the function's local stack. It stands only as the
	// Base of a memory operand.
	Frame Reg = ^Reg(0)
)

// MaxParams is the number of parameters a function may have: the entry
// trampolines pass that many machine words in registers.
const MaxParams = 4

// MaxLocals is the largest local stack of a function, in bytes.
const MaxLocals = 1 << 10

// Width is the width of an operation or a memory access, in bytes.
type Width uint8

const (
	W8  Width = 1
	W16 Width = 2
	W32 Width = 4
	W64 Width = 8
)

// Bits is the width in bits.
func (w Width) Bits() int { return int(w) * 8 }

// Order is the byte order of a memory access.
type Order uint8

const (
	LittleEndian Order = iota
	BigEndian
)

// Arg is a source operand: a register, or an immediate where Reg is NoReg.
// A 32-bit operation reads the low 32 bits of either.
type Arg struct {
	Reg Reg
	Imm int64
}

// R makes a register operand.
func R(r Reg) Arg { return Arg{Reg: r} }

// I makes an immediate operand.
func I(v int64) Arg { return Arg{Imm: v} }

// IsImm tells an immediate from a register.
func (a Arg) IsImm() bool { return a.Reg == NoReg }

// Mem is a memory operand: the byte at Base + Index*Scale + Off. Index may be
// NoReg; Scale is 1, 2, 4 or 8. The sum is of 64 bits and wraps. No alignment
// is assumed. With Base == Frame, the address is that many bytes into the
// function's local stack, there is no index, and the access lies inside it.
type Mem struct {
	Base, Index Reg
	Scale       uint8
	Off         int32
}

// NoPos is the position of an instruction that belongs to no source line.
const NoPos int32 = -1

// Inst is one instruction; Op's row in the operation table says which of the
// fields it uses.
type Inst struct {
	Op    Op
	W     Width // of the operation, or of the memory access
	Order Order // Load, Store
	Cond  Cond  // Set, Select: the comparison of A with B at width W
	Dst   Reg
	A     Reg
	B     Arg
	T, F  Arg // Select: the value if the condition holds, and if not
	Mem   Mem
	Pos   int32 // the source position, for listings; NoPos if there is none
}

// Cond is the condition of a comparison or a bit test.
type Cond uint8

const (
	CondInvalid Cond = iota
	EQ               // A == B
	NE               // A != B
	LTU              // A < B, unsigned
	LEU              // A <= B, unsigned
	GTU              // A > B, unsigned
	GEU              // A >= B, unsigned
	LTS              // A < B, signed
	LES              // A <= B, signed
	GTS              // A > B, signed
	GES              // A >= B, signed
	ANY              // A & B != 0
	NONE             // A & B == 0
)

// TermKind says how a block ends.
type TermKind uint8

const (
	TermInvalid TermKind = iota
	Jump                 // to Then
	Branch               // to Then if Cond holds of A and B at width W, else to Else
	Switch               // to the case whose value A has at width W, else to Else
	Return               // B is the result, 64 bits of it
)

// Case is one way of a Switch.
type Case struct {
	Value  uint64
	Target int
}

// Term ends a block. Targets are indices into Func.Blocks.
type Term struct {
	Kind       TermKind
	W          Width
	Cond       Cond
	A          Reg
	B          Arg
	Then, Else int
	Cases      []Case // ascending by Value, no value twice
	Pos        int32
}

// Block is a basic block.
type Block struct {
	Insts []Inst
	Term  Term
}

// Func is a function. Blocks[0] is the entry; the order of the others is the
// order in which they are laid out. The entry has no predecessors.
type Func struct {
	Name   string
	Params []Reg // at most MaxParams, each another register
	NumReg Reg   // every register r in use has 0 < r < NumReg
	Locals int   // bytes of local stack, uninitialised at entry
	Blocks []*Block
	// Origins, if set, has for each position the source lines that it stands
	// for: several for code that they share. Without it, position p is line p.
	Origins [][]int32
	// Source, if set, gives the text of a position, for listings.
	Source func(pos int32) string
}
