package pcapfilter

import "slices"

// threadOnce leaves out the tests that are decided where they stand, like
// thread, but makes no block twice: at a block that several ways lead to only
// what all of them know is known. The ways themselves lead past the tests that
// they decide. It makes smaller programs where many ways know many things, and
// less of them; optimise takes the shorter.
func (t *threader) threadOnce(order []*block) *block {
	n := len(order) + 1
	in := make([]*facts, n) // by id; nil: no way leads here any more
	type exits struct {
		jt, jf *block
		safe   bool
	}
	outs := make([]exits, n)
	t.ne.linked = true
	reach := func(b *block, f *facts) *block {
		for b.kind == blockTest && f.available(b.test.a) && f.available(b.test.b) {
			outcome, known := f.decide(b.test)
			if !known {
				break
			}
			if outcome {
				b = b.jt
			} else {
				b = b.jf
			}
		}
		f = f.project(&t.needs[b.id])
		if in[b.id] != nil {
			f = in[b.id].meet(f)
		}
		in[b.id] = f
		return b
	}
	root := reach(order[0], &facts{ne: t.ne})
	for _, b := range order {
		f := in[b.id]
		if f == nil {
			continue
		}
		o := &outs[b.id]
		switch b.kind {
		case blockAssign:
			slots := uint32(0)
			for _, s := range b.sets {
				f = f.computed(s.v)
				slots |= 1 << s.slot
			}
			o.jt = reach(b.jt, f.overwritten(slots))
		case blockTest:
			x := b.test
			o.safe = f.available(x.a) && f.available(x.b)
			f = f.computed(x.a).computed(x.b)
			if outcome, known := f.decide(x); known {
				next := b.jf
				if outcome {
					next = b.jt
				}
				o.jt = reach(next, f)
			} else {
				o.jt = reach(b.jt, t.learn(f, x, true))
				o.jf = reach(b.jf, t.learn(f, x, false))
			}
		}
	}
	made := make([]*block, n)
	for _, b := range slices.Backward(order) {
		o := outs[b.id]
		switch {
		case in[b.id] == nil:
		case b.kind == blockRet:
			made[b.id] = t.out.ret(b.ret)
		case b.kind == blockAssign:
			made[b.id] = t.out.assign(b.sets, made[o.jt.id])
		case o.jf == nil:
			made[b.id] = t.branch(b.test, made[o.jt.id], nil, o.safe)
		default:
			made[b.id] = t.branch(b.test, made[o.jt.id], made[o.jf.id], o.safe)
		}
	}
	return made[root.id]
}

// meet is what both f and g know.
func (f *facts) meet(g *facts) *facts {
	c := &facts{length: min(f.length, g.length), ne: f.ne}
	for _, a := range f.known {
		i, ok := g.find(a.v)
		if !ok {
			continue
		}
		b := g.known[i]
		a.lo, a.hi, a.not = min(a.lo, b.lo), max(a.hi, b.hi), a.not.common(b.not)
		if a.lo > 0 || a.hi < a.v.max || a.not != nil {
			c.known = append(c.known, a)
		}
	}
	for _, a := range f.at {
		for _, b := range g.at {
			if a.index == b.index {
				c.at = append(c.at, indexFact{a.index, min(a.end, b.end)})
			}
		}
	}
	return c
}

// unequals is a list of numbers a value is not, the latest first. Ways that
// part share what they had learnt before.
type unequals struct {
	k     uint32
	next  *unequals
	depth int
}

// maxUnequals is how far back such lists are looked at, so that long lists of
// hosts take no quadratic time. What is forgotten of them costs little: the
// search leaves out what it has twice.
const maxUnequals = 64

func (u *unequals) add(k uint32) *unequals {
	c := &unequals{k: k, next: u}
	if u != nil {
		c.depth = u.depth + 1
	}
	return c
}

func (u *unequals) has(k uint32) bool {
	for range maxUnequals {
		if u == nil {
			return false
		}
		if u.k == k {
			return true
		}
		u = u.next
	}
	return false
}

// common is what two lists share.
func (u *unequals) common(o *unequals) *unequals {
	for range maxUnequals {
		switch {
		case u == o:
			return u
		case u == nil || o == nil:
			return nil
		case u.depth > o.depth:
			u = u.next
		case u.depth < o.depth:
			o = o.next
		default:
			u, o = u.next, o.next
		}
	}
	return nil
}
