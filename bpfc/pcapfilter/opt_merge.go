package pcapfilter

import (
	"encoding/binary"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
)

// mergeTails makes blocks one that have the same instructions and go the same
// ways, and gives what is left, in the same order.
//
// The graph does not have equal blocks, but its blocks know which value they
// test, and instructions only that it is in the accumulator: the ends of the
// lists that IP's, ARP's and IPv6's addresses or ports are compared with are the
// same code. Which of two equal blocks stays is the later one, so that jumps go
// forward; and as blocks come after their successors here, one walk finds all.
func mergeTails(order []*block, codes [][]bpf.RawInstruction) ([]*block, [][]bpf.RawInstruction) {
	same := make([]*block, len(order)+1) // by id
	seen := map[string]*block{}
	for i := len(order) - 1; i >= 0; i-- {
		b := order[i]
		if b.jt != nil {
			b.jt = same[b.jt.id]
		}
		if b.jf != nil {
			b.jf = same[b.jf.id]
		}
		if len(codes[i]) == 0 && b.jt != nil && (b.jf == nil || b.jt == b.jf) {
			same[b.id] = b.jt // it does nothing
			continue
		}
		key := b.codeKey(codes[i])
		if seen[key] == nil {
			seen[key] = b
		}
		same[b.id] = seen[key]
	}
	// What nobody jumps to any more goes.
	used := make([]bool, len(order)+1)
	used[same[order[0].id].id] = true
	n := 0
	for i, b := range order {
		if !used[b.id] || same[b.id] != b {
			continue
		}
		for _, to := range []*block{b.jt, b.jf} {
			if to != nil {
				used[to.id] = true
			}
		}
		order[n], codes[n] = b, codes[i]
		n++
	}
	for i, b := range order[:n] {
		b.id = i + 1
	}
	return order[:n], codes[:n]
}

// codeKey is the same for blocks that do the same.
func (b *block) codeKey(code []bpf.RawInstruction) string {
	key := make([]byte, 0, 32)
	for _, ins := range code {
		key = binary.LittleEndian.AppendUint16(key, ins.Op)
		key = append(key, ins.Jt, ins.Jf)
		key = binary.LittleEndian.AppendUint32(key, ins.K)
	}
	next := func(to *block) uint32 {
		if to == nil {
			return 0
		}
		return uint32(to.id)
	}
	jt, jf := next(b.jt), next(b.jf)
	switch {
	case b.kind == blockRet:
		return string(key)
	case b.kind == blockAssign || jt == jf:
		key = append(key, 'a') // goes on without a test
		jf = 0
	case b.test.b.op == opConst:
		key = binary.LittleEndian.AppendUint32(append(key, 'k', byte(b.test.cmp)), b.test.b.k)
	default:
		key = append(key, 'x', byte(b.test.cmp))
	}
	key = binary.LittleEndian.AppendUint32(key, jt)
	return string(binary.LittleEndian.AppendUint32(key, jf))
}

// dropDeadStores takes out the stores to scratch words that no instruction
// reads: what was stored was still in the accumulator wherever it was needed.
func dropDeadStores(codes [][]bpf.RawInstruction) {
	var read uint32
	for _, code := range codes {
		for _, ins := range code {
			if ins.Op == bpfc.LdMem || ins.Op == bpfc.LdxMem {
				read |= 1 << ins.K
			}
		}
	}
	for i, code := range codes {
		kept := code[:0]
		for _, ins := range code {
			if ins.Op != bpfc.St || read&(1<<ins.K) != 0 {
				kept = append(kept, ins)
			}
		}
		codes[i] = kept
	}
}
