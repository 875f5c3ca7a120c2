package bpfc

// mergeValues replaces values by equal ones that dominate them, in one walk
// down the dominator tree. The builder merges as well, but sees the tree
// only so far, and passes that lead edges elsewhere change it.
func mergeValues(g *Graph) {
	g.number()
	// The children of each block in the dominator tree, as a list, the last first.
	child, sibling := make([]*Block, len(g.Blocks)), make([]*Block, len(g.Blocks))
	for _, b := range g.Blocks {
		b.setDominator()
		if b.idom != nil {
			sibling[b.ID], child[b.idom.ID] = child[b.idom.ID], b
		}
	}
	m := merger{instead: map[*Value]*Value{}, class: map[valueKey]int{}, at: map[valueKey]*Value{}}

	type visit struct {
		b    *Block
		done bool // all below b has been visited: what it made is out of scope
	}
	for stack := []visit{{b: g.Blocks[0]}}; len(stack) > 0; {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if v.done {
			m.leave(v.b)
			continue
		}
		m.enter(g, v.b)
		stack = append(stack, visit{v.b, true})
		for b := child[v.b.ID]; b != nil; b = sibling[b.ID] {
			stack = append(stack, visit{b: b})
		}
	}
	for _, b := range g.Blocks {
		for _, phi := range b.Phis {
			for i := range phi.Args {
				m.use(&phi.Args[i])
			}
		}
	}
}

type merger struct {
	instead map[*Value]*Value   // what to read instead of a value that went
	class   map[valueKey]int    // the congruence class of a key
	at      map[valueKey]*Value // the value of a key in scope: there is but one, since others went
}

func (m *merger) use(v **Value) {
	if w := m.instead[*v]; w != nil {
		*v = w
	}
}

func (m *merger) enter(g *Graph, b *Block) {
	body := b.Body[:0]
	for _, v := range b.Body {
		for i := range v.Args {
			m.use(&v.Args[i])
		}
		if v.is(isGuard) {
			body = append(body, v)
			continue
		}
		key := v.key()
		if old := m.at[key]; old != nil {
			old.Pos = g.position(old.Pos, v.Pos)
			m.instead[v] = old
			continue
		}
		if num, ok := m.class[key]; ok {
			v.num = num
		} else {
			m.class[key] = v.num
		}
		m.at[key] = v
		body = append(body, v)
	}
	clear(b.Body[len(body):])
	b.Body = body
	m.use(&b.A)
	m.use(&b.B)
}

func (m *merger) leave(b *Block) {
	for _, v := range b.Body {
		if !v.is(isGuard) {
			delete(m.at, v.key())
		}
	}
}
