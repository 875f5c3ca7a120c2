package pcapfilter

import (
	"math"
	"slices"

	"github.com/bpfjit/bpfjit/bpfc"
)

// dropLoads takes out blocks that only load, for the sake of what a load outside
// the packet does, if shorter packets are rejected further on anyhow: of the
// words of a network's address that its mask leaves nothing of, only the last is
// loaded. It changes the graph, whose layout it is given, and returns the new one.
func dropLoads(order []*block) []*block {
	loads := slices.ContainsFunc(order, func(b *block) bool { return b.kind == blockTest && b.jt == b.jf })
	if !loads {
		return order
	}
	due := make([]uint32, len(order)+1)     // by id: packets not longer than that are rejected from here on
	instead := make([]*block, len(order)+1) // by id: the block or what comes after it
	for i := len(order) - 1; i >= 0; i-- {
		b := order[i]
		instead[b.id] = b
		n := uint32(0)
		if b.kind == blockRet {
			if b.ret == 0 {
				n = math.MaxUint32
			}
			due[b.id] = n
			continue
		}
		b.jt = instead[b.jt.id]
		n = due[b.jt.id]
		if b.jf != nil {
			b.jf = instead[b.jf.id]
			n = min(n, due[b.jf.id])
		}
		var ext extent
		for _, s := range b.sets {
			ext.add(s.v)
		}
		if b.kind == blockTest {
			ext.add(b.test.a)
			ext.add(b.test.b)
			if b.jt == b.jf && !ext.other && ext.length <= n {
				instead[b.id] = b.jt
			}
		}
		due[b.id] = max(n, ext.length)
	}
	root := instead[order[0].id]
	reset(order)
	order = layout(root)
	markUnsafe(order)
	return order
}

// markUnsafe takes back that blocks are safe which are so only because of loads
// that were taken out.
func markUnsafe(order []*block) {
	length := make([]uint32, len(order)+1) // by id: what was loaded on all ways to it
	for i := range length {
		length[i] = math.MaxUint32
	}
	length[order[0].id] = 0
	for _, b := range order {
		var ext extent
		for _, s := range b.sets {
			ext.add(s.v)
		}
		if b.kind == blockTest {
			ext.add(b.test.a)
			ext.add(b.test.b)
		}
		n := length[b.id]
		b.safe = b.safe && ext.length <= n
		n = max(n, ext.length)
		for _, to := range []*block{b.jt, b.jf} {
			if to != nil {
				length[to.id] = min(length[to.id], n)
			}
		}
	}
}

// extent is what computing values needs of the packet.
type extent struct {
	length uint32 // at least so many bytes
	other  bool   // and something else may reject it
}

func (e *extent) add(v *value) {
	if v == nil || v.pure {
		return
	}
	switch {
	case v.op == opMSH:
		e.length = max(e.length, v.k+1)
	case v.op == opLoad && v.a == nil && v.k < maxOffset:
		e.length = max(e.length, v.k+uint32(v.size))
	case v.op == opLoad, v.op == opChain:
		e.other = true
	case v.op == opALU && (v.alu == bpfc.AluDIV || v.alu == bpfc.AluMOD) && !v.immediate():
		e.other = true
	}
	e.add(v.a)
	e.add(v.b)
}
