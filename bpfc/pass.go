package bpfc

import "slices"

// A pass is a function on the graph. It keeps the graph's promises: edges lead
// forward, every value is in one block that dominates its readers, every load
// stands behind a guard that covers it.
type pass struct {
	name string
	run  func(*Graph)
}

// passes is what the optimiser does, in this order.
var passes = []pass{
	{"drop", dropGuards},    // so that tests of known outcome stand alone
	{"thread", threadTests}, // so that fewer ways need anything
	{"merge", mergeValues},
	{"guards", hoistGuards},
	{"returns", joinReturns},
	{"searches", joinSearches},
	{"chains", joinChains},
	{"ranges", joinRanges},
	{"order", nativeOrder},
	{"dead", removeDead},
}

// optimise runs the passes; trace, if not nil, sees the graph before the first
// and after each.
func (g *Graph) optimise(trace func(name string, g *Graph)) {
	if trace != nil {
		trace("build", g)
	}
	for _, p := range passes {
		p.run(g)
		if trace != nil {
			trace(p.name, g)
		}
	}
}

// number gives each block its place in the list as ID.
func (g *Graph) number() {
	for i, b := range g.Blocks {
		b.ID = i
	}
}

// removeDead drops the blocks that nothing leads to and the values that
// nothing reads, and finds the predecessors anew. Passes may leave edges in
// Preds that are gone; only the edges into blocks with phis must stay as they
// are until their whole predecessor goes.
func removeDead(g *Graph) {
	g.number()
	reached := make([]bool, len(g.Blocks))
	reached[0] = true
	g.Blocks = slices.DeleteFunc(g.Blocks, func(b *Block) bool {
		for _, s := range b.Succs {
			reached[s.ID] = reached[s.ID] || reached[b.ID]
		}
		return !reached[b.ID]
	})
	for _, b := range g.Blocks {
		if len(b.Phis) == 0 {
			b.Preds = b.Preds[:0]
		} else {
			b.keepPreds(func(p *Block) bool { return reached[p.ID] && p.Term != TermRet })
		}
	}
	for _, b := range g.Blocks {
		for _, s := range b.Succs {
			if len(s.Phis) == 0 {
				s.Preds = append(s.Preds, b)
			}
		}
	}

	g.number()
	read := make([]bool, g.nextID)
	var stack []*Value
	mark := func(v *Value) {
		for stack = append(stack, v); len(stack) > 0; {
			v := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if !read[v.ID] {
				read[v.ID] = true
				stack = append(stack, v.Args...)
			}
		}
	}
	for _, b := range g.Blocks {
		for _, v := range b.Body {
			if v.is(isGuard) {
				mark(v)
			}
		}
		if b.A != nil {
			mark(b.A)
		}
		if b.B != nil {
			mark(b.B)
		}
	}
	clear(g.table) // may have some that go now
	for _, b := range g.Blocks {
		b.Phis = keep(b.Phis, read)
		b.Body = keep(b.Body, read)
	}
}

func keep(vs []*Value, read []bool) []*Value {
	kept := vs[:0]
	for _, v := range vs {
		if read[v.ID] {
			kept = append(kept, v)
		}
	}
	clear(vs[len(kept):])
	return kept
}

// keepPreds removes the edges from other blocks than the ones that stay, and
// what phis read on them.
func (b *Block) keepPreds(stay func(*Block) bool) {
	n := 0
	for i, p := range b.Preds {
		if !stay(p) {
			continue
		}
		b.Preds[n] = p
		for _, phi := range b.Phis {
			phi.Args[n] = phi.Args[i]
		}
		n++
	}
	b.Preds = b.Preds[:n]
	for _, phi := range b.Phis {
		phi.Args = phi.Args[:n]
	}
}
