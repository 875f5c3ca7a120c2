package pcapfilter

import "slices"

// group brings together the entries of a list that begin with the same test of
// one value, such as the network protocol:
//
//	[12] == ip && [26] == a || [12] == arp && [28] == a || [12] == ip && [26] == b || ...
//
// Entries of another protocol do nothing but look at the protocol, so their
// places among the others do not matter; and once the protocol is found, only
// the entries that begin with it are to be tried. It changes the graph, whose
// layout it is given, and returns the new one.
func group(order []*block) []*block {
	changed := false
	done := make([]bool, len(order)+1)
	for _, b := range order {
		if done[b.id] || !equality(b) {
			continue
		}
		protos, out, def := groupsAt(b, done)
		if protos == nil {
			continue
		}
		next := def
		for _, p := range slices.Backward(protos) {
			to := def
			for _, tests := range slices.Backward(p.entries) {
				miss := to
				to = out
				for _, x := range slices.Backward(tests) {
					to = &block{kind: blockTest, test: x, jt: to, jf: miss}
				}
			}
			next = &block{kind: blockTest, test: p.test, jt: to, jf: next}
		}
		id := b.id
		*b = *next
		b.id = id
		changed = true
	}
	if !changed {
		return order
	}
	reset(order)
	return layout(order[0])
}

// protoEntries is the entries that begin with a test, without it.
type protoEntries struct {
	test    test
	entries [][]test
}

// groupsAt finds the list that begins at a block, if it is not in order yet and
// has entries of several tests after the first. Other lists need no order: that
// of the search comes to the same.
func groupsAt(head *block, done []bool) (protos []*protoEntries, out, def *block) {
	def = head
	entries, long := 0, false
	for equality(def) && def.test.a == head.test.a {
		at, next, n := def, def.jf, 0
		for at != out && equality(at) && at.jf == next {
			at = at.jt
			n++
		}
		if out != nil && at != out {
			break
		}
		done[def.id] = true
		out, def = at, next
		entries++
		long = long || n > 2
	}
	if entries < minTrie || !long {
		return nil, nil, nil
	}
	index := map[uint32]*protoEntries{}
	var last *protoEntries
	changes := 0
	for b := head; b != def; b = b.jf {
		var tests []test
		for at := b.jt; at != out; at = at.jt {
			tests = append(tests, at.test)
		}
		p := index[b.test.b.k]
		if p == nil {
			p = &protoEntries{test: b.test}
			index[b.test.b.k] = p
			protos = append(protos, p)
		}
		p.entries = append(p.entries, tests)
		if last != nil && p != last {
			changes++
		}
		last = p
	}
	if changes < len(protos) {
		return nil, nil, nil
	}
	return protos, out, def
}
