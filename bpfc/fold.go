package bpfc

import "math/bits"

// Folding happens as values are made: a value that can be said more simply is
// never built. In a plain graph everything is built as the program says it.

// possibleBits is a superset of the bits that v may have set, from those of
// its arguments. As a number it is v's upper bound.
func possibleBits(v *Value) uint32 {
	const all = ^uint32(0)
	switch v.Op {
	case OpConst:
		return v.K
	case OpLoad:
		return uint32(1<<(8*v.Size) - 1)
	case OpPhi:
		var or uint32
		for _, arg := range v.Args {
			or |= arg.bits
		}
		return or
	case OpAnd:
		return v.Args[0].bits & v.Args[1].bits
	case OpOr, OpXor:
		return v.Args[0].bits | v.Args[1].bits
	case OpAdd:
		return below(uint64(v.Args[0].bits) + uint64(v.Args[1].bits))
	case OpMul:
		return below(uint64(v.Args[0].bits) * uint64(v.Args[1].bits))
	case OpDiv:
		return below(uint64(v.Args[0].bits))
	case OpMod:
		return below(min(uint64(v.Args[0].bits), uint64(v.Args[1].bits)))
	case OpLsh, OpLshMasked:
		if k, ok := v.Args[1].constant(); ok {
			return evalShift(v.Op, v.Args[0].bits, k)
		}
	case OpRsh, OpRshMasked:
		if k, ok := v.Args[1].constant(); ok {
			return evalShift(v.Op, v.Args[0].bits, k)
		}
		return below(uint64(v.Args[0].bits))
	}
	return all
}

// below has all bits that numbers up to max may have.
func below(max uint64) uint32 {
	if max>>32 != 0 {
		return ^uint32(0)
	}
	return uint32(1<<bits.Len64(max) - 1)
}

func evalShift(op ValueOp, a, count uint32) uint32 {
	if op == OpLshMasked || op == OpRshMasked {
		count &= 31
	}
	if op == OpLsh || op == OpLshMasked {
		return a << count
	}
	return a >> count
}

// eval computes an operation on constants; a divisor is not 0.
func eval(op ValueOp, a, b uint32) uint32 {
	switch op {
	case OpAdd:
		return a + b
	case OpSub:
		return a - b
	case OpMul:
		return a * b
	case OpDiv:
		return a / b
	case OpMod:
		return a % b
	case OpAnd:
		return a & b
	case OpOr:
		return a | b
	case OpXor:
		return a ^ b
	}
	return evalShift(op, a, b)
}

// binary makes op of x and y at the end of b.
func (g *Graph) binary(b *Block, op ValueOp, x, y *Value, pos int32) *Value {
	if !g.plain {
		if v := g.simplify(b, op, x, y, pos); v != nil {
			return v
		}
		if x.Op == OpConst && valueOps[op].flags&isCommutes != 0 {
			x, y = y, x
		}
	}
	return g.add(b, Value{Op: op, Pos: pos}, x, y)
}

// simplify is what op of x and y is, if that is simpler; nil if not.
func (g *Graph) simplify(b *Block, op ValueOp, x, y *Value, pos int32) *Value {
	cx, xIsConst := x.constant()
	cy, yIsConst := y.constant()
	if xIsConst && yIsConst && !((op == OpDiv || op == OpMod) && cy == 0) {
		return g.constant(eval(op, cx, cy))
	}
	if xIsConst && valueOps[op].flags&isCommutes != 0 {
		return g.simplifyConst(b, op, y, cx, pos)
	}
	if yIsConst {
		return g.simplifyConst(b, op, x, cy, pos)
	}
	if x.num == y.num {
		switch op {
		case OpSub, OpXor:
			return g.constant(0)
		case OpAnd, OpOr:
			return x
		}
	}
	return nil
}

// simplifyConst is simplify with a constant as the second operand.
func (g *Graph) simplifyConst(b *Block, op ValueOp, x *Value, c uint32, pos int32) *Value {
	k := g.constant
	switch op {
	case OpLshMasked, OpRshMasked:
		if c >= 32 {
			return g.binary(b, op, x, k(c&31), pos)
		}
	case OpLsh, OpRsh:
		if c >= 32 {
			return k(0)
		}
	}

	switch op {
	case OpAdd, OpOr, OpXor, OpLsh, OpRsh, OpLshMasked, OpRshMasked:
		if c == 0 {
			return x
		}
	case OpSub: // one form for x+c and x-c
		return g.binary(b, OpAdd, x, k(-c), pos)
	case OpMul:
		switch {
		case c == 0:
			return k(0)
		case c == 1:
			return x
		case c&(c-1) == 0:
			return g.binary(b, OpLsh, x, k(uint32(bits.TrailingZeros32(c))), pos)
		}
	case OpDiv:
		switch {
		case c == 1:
			return x
		case c != 0 && c&(c-1) == 0:
			return g.binary(b, OpRsh, x, k(uint32(bits.TrailingZeros32(c))), pos)
		}
	case OpMod:
		if c != 0 && c&(c-1) == 0 {
			return g.binary(b, OpAnd, x, k(c-1), pos)
		}
	case OpAnd:
		switch {
		case x.bits&c == 0:
			return k(0)
		case x.bits&^c == 0:
			return x
		}
	}
	if x.bits == 0 && op != OpAdd && op != OpOr && op != OpXor {
		return k(0)
	}

	// (x op c1) op c2 is one operation where op is associative.
	if (op == OpAdd || op == OpAnd || op == OpOr || op == OpXor) && x.Op == op {
		if c1, ok := x.Args[1].constant(); ok {
			return g.binary(b, op, x.Args[0], k(eval(op, c1, c)), pos)
		}
	}
	return nil
}

// decide is the outcome of a test if it is the same for every packet.
func decide(test Test, x, y *Value) (outcome, known bool) {
	cx, xIsConst := x.constant()
	c, ok := y.constant()
	if !ok {
		if x.num == y.num && test != TestSET {
			return test != TestGT, true
		}
		return false, false
	}
	if xIsConst {
		switch test {
		case TestEQ:
			return cx == c, true
		case TestGT:
			return cx > c, true
		case TestGE:
			return cx >= c, true
		}
		return cx&c != 0, true
	}
	switch test {
	case TestEQ:
		return false, c&^x.bits != 0
	case TestGT:
		return false, x.bits <= c
	case TestGE:
		return c == 0, c == 0 || x.bits < c
	}
	return false, x.bits&c == 0
}
