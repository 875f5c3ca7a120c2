package pcapfilter

import (
	"math"
	"math/bits"

	"github.com/bpfjit/bpfjit/bpfc"
)

// valueOp says what a value is made of.
type valueOp uint8

const (
	opConst valueOp = iota // k
	opLen                  // the packet's length on the wire
	opLoad                 // size bytes at k, or at index a plus k; outside the packet it rejects
	opMSH                  // 4*(byte at k & 15): an IPv4 header's length
	opSlot                 // scratch word k: an offset found out earlier
	opALU                  // a alu b, modulo 2^32; division by zero rejects
	opNeg                  // -a
	opChain                // the last protocol of a header chain: see emitChain
)

// value is what a test works on: an expression over the packet. Equal values
// are the same pointer, per compilation.
type value struct {
	op    valueOp
	alu   uint16 // of opALU: one of bpfc.AluADD, ...
	size  uint8  // of opLoad: 1, 2, 4
	k     uint32
	a, b  *value
	chain *chain // of opChain

	id    int
	slots uint32 // which scratch words it reads
	pure  bool   // cannot reject: no load, no division that may be by zero
	max   uint32 // the largest number it can be

	usesX  bool // computing it needs the index register
	spills int  // how many scratch words computing it needs
}

// chain describes a protochain primitive's walk along extension headers.
type chain struct {
	ip6  bool
	link offset // where the network header starts
	want uint32
}

// values makes every value once.
type values struct {
	tab    map[valueKey]*value
	made   slab[value]
	spills int // the most scratch words any of them needs
}

// valueKey is what equal values agree in.
type valueKey struct {
	op    valueOp
	size  uint8
	alu   uint16
	k     uint32
	a, b  *value
	chain *chain
}

func newValues() *values { return &values{tab: map[valueKey]*value{}} }

// intern returns the one value equal to v.
func (vs *values) intern(v value) *value {
	key := valueKey{v.op, v.size, v.alu, v.k, v.a, v.b, v.chain}
	if p, ok := vs.tab[key]; ok {
		return p
	}
	v.id = len(vs.tab)
	p := vs.made.make(v)
	vs.derive(p)
	vs.tab[key] = p
	return p
}

// derive fills what follows from a value's operands.
func (vs *values) derive(v *value) {
	v.pure, v.max = true, 0xffffffff
	for _, x := range []*value{v.a, v.b} {
		if x != nil {
			v.slots |= x.slots
			v.pure = v.pure && x.pure
		}
	}
	vs.deriveCost(v)
	switch v.op {
	case opConst:
		v.max = v.k
	case opLoad:
		v.pure = false
		v.max = uint32(1<<(8*uint(v.size)) - 1)
	case opMSH:
		v.pure, v.max = false, 60
	case opSlot:
		v.slots |= 1 << v.k
	case opChain:
		v.pure, v.max = false, 255
		if v.chain.link.variable {
			v.slots |= 1 << v.chain.link.slot
		}
	case opALU:
		switch v.alu {
		case bpfc.AluDIV, bpfc.AluMOD:
			v.pure = v.pure && v.immediate()
			v.max = v.a.max
		case bpfc.AluAND:
			v.max = min(v.a.max, v.b.max)
		case bpfc.AluADD:
			v.max = unlessOver(uint64(v.a.max) + uint64(v.b.max))
		case bpfc.AluMUL:
			v.max = unlessOver(uint64(v.a.max) * uint64(v.b.max))
		case bpfc.AluOR, bpfc.AluXOR:
			v.max = uint32(1<<bits.Len32(v.a.max|v.b.max) - 1)
		case bpfc.AluLSH:
			if v.immediate() {
				v.max = unlessOver(uint64(v.a.max) << v.b.k)
			}
		case bpfc.AluRSH:
			v.max = v.a.max
			if v.immediate() {
				v.max >>= v.b.k
			}
		}
	}
}

// unlessOver is v, or the largest number if v does not fit and wraps.
func unlessOver(v uint64) uint32 {
	if v > math.MaxUint32 {
		return math.MaxUint32
	}
	return uint32(v)
}

// deriveCost says what emit will need for v, as valueCode does it.
func (vs *values) deriveCost(v *value) {
	switch v.op {
	case opMSH:
		v.usesX = true
	case opLoad:
		if v.a != nil {
			v.usesX, v.spills = true, v.a.spills
		}
	case opNeg:
		v.usesX, v.spills = v.a.usesX, v.a.spills
	case opChain:
		v.usesX, v.spills = true, 1
	case opALU:
		v.usesX, v.spills = v.a.usesX, v.a.spills
		if !v.immediate() {
			v.usesX = true
			v.spills = pairSpills(v.a, v.b)
		}
	}
	vs.spills = max(vs.spills, v.spills)
}

// pairSpills is how many scratch words it takes to have a in the accumulator and
// b in the index register.
func pairSpills(a, b *value) int {
	switch {
	case b.inX():
		return a.spills
	case !a.usesX:
		return max(a.spills, b.spills)
	}
	return max(a.spills, b.spills, 1+min(a.spills, b.spills))
}

// immediate tells operations whose right operand is part of the instruction: a
// constant, unless it is one that validators refuse there.
func (v *value) immediate() bool {
	if v.b.op != opConst {
		return false
	}
	switch v.alu {
	case bpfc.AluLSH, bpfc.AluRSH:
		return v.b.k < 32
	case bpfc.AluDIV, bpfc.AluMOD:
		return v.b.k != 0
	}
	return true
}

// inX tells values that one instruction loads into the index register, leaving
// the accumulator alone.
func (v *value) inX() bool {
	return v.op == opConst || v.op == opLen || v.op == opSlot || v.op == opMSH
}

func (vs *values) constant(k uint32) *value { return vs.intern(value{op: opConst, k: k}) }

func (vs *values) slot(n int) *value { return vs.intern(value{op: opSlot, k: uint32(n)}) }

// slotMax is a scratch word that never holds more than limit.
func (vs *values) slotMax(n int, limit uint32) *value {
	v := vs.slot(n)
	v.max = limit
	return v
}

// load is size bytes at base.
func (vs *values) load(base offset, size int) *value {
	v := value{op: opLoad, size: uint8(size), k: base.k}
	if base.variable {
		v.a = vs.slot(base.slot)
	}
	return vs.intern(v)
}

// loadAt is size bytes at index plus k; the addition does not wrap.
func (vs *values) loadAt(index *value, k uint32, size int) *value {
	if c, rest := splitAdd(index); rest == nil {
		if sum := uint64(c) + uint64(k); sum < maxOffset {
			return vs.intern(value{op: opLoad, size: uint8(size), k: uint32(sum)})
		}
	} else if c > 0 && uint64(c)+uint64(k)+uint64(rest.max) < maxOffset {
		index, k = rest, k+c // cannot wrap, so the constant may move
	}
	return vs.intern(value{op: opLoad, size: uint8(size), k: k, a: index})
}

// maxOffset bounds offsets that are folded into an instruction: from here on
// Linux gives absolute offsets another meaning (SKF_LL_OFF and above are
// negative), and no packet is that long.
const maxOffset = 1 << 31

// splitAdd takes the constant out of a sum: v is c + rest, without rest c alone.
func splitAdd(v *value) (c uint32, rest *value) {
	switch {
	case v.op == opConst:
		return v.k, nil
	case v.op == opALU && v.alu == bpfc.AluADD && v.b.op == opConst:
		return v.b.k, v.a
	case v.op == opALU && v.alu == bpfc.AluADD && v.a.op == opConst:
		return v.a.k, v.b
	}
	return 0, v
}

// alu is a op b. What can be computed now is.
func (vs *values) alu(op uint16, a, b *value) *value {
	if a.op == opConst && b.op == opConst {
		if k, ok := fold(op, a.k, b.k); ok {
			return vs.constant(k)
		}
	}
	if b.op == opConst {
		switch {
		case b.k == 0 && (op == bpfc.AluADD || op == bpfc.AluSUB || op == bpfc.AluOR || op == bpfc.AluXOR ||
			op == bpfc.AluLSH || op == bpfc.AluRSH),
			b.k == 1 && (op == bpfc.AluMUL || op == bpfc.AluDIV),
			op == bpfc.AluAND && b.k == 0xffffffff:
			return a
		}
	} else if a.op == opConst && (op == bpfc.AluADD || op == bpfc.AluMUL || op == bpfc.AluAND || op == bpfc.AluOR || op == bpfc.AluXOR) {
		a, b = b, a // commutes; a constant on the right is an immediate
	}
	return vs.intern(value{op: opALU, alu: op, a: a, b: b})
}

// and masks a value.
func (vs *values) and(a *value, mask uint32) *value { return vs.alu(bpfc.AluAND, a, vs.constant(mask)) }

func (vs *values) neg(a *value) *value {
	if a.op == opConst {
		return vs.constant(-a.k)
	}
	return vs.intern(value{op: opNeg, a: a})
}

// fold computes a op b as the interpreter does; ok is false where it rejects.
func fold(op uint16, a, b uint32) (k uint32, ok bool) {
	switch op {
	case bpfc.AluADD:
		return a + b, true
	case bpfc.AluSUB:
		return a - b, true
	case bpfc.AluMUL:
		return a * b, true
	case bpfc.AluDIV:
		if b == 0 {
			return 0, false
		}
		return a / b, true
	case bpfc.AluMOD:
		if b == 0 {
			return 0, false
		}
		return a % b, true
	case bpfc.AluAND:
		return a & b, true
	case bpfc.AluOR:
		return a | b, true
	case bpfc.AluXOR:
		return a ^ b, true
	case bpfc.AluLSH:
		// Linux takes counts modulo 32; leave it to whoever runs the program.
		return a << b, b < 32
	case bpfc.AluRSH:
		return a >> b, b < 32
	}
	return 0, false
}

// offset is a place in the packet: a constant, or a scratch word plus one.
type offset struct {
	k        uint32
	variable bool
	slot     int
	unset    bool // this link type has no such place
}

func (o offset) plus(k uint32) offset {
	o.k += k
	return o
}
