package pcapfilter

// The grammar, with "id" for an identifier that takes its qualifiers from what
// stands before it:
//
//	filter  = [ expr ]
//	expr    = term { ("and" | "or") (term | id) }
//	term    = head id | "not" term | "(" expr ")" | relation | primitive
//	head    = [proto] (dir [type] | type | "proto" | "protochain" | "gateway")
//	id      = name | address | number | "not" id | "(" ids ")" | "(" number ")"
//	ids     = (name | address | number | "(" number ")" | "not" id) { ("and" | "or") id }
//
// libpcap's is an LALR(1) grammar; where one token does not tell a term from an
// id (after "and", "or", "not" and a parenthesis behind them), operand parses
// both at once and says which it was.

// maxNesting is how deep parentheses, negations and indexes may nest. libpcap
// stops at a parser stack of 10,000.
const maxNesting = 9900

type parser struct {
	lex   lexer
	tok   token // the next token
	last  span  // the token before it
	depth int
}

// operandKind says what operand found.
type operandKind int

const (
	isTerm   operandKind = iota // complete: passes its qualifiers on
	isID                        // complete: passes on what it inherited
	isNumber                    // a number, maybe in parentheses: an id or the start of arithmetic
	isArith                     // arithmetic that still needs its comparison
)

type operand struct {
	kind operandKind
	x    node       // of isTerm and isID
	a    arith      // of isNumber and isArith
	q    qualifiers // what an identifier behind it inherits
}

// parse reads a whole filter. The empty one gives nil.
func parse(src string) (n node, err *fault) {
	p := &parser{lex: lexer{src: src}}
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(*fault)
			if !ok {
				panic(r)
			}
			n, err = nil, f
		}
	}()
	p.advance()
	if p.tok.kind == tEOF {
		return nil, nil
	}
	o := p.expr(p.start(undefined, false))
	if p.tok.kind != tEOF {
		p.unexpected()
	}
	return o.x, nil
}

// fail ends the parse. Faults travel as panics inside this file's functions
// only; parse turns them into values.
func (p *parser) fail(f *fault) { panic(f) }

func (p *parser) advance() {
	p.last = p.tok.span
	t, err := p.lex.next()
	if err != nil {
		p.fail(err)
	}
	p.tok = t
}

func (p *parser) enter() {
	if p.depth++; p.depth > maxNesting {
		p.fail(faultf(p.tok.span, "expression is nested too deeply").withHint("at most %d levels", maxNesting))
	}
}

func (p *parser) leave() { p.depth-- }

func (p *parser) is(k keyword) bool { return p.tok.kind == tKeyword && p.tok.kw == k }

// unexpected reports the next token as a syntax error.
func (p *parser) unexpected() {
	f := faultf(p.tok.span, "can't parse filter expression: syntax error")
	t := p.tok
	switch {
	case t.kind == tEOF:
		f.hint = "the expression ends too early"
	case t.kind == tNumber && t.text != "" && isDigit(t.text[0]):
		f.hint = quoteHint(t.text) + ` needs a qualifier: "port ` + t.text + `"?`
	case t.kind == tIPv4 || t.kind == tIPv6:
		f.hint = quoteHint(t.text) + ` needs a qualifier: "host ` + t.text + `"?`
	case t.kind == tName:
		f.hint = quoteHint(t.text) + ` needs a qualifier ("host", "port", ...) or an "and" before it`
	case t.kind == tMAC:
		f.hint = quoteHint(t.text) + ` needs a qualifier: "ether host ` + t.text + `"?`
	case t.kind == tKeyword:
		f.hint = "unexpected " + quoteHint(t.text) + `; a keyword used as a name is written \` + t.text
	default:
		f.hint = "unexpected " + quoteHint(t.text)
	}
	p.fail(f)
}

func quoteHint(s string) string { return `"` + shorten(s) + `"` }

func (p *parser) expect(k tokenKind) token {
	t := p.tok
	if t.kind != k {
		p.unexpected()
	}
	p.advance()
	return t
}

// expr reads the rest of an expression whose first operand is a term.
func (p *parser) expr(first operand) operand {
	if first.kind != isTerm {
		p.unexpected()
	}
	if p.tok.kind != tAnd && p.tok.kind != tOr {
		return first
	}
	chain := &andOr{span: first.x.where(), links: []link{{x: first.x}}}
	q := first.q
	for p.tok.kind == tAnd || p.tok.kind == tOr {
		or := p.tok.kind == tOr
		p.advance()
		o := p.asID(p.start(q, true), q)
		q = o.q
		chain.links = append(chain.links, link{or, o.x})
		chain.end = o.x.where().end
	}
	return operand{kind: isTerm, x: chain, q: q}
}

// asID turns a number that turned out to stand alone into an identifier.
func (p *parser) asID(o operand, q qualifiers) operand {
	switch o.kind {
	case isNumber:
		n := o.a.(*arNumber)
		o.x = &match{n.span, q, ident{span: n.span, kind: idNumber, num: n.n, text: p.lex.src[n.pos:n.end]}}
		o.kind, o.q = isID, q
	case isArith:
		p.unexpected()
	}
	return o
}

// start reads one operand, arithmetic with its comparison included. Where ids
// is false an identifier that inherits its qualifiers cannot stand.
func (p *parser) start(inherit qualifiers, ids bool) operand {
	o := p.operand(inherit, ids)
	if o.kind == isNumber || o.kind == isArith {
		o = p.relation(o)
		if o.kind == isNumber && !ids {
			n := o.a.where()
			text := p.lex.src[n.pos:n.end]
			p.fail(faultf(n, "can't parse filter expression: syntax error").
				withHint(`%s needs a qualifier: "port %s"?`, quoteHint(text), shorten(text)))
		}
	}
	return o
}

// operand reads the shortest thing that can stand at the start of an operand.
func (p *parser) operand(inherit qualifiers, ids bool) operand {
	switch p.tok.kind {
	case tName, tIPv4, tIPv6, tMAC, tARCnet:
		if !ids {
			p.unexpected()
		}
		return operand{kind: isID, x: p.identifier(inherit), q: inherit}
	case '!':
		p.enter()
		defer p.leave()
		at := p.tok.span
		p.advance()
		o := p.asID(p.start(inherit, ids), inherit)
		if o.kind == isID && !ids {
			p.unexpected()
		}
		o.x = &not{at.to(o.x.where()), o.x}
		return o
	case '(':
		return p.paren(inherit, ids)
	case tNumber:
		return operand{kind: isNumber, a: p.number()}
	case '-':
		return operand{kind: isArith, a: p.unary()}
	}
	if p.is(kwLen) {
		return operand{kind: isArith, a: p.unary()}
	}
	return p.primitive()
}

// paren reads a parenthesis that may hold an expression, identifiers or
// arithmetic. What stands behind it inherits what stood before it.
func (p *parser) paren(inherit qualifiers, ids bool) operand {
	p.enter()
	defer p.leave()
	open := p.expect('(')
	var o operand
	if p.tok.kind == '(' {
		o = p.paren(inherit, false)
	} else {
		o = p.operand(inherit, ids)
	}
	if o.kind == isNumber || o.kind == isArith {
		o = p.relation(o)
	}
	switch o.kind {
	case isTerm:
		o = p.expr(o)
	case isID, isNumber:
		if o.kind == isNumber && p.tok.kind == ')' {
			break
		}
		if !ids {
			p.unexpected()
		}
		o = p.ids(p.asID(o, inherit), inherit)
	}
	p.expect(')')
	o.q = inherit
	if o.kind == isTerm || o.kind == isID {
		if c, ok := o.x.(*andOr); ok {
			c.span = open.span.to(p.last)
		}
	}
	return o
}

// ids reads the rest of a list of identifiers.
func (p *parser) ids(first operand, q qualifiers) operand {
	if p.tok.kind != tAnd && p.tok.kind != tOr {
		return first
	}
	chain := &andOr{span: first.x.where(), links: []link{{x: first.x}}}
	for p.tok.kind == tAnd || p.tok.kind == tOr {
		or := p.tok.kind == tOr
		p.advance()
		x := p.id(q)
		chain.links = append(chain.links, link{or, x})
		chain.end = x.where().end
	}
	return operand{kind: isID, x: chain, q: q}
}

// id reads an identifier where nothing else can stand.
func (p *parser) id(q qualifiers) node {
	switch p.tok.kind {
	case '!':
		p.enter()
		defer p.leave()
		at := p.tok.span
		p.advance()
		x := p.id(q)
		return &not{at.to(x.where()), x}
	case '(':
		p.enter()
		defer p.leave()
		p.advance()
		var first node
		if p.tok.kind == '(' || p.tok.kind == tNumber {
			first = p.asID(operand{kind: isNumber, a: p.number()}, q).x
		} else {
			first = p.id(q)
		}
		o := p.ids(operand{kind: isID, x: first, q: q}, q)
		p.expect(')')
		return o.x
	case tNumber:
		return p.asID(operand{kind: isNumber, a: p.number()}, q).x
	}
	return p.identifier(q)
}

// number reads a number, maybe in parentheses.
func (p *parser) number() *arNumber {
	if p.tok.kind == '(' {
		p.enter()
		defer p.leave()
		p.advance()
		n := p.number()
		p.expect(')')
		return n
	}
	t := p.expect(tNumber)
	return &arNumber{t.span, t.num}
}

// identifier reads a name or an address.
func (p *parser) identifier(q qualifiers) node {
	t := p.tok
	id := ident{span: t.span, text: t.text}
	switch t.kind {
	case tName:
		id.kind = idName
	case tMAC:
		id.kind = idMAC
	case tARCnet:
		id.kind = idARCnet
	case tIPv4:
		id.kind = idIPv4
	case tIPv6:
		id.kind = idIPv6
	default:
		p.unexpected()
	}
	p.advance()
	if (t.kind == tIPv4 || t.kind == tIPv6) && p.tok.kind == '/' {
		p.advance()
		n := p.expect(tNumber)
		id.kind++ // idIPv4Prefix, idIPv6Prefix
		id.num, id.span = n.num, t.span.to(n.span)
	} else if t.kind == tIPv4 && p.is(kwMask) {
		p.advance()
		m := p.expect(tIPv4)
		id.kind, id.mask, id.span = idIPv4Mask, m.text, t.span.to(m.span)
	}
	return &match{id.span, q, id}
}
