package pcapfilter

import (
	"slices"

	"github.com/bpfjit/bpfjit/bpfc"
)

// tries turns lists of what takes several tests each, such as IPv6 addresses of
// four words, into trees: all that begin with the same word share its test, and
// the tests of one word become a search later (opt_search.go). What a list of n
// addresses executes then grows with log n, and n addresses of a few networks
// take about n tests. Addresses that have nothing in common take seven
// instructions each, a load and a test for every further word, so that 560 fill
// the kernel's 4096. For two directions it is more than twice that, as classic
// BPF has no loops to share code with and more is to be done (below): 230 of
// nothing in common, some 400 of eight to a network, 1,600 of one network fit.
//
// "host" looks for either of two addresses:
//
//	src == a or dst == a or src == b or dst == b or ...
//
// Making all tests of the source first would change which loads outside the
// packet come before the verdict: a packet that ends in the destination, whose
// source is b, is rejected if what is there of the destination begins like a,
// and accepted otherwise. So where the source is found that is noted, and the
// destination is looked at all the same, as far as the entries before that one
// look at it. How far is a matter of the prefixes that entries begin with:
// each is numbered in the order in which they first appear.
//
// It changes the graph, whose layout it is given, and returns the new one and the
// slots in use.
func tries(vs *values, order []*block, slots int) ([]*block, int) {
	changed := false
	f := finder{done: make([]bool, len(order)+1)}
	for _, b := range order {
		if f.done[b.id] {
			continue
		}
		l := f.listAt(b)
		if len(l.entries) < minTrie {
			continue
		}
		t := &trieMaker{vs: vs, list: l, slot: slots}
		if t.plan() {
			if t.marks && t.slot != inX {
				if slots+vs.spills+1 >= scratchWords {
					continue
				}
				slots++
			}
			id := b.id
			*b = *t.build()
			b.id = id
			changed = true
		}
	}
	if !changed {
		return order, slots
	}
	reset(order)
	return layout(order[0]), slots
}

// minTrie is how many entries a list has at least that becomes a tree.
const minTrie = 3

// list is entries that are tried one after the other: conjunctions of tests that
// values are equal to numbers. They come to the same where they hold, and each
// to the next where it does not.
type list struct {
	entries []entry
	forms   [][]*value // the values entries test: at most two such sequences
	out     *block     // where an entry leads that holds
	def     *block     // where the last leads that does not
}

type entry struct {
	form int
	ks   []uint32
}

// equality tells whether b tests that a value is a number.
func equality(b *block) bool {
	return b.kind == blockTest && b.test.cmp == bpfc.JmpJEQ && b.test.b.op == opConst && b.test.a.op != opConst && b.jt != b.jf
}

// finder finds lists, one after the other in the same memory.
type finder struct {
	done    []bool   // by block: it is in a list that was looked at
	form    []*value // of the entry that is being read
	ks      []uint32 // of all entries
	entries []entry
	forms   [2][]*value
}

// listAt finds the list that begins at a block. Lists of single tests are left
// to the search.
func (f *finder) listAt(b *block) list {
	l := list{def: b, entries: f.entries[:0], forms: f.forms[:0]}
	f.ks = f.ks[:0]
	for equality(l.def) {
		f.form = f.form[:0]
		from := len(f.ks)
		at, next := l.def, l.def.jf
		for at != l.out && equality(at) && at.jf == next {
			f.form = append(f.form, at.test.a)
			f.ks = append(f.ks, at.test.b.k)
			at = at.jt
		}
		if l.out != nil && at != l.out || len(f.form) < 2 {
			break
		}
		form := slices.IndexFunc(l.forms, func(o []*value) bool { return slices.Equal(o, f.form) })
		if form < 0 {
			if len(l.forms) == 2 || len(l.forms) == 1 && !alternates(l.forms[0], f.form) {
				break
			}
			form = len(l.forms)
			l.forms = append(l.forms, append(f.forms[form][:0], f.form...))
		}
		for b := l.def; b != at; b = b.jt {
			f.done[b.id] = true
		}
		l.out, l.def = at, next
		l.entries = append(l.entries, entry{form, f.ks[from:len(f.ks):len(f.ks)]})
	}
	f.entries = l.entries
	return l
}

// alternates tells whether lists may have entries of the second form among those
// of the first: the loads of the first must not fail where all of an entry of
// the second have not, as the tree makes all of the first before.
func alternates(first, second []*value) bool {
	if len(first) != len(second) {
		return false
	}
	n := 0
	for n < len(first)-1 && first[n] == second[n] {
		n++
	}
	r1, ok1 := reachOf(first[n:])
	r0, ok0 := reachOf(first[n : n+1])
	r2, ok2 := reachOf(second[n:])
	return ok0 && ok1 && ok2 && r0.base == r1.base && r1.base == r2.base && r1.end <= max(r0.end, r2.end)
}

// reach is how far behind a base values load.
type reach struct {
	base *value // nil: the packet's beginning
	end  uint32
}

// reachOf gives the reach of values that load from the same base, and do nothing
// else that could fail.
func reachOf(vals []*value) (r reach, ok bool) {
	for i, v := range vals {
		if v.op == opALU && v.immediate() {
			v = v.a
		}
		if v.op != opLoad || v.k >= maxOffset || i > 0 && v.a != r.base {
			return reach{}, false
		}
		r.base, r.end = v.a, max(r.end, v.k+uint32(v.size))
	}
	return r, true
}

// trieMaker makes the tree of a list.
type trieMaker struct {
	list
	vs *values

	common int  // how many tests all entries begin with
	marks  bool // whether it is noted where the first address was found
	slot   int  // the scratch word that is noted in, or the index register
	second *block
	known  uint32
	firsts []int // the places of entries at which new prefixes of the second form appear
	notes  []*block
	roots  [2]*trie
}

// trie is the entries of one form that begin with the same numbers.
type trie struct {
	first int // the place of the first of them
	next  map[uint32]*trie
	keys  []uint32 // of next, in the order of the list
}

// plan tells whether a tree is worthwhile.
func (t *trieMaker) plan() bool {
	e0 := t.entries[0]
	t.common = len(e0.ks) - 1
	for _, e := range t.entries {
		n := 0
		for n < t.common && e.ks[n] == e0.ks[n] && t.forms[e.form][n] == t.forms[0][n] {
			n++
		}
		t.common = n
	}
	if len(e0.ks)-t.common < 2 {
		return false // searches of one value will do
	}
	if len(t.forms) == 2 {
		if t.common < len(t.forms[0])-1 && t.forms[0][t.common] == t.forms[1][t.common] {
			return false // the protocols of what is tested differ
		}
		r0, ok0 := reachOf(t.forms[0][t.common : t.common+1])
		r1, ok1 := reachOf(t.forms[0][t.common:])
		r2, ok2 := reachOf(t.forms[1][t.common:])
		if !ok0 || !ok1 || !ok2 || r1.base != r2.base || r0.base != r1.base || r1.end > max(r0.end, r2.end) {
			return false
		}
		t.known = r1.end
		t.marks = r2.end > r1.end && !(t.out.kind == blockRet && t.out.ret == 0)
		if r1.base == nil {
			t.slot = inX // no load in the tree needs it
		}
	}
	for i, e := range t.entries {
		if t.roots[e.form] == nil {
			t.roots[e.form] = &trie{first: i}
		}
		n := t.roots[e.form]
		for _, k := range e.ks[t.common:] {
			c := n.next[k]
			if c == nil {
				c = &trie{first: i}
				if n.next == nil {
					n.next = map[uint32]*trie{}
				}
				n.next[k] = c
				n.keys = append(n.keys, k)
			}
			n = c
		}
	}
	return true
}

// build makes the tree's blocks.
func (t *trieMaker) build() *block {
	miss := t.def
	found := func(int) *block { return t.out }
	if t.roots[1] != nil {
		if t.marks {
			t.number(t.roots[1], t.common, t.known)
			slices.Sort(t.firsts)
			t.firsts = slices.Compact(t.firsts)
			t.notes = make([]*block, len(t.firsts)+1)
			all := uint32(len(t.firsts)) + 1
			end := t.branch(bpfc.JmpJGE, t.vs.slot(t.slot), all, t.def, t.out)
			t.second = t.node(t.roots[1], 1, t.common, t.known, 0, end, func(int) *block { return t.out })
			note := func(k uint32) *block {
				return &block{kind: blockAssign, sets: []assign{{t.slot, t.vs.constant(k)}}, jt: t.second}
			}
			for i := range t.notes {
				t.notes[i] = note(uint32(i))
			}
			t.notes[0] = t.out
			miss = note(all)
			found = func(place int) *block { return t.notes[t.class(place)] }
		} else {
			miss = t.node(t.roots[1], 1, t.common, 0, 0, t.def, found)
		}
	}
	b := t.node(t.roots[0], 0, t.common, 0, 0, miss, found)
	for i := t.common - 1; i >= 0; i-- {
		b = t.branch(bpfc.JmpJEQ, t.forms[0][i], t.entries[0].ks[i], b, t.def)
	}
	return b
}

// class is how many of the places at which prefixes appear are before one.
func (t *trieMaker) class(place int) int {
	n, _ := slices.BinarySearch(t.firsts, place)
	return n
}

// number collects the places at which the prefixes of the second form appear
// whose next load may fail.
func (t *trieMaker) number(n *trie, level int, known uint32) {
	if level == len(t.forms[1]) {
		return
	}
	r, _ := reachOf(t.forms[1][level : level+1])
	if r.end > known {
		t.firsts = append(t.firsts, n.first)
	}
	for _, k := range n.keys {
		t.number(n.next[k], level+1, max(known, r.end))
	}
}

// oneClass tells whether all entries that begin like a node need the same number
// noted, and nothing else is to be tested of them.
func (t *trieMaker) oneClass(n *trie, form, level int) (class uint32, ok bool) {
	if form != 0 || !t.marks || t.slot != inX || level != len(t.forms[0])-1 {
		return 0, false
	}
	for _, k := range n.keys {
		c := uint32(t.class(n.next[k].first))
		if c == 0 || class != 0 && c != class {
			return 0, false
		}
		class = c
	}
	return class, true
}

// node makes the blocks of a subtree. found gives where an entry leads, by its
// place. So many bytes are known to be there, and so many of the places numbered
// are known to be before the one where the first address was found.
func (t *trieMaker) node(n *trie, form, level int, known uint32, before int, miss *block, found func(int) *block) *block {
	if level == len(t.forms[form]) {
		return found(n.first)
	}
	v := t.forms[form][level]
	if class, ok := t.oneClass(n, form, level); ok {
		// Noted before the address is known to be one: that is undone where it
		// is not, and a way of its own for the case that it is takes a jump more.
		b := miss
		for _, k := range slices.Backward(n.keys) {
			b = t.branch(bpfc.JmpJEQ, v, k, t.second, b)
		}
		return &block{kind: blockAssign, sets: []assign{{t.slot, t.vs.constant(class)}}, jt: b}
	}
	guard := 0
	if form == 1 && t.marks {
		r, _ := reachOf([]*value{v})
		if class := t.class(n.first) + 1; r.end > known && class > before {
			before = class
			if class > 1 {
				guard = class // the first is before all that are noted
			}
		}
		known = max(known, r.end)
	}
	b := miss
	for _, k := range slices.Backward(n.keys) {
		b = t.branch(bpfc.JmpJEQ, v, k, t.node(n.next[k], form, level+1, known, before, miss, found), b)
	}
	if guard > 0 {
		b = t.branch(bpfc.JmpJGE, t.vs.slot(t.slot), uint32(guard), b, t.out)
	}
	return b
}

func (t *trieMaker) branch(cmp uint16, v *value, k uint32, jt, jf *block) *block {
	return &block{kind: blockTest, test: test{cmp, v, t.vs.constant(k)}, jt: jt, jf: jf}
}
