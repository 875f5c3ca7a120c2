package bpfc

import "slices"

// threadTests leads edges past tests whose outcome is known from tests on the
// way: after `jeq #0x800` held, a later `jeq #0x86dd` on the same field cannot.
// libpcap's unoptimised programs test the ethertype again for every primitive.
//
// A test is passed by only if its block does nothing else. Then no value of a
// passed block is read beyond it, and what dominated its way on still does.
//
// An edge may pass as many tests as there are. `src host in a list and dst host
// not in another` has an edge for each host of the first that could pass all of
// the second, so there is a limit to all edges together.
func threadTests(g *Graph) {
	known := facts{}
	left := 32 * len(g.Blocks)
	for i, b := range g.Blocks { // the edges into a block are final when it is its turn
		b.keepPreds(func(p *Block) bool { return slices.Contains(p.Succs, b) })
		if i > 0 && len(b.Preds) == 0 {
			g.rejectIn(b)
			continue
		}
		b.setDominator()
		known.enter(b)
		for i, first := range b.Succs {
			to := first
			for ; to.passable() && left > 0; left-- {
				way := known.outcome(b, i, to)
				if way < 0 || len(to.Succs[way].Phis) > 0 {
					break
				}
				to = to.Succs[way]
			}
			if to != first {
				b.Succs[i] = to
				to.Preds = append(to.Preds, b)
			}
		}
		b.dropTest()
	}
	removeDead(g)
}

// passable says whether the block does nothing but test a value against a
// constant or jump.
func (b *Block) passable() bool {
	if len(b.Phis) > 0 || len(b.Body) > 0 {
		return false
	}
	return b.Term == TermJump || b.Term == TermTest && b.B.Op == OpConst
}

// fact is what a test of a value against a constant came to.
type fact struct {
	where *Block // it holds here and in what this dominates
	test  Test
	k     uint32
	holds bool
}

// facts has, for each class of values, what is known of it and where.
type facts map[int][]fact

// enter notes what the only edge into b says.
func (known facts) enter(b *Block) {
	if len(b.Preds) != 1 {
		return
	}
	p := b.Preds[0]
	if p.Term == TermTest && p.B.Op == OpConst && p.Succs[0] != p.Succs[1] {
		known[p.A.num] = append(known[p.A.num], fact{b, p.Test, p.B.K, p.Succs[0] == b})
	}
}

// outcome is the place in s.Succs where a packet leaves s that comes by the
// i-th edge out of b, -1 if that depends on the packet.
func (known facts) outcome(b *Block, i int, s *Block) int {
	if s.Term == TermJump {
		return 0
	}
	if b.Term == TermTest && b.B.Op == OpConst && b.A.num == s.A.num {
		if way := (fact{b, b.Test, b.B.K, i == 0}).implies(s.Test, s.B.K); way >= 0 {
			return way
		}
	}
	const most = 32 // facts looked at, newest first
	list := known[s.A.num]
	for j := len(list) - 1; j >= 0 && len(list)-j <= most; j-- {
		if f := list[j]; f.where.dominates(b) {
			if way := f.implies(s.Test, s.B.K); way >= 0 {
				return way
			}
		}
	}
	return -1
}

// implies is the way that a test against k goes if the fact is true: 0 for
// "holds", 1 for "does not", -1 for "who knows".
func (f fact) implies(test Test, k uint32) int {
	way := func(holds bool) int {
		if holds {
			return 0
		}
		return 1
	}
	if f.test == test && f.k == k {
		return way(f.holds)
	}
	if f.test != TestEQ || !f.holds {
		return -1
	}
	x, y := &Value{Op: OpConst, K: f.k}, &Value{Op: OpConst, K: k}
	outcome, _ := decide(test, x, y)
	return way(outcome)
}
