package bpfc

// joinChains makes multiway branches of chains of tests for equality with
// constants. A chain of tests of one value may lead to as many places as it
// has tests; a chain whose tests all lead to one place may be of several
// values, and is sorted by value: `host a or host b or ...` tests source and
// destination in turn, and becomes one search for each.
func joinChains(g *Graph) {
	for _, b := range g.Blocks {
		if !b.heads() {
			continue
		}
		if chain := b.chain(sameTarget); len(chain) >= leastCases {
			g.joinByValue(chain)
		} else if chain := b.chain(sameValue); len(chain) >= leastCases {
			g.join(b, chain)
			for _, c := range chain[1:] {
				g.rejectIn(c) // nothing leads to it
			}
		}
	}
	removeDead(g)
}

// leastCases is how many tests make a branch; fewer are as fast one by one.
const leastCases = 4

func sameTarget(a, b *Block) bool { return a.Succs[0] == b.Succs[0] }
func sameValue(a, b *Block) bool  { return a.A == b.A }

// heads says whether the block may be the first of a chain. Edges into blocks
// with phis stay as they are.
func (b *Block) heads() bool {
	return b.testsConst(TestEQ) && len(b.Succs[0].Phis) == 0 && len(b.Succs[1].Phis) == 0
}

// chain is b and the blocks after it, each where the test before fails, that
// nothing else leads to, that do nothing but compute values and test, and that
// are alike. As they have no guards, their values may as well be computed in b.
func (b *Block) chain(alike func(a, b *Block) bool) []*Block {
	chain := []*Block{b}
	for {
		next := chain[len(chain)-1].Succs[1]
		if !next.heads() || len(next.Preds) != 1 || len(next.Phis) > 0 || next.guarded() || !alike(b, next) {
			return chain
		}
		chain = append(chain, next)
	}
}

func (b *Block) guarded() bool {
	for _, v := range b.Body {
		if v.is(isGuard) {
			return true
		}
	}
	return false
}

// join makes b branch to where the tests lead. The last one's way on is b's.
func (g *Graph) join(b *Block, tests []*Block) {
	succs := []*Block{tests[len(tests)-1].Succs[1]}
	var cases []uint32
	seen := map[uint32]bool{}
	for _, c := range tests {
		b.Pos = g.position(b.Pos, c.Pos)
		if k := c.B.K; !seen[k] { // the first test of a constant decides
			seen[k] = true
			cases, succs = append(cases, k), append(succs, c.Succs[0])
		}
	}
	b.Term, b.B, b.Cases, b.Succs = TermSwitch, nil, cases, succs
}

// joinByValue sorts the tests of a chain with one target by value, in the
// order in which the values first come, and joins those of each. The new chain
// is made of the first blocks of the old.
func (g *Graph) joinByValue(chain []*Block) {
	head := chain[0]
	target, end := head.Succs[0], chain[len(chain)-1].Succs[1]
	tests := map[*Value][]Block{} // copies: the blocks get other tests
	var values []*Value
	for _, c := range chain {
		if tests[c.A] == nil {
			values = append(values, c.A)
		}
		tests[c.A] = append(tests[c.A], *c)
		if c != head {
			for _, v := range c.Body {
				v.Block = head
			}
			head.Body = append(head.Body, c.Body...)
			c.Body = nil
		}
	}

	free := chain
	take := func() *Block {
		b := free[0]
		free = free[1:]
		return b
	}
	var made []*Block
	for _, v := range values {
		same := tests[v]
		if len(same) < leastCases {
			for _, t := range same {
				b := take()
				b.A, b.B, b.Pos = t.A, t.B, t.Pos
				made = append(made, b)
			}
			continue
		}
		b := take()
		b.A, b.Pos = v, same[0].Pos
		from := make([]*Block, len(same))
		for i := range same {
			from[i] = &same[i]
		}
		g.join(b, from)
		made = append(made, b)
	}
	for i, b := range made {
		next := end
		if i+1 < len(made) {
			next = made[i+1]
		}
		if b.Term == TermSwitch {
			b.Succs[0] = next
		} else {
			b.Succs[0], b.Succs[1] = target, next
		}
	}
	for _, b := range free {
		g.rejectIn(b)
	}
}
