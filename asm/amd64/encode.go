// Package amd64 encodes 64-bit x86 instructions.
//
// All instructions come from one table, [Assembler.Emit] being its only reader:
// an operation, a width and the operands in Intel's order. "SDM" is the Intel
// 64 and IA-32 Architectures Software Developer's Manual; the instruction
// format is its vol. 2A, chapter 2, and the opcodes are its chapters 3 to 5.
package amd64

import (
	"encoding/binary"
	"math"
	"strings"

	"github.com/bpfjit/bpfjit/asm"
)

// Assembler writes instructions to a buffer. Errors stick to the buffer.
type Assembler struct {
	asm.Buffer
}

// The ways to refer to a label. All displacements count from the end of the
// instruction (SDM vol. 2A, Jcc, JMP and 2.2.1.6).
var (
	jccKind = asm.Kind{
		Name:  "conditional jump",
		Long:  asm.Form{Size: 6, Min: math.MinInt32 + 6, Max: math.MaxInt32, Put: putJccLong},
		Short: asm.Form{Size: 2, Min: math.MinInt8 + 2, Max: math.MaxInt8 + 2, Put: putJccShort},
	}
	jmpKind = asm.Kind{
		Name:  "jump",
		Long:  asm.Form{Size: 5, Min: math.MinInt32 + 5, Max: math.MaxInt32, Put: putJmpLong},
		Short: asm.Form{Size: 2, Min: math.MinInt8 + 2, Max: math.MaxInt8 + 2, Put: putJmpShort},
	}
	ripKind = asm.Kind{
		Name: "relative address",
		Long: asm.Form{Size: 4, Min: math.MinInt32, Max: math.MaxInt32, Put: putDisp32},
	}
)

func putDisp32(dst, _ []byte, disp int64) { binary.LittleEndian.PutUint32(dst, uint32(disp)) }

func putJccLong(dst, long []byte, disp int64) {
	copy(dst, long[:2])
	putDisp32(dst[2:], nil, disp-6)
}

func putJccShort(dst, long []byte, disp int64) {
	dst[0], dst[1] = 0x70|long[1]&0x0f, byte(disp-2)
}

func putJmpLong(dst, _ []byte, disp int64) {
	dst[0] = 0xe9
	putDisp32(dst[1:], nil, disp-5)
}

func putJmpShort(dst, _ []byte, disp int64) {
	dst[0], dst[1] = 0xeb, byte(disp-2)
}

// Jcc jumps to a label under a condition.
func (a *Assembler) Jcc(c Cond, l asm.Label) {
	a.Fixup(&jccKind, l, 0)
	a.Byte(0x0f, 0x80|byte(c), 0, 0, 0, 0)
}

// Jmp jumps to a label.
func (a *Assembler) Jmp(l asm.Label) {
	a.Fixup(&jmpKind, l, 0)
	a.Byte(0xe9, 0, 0, 0, 0)
}

// nops are the recommended no-operations of 1 to 9 bytes (SDM vol. 2B, NOP,
// table 4-12).
var nops = [...][]byte{
	{0x90},
	{0x66, 0x90},
	{0x0f, 0x1f, 0x00},
	{0x0f, 0x1f, 0x40, 0x00},
	{0x0f, 0x1f, 0x44, 0x00, 0x00},
	{0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00},
	{0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00},
	{0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
	{0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
}

// Nop writes n bytes of as few no-operations as possible.
func (a *Assembler) Nop(n int) {
	for n > 0 && a.Err() == nil {
		k := min(n, len(nops))
		a.Byte(nops[k-1]...)
		n -= k
	}
}

// Endbr64 marks a place that indirect jumps and calls may go to (CET).
func (a *Assembler) Endbr64() { a.Byte(0xf3, 0x0f, 0x1e, 0xfa) }

// MovImm sets all 64 bits of a register in the fewest bytes that leave the
// flags alone.
func (a *Assembler) MovImm(dst Reg, v int64) {
	if v == int64(uint32(v)) {
		a.Emit(MOV, W32, dst, Imm(v)) // a 32-bit result is zero-extended (SDM vol. 1, 3.4.1.1)
	} else {
		a.Emit(MOV, W64, dst, Imm(v))
	}
}

// Emit writes an instruction. RET and others without operands have width 0; the
// width of an extension (MOVZX8...) is that of its destination.
func (a *Assembler) Emit(op Op, w Width, operands ...Operand) {
	if a.Err() != nil {
		return
	}
	if base := op & 0xff; base < numOps {
		for i := range forms[base] {
			if f := &forms[base][i]; f.takes(w, operands) {
				a.encode(op, f, w, operands)
				return
			}
		}
	}
	texts := make([]string, len(operands))
	for i, o := range operands {
		texts[i] = describe(o)
	}
	a.Failf("%s of %d bits does not take (%s)", op, int(w)*8, strings.Join(texts, ", "))
}

func (f *form) takes(w Width, operands []Operand) bool {
	if len(operands) > len(f.args) || w != w&-w || w&^f.widths != 0 || w == 0 != (f.widths == 0) {
		return false
	}
	for i, c := range f.args {
		if i >= len(operands) {
			return c == none
		}
		if !c.takes(operands[i], w) {
			return false
		}
	}
	return true
}

// inst is an instruction's fields, gathered before they are written.
type inst struct {
	reg, vvvv byte
	rm        Reg
	mem       Mem
	isMem     bool
	hasModRM  bool
	opcode    byte
	opReg     Reg // of slotOpcode
	imm       int64
	immBytes  int
}

func (a *Assembler) encode(op Op, f *form, w Width, operands []Operand) {
	x := inst{reg: f.digit, opcode: f.opcode + byte(op.cond())}
	if w == W8 && f.widths != W8 {
		x.opcode--
	}
	// Without a REX prefix, 4 to 7 name AH to BH, not SPL to DIL (SDM vol.
	// 2A, table 3-1).
	needREX := false
	for i, o := range operands {
		where := slots[f.en][i]
		switch o := o.(type) {
		case Reg:
			byteSize := w == W8 || f.flags&flagByteR != 0 && where == slotRM
			needREX = needREX || byteSize && RSP <= o && o <= RDI && where != slotNone
			switch where {
			case slotReg:
				x.reg, x.hasModRM = byte(o), true
			case slotRM:
				x.rm, x.hasModRM = o, true
			case slotVvvv:
				x.vvvv = byte(o)
			case slotOpcode:
				x.opReg = o
				x.opcode |= byte(o & 7)
			}
		case Mem:
			x.mem, x.isMem, x.hasModRM = o, true, true
		case Imm:
			if where == slotImm {
				x.imm, x.immBytes = int64(o), f.args[i].bytes(w)
			}
		}
	}
	if x.isMem && !a.checkMem(&x.mem) {
		return
	}
	rexW := w == W64 && f.flags&flagW64 == 0
	if f.flags&flagVEX != 0 {
		a.vex(f, &x, rexW)
	} else {
		a.prefixes(f, &x, w, rexW, needREX)
	}
	a.Byte(x.opcode)
	if x.hasModRM {
		a.modRM(&x)
	}
	switch x.immBytes {
	case 1:
		a.Byte(byte(x.imm))
	case 2:
		a.U16(uint16(x.imm))
	case 4:
		a.U32(uint32(x.imm))
	case 8:
		a.U64(uint64(x.imm))
	}
}

func (a *Assembler) checkMem(m *Mem) bool {
	switch {
	case m.Label != 0 && (m.Disp < -asm.MaxSize || asm.MaxSize < m.Disp):
		a.Failf("memory operand: displacement %d from a label", m.Disp)
	case m.Label != 0:
		return true
	case m.Base > NoReg:
		a.Failf("memory operand: base %d is no register", m.Base)
	case m.Scale == 0:
		return true
	case m.Scale != 1 && m.Scale != 2 && m.Scale != 4 && m.Scale != 8:
		a.Failf("memory operand: scale %d is not 1, 2, 4 or 8", m.Scale)
	case m.Index == RSP:
		a.Failf("memory operand: rsp cannot be an index")
	case m.Index >= NumReg:
		a.Failf("memory operand: index %d is no register", m.Index)
	default:
		return true
	}
	return false
}

// rxb is the fourth bits of the registers in ModRM.reg, SIB.index and
// ModRM.rm, SIB.base or the opcode, in the order of REX.RXB.
func (x *inst) rxb() byte {
	bits := x.reg >> 3 << 2
	switch {
	case !x.hasModRM:
		bits |= byte(x.opReg >> 3)
	case !x.isMem:
		bits |= byte(x.rm >> 3)
	case x.mem.Label == 0:
		if x.mem.Base != NoReg {
			bits |= byte(x.mem.Base >> 3)
		}
		if x.mem.Scale != 0 {
			bits |= byte(x.mem.Index >> 3 << 1)
		}
	}
	return bits
}

// prefixes writes everything before the opcode's last byte (SDM vol. 2A, 2.1
// and 2.2.1).
//
//	+------+--------+------------+---------+-----------+
//	| 66   | 66/F2/F3 | 0100 WRXB | 0F      | 38 or 3A  |
//	| W16  | mandatory|   REX     | escape  |           |
//	+------+--------+------------+---------+-----------+
func (a *Assembler) prefixes(f *form, x *inst, w Width, rexW, needREX bool) {
	if w == W16 {
		a.Byte(0x66)
	}
	if f.prefix != 0 {
		a.Byte(f.prefix)
	}
	rex := x.rxb()
	if rexW {
		rex |= 8
	}
	if rex != 0 || needREX {
		a.Byte(0x40 | rex)
	}
	switch f.opmap {
	case map0F:
		a.Byte(0x0f)
	case map0F38:
		a.Byte(0x0f, 0x38)
	case map0F3A:
		a.Byte(0x0f, 0x3a)
	}
}

// vex writes the three-byte VEX prefix (SDM vol. 2A, 2.3.5); the two-byte one
// cannot say the opcode maps that are in use here.
//
//	+----------+----------------+----------------+
//	| 11000100 | ~R~X~B mmmmm   | W ~vvvv L pp   |
//	+----------+----------------+----------------+
func (a *Assembler) vex(f *form, x *inst, rexW bool) {
	var pp, w byte
	switch f.prefix {
	case 0x66:
		pp = 1
	case 0xf3:
		pp = 2
	case 0xf2:
		pp = 3
	}
	if rexW {
		w = 0x80
	}
	a.Byte(0xc4, ^x.rxb()<<5|byte(f.opmap), w|^x.vvvv&15<<3|pp)
}

// modRM writes ModRM, SIB and displacement (SDM vol. 2A, 2.1.3 and 2.1.5,
// tables 2-2 and 2-3).
//
//	  7  6  5   3 2   0     7   6 5   3 2   0
//	+-----+------+-----+  +-----+------+-----+
//	| mod | reg  | rm  |  |scale|index | base|
//	+-----+------+-----+  +-----+------+-----+
func (a *Assembler) modRM(x *inst) {
	const (
		rmSIB    = 4 // a SIB byte follows
		sibNone  = 4 // no index
		noBase   = 5 // with mod 00: displacement only
		modDisp8 = 1 << 6
		modDisp  = 2 << 6
		modReg   = 3 << 6
	)
	reg := x.reg & 7 << 3
	m := &x.mem
	switch {
	case !x.isMem:
		a.Byte(modReg | reg | byte(x.rm&7))
		return
	case m.Label != 0:
		a.Byte(reg | noBase)
		// The displacement counts from the end of the instruction.
		a.Fixup(&ripKind, m.Label, m.Disp-int32(4+x.immBytes))
		a.U32(0)
		return
	case m.Base == NoReg: // in 64-bit mode, without SIB it would be relative to RIP
		a.Byte(reg|rmSIB, sib(m)|noBase)
		a.U32(uint32(m.Disp))
		return
	}
	mod, base := byte(modDisp), byte(m.Base&7)
	switch {
	case m.Disp == 0 && base != noBase: // RBP and R13 always need a displacement
		mod = 0
	case m.Disp == int32(int8(m.Disp)):
		mod = modDisp8
	}
	if m.Scale != 0 || base == sibNone { // RSP and R12 always need a SIB byte
		a.Byte(mod|reg|rmSIB, sib(m)|base)
	} else {
		a.Byte(mod | reg | base)
	}
	switch mod {
	case modDisp8:
		a.Byte(byte(m.Disp))
	case modDisp:
		a.U32(uint32(m.Disp))
	}
}

// sib is the SIB byte without its base.
func sib(m *Mem) byte {
	if m.Scale == 0 {
		return 4 << 3
	}
	var scale byte
	switch m.Scale {
	case 2:
		scale = 1
	case 4:
		scale = 2
	case 8:
		scale = 3
	}
	return scale<<6 | byte(m.Index&7)<<3
}
