package pcapfilter

import "github.com/bpfjit/bpfjit/bpfc"

// reorder exchanges the tests of a conjunction where the second is of what is in
// the accumulator before the first:
//
//	[26] == a ? ... : [30] == a && [26] == b
//
// If one does not hold the packet is rejected, as it is if a load fails.
// It numbers the blocks anew and changes the graph.
func reorder(root *block) {
	order := layout(root)
	preds := waysTo(order)
	for _, q := range order {
		if q.kind != blockTest {
			continue
		}
		for _, c := range []*block{q.jt, q.jf} {
			if preds[c.id] == 1 {
				exchange(q.test.a, c, preds)
			}
		}
	}
	reset(order)
}

// exchange does it to a block c and the next, if that tests v.
func exchange(v *value, c *block, preds []int) {
	if c.kind != blockTest || c.jt == c.jf || c.test.a == v || c.test.b.op != opConst {
		return
	}
	d, miss, onTrue := c.jt, c.jf, true
	if d.kind != blockTest || d.test.a != v {
		d, miss, onTrue = c.jf, c.jt, false
	}
	if d.kind != blockTest || d.test.a != v || d.test.b.op != opConst || preds[d.id] != 1 || d.jt == d.jf ||
		d.jt != miss && d.jf != miss {
		return
	}
	if miss.kind != blockRet || miss.ret != 0 {
		return // which of their loads fails first would matter
	}
	to := d.jt
	if to == miss {
		to = d.jf
	}
	if to.kind == blockTest && to.test.a == v {
		return // it would only be loaded again
	}
	first, second := d.test, c.test
	c.test, c.jt, c.jf = first, d, miss
	if d.jt == miss {
		c.jt, c.jf = miss, d
	}
	d.test, d.jt, d.jf = second, to, miss
	if !onTrue {
		d.jt, d.jf = miss, to
	}
}

// commutes tells operations whose operands may be exchanged.
func commutes(alu uint16) bool {
	switch alu {
	case bpfc.AluADD, bpfc.AluMUL, bpfc.AluAND, bpfc.AluOR, bpfc.AluXOR:
		return true
	}
	return false
}
