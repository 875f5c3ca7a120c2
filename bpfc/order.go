package bpfc

import "math/bits"

// nativeOrder loads fields least significant byte first, as little-endian
// machines do by themselves, where all that is done with them is to test them,
// or some of their bits, for equality with constants: the constants are swapped
// here once instead of the field in every packet.
func nativeOrder(g *Graph) {
	swap := swappable(g) // by Value.ID; constants made below are never asked for
	for _, b := range g.Blocks {
		for _, v := range b.Body {
			if size := swap[v.ID]; size != 0 {
				if v.Op == OpLoad {
					v.Swap = true
				} else {
					v.Args = []*Value{v.Args[0], g.constant(swapField(v.Args[1].K, size))}
				}
				v.bits = possibleBits(v)
			}
		}
		if b.A == nil || swap[b.A.ID] == 0 {
			continue
		}
		if b.Term == TermTest {
			b.B = g.constant(swapField(b.B.K, swap[b.A.ID]))
		}
		for i, c := range b.Cases {
			b.Cases[i] = swapField(c, swap[b.A.ID])
		}
	}
}

// swapField reverses the bytes of what a field of the given size is compared
// with.
func swapField(k uint32, size uint8) uint32 {
	return bits.ReverseBytes32(k) >> (32 - 8*size)
}

// swappable finds the loads of two and four bytes, and such loads masked by a
// constant, that nothing reads but masks of this kind and tests for equality
// or bits against constants. It gives the size of the field for each.
func swappable(g *Graph) []uint8 {
	size := make([]uint8, g.nextID) // by Value.ID; 0: not swappable
	for _, b := range g.Blocks {
		for _, v := range b.Body {
			switch {
			case v.Op == OpLoad && v.Size > 1 && !v.Swap:
				size[v.ID] = v.Size
			case v.Op == OpAnd && v.Args[1].Op == OpConst && size[v.Args[0].ID] != 0:
				size[v.ID] = size[v.Args[0].ID]
			}
		}
	}
	for i := len(g.Blocks) - 1; i >= 0; i-- { // readers before what they read
		b := g.Blocks[i]
		for _, s := range b.Succs {
			for _, phi := range s.Phis {
				for _, arg := range phi.Args {
					size[arg.ID] = 0
				}
			}
		}
		if b.A != nil && !b.testsField(size[b.A.ID]) {
			size[b.A.ID] = 0
		}
		if b.B != nil {
			size[b.B.ID] = 0
		}
		for j := len(b.Body) - 1; j >= 0; j-- {
			v := b.Body[j]
			if v.Op == OpAnd && size[v.ID] != 0 {
				continue
			}
			for _, arg := range v.Args {
				size[arg.ID] = 0
			}
		}
	}
	for _, b := range g.Blocks { // a mask follows its load
		for _, v := range b.Body {
			if v.Op == OpAnd && size[v.Args[0].ID] == 0 {
				size[v.ID] = 0
			}
		}
	}
	return size
}

// testsField says whether the block ends with a test that a field of the given
// size passes as well with the bytes of both sides reversed.
func (b *Block) testsField(size uint8) bool {
	fits := func(c uint32) bool { return uint64(c)>>(8*size) == 0 }
	switch b.Term {
	case TermTest:
		return b.B.Op == OpConst && (b.Test == TestEQ && fits(b.B.K) || b.Test == TestSET)
	case TermSwitch:
		for _, c := range b.Cases {
			if !fits(c) {
				return false
			}
		}
		return true
	}
	return false
}
