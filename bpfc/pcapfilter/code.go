package pcapfilter

import (
	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
)

// registers is what is known to be in the accumulator and the index register.
type registers struct{ a, x *value }

// meet is what is known where two ways come together.
func (r registers) meet(o registers) registers {
	if r.a != o.a {
		r.a = nil
	}
	if r.x != o.x {
		r.x = nil
	}
	return r
}

// blockCode makes the instructions of one block, but for its jumps.
type blockCode struct {
	vs   *values
	regs registers
	free int // the first scratch word that no offset lives in
	code []bpf.RawInstruction
}

func (c *blockCode) ins(op uint16, k uint32) {
	c.code = append(c.code, bpf.RawInstruction{Op: op, K: k})
}

// scratch takes a scratch word; its user gives it back by lowering free.
func (c *blockCode) scratch() uint32 {
	if c.free == scratchWords {
		panic(faultf(span{}, "too many registers needed to evaluate expression"))
	}
	c.free++
	return uint32(c.free - 1)
}

var sizeBits = map[uint8]uint16{1: bpfc.SizeB, 2: bpfc.SizeH, 4: bpfc.SizeW}

// toA puts v into the accumulator.
func (c *blockCode) toA(v *value) {
	if c.regs.a == v {
		return
	}
	if c.regs.x == v {
		c.ins(bpfc.Txa, 0)
		c.regs.a = v
		return
	}
	switch v.op {
	case opConst:
		c.ins(bpfc.LdImm, v.k)
	case opLen:
		c.ins(bpfc.LdLen, 0)
	case opSlot:
		c.ins(bpfc.LdMem, v.k)
	case opMSH:
		c.toX(v)
		c.ins(bpfc.Txa, 0)
	case opLoad:
		op := bpfc.ClassLD | sizeBits[v.size]
		if v.a == nil {
			c.ins(op|bpfc.ModeABS, v.k)
		} else {
			c.toX(v.a)
			c.ins(op|bpfc.ModeIND, v.k)
		}
	case opNeg:
		c.toA(v.a)
		c.ins(bpfc.Neg, 0)
	case opChain:
		c.chain(v.chain)
		c.regs.x = nil
	case opALU:
		if v.immediate() {
			c.toA(v.a)
			c.ins(bpfc.ClassALU|v.alu|bpfc.SrcK, v.b.k)
		} else {
			a, b := v.a, v.b
			if a.inX() && !b.inX() && commutes(v.alu) {
				a, b = b, a // the one that needs no scratch word
			}
			c.toAX(a, b)
			c.ins(bpfc.ClassALU|v.alu|bpfc.SrcX, 0)
		}
	}
	c.regs.a = v
}

// toX puts v into the index register; the accumulator may change.
func (c *blockCode) toX(v *value) {
	if c.regs.x == v {
		return
	}
	switch v.op {
	case opConst:
		c.ins(bpfc.LdxImm, v.k)
	case opLen:
		c.ins(bpfc.LdxLen, 0)
	case opSlot:
		c.ins(bpfc.LdxMem, v.k)
	case opMSH:
		c.ins(bpfc.LdxMsh, v.k)
	default:
		c.toA(v)
		c.ins(bpfc.Tax, 0)
	}
	c.regs.x = v
}

// toAX puts a into the accumulator and b into the index register. Which is
// computed first is chosen so that few scratch words are needed, however deep
// the expression nests on one side.
func (c *blockCode) toAX(a, b *value) {
	switch {
	case b.inX():
		c.toA(a)
		c.toX(b)
	case !a.usesX:
		c.toX(b)
		c.toA(a)
	case a.spills >= b.spills:
		c.toA(a)
		t := c.scratch()
		c.ins(bpfc.St, t)
		c.toX(b)
		c.ins(bpfc.LdMem, t)
		c.free--
	default:
		c.toA(b)
		t := c.scratch()
		c.ins(bpfc.St, t)
		c.toA(a)
		c.ins(bpfc.LdxMem, t)
		c.free--
	}
	c.regs = registers{a, b}
}

// inX stands for the index register among the numbers of scratch words: it may
// hold a number of the optimiser's between tests that do not need it.
const inX = scratchWords

// assign stores values into scratch words. What is read of the last one then is
// taken from the accumulator where all ways have it there.
func (c *blockCode) assign(sets []assign) {
	for _, s := range sets {
		if s.slot == inX {
			c.toX(s.v)
			c.regs.x = c.vs.slot(inX)
			continue
		}
		c.toA(s.v)
		c.ins(bpfc.St, uint32(s.slot))
		if x := c.regs.x; x != nil && x.slots&(1<<s.slot) != 0 {
			c.regs.x = nil // it was made of the word's old contents
		}
		c.regs.a = c.vs.slot(s.slot)
	}
}

// chain walks a header chain until it finds the wanted protocol, one without
// a next header, or one it cannot look behind, and leaves that in the
// accumulator. The index register holds the place behind the network header.
// The jump back is only known to libpcap's dialect.
//
// An AH header's length replaces the place instead of moving it, in libpcap and
// therefore here: what a second header behind AH is read from is not it.
func (c *blockCode) chain(ch *chain) {
	net := ch.link.k
	t := c.scratch()
	defer func() { c.free-- }()
	var ends, exts []int // jumps to patch: where true goes
	jeq := func(k uint32, list *[]int) {
		*list = append(*list, len(c.code))
		c.ins(bpfc.ClassJMP|bpfc.JmpJEQ, k)
	}
	if ch.ip6 {
		c.ins(bpfc.LdAbsB, net+6)
		c.ins(bpfc.LdxImm, ip6HeaderLen)
	} else {
		c.ins(bpfc.LdAbsB, net+9)
		c.ins(bpfc.LdxMsh, net)
	}
	loop := len(c.code)
	again := func() { c.ins(bpfc.Ja, uint32(loop-len(c.code)-1)) }
	jeq(ch.want, &ends)
	jeq(ipNoNext, &ends)
	if ch.ip6 {
		jeq(ipHopOpts, &exts)
		jeq(ipDstOpts, &exts)
		jeq(ipRouting, &exts)
		jeq(ipFragment, &exts)
	}
	isAH := len(c.code)
	c.ins(bpfc.ClassJMP|bpfc.JmpJEQ, ipAH)
	c.ins(bpfc.LdIndB, net)
	c.ins(bpfc.St, t)
	c.ins(bpfc.LdIndB, net+1)
	c.ins(bpfc.ClassALU|bpfc.AluADD, 2)
	c.ins(bpfc.ClassALU|bpfc.AluMUL, 4)
	c.ins(bpfc.Tax, 0)
	c.ins(bpfc.LdMem, t)
	again()
	if ch.ip6 {
		at := len(c.code)
		for _, i := range exts {
			c.code[i].Jt = uint8(at - i - 1)
		}
		c.ins(bpfc.LdIndB, net)
		c.ins(bpfc.St, t)
		c.ins(bpfc.LdIndB, net+1)
		c.ins(bpfc.ClassALU|bpfc.AluADD, 1)
		c.ins(bpfc.ClassALU|bpfc.AluMUL, 8)
		c.ins(bpfc.ClassALU|bpfc.AluADD|bpfc.SrcX, 0)
		c.ins(bpfc.Tax, 0)
		c.ins(bpfc.LdMem, t)
		again()
	}
	at := len(c.code)
	for _, i := range ends {
		c.code[i].Jt = uint8(at - i - 1)
	}
	c.code[isAH].Jf = uint8(at - isAH - 1)
}
