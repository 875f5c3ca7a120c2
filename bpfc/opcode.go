package bpfc

// The fields of an opcode, as in the original paper (McCanne and Jacobson,
// "The BSD Packet Filter", 1993) and bpf(4):
//
//	msb                                  lsb
//	+--------------+-----+---------------+
//	| mode  (3)    | size (2) | class (3)|   loads and stores
//	| op    (4)    | src (1)  | class (3)|   arithmetic and jumps
//	| (3) | rval (2)         | class (3)|   returns
//	| miscop (5)              | class (3)|   register transfers
//	+-------------------------+----------+
const (
	ClassLD   uint16 = 0x00
	ClassLDX  uint16 = 0x01
	ClassST   uint16 = 0x02
	ClassSTX  uint16 = 0x03
	ClassALU  uint16 = 0x04
	ClassJMP  uint16 = 0x05
	ClassRET  uint16 = 0x06
	ClassMISC uint16 = 0x07

	SizeW uint16 = 0x00
	SizeH uint16 = 0x08
	SizeB uint16 = 0x10

	ModeIMM uint16 = 0x00
	ModeABS uint16 = 0x20
	ModeIND uint16 = 0x40
	ModeMEM uint16 = 0x60
	ModeLEN uint16 = 0x80
	ModeMSH uint16 = 0xa0

	AluADD uint16 = 0x00
	AluSUB uint16 = 0x10
	AluMUL uint16 = 0x20
	AluDIV uint16 = 0x30
	AluOR  uint16 = 0x40
	AluAND uint16 = 0x50
	AluLSH uint16 = 0x60
	AluRSH uint16 = 0x70
	AluNEG uint16 = 0x80
	AluMOD uint16 = 0x90
	AluXOR uint16 = 0xa0

	JmpJA   uint16 = 0x00
	JmpJEQ  uint16 = 0x10
	JmpJGT  uint16 = 0x20
	JmpJGE  uint16 = 0x30
	JmpJSET uint16 = 0x40

	SrcK  uint16 = 0x00
	SrcX  uint16 = 0x08
	RvalA uint16 = 0x10

	MiscTAX  uint16 = 0x00
	MiscCOP  uint16 = 0x20 // NetBSD
	MiscCOPX uint16 = 0x40 // NetBSD
	MiscTXA  uint16 = 0x80
)

// Whole opcodes, named as "class, what it works on".
const (
	LdImm  = ClassLD | SizeW | ModeIMM
	LdMem  = ClassLD | SizeW | ModeMEM
	LdLen  = ClassLD | SizeW | ModeLEN
	LdAbsW = ClassLD | SizeW | ModeABS
	LdAbsH = ClassLD | SizeH | ModeABS
	LdAbsB = ClassLD | SizeB | ModeABS
	LdIndW = ClassLD | SizeW | ModeIND
	LdIndH = ClassLD | SizeH | ModeIND
	LdIndB = ClassLD | SizeB | ModeIND
	LdxImm = ClassLDX | SizeW | ModeIMM
	LdxMem = ClassLDX | SizeW | ModeMEM
	LdxLen = ClassLDX | SizeW | ModeLEN
	LdxMsh = ClassLDX | SizeB | ModeMSH
	St     = ClassST
	Stx    = ClassSTX
	Neg    = ClassALU | AluNEG
	Ja     = ClassJMP | JmpJA
	RetK   = ClassRET | SrcK
	RetA   = ClassRET | RvalA
	Tax    = ClassMISC | MiscTAX
	Txa    = ClassMISC | MiscTXA
	Cop    = ClassMISC | MiscCOP
	Copx   = ClassMISC | MiscCOPX
)

// Class is an opcode's class: one of the Class constants.
func Class(op uint16) uint16 { return op & 0x07 }

// Size is the access size of a load, in bytes.
func Size(op uint16) int {
	switch op & 0x18 {
	case SizeW:
		return 4
	case SizeH:
		return 2
	case SizeB:
		return 1
	}
	return 0
}

// Mode is the addressing mode of a load: one of the Mode constants.
func Mode(op uint16) uint16 { return op & 0xe0 }

// AluOp is the operation of an arithmetic or jump opcode.
func AluOp(op uint16) uint16 { return op & 0xf0 }

// Src is where an arithmetic or jump opcode takes its operand from: SrcK or SrcX.
func Src(op uint16) uint16 { return op & 0x08 }

// IsConditional tells the four conditional jumps.
func IsConditional(op uint16) bool { return Class(op) == ClassJMP && AluOp(op) != JmpJA }
