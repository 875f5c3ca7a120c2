package lir

// Op is the operation of an instruction.
type Op uint8

// The operations. What each reads, writes and means is its row in ops.
const (
	OpInvalid Op = iota
	Mov          // Dst = B
	Add          // Dst = A + B
	Sub          // Dst = A - B
	Mul          // Dst = A * B, the low half
	MulHU        // Dst = A * B, the high half of the unsigned product
	DivU         // Dst = A / B; 0 if B is 0
	ModU         // Dst = A % B; A if B is 0
	And          // Dst = A & B
	Or           // Dst = A | B
	Xor          // Dst = A ^ B
	Neg          // Dst = -A
	Not          // Dst = ^A
	ShlZ         // Dst = A << B; 0 if B >= bits
	ShrZ         // Dst = A >> B, zeros enter; 0 if B >= bits
	SarZ         // Dst = A >> B, the sign enters; all sign bits if B >= bits
	ShlM         // Dst = A << (B mod bits)
	ShrM         // Dst = A >> (B mod bits), zeros enter
	SarM         // Dst = A >> (B mod bits), the sign enters
	Bswap        // Dst = A with its bytes reversed; W16: of the low half-word, zero-extended
	Load         // Dst = the W bytes at Mem in Order, zero-extended
	Store        // the W bytes at Mem = B in Order
	Set          // Dst = 1 if Cond holds of A and B, else 0
	Select       // Dst = T if Cond holds of A and B, else F
	Prefetch     // hint that the line at Mem is read soon; never faults
	numOps
)

// Operands says which fields of an Inst an operation uses.
type Operands uint8

const (
	UsesDst Operands = 1 << iota
	UsesA
	UsesB
	UsesMem
	UsesOrder
	UsesCond
	UsesTF
)

// OpInfo is a row of the operation table.
type OpInfo struct {
	Name     string   // as the text form spells it
	Operands Operands // the fields it uses
	Widths   Width    // the widths it comes in, or'ed
	Effect   bool     // must stay even if Dst is not read
	Commutes bool     // A and B may change places
}

const (
	alu    = UsesDst | UsesA | UsesB
	unary  = UsesDst | UsesA
	w3264  = W32 | W64
	anyMem = W8 | W16 | W32 | W64
)

var ops = [numOps]OpInfo{
	OpInvalid: {Name: "invalid"},
	Mov:       {Name: "mov", Operands: UsesDst | UsesB, Widths: w3264},
	Add:       {Name: "add", Operands: alu, Widths: w3264, Commutes: true},
	Sub:       {Name: "sub", Operands: alu, Widths: w3264},
	Mul:       {Name: "mul", Operands: alu, Widths: w3264, Commutes: true},
	MulHU:     {Name: "mulhu", Operands: alu, Widths: w3264, Commutes: true},
	DivU:      {Name: "divu", Operands: alu, Widths: w3264},
	ModU:      {Name: "modu", Operands: alu, Widths: w3264},
	And:       {Name: "and", Operands: alu, Widths: w3264, Commutes: true},
	Or:        {Name: "or", Operands: alu, Widths: w3264, Commutes: true},
	Xor:       {Name: "xor", Operands: alu, Widths: w3264, Commutes: true},
	Neg:       {Name: "neg", Operands: unary, Widths: w3264},
	Not:       {Name: "not", Operands: unary, Widths: w3264},
	ShlZ:      {Name: "shlz", Operands: alu, Widths: w3264},
	ShrZ:      {Name: "shrz", Operands: alu, Widths: w3264},
	SarZ:      {Name: "sarz", Operands: alu, Widths: w3264},
	ShlM:      {Name: "shlm", Operands: alu, Widths: w3264},
	ShrM:      {Name: "shrm", Operands: alu, Widths: w3264},
	SarM:      {Name: "sarm", Operands: alu, Widths: w3264},
	Bswap:     {Name: "bswap", Operands: unary, Widths: W16 | W32 | W64},
	Load:      {Name: "load", Operands: UsesDst | UsesMem | UsesOrder, Widths: anyMem},
	Store:     {Name: "store", Operands: UsesB | UsesMem | UsesOrder, Widths: anyMem, Effect: true},
	Set:       {Name: "set", Operands: UsesDst | UsesA | UsesB | UsesCond, Widths: w3264},
	Select:    {Name: "select", Operands: UsesDst | UsesA | UsesB | UsesCond | UsesTF, Widths: w3264},
	Prefetch:  {Name: "prefetch", Operands: UsesMem, Effect: true},
}

// Info is the operation's row in the table.
func (op Op) Info() OpInfo {
	if op >= numOps {
		op = OpInvalid
	}
	return ops[op]
}

func (op Op) String() string { return op.Info().Name }
