package bpfc

// joinChains makes multiway branches of chains of tests for equality with
// constants. A chain of tests of one value may lead to as many places as it
// has tests; a chain whose tests all lead to one place may be of several
// values, and is sorted by value: `host a or host b or ...` tests source and
// destination in turn, and becomes one search for each.
func joinChains(g *Graph) {
	g.number()
	done := make([]bool, len(g.Blocks)) // by ID: in a chain with one target that was looked at
	var chain []*Block
	for _, b := range g.Blocks {
		if !b.heads() {
			continue
		}
		if !done[b.ID] {
			chain = b.chain(chain[:0], sameTarget)
			for _, c := range chain {
				done[c.ID] = true // from here on, a chain has nothing more to join
			}
			if g.joinByValue(chain) {
				continue
			}
		}
		if chain = b.chain(chain[:0], sameValue); len(chain) >= leastCases {
			for _, c := range chain[1:] {
				moveBody(c.Body, b)
			}
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
// are alike. As they have no guards, what they compute may move up to b. They are
// appended to a list.
func (b *Block) chain(chain []*Block, alike func(a, b *Block) bool) []*Block {
	for chain = append(chain, b); ; {
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

// moveBody adds values to a block that has, or comes after, all they read.
func moveBody(body []*Value, to *Block) {
	for _, v := range body {
		v.Block = to
	}
	to.Body = append(to.Body, body...)
}

// joinByValue sorts the tests of a chain with one target by value, in the
// order in which the values first come, and joins those of each; false if no
// value has enough of them. The new chain is made of the first blocks of the
// old. What a block computed is computed where its value comes first, or after
// that: not before the tests that may make it needless.
func (g *Graph) joinByValue(chain []*Block) bool {
	if len(chain) < leastCases {
		return false
	}
	tests := map[*Value][]*Block{} // copies: the blocks get other tests
	old := make([]*Block, len(chain))
	enough := false
	for i, c := range chain {
		t := *c
		old[i] = &t
		tests[c.A] = append(tests[c.A], &t)
		enough = enough || len(tests[c.A]) >= leastCases
	}
	if !enough {
		return false
	}

	target, end := chain[0].Succs[0], chain[len(chain)-1].Succs[1]
	for _, c := range chain[1:] {
		c.Body = nil
	}
	n := 0 // blocks of the new chain
	var at *Block
	for i, t := range old {
		if same := tests[t.A]; same != nil {
			tests[t.A] = nil
			at = chain[n]
			if len(same) >= leastCases {
				at.A, at.Pos = t.A, t.Pos
				g.join(at, same)
				n++
			} else {
				for _, t := range same {
					b := chain[n]
					b.A, b.B, b.Pos = t.A, t.B, t.Pos
					n++
				}
			}
		}
		if i > 0 { // the head keeps what it has
			moveBody(t.Body, at)
		}
	}
	for i, b := range chain[:n] {
		next := end
		if i+1 < n {
			next = chain[i+1]
		}
		if b.Term == TermSwitch {
			b.Succs[0] = next
		} else {
			b.Succs[0], b.Succs[1] = target, next
		}
	}
	for _, b := range chain[n:] {
		g.rejectIn(b)
	}
	return true
}
