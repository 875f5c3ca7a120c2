package bpfasm

import "github.com/bpfjit/bpfjit/bpfc"

// operand is what stands after a mnemonic.
type operand uint8

const (
	argNone  operand = iota
	argImm           // #k
	argX             // x, %x
	argA             // a, %a
	argAbs           // [k], or the name of an extension
	argInd           // [x + k]
	argMem           // M[k]
	argMsh           // 4*([k]&0xf)
	argLen           // #len, the packet's length
	argLabel         // the target of ja
	numOperands
)

var operandNames = [numOperands]string{
	"nothing", "#k", "x", "a", "[k]", "[x + k]", "M[k]", "4*([k]&0xf)", "#len", "a label",
}

// usesK tells the operands that are spelled with k.
func (o operand) usesK() bool {
	switch o {
	case argImm, argAbs, argInd, argMem, argMsh, argLabel:
		return true
	}
	return false
}

// format is how one opcode is spelled.
type format struct {
	op       uint16
	mnemonic string
	arg      operand
	decimal  bool // an immediate is printed in signed decimal, else in hexadecimal
	unimp    bool // libpcap's bpf_image does not know it
}

// conditional tells a jump with jt and jf.
func (f *format) conditional() bool { return bpfc.IsConditional(f.op) }

// formatTable has every opcode that some system executes. Columns as in bpf(4):
// the mnemonics are those of the original assembler, the number bases those of
// libpcap's bpf_image.
var formatTable = [...]format{
	{op: bpfc.LdImm, mnemonic: "ld", arg: argImm},
	{op: bpfc.LdMem, mnemonic: "ld", arg: argMem},
	{op: bpfc.LdLen, mnemonic: "ld", arg: argLen},
	{op: bpfc.LdAbsW, mnemonic: "ld", arg: argAbs},
	{op: bpfc.LdAbsH, mnemonic: "ldh", arg: argAbs},
	{op: bpfc.LdAbsB, mnemonic: "ldb", arg: argAbs},
	{op: bpfc.LdIndW, mnemonic: "ld", arg: argInd},
	{op: bpfc.LdIndH, mnemonic: "ldh", arg: argInd},
	{op: bpfc.LdIndB, mnemonic: "ldb", arg: argInd},
	{op: bpfc.LdxImm, mnemonic: "ldx", arg: argImm},
	{op: bpfc.LdxMem, mnemonic: "ldx", arg: argMem},
	{op: bpfc.LdxLen, mnemonic: "ldx", arg: argLen, unimp: true},
	{op: bpfc.LdxMsh, mnemonic: "ldxb", arg: argMsh},
	{op: bpfc.St, mnemonic: "st", arg: argMem},
	{op: bpfc.Stx, mnemonic: "stx", arg: argMem},

	{op: bpfc.ClassALU | bpfc.AluADD | bpfc.SrcK, mnemonic: "add", arg: argImm, decimal: true},
	{op: bpfc.ClassALU | bpfc.AluADD | bpfc.SrcX, mnemonic: "add", arg: argX},
	{op: bpfc.ClassALU | bpfc.AluSUB | bpfc.SrcK, mnemonic: "sub", arg: argImm, decimal: true},
	{op: bpfc.ClassALU | bpfc.AluSUB | bpfc.SrcX, mnemonic: "sub", arg: argX},
	{op: bpfc.ClassALU | bpfc.AluMUL | bpfc.SrcK, mnemonic: "mul", arg: argImm, decimal: true},
	{op: bpfc.ClassALU | bpfc.AluMUL | bpfc.SrcX, mnemonic: "mul", arg: argX},
	{op: bpfc.ClassALU | bpfc.AluDIV | bpfc.SrcK, mnemonic: "div", arg: argImm, decimal: true},
	{op: bpfc.ClassALU | bpfc.AluDIV | bpfc.SrcX, mnemonic: "div", arg: argX},
	{op: bpfc.ClassALU | bpfc.AluMOD | bpfc.SrcK, mnemonic: "mod", arg: argImm, decimal: true},
	{op: bpfc.ClassALU | bpfc.AluMOD | bpfc.SrcX, mnemonic: "mod", arg: argX},
	{op: bpfc.ClassALU | bpfc.AluLSH | bpfc.SrcK, mnemonic: "lsh", arg: argImm, decimal: true},
	{op: bpfc.ClassALU | bpfc.AluLSH | bpfc.SrcX, mnemonic: "lsh", arg: argX},
	{op: bpfc.ClassALU | bpfc.AluRSH | bpfc.SrcK, mnemonic: "rsh", arg: argImm, decimal: true},
	{op: bpfc.ClassALU | bpfc.AluRSH | bpfc.SrcX, mnemonic: "rsh", arg: argX},
	{op: bpfc.ClassALU | bpfc.AluAND | bpfc.SrcK, mnemonic: "and", arg: argImm},
	{op: bpfc.ClassALU | bpfc.AluAND | bpfc.SrcX, mnemonic: "and", arg: argX},
	{op: bpfc.ClassALU | bpfc.AluOR | bpfc.SrcK, mnemonic: "or", arg: argImm},
	{op: bpfc.ClassALU | bpfc.AluOR | bpfc.SrcX, mnemonic: "or", arg: argX},
	{op: bpfc.ClassALU | bpfc.AluXOR | bpfc.SrcK, mnemonic: "xor", arg: argImm},
	{op: bpfc.ClassALU | bpfc.AluXOR | bpfc.SrcX, mnemonic: "xor", arg: argX},
	{op: bpfc.Neg, mnemonic: "neg", arg: argNone},

	{op: bpfc.Ja, mnemonic: "ja", arg: argLabel},
	{op: bpfc.ClassJMP | bpfc.JmpJEQ | bpfc.SrcK, mnemonic: "jeq", arg: argImm},
	{op: bpfc.ClassJMP | bpfc.JmpJEQ | bpfc.SrcX, mnemonic: "jeq", arg: argX},
	{op: bpfc.ClassJMP | bpfc.JmpJGT | bpfc.SrcK, mnemonic: "jgt", arg: argImm},
	{op: bpfc.ClassJMP | bpfc.JmpJGT | bpfc.SrcX, mnemonic: "jgt", arg: argX},
	{op: bpfc.ClassJMP | bpfc.JmpJGE | bpfc.SrcK, mnemonic: "jge", arg: argImm},
	{op: bpfc.ClassJMP | bpfc.JmpJGE | bpfc.SrcX, mnemonic: "jge", arg: argX},
	{op: bpfc.ClassJMP | bpfc.JmpJSET | bpfc.SrcK, mnemonic: "jset", arg: argImm},
	{op: bpfc.ClassJMP | bpfc.JmpJSET | bpfc.SrcX, mnemonic: "jset", arg: argX},

	{op: bpfc.RetK, mnemonic: "ret", arg: argImm, decimal: true},
	{op: bpfc.RetA, mnemonic: "ret", arg: argA},
	{op: bpfc.Tax, mnemonic: "tax", arg: argNone},
	{op: bpfc.Txa, mnemonic: "txa", arg: argNone},

	// NetBSD's calls of functions in the kernel have no assembler; the
	// spelling is ours.
	{op: bpfc.Cop, mnemonic: "cop", arg: argImm, decimal: true, unimp: true},
	{op: bpfc.Copx, mnemonic: "copx", arg: argNone, unimp: true},
}

// Indexes of formatTable. They are filled once and only read.
var (
	formatByOp   = indexByOp()
	formatByName = indexByName()
)

func indexByOp() (index [256]*format) {
	for i := range formatTable {
		index[formatTable[i].op] = &formatTable[i]
	}
	return index
}

func indexByName() map[string]*[numOperands]*format {
	index := make(map[string]*[numOperands]*format)
	for i := range formatTable {
		f := &formatTable[i]
		if index[f.mnemonic] == nil {
			index[f.mnemonic] = new([numOperands]*format)
		}
		index[f.mnemonic][f.arg] = f
	}
	// Both assemblers also take ldx for what libpcap calls ldxb.
	index["ldx"][argMsh] = index["ldxb"][argMsh]
	return index
}

// formatOf is the row of an opcode, nil if there is none.
func formatOf(op uint16) *format {
	if int(op) >= len(formatByOp) {
		return nil
	}
	return formatByOp[op]
}

// alias is another spelling of instructions of the table.
type alias struct {
	mnemonic string
	only     operand // argNone: any
	inverted bool    // jt and jf change places, and there is but one label
	bare     bool    // the # of an immediate may be left out
}

// aliases has the spellings that bpf_asm (Linux, tools/bpf) and bpfc
// (netsniff-ng) have beyond those of the table.
var aliases = map[string]alias{
	"ldi":  {mnemonic: "ld", only: argImm, bare: true},
	"ldxi": {mnemonic: "ldx", only: argImm, bare: true},
	"jmp":  {mnemonic: "ja"},
	"jne":  {mnemonic: "jeq", inverted: true},
	"jneq": {mnemonic: "jeq", inverted: true},
	"jlt":  {mnemonic: "jge", inverted: true},
	"jle":  {mnemonic: "jgt", inverted: true},
}

// inverses has the name under which a jump is written that is taken to its
// second label only.
var inverses = map[string]string{"jeq": "jneq", "jge": "jlt", "jgt": "jle"}

// adOff is SKF_AD_OFF of linux/filter.h: absolute loads from here on read what
// the kernel knows of a packet besides its bytes.
const adOff = 0xfffff000

// extension is one such load, at adOff plus four times its index in the table.
type extension struct {
	image   string   // what bpf_image prints in brackets
	asm     string   // what we write, a name that bpf_asm has; empty: the number
	aliases []string // what else we read: bpf_asm's, bpfc's and our own names
}

var extensions = [...]extension{
	{"proto", "proto", []string{"pto", "protocol"}},
	{"type", "type", []string{"pkttype"}},
	{"ifidx", "ifidx", []string{"ifx", "ifindex"}},
	{"nla", "nla", []string{"nlattr"}},
	{"nlan", "nlan", []string{"nlattr_nest"}},
	{"mark", "mark", nil},
	{"queue", "queue", []string{"que", "q"}},
	{"hatype", "hatype", []string{"hat"}},
	{"rxhash", "rxhash", []string{"rxh"}},
	{"cpu", "cpu", nil},
	{"xor_x", "", []string{"alu_xor_x"}},
	{"vlan_tci", "vlan_tci", []string{"vlant", "vlan_tag"}},
	{"vlanp", "vlan_avail", []string{"vlan_pr", "vlana", "vlan_acc", "vlan_tag_present"}},
	{"poff", "poff", []string{"payload_offset", "pay_offset"}},
	{"random", "rand", nil},
	{"vlan_tpid", "vlan_tpid", nil},
}

// extensionOf is the extension that an absolute load from k reads, or nil.
func extensionOf(k uint32) *extension {
	if i := (k - adOff) / 4; k >= adOff && k%4 == 0 && i < uint32(len(extensions)) {
		return &extensions[i]
	}
	return nil
}

// extensionNames has all names, in lower case, with what they load.
var extensionNames = func() map[string]uint32 {
	names := make(map[string]uint32)
	for i, e := range extensions {
		k := adOff + 4*uint32(i)
		names[e.image] = k
		if e.asm != "" {
			names[e.asm] = k
		}
		for _, a := range e.aliases {
			names[a] = k
		}
	}
	return names
}()
