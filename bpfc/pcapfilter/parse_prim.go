package pcapfilter

// primitive reads a term that begins with a keyword.
func (p *parser) primitive() operand {
	t := p.tok
	if t.kind != tKeyword {
		p.unexpected()
	}
	term := func(x node) operand { return operand{kind: isTerm, x: x, q: undefined} }
	var q qualifiers
	if q.proto = protoOf(t.kw); q.proto != protoNone {
		p.advance()
		if p.tok.kind == '[' {
			return operand{kind: isArith, a: p.load(t)}
		}
	}
	if p.tok.kind == tKeyword {
		switch p.tok.kw {
		case kwBroadcast, kwMulticast:
			c := &cast{proto: q.proto, broadcast: p.tok.kw == kwBroadcast}
			p.advance()
			c.span = t.span.to(p.last)
			return term(c)
		case kwType, kwSubtype, kwDir:
			return term(p.wlan(t.span))
		}
		if p.head(&q) {
			x := p.id(q)
			if m, ok := x.(*match); ok {
				m.span = t.span.to(m.span)
			}
			return operand{kind: isTerm, x: x, q: q}
		}
	}
	if q.proto != protoNone {
		return term(&abbrev{t.span, q.proto})
	}
	return term(p.keyword())
}

// head reads direction and type qualifiers and tells whether there are any.
func (p *parser) head(q *qualifiers) bool {
	q.dir = p.direction()
	if q.typ = typeOf(p.tok); q.typ >= typeGateway && q.dir != dirNone {
		p.unexpected()
	}
	if q.typ != typeNone {
		p.advance()
	}
	return q.dir != dirNone || q.typ != typeNone
}

func typeOf(t token) idType {
	if t.kind == tKeyword {
		switch t.kw {
		case kwHost:
			return typeHost
		case kwNet:
			return typeNet
		case kwPort:
			return typePort
		case kwPortrange:
			return typePortrange
		case kwGateway:
			return typeGateway
		case kwProto:
			return typeProto
		case kwProtochain:
			return typeProtochain
		}
	}
	return typeNone
}

// direction reads a direction qualifier: "src", "src or dst", "addr1" and so on.
func (p *parser) direction() dir {
	if p.tok.kind != tKeyword {
		return dirNone
	}
	switch kw := p.tok.kw; kw {
	case kwSrc, kwDst:
		other, d := kwDst, dirSrc
		if kw == kwDst {
			other, d = kwSrc, dirDst
		}
		p.advance()
		switch p.tok.kind {
		case tOr:
			d = dirSrcOrDst
		case tAnd:
			d = dirSrcAndDst
		default:
			return d
		}
		p.advance()
		if !p.is(other) {
			p.unexpected()
		}
		p.advance()
		return d
	case kwRA, kwTA, kwAddr1, kwAddr2, kwAddr3, kwAddr4:
		p.advance()
		return dirRA + dir(kw-kwRA)
	}
	return dirNone
}

// keyword reads a primitive that takes no qualifiers.
func (p *parser) keyword() node {
	t := p.tok
	p.advance()
	x := &plain{span: t.span, kw: t.kw, word: t.text}
	number := func() uint32 {
		n := p.expect(tNumber)
		x.span = t.span.to(n.span)
		return n.num
	}
	switch t.kw {
	case kwLess, kwGreater:
		n := number()
		return &lengthTest{x.span, t.kw == kwGreater, n}
	case kwByte:
		b := &byteTest{offset: number(), op: p.tok.kind}
		switch b.op {
		case '&', '|', '<', '>', '=':
			p.advance()
		default:
			p.unexpected()
		}
		b.value = number()
		b.span = x.span
		return b
	case kwInbound, kwOutbound, kwPPPoED, kwATM, kwMTP:
	case kwIfindex, kwRnr, kwSrnr:
		x.hasNum, x.num = true, number()
	case kwVLAN, kwMPLS, kwPPPoES, kwGeneve, kwVXLAN:
		if p.tok.kind == tNumber || p.tok.kind == '(' {
			x.num = p.number().n
			x.hasNum, x.span = true, t.span.to(p.last)
		}
	case kwLLC:
		if p.tok.kind == tName || p.is(kwRnr) {
			x.name, x.span = p.tok.text, t.span.to(p.tok.span)
			p.advance()
		}
	case kwIfname, kwRset, kwReason, kwAction:
		if p.tok.kind != tName && !(p.tok.kind == tNumber && t.kw == kwReason) {
			p.unexpected()
		}
		x.name, x.span = p.tok.text, t.span.to(p.tok.span)
		p.advance()
	case kwATMField, kwMTPField:
		if isRelop(p.tok.kind) {
			x.op = p.tok.kind
			p.advance()
		}
		x.hasNum, x.num = true, number()
	default:
		p.tok, p.lex.pos = t, t.end
		p.unexpected()
	}
	return x
}
