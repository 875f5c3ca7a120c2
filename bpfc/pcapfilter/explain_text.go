package pcapfilter

import (
	"fmt"

	"github.com/bpfjit/bpfjit/bpfc"
)

var aluSigns = map[uint16]string{
	bpfc.AluADD: "+", bpfc.AluSUB: "-", bpfc.AluMUL: "*", bpfc.AluDIV: "/", bpfc.AluMOD: "%",
	bpfc.AluAND: "&", bpfc.AluOR: "|", bpfc.AluXOR: "^", bpfc.AluLSH: "<<", bpfc.AluRSH: ">>",
}

// String writes a value as arithmetic on the packet's bytes. Scratch words, which
// hold offsets found out at run time, are written @0, @1 and so on.
func (v *value) String() string {
	switch v.op {
	case opConst:
		if v.k < 256 {
			return fmt.Sprintf("%d", v.k)
		}
		return fmt.Sprintf("%#x", v.k)
	case opLen:
		return "len"
	case opSlot:
		return fmt.Sprintf("@%d", v.k)
	case opMSH:
		return fmt.Sprintf("4*(packet[%d] & 15)", v.k)
	case opLoad:
		if v.k >= skfAdOff {
			return fmt.Sprintf("metadata[%d]", v.k-skfAdOff)
		}
		at := fmt.Sprintf("%d", v.k)
		if v.a != nil {
			at = v.a.String() + " + " + at
		}
		if v.size > 1 {
			at += fmt.Sprintf(":%d", v.size)
		}
		return "packet[" + at + "]"
	case opNeg:
		return "-" + v.a.String()
	case opChain:
		return "last protocol of the header chain"
	}
	return fmt.Sprintf("(%v %s %v)", v.a, aluSigns[v.alu], v.b)
}

// String writes a condition as an expression.
func (c *cond) String() string { return c.text(condOr) }

// text writes a condition that stands as an operand of op.
func (c *cond) text(op condKind) string {
	switch c.kind {
	case condNot:
		if t := c.l; t.kind == condTest {
			return t.test.text(true)
		}
		return "not (" + c.l.text(condOr) + ")"
	case condAssign:
		s := ""
		for i, a := range c.sets {
			if i > 0 {
				s += ", "
			}
			s += fmt.Sprintf("@%d := %v", a.slot, a.v)
		}
		return s
	case condAnd, condOr:
		word := " and "
		if c.kind == condOr {
			word = " or "
		}
		s := c.l.text(c.kind) + word + c.r.text(c.kind)
		if c.kind != op {
			return "(" + s + ")"
		}
		return s
	}
	return c.test.text(false)
}

func (t test) text(inverted bool) string {
	sign := map[uint16][2]string{
		bpfc.JmpJEQ: {"=", "!="}, bpfc.JmpJGT: {">", "<="}, bpfc.JmpJGE: {">=", "<"},
	}
	i := 0
	if inverted {
		i = 1
	}
	if t.cmp == bpfc.JmpJSET {
		return fmt.Sprintf("%v & %v %s 0", t.a, t.b, [2]string{"!=", "="}[i])
	}
	return fmt.Sprintf("%v %s %v", t.a, sign[t.cmp][i], t.b)
}

// place says which bytes a load reads.
func (v *value) place() string {
	n := uint32(max(v.size, 1))
	switch {
	case v.op == opChain:
		return "the headers of the chain"
	case v.k >= skfAdOff && v.a == nil:
		return fmt.Sprintf("metadata of the capture (%d)", v.k-skfAdOff)
	case v.a == nil && n == 1:
		return fmt.Sprintf("byte %d", v.k)
	case v.a == nil:
		return fmt.Sprintf("bytes %d-%d", v.k, v.k+n-1)
	case n == 1:
		return fmt.Sprintf("the byte at %v + %d", v.a, v.k)
	}
	return fmt.Sprintf("%d bytes at %v + %d", n, v.a, v.k)
}

// placeOrder sorts places: fixed ones first, then those to be computed.
func (v *value) placeOrder() int {
	switch {
	case v.op == opChain:
		return 3
	case v.a != nil:
		return 2
	case v.k >= skfAdOff:
		return 1
	}
	return 0
}

// loads collects what a condition reads of the packet.
func (c *cond) loads(into map[*value]bool) {
	for _, s := range c.sets {
		s.v.loads(into)
	}
	if c.kind == condTest {
		c.test.a.loads(into)
		c.test.b.loads(into)
	}
	if c.l != nil {
		c.l.loads(into)
	}
	if c.r != nil {
		c.r.loads(into)
	}
}

func (v *value) loads(into map[*value]bool) {
	if v == nil {
		return
	}
	if v.op == opLoad || v.op == opMSH || v.op == opChain {
		into[v] = true
	}
	v.a.loads(into)
	v.b.loads(into)
}
