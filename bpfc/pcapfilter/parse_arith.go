package pcapfilter

// Precedence of the binary operators, loosest first. "%" and "^" have none in
// libpcap's grammar, so yacc resolves every conflict they are in by reading on:
// they take the whole rest of the arithmetic as their right operand, and bind
// tighter than whatever stands before their left one.
var precedence = map[tokenKind]int{
	'|':  1,
	'&':  2,
	tLSH: 3, tRSH: 3,
	'+': 4, '-': 4,
	'*': 5, '/': 5,
}

const unaryMinus = 6

func isGreedy(k tokenKind) bool { return k == '%' || k == '^' }

func isRelop(k tokenKind) bool {
	switch k {
	case '=', '<', '>', tGE, tLE, tNE:
		return true
	}
	return false
}

// relation reads the rest of arithmetic that begins with o, and its comparison
// if there is one.
func (p *parser) relation(o operand) operand {
	left := p.binary(o.a, 0)
	if left != o.a {
		o.kind, o.a = isArith, left
	}
	if !isRelop(p.tok.kind) {
		if o.kind == isArith && p.tok.kind != ')' {
			p.unexpected()
		}
		return o
	}
	op := p.tok.kind
	p.advance()
	right := p.arith(0)
	return operand{kind: isTerm, x: &relation{left.where().to(right.where()), op, left, right}, q: undefined}
}

// arith reads arithmetic of operators that bind at least as tight as min.
func (p *parser) arith(min int) arith { return p.binary(p.unary(), min) }

// binary reads operators and right operands behind left.
func (p *parser) binary(left arith, min int) arith {
	for {
		op := p.tok.kind
		prec, ok := precedence[op]
		switch {
		case isGreedy(op):
			prec = 0
		case !ok || prec < min:
			return left
		default:
			prec++
		}
		p.enter()
		p.advance()
		right := p.arith(prec)
		p.leave()
		left = &arBinary{left.where().to(right.where()), op, left, right}
	}
}

// unary reads an operand of arithmetic.
func (p *parser) unary() arith {
	p.enter()
	defer p.leave()
	t := p.tok
	switch {
	case t.kind == tNumber:
		p.advance()
		return &arNumber{t.span, t.num}
	case t.kind == '-':
		p.advance()
		x := p.arith(unaryMinus)
		return &arNegate{t.span.to(x.where()), x}
	case t.kind == '(':
		p.advance()
		x := p.arith(0)
		p.expect(')')
		return x
	case p.is(kwLen):
		p.advance()
		return &arLen{t.span}
	case t.kind == tKeyword && protoOf(t.kw) != protoNone:
		p.advance()
		if p.tok.kind != '[' {
			p.unexpected()
		}
		return p.load(t)
	}
	p.unexpected()
	return nil
}

// load reads "[index:size]" behind a protocol.
func (p *parser) load(proto token) arith {
	p.enter()
	defer p.leave()
	p.expect('[')
	l := &arLoad{proto: protoOf(proto.kw), size: 1}
	l.index = p.arith(0)
	if p.tok.kind == ':' {
		p.advance()
		l.size = p.expect(tNumber).num
	}
	p.expect(']')
	l.span = proto.span.to(p.last)
	return l
}
