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
}

// apply makes all edits; one inside another is left out.
func (f *filter) apply(edits []edit) string {
	slices.SortStableFunc(edits, func(a, b edit) int { return a.pos - b.pos })
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
// none. They stand in parentheses, so that what is behind them inherits what it
// did.
//
// Where an identifier is replaced, those that inherit its qualifiers get them.
func replace(words func(f *filter, n node) string) func(f *filter) []edit {
	return func(f *filter) (edits []edit) {
		var inherit []edit
		f.walk(func(n node) {
			m, ok := n.(*match)
			if w := words(f, n); w != "" {
				edits = append(edits, edit{n.where(), "(" + w + ")"})
			} else if ok && m.q.typ != typeUndef && !f.qualified(m) {
				q := strings.Join([]string{m.q.proto.String(), m.q.dir.String(), m.q.typ.String()}, " ")
				inherit = append(inherit, edit{m.span, "(" + q + " " + f.src[m.pos:m.end] + ")"})
			}
		})
		if edits == nil {
			return nil
		}
		return append(edits, inherit...)
	}
}

// qualified tells whether an identifier has its qualifiers in the text before it,
// or before the parentheses it is in, and does not inherit them.
func (f *filter) qualified(m *match) bool {
	if m.span != m.id.span {
		return true
	}
	depth := 0
	for i := m.pos; i >= 0; i-- {
		switch {
		case i < m.pos && f.src[i] == ')':
			depth++
		case i < m.pos && f.src[i] == '(' && depth > 0:
			depth--
		case i == m.pos || f.src[i] == '(':
			words := strings.Fields(strings.NewReplacer("!", " ", "(", " ( ", ")", " ) ").Replace(f.src[:i]))
			for len(words) > 0 && (words[len(words)-1] == "not" || words[len(words)-1] == "(") {
				words = words[:len(words)-1]
			}
			if len(words) > 0 && !slices.Contains([]string{"and", "or", "&&", "||"}, words[len(words)-1]) {
				return true
			}
		}
	}
	return false
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
