package pcapfilter

import (
	"slices"
	"strings"
)

// filter is an expression as the list of known differences looks at it.
type filter struct {
	src  string
	root node // nil if we cannot parse it
	dlt  int
}

func newFilter(lt LinkType, src string) *filter {
	root, f := parse(src)
	if f != nil {
		root = nil
	}
	return &filter{src, root, lt.Number()}
}

// edit replaces a piece of an expression.
type edit struct {
	span
	text string
	weak bool // gives way to another in the same place
}

// apply makes all edits; one inside another is left out.
func (f *filter) apply(edits []edit) string {
	slices.SortStableFunc(edits, func(a, b edit) int {
		if a.pos == b.pos && a.weak != b.weak {
			if a.weak {
				return 1
			}
			return -1
		}
		return a.pos - b.pos
	})
	var b strings.Builder
	at := 0
	for _, e := range edits {
		if e.pos < at {
			continue
		}
		b.WriteString(f.src[at:e.pos])
		b.WriteString(e.text)
		at = e.end
	}
	b.WriteString(f.src[at:])
	return b.String()
}

// whole is a span and the parentheses around its ends that belong to it: the
// spans of arithmetic leave them out.
func (f *filter) whole(s span) span {
	open, missing := 0, 0
	for _, c := range f.src[s.pos:s.end] {
		switch c {
		case '(':
			open++
		case ')':
			open--
			missing = max(missing, -open)
		}
	}
	for n := missing; n > 0; s.pos-- {
		if f.src[s.pos-1] == '(' {
			n--
		}
	}
	for n := open + missing; n > 0; s.end++ {
		if f.src[s.end] == ')' {
			n--
		}
	}
	return s
}

// walk visits all nodes of the boolean expression.
func (f *filter) walk(visit func(n node)) {
	var walk func(n node)
	walk = func(n node) {
		switch n := n.(type) {
		case nil:
		case *andOr:
			for _, l := range n.links {
				walk(l.x)
			}
		case *not:
			walk(n.x)
		default:
			visit(n)
		}
	}
	walk(f.root)
}

// replace makes a rewriting of one that gives other words for a primitive, or
// none.
func replace(words func(f *filter, n node) string) func(f *filter) []edit {
	return func(f *filter) (edits []edit) {
		f.walk(func(n node) {
			if w := words(f, n); w != "" {
				edits = append(edits, edit{span: n.where(), text: "(" + w + ")"})
			}
		})
		return f.spellOut(edits)
	}
}

// spellOut adds to edits that replace identifiers what makes all others keep
// their qualifiers: those that inherit them, or share them with a list in
// parentheses, have them written out.
func (f *filter) spellOut(edits []edit) []edit {
	replaced := map[span]bool{}
	for _, e := range edits {
		replaced[e.span] = true
	}
	needed := false
	var matches []*match
	f.walk(func(n node) {
		if m, ok := n.(*match); ok {
			matches = append(matches, m)
			needed = needed || replaced[m.span]
		}
	})
	if !needed {
		return edits
	}
	tokens := f.tokens()
	for _, m := range matches {
		if m.span != m.id.span || m.q.typ == typeUndef {
			continue // its qualifiers stand right before it, or there are none
		}
		if h, ok := head(tokens, m); ok {
			edits = append(edits, edit{span: h, weak: true})
		}
		words := []string{"(" + m.q.proto.String(), m.q.dir.String(), m.q.typ.String(), f.src[m.pos:m.end] + ")"}
		edits = append(edits, edit{span: m.span, text: strings.Join(words, " "), weak: true})
	}
	return edits
}

func (f *filter) tokens() (ts []token) {
	l := lexer{src: f.src}
	for {
		t, err := l.next()
		if err != nil || t.kind == tEOF {
			return ts
		}
		ts = append(ts, t)
	}
}

// head finds the qualifiers before the list that an identifier is in.
func head(tokens []token, m *match) (h span, ok bool) {
	i := slices.IndexFunc(tokens, func(t token) bool { return t.pos == m.pos }) - 1
	first := true // nothing of the list stands before
	for depth := 0; i >= 0; i-- {
		switch t := tokens[i]; {
		case t.kind == ')':
			depth++
			first = false
		case t.kind == '(' && depth > 0:
			depth--
		case t.kind == '(':
			first = true
		case depth > 0 || t.kind == '!':
		case first && isQualifier(t):
			h = t.span
			for ; i > 0; i-- {
				switch p := tokens[i-1]; {
				case isQualifier(p):
				case i > 1 && (p.kind == tAnd || p.kind == tOr) && isSide(tokens[i-2]) && isSide(tokens[i]):
				default:
					return h, true
				}
				h.pos = tokens[i-1].pos
			}
			return h, true
		default:
			first = false
		}
	}
	return h, false
}

func isSide(t token) bool { return t.kind == tKeyword && (t.kw == kwSrc || t.kw == kwDst) }

func isQualifier(t token) bool {
	return t.kind == tKeyword && t.kw != kwMask && (protoOf(t.kw) != protoNone || t.kw >= kwSrc && t.kw <= kwGateway)
}

// has tells whether there is a primitive of one of the keywords.
func has(kws ...keyword) func(f *filter) bool {
	return func(f *filter) (found bool) {
		f.walk(func(n node) {
			p, ok := n.(*plain)
			found = found || ok && slices.Contains(kws, p.kw)
		})
		return found
	}
}

// hasMatch tells whether there is an identifier of a sort.
func hasMatch(is func(m *match) bool) func(f *filter) bool {
	return func(f *filter) (found bool) {
		f.walk(func(n node) {
			m, ok := n.(*match)
			found = found || ok && is(m)
		})
		return found
	}
}

// translate visits all primitives of an expression that is accepted, with the
// link type they are about and their condition.
func (f *filter) translate(visit func(g *gen, n node, dlt int, c *cond)) {
	g := newGen(Options{LinkType: LinkTypeOf(f.dlt)})
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(*fault); !ok {
				panic(r)
			}
		}
	}()
	f.walk(func(n node) {
		dlt := g.dlt
		visit(g, n, dlt, g.cond(n))
	})
}
