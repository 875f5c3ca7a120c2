package bpfc

import (
	"fmt"

	"github.com/bpfjit/bpfjit/lir"
)

// CheckGraph says which promise of the graph does not hold: see pass.
func CheckGraph(g *Graph) error {
	place := map[*Block]int{}
	for i, b := range g.Blocks {
		place[b] = i
		b.ID = i
	}
	edges := map[[2]*Block]int{}
	for _, b := range g.Blocks {
		for _, s := range b.Succs {
			if at, ok := place[s]; !ok || at <= place[b] {
				return fmt.Errorf("the edge from b%d to b%d does not lead forward", b.ID, s.ID)
			}
			edges[[2]*Block{b, s}]++
		}
		want := map[TermOp]int{TermJump: 1, TermTest: 2, TermSwitch: len(b.Cases) + 1, TermRet: 0}[b.Term]
		if len(b.Succs) != want {
			return fmt.Errorf("b%d: %d ways on", b.ID, len(b.Succs))
		}
	}
	for i, b := range g.Blocks {
		if i > 0 && len(b.Preds) == 0 {
			return fmt.Errorf("nothing leads to b%d", b.ID)
		}
		for _, p := range b.Preds {
			edges[[2]*Block{p, b}]--
		}
		for _, phi := range b.Phis {
			if len(phi.Args) != len(b.Preds) {
				return fmt.Errorf("b%d: %v has %d arguments for %d edges", b.ID, phi, len(phi.Args), len(b.Preds))
			}
		}
		b.setDominator()
	}
	for e, n := range edges {
		if n != 0 {
			return fmt.Errorf("b%d and b%d do not agree on the edges between them", e[0].ID, e[1].ID)
		}
	}
	return checkValues(g)
}

// checkValues looks for values that are read where they are not computed, and
// loads that no guard covers.
func checkValues(g *Graph) error {
	defined := map[*Value]bool{}
	reads := func(b *Block, v *Value) error {
		if v == nil || v.Op == OpConst {
			return nil
		}
		if !defined[v] || !v.Block.dominates(b) {
			return fmt.Errorf("b%d reads %v, which is computed in b%d", b.ID, v, v.Block.ID)
		}
		return nil
	}
	checked := map[*Block]uint64{}
	guards := map[int][]*Value{}
	for i, b := range g.Blocks {
		for _, phi := range b.Phis {
			defined[phi] = true
			for i, arg := range phi.Args {
				if err := reads(b.Preds[i], arg); err != nil {
					return err
				}
			}
		}
		have := ^uint64(0)
		for _, p := range b.Preds {
			have = min(have, checked[p])
		}
		if i == 0 {
			have = 0
		}
		for _, v := range b.Body {
			if v.Block != b {
				return fmt.Errorf("b%d: %v thinks it is in b%d", b.ID, v, v.Block.ID)
			}
			for _, arg := range v.Args {
				if err := reads(b, arg); err != nil {
					return err
				}
			}
			end := uint64(v.K) + uint64(v.Size)
			switch {
			case v.Op == OpConst:
				return fmt.Errorf("b%d: a constant in the body", b.ID)
			case v.Op == GuardLen && len(v.Args) == 0:
				have = max(have, v.Need)
			case v.Op == GuardLen:
				guards[v.Args[0].num] = append(guards[v.Args[0].num], v)
			case v.Op == OpLoad && len(v.Args) == 0 && have < end:
				return fmt.Errorf("b%d: %s: only %d bytes are sure", b.ID, v.line(), have)
			case v.Op == OpLoad && len(v.Args) > 0:
				covered := false
				for _, guard := range guards[v.Args[0].num] {
					covered = covered || guard.Need >= end && guard.Block.dominates(b)
				}
				if !covered {
					return fmt.Errorf("b%d: %s: no guard covers it", b.ID, v.line())
				}
			}
			defined[v] = true
		}
		for _, v := range []*Value{b.A, b.B} {
			if err := reads(b, v); err != nil {
				return err
			}
		}
		checked[b] = have
	}
	return nil
}

// TranslatePinned translates in the form that is left when the others are too
// large.
func TranslatePinned(p *Program) (*lir.Func, error) {
	return translateForm(p, pinned, lowerFilter, nil)
}
