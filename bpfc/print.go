package bpfc

import (
	"fmt"
	"strings"
)

// String is the graph as text, for people: one line a value, blocks in order.
func (g *Graph) String() string {
	var w strings.Builder
	for _, b := range g.Blocks {
		fmt.Fprintf(&w, "b%d:", b.ID)
		for _, p := range b.Preds {
			fmt.Fprintf(&w, " <-b%d", p.ID)
		}
		w.WriteByte('\n')
		for _, phi := range b.Phis {
			fmt.Fprintf(&w, "\t%v = phi %s\n", phi, names(phi.Args))
		}
		for _, v := range b.Body {
			fmt.Fprintf(&w, "\t%s\n", v.line())
		}
		fmt.Fprintf(&w, "\t%s\n", b.termLine())
	}
	return w.String()
}

// String names a value: v12, or the number that a constant is.
func (v *Value) String() string {
	if c, ok := v.constant(); ok {
		return fmt.Sprintf("%#x", c)
	}
	return fmt.Sprintf("v%d", v.ID)
}

func names(vs []*Value) string {
	s := make([]string, len(vs))
	for i, v := range vs {
		s[i] = v.String()
	}
	return strings.Join(s, ", ")
}

func (v *Value) line() string {
	name := valueOps[v.Op].name
	switch v.Op {
	case GuardLen:
		if len(v.Args) == 0 {
			return fmt.Sprintf("%s %d", name, v.Need)
		}
		return fmt.Sprintf("%s %v + %d", name, v.Args[0], v.Need)
	case GuardNonZero, GuardAux:
		return strings.TrimSpace(name + " " + names(v.Args))
	case OpLoad:
		order := ""
		if v.Swap {
			order = ".le"
		}
		at := fmt.Sprint(v.K)
		if len(v.Args) > 0 {
			at = fmt.Sprintf("%v + %d", v.Args[0], v.K)
		}
		return fmt.Sprintf("%v = %s%d%s [%s]", v, name, 8*v.Size, order, at)
	case OpAux:
		return fmt.Sprintf("%v = %s [%d]", v, name, v.K)
	}
	return strings.TrimSpace(fmt.Sprintf("%v = %s %s", v, name, names(v.Args)))
}

func (b *Block) termLine() string {
	switch b.Term {
	case TermJump:
		return fmt.Sprintf("jump b%d", b.Succs[0].ID)
	case TermTest:
		return fmt.Sprintf("test %s %v, %v, b%d, b%d", testNames[b.Test], b.A, b.B, b.Succs[0].ID, b.Succs[1].ID)
	case TermSwitch:
		var w strings.Builder
		fmt.Fprintf(&w, "switch %v", b.A)
		for i, c := range b.Cases {
			fmt.Fprintf(&w, ", %#x: b%d", c, b.Succs[i+1].ID)
		}
		fmt.Fprintf(&w, ", else: b%d", b.Succs[0].ID)
		return w.String()
	}
	return fmt.Sprintf("ret %v", b.A)
}
