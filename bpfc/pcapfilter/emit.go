package pcapfilter

import (
	"cmp"
	"slices"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
)

// maxJump is the longest way a conditional jump goes.
const maxJump = 255

// emit turns a graph into a program. slots is how many scratch words hold
// offsets. Unless it is to be plain, blocks use what is in the registers already.
func emit(vs *values, root *block, slots int, plain bool) []bpf.RawInstruction {
	order := layout(root)
	code := blockCodes(vs, order, slots, plain)
	if mask := unwritten(order); mask != 0 {
		zero := []bpf.RawInstruction{{Op: bpfc.LdImm}}
		for slot := range uint32(scratchWords) {
			if mask&(1<<slot) != 0 {
				zero = append(zero, bpf.RawInstruction{Op: bpfc.St, K: slot})
			}
		}
		code[0] = append(zero, code[0]...)
	}
	if !plain {
		dropDeadStores(code)
		order, code = mergeTails(order, code)
	}
	return place(order, code, slots > 0)
}

// layout puts the blocks in an order in which all jumps go forward: the reverse
// of the order a depth-first walk leaves them in. A block's true successor comes
// next where it can. It numbers the blocks, so it is to be used once per graph.
func layout(root *block) []*block {
	type frame struct {
		b    *block
		step int
	}
	var post []*block
	root.id = -1
	stack := []frame{{b: root}}
	for len(stack) > 0 {
		f := &stack[len(stack)-1]
		var s *block
		switch f.step {
		case 0:
			s = f.b.jf
		case 1:
			s = f.b.jt
		default:
			post = append(post, f.b)
			stack = stack[:len(stack)-1]
			continue
		}
		f.step++
		if s != nil && s.id == 0 {
			s.id = -1
			stack = append(stack, frame{b: s})
		}
	}
	for i, j := 0, len(post)-1; i < j; i, j = i+1, j-1 {
		post[i], post[j] = post[j], post[i]
	}
	// Returns come last: Linux's check that scratch words are written before
	// they are read takes what is behind a return for reachable from there.
	slices.SortStableFunc(post, func(a, b *block) int {
		return cmp.Compare(returns(a), returns(b))
	})
	for i, b := range post {
		b.id = i + 1
	}
	return post
}

func returns(b *block) int {
	if b.kind == blockRet {
		return 1
	}
	return 0
}

// unwritten tells which scratch words may be read before they are written, as in
// "geneve or ip": libpcap's interpreter finds zero there, Linux does not allow it.
func unwritten(order []*block) (mask uint32) {
	written := make([]uint32, len(order)+1) // on all ways to the block
	for i := range written {
		written[i] = ^uint32(0)
	}
	written[order[0].id] = 0
	for _, b := range order {
		w := written[b.id]
		for _, s := range b.sets {
			mask |= s.v.slots &^ w
			w |= 1 << s.slot
		}
		if b.kind == blockTest {
			mask |= (b.test.a.slots | b.test.b.slots) &^ w
		}
		for _, to := range []*block{b.jt, b.jf} {
			if to != nil {
				written[to.id] &= w
			}
		}
	}
	return mask
}

// blockCodes makes each block's instructions, knowing what all its predecessors
// leave in the registers.
func blockCodes(vs *values, order []*block, slots int, plain bool) [][]bpf.RawInstruction {
	entry := make([]registers, len(order)+1)
	reached := make([]bool, len(order)+1)
	reach := func(to *block, regs registers) {
		if to == nil || plain {
			return
		}
		if reached[to.id] {
			regs = regs.meet(entry[to.id])
		}
		entry[to.id], reached[to.id] = regs, true
	}
	codes := make([][]bpf.RawInstruction, len(order))
	for i, b := range order {
		c := blockCode{vs: vs, regs: entry[b.id], free: slots}
		switch b.kind {
		case blockRet:
			c.ins(bpfc.RetK, b.ret)
		case blockAssign:
			c.assign(b.sets)
		case blockTest:
			switch {
			case b.jt == b.jf:
				c.toA(b.test.a) // for the sake of what its loads may reject
				if b.test.b.op != opConst {
					c.toX(b.test.b)
				}
			case b.test.b.op == opConst:
				c.toA(b.test.a)
			default:
				c.toAX(b.test.a, b.test.b)
			}
		}
		codes[i] = c.code
		reach(b.jt, c.regs)
		if b.jf != b.jt {
			reach(b.jf, c.regs)
		}
	}
	return codes
}

// place strings the blocks together, from the last to the first, so that each
// jump's target is already there. Where it is too far for a conditional jump,
// an instruction close by stands for it: a jump to it, or a copy of it if it is
// a return and no scratch words are in use (see layout). All jumps in reach
// share that instruction.
func place(order []*block, codes [][]bpf.RawInstruction, scratch bool) []bpf.RawInstruction {
	var out []bpf.RawInstruction      // backwards: the program's last instruction first
	at := make([]int, len(order)+1)   // how far from the end a block's first instruction is
	near := make([]int, len(order)+1) // the same for the nearest stand-in
	push := func(ins bpf.RawInstruction) { out = append(out, ins) }

	// dist is how many instructions a jump at the front skips to reach target.
	dist := func(pos int) int { return len(out) - pos }
	standIn := func(b *block) {
		if b.kind == blockRet && !scratch {
			push(bpf.RawInstruction{Op: bpfc.RetK, K: b.ret})
		} else {
			push(bpf.RawInstruction{Op: bpfc.Ja, K: uint32(dist(at[b.id]))})
		}
		near[b.id] = len(out)
	}
	inReach := func(b *block, reserve int) bool { return dist(near[b.id])+reserve <= maxJump }

	for i := len(order) - 1; i >= 0; i-- {
		b := order[i]
		switch {
		case b.kind == blockRet:
		case b.jf == nil || b.jt == b.jf:
			if dist(at[b.jt.id]) != 0 {
				push(bpf.RawInstruction{Op: bpfc.Ja, K: uint32(dist(at[b.jt.id]))})
			}
		default:
			// Another stand-in may still come between, hence the reserve.
			if !inReach(b.jt, 1) {
				standIn(b.jt)
			}
			if !inReach(b.jf, 0) {
				standIn(b.jf)
			}
			op := bpfc.ClassJMP | b.test.cmp
			ins := bpf.RawInstruction{Op: op | bpfc.SrcX, Jt: uint8(dist(near[b.jt.id])), Jf: uint8(dist(near[b.jf.id]))}
			if b.test.b.op == opConst {
				ins.Op, ins.K = op|bpfc.SrcK, b.test.b.k
			}
			push(ins)
		}
		for j := len(codes[i]) - 1; j >= 0; j-- {
			push(codes[i][j])
		}
		at[b.id] = len(out)
		near[b.id] = len(out)
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}
