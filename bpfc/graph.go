package bpfc

import "slices"

// The decision graph of a program: acyclic, SSA, of 32-bit values. A block's
// body holds values, which are pure, and guards, which reject the packet when
// they fail; packet bytes never change and rejecting has no other effect, so
// loads may move and merge, and guards may be tested earlier, as long as every
// load stays behind a guard that covers it.
//
// Blocks stand in an order in which all edges lead forward: every analysis is
// one walk over that list.

// ValueOp is what a Value is.
type ValueOp uint8

const (
	OpConst ValueOp = iota // K; in no block's body
	OpPhi                  // Args[i] on the edge from Preds[i]
	OpLen                  // the packet's length on the wire
	OpLoad                 // Size bytes of the packet at K, or at Args[0]+K (64-bit sum)
	OpAux                  // the field of Aux at byte offset K
	OpAdd                  // Args[0] + Args[1] and so on, modulo 2^32
	OpSub
	OpMul
	OpDiv // the divisor is not 0: a guard or the validator saw to it
	OpMod
	OpAnd
	OpOr
	OpXor
	OpLsh       // 0 for counts of 32 and more
	OpRsh       // 0 for counts of 32 and more
	OpLshMasked // the count is taken modulo 32
	OpRshMasked
	OpNeg
	OpLinuxOffset // Args[0] as a Linux load understands it; 2^32-1 where that is nothing; Args[1], if there, is the network header's offset

	GuardLen     // Args[0] (0 if there is none) + Need <= captured length
	GuardNonZero // Args[0] != 0
	GuardAux     // there is an Aux
	numValueOps
)

type opFlags uint8

const (
	isGuard    opFlags = 1 << iota // stays though nothing reads it
	isCommutes                     // Args[0] and Args[1] may change places
	isLeaf                         // cheap to compute again
)

var valueOps = [numValueOps]struct {
	name  string
	flags opFlags
}{
	OpConst: {"const", isLeaf}, OpPhi: {"phi", 0}, OpLen: {"len", isLeaf},
	OpLoad: {"load", 0}, OpAux: {"aux", isLeaf},
	OpAdd: {"add", isCommutes}, OpSub: {"sub", 0}, OpMul: {"mul", isCommutes}, OpDiv: {"div", 0}, OpMod: {"mod", 0},
	OpAnd: {"and", isCommutes}, OpOr: {"or", isCommutes}, OpXor: {"xor", isCommutes},
	OpLsh: {"lsh", 0}, OpRsh: {"rsh", 0}, OpLshMasked: {"lsh.masked", 0}, OpRshMasked: {"rsh.masked", 0},
	OpNeg: {"neg", 0}, OpLinuxOffset: {"linux.offset", 0},
	GuardLen: {"guard.len", isGuard}, GuardNonZero: {"guard.nonzero", isGuard}, GuardAux: {"guard.aux", isGuard},
}

// Value is a node: a value or a guard.
type Value struct {
	Op   ValueOp
	Size uint8  // OpLoad: 1, 2 or 4 bytes
	Swap bool   // OpLoad: least significant byte first, though the packet's order is big-endian
	K    uint32 // OpConst, OpLoad, OpAux; OpPhi: the variable it was built for
	Need uint64 // GuardLen
	Args []*Value
	args [2]*Value // where Args are of most values

	Block *Block
	Pos   int32  // position, an index into Graph.Origins
	ID    int    // its own
	num   int    // its congruence class: equal numbers, equal values
	bits  uint32 // a superset of the bits that may be set
}

func (v *Value) is(f opFlags) bool { return valueOps[v.Op].flags&f != 0 }

// leaf tells the values that are cheaper to compute again than to keep:
// constants, and loads from a constant offset.
func (v *Value) leaf() bool {
	return v.is(isLeaf) || v.Op == OpLoad && len(v.Args) == 0
}

// constant is the value of a constant.
func (v *Value) constant() (uint32, bool) { return v.K, v.Op == OpConst }

// TermOp says how a block of the graph ends.
type TermOp uint8

const (
	TermJump   TermOp = iota // to Succs[0]
	TermTest                 // to Succs[0] if Test holds of A and B, else to Succs[1]
	TermSwitch               // to Succs[i+1] if A == Cases[i], to Succs[0] if no case is
	TermRet                  // the verdict is A
)

// Test is the comparison that ends a block: JEQ, JGT, JGE or JSET.
type Test uint8

const (
	TestEQ  Test = iota // A == B
	TestGT              // A > B
	TestGE              // A >= B
	TestSET             // A & B != 0
)

var testNames = [...]string{"eq", "gt", "ge", "set"}

// Block is a basic block of the graph. An edge is a place in Succs; a block
// that leads twice to another stands twice in its Preds.
type Block struct {
	ID    int
	Phis  []*Value
	Body  []*Value // values and guards, each after what it reads
	Term  TermOp
	Test  Test
	A, B  *Value
	Cases []uint32
	Succs []*Block
	Preds []*Block
	Pos   int32 // of the terminator

	succs      [2]*Block // where Succs are of most blocks
	depth      int       // in the dominator tree
	idom, jump *Block    // immediate dominator; a farther one (see dom.go)
}

// Graph is a program's decision graph.
type Graph struct {
	Blocks  []*Block // in an order in which edges lead forward; Blocks[0] is the entry
	Origins [][]int32

	plain  bool // neither fold nor merge values
	pinned bool // each variable has a register
	nextID int
	table  map[valueKey]*Value
	consts map[uint32]*Value
	spare  []Value // memory for values
}

// form is how a graph relates to its program.
type form uint8

const (
	folded form = iota // values are folded and merged as they are made
	plain              // a value for every operation, a guard for every load, as the program has them
	pinned             // plain, with phis for all variables in all blocks but the first, so that each can have a register for good
)

// valueKey identifies a congruence class of pure values.
type valueKey struct {
	op   ValueOp
	size uint8
	k    uint32
	a, b int
}

// position makes a position that stands for all the source lines of two.
func (g *Graph) position(p, q int32) int32 {
	const most = 8 // lines that one position names; enough to read, and bounded
	if p == q || q < 0 {
		return p
	}
	if p < 0 {
		return q
	}
	lines := slices.Clone(g.Origins[p])
	for _, line := range g.Origins[q] {
		if i, found := slices.BinarySearch(lines, line); !found && len(lines) < most {
			lines = slices.Insert(lines, i, line)
		}
	}
	if len(lines) == len(g.Origins[p]) {
		return p
	}
	g.Origins = append(g.Origins, lines)
	return int32(len(g.Origins) - 1)
}

// node makes a value of arguments that belongs to b, outside its body.
func (g *Graph) node(b *Block, v Value, args ...*Value) *Value {
	if len(g.spare) == 0 {
		g.spare = make([]Value, 32)
	}
	n := &g.spare[0]
	g.spare = g.spare[1:]
	*n = v
	n.Args = append(n.args[:0], args...)
	n.Block, n.ID, n.num = b, g.nextID, g.nextID
	n.bits = possibleBits(n)
	g.nextID++
	return n
}

// add puts a value or guard at the end of a block's body. Unless the graph is
// a plain one, an equal value whose block dominates b serves in its place.
func (g *Graph) add(b *Block, v Value, args ...*Value) *Value {
	n := g.node(b, v, args...)
	if !g.plain && !n.is(isGuard) {
		key := n.key()
		if old := g.table[key]; old != nil {
			if old.Block.dominates(b) {
				old.Pos = g.position(old.Pos, v.Pos)
				return old
			}
			n.num = old.num
		}
		g.table[key] = n
	}
	b.Body = append(b.Body, n)
	return n
}

// key identifies v's congruence class among the pure values.
func (v *Value) key() valueKey {
	key := valueKey{op: v.Op, size: v.Size, k: v.K, a: -1, b: -1}
	if len(v.Args) > 0 {
		key.a = v.Args[0].num
	}
	if len(v.Args) > 1 {
		key.b = v.Args[1].num
	}
	if v.is(isCommutes) && key.a > key.b {
		key.a, key.b = key.b, key.a
	}
	return key
}

// constant makes a constant. Constants are in no body: they are where they are
// read.
func (g *Graph) constant(k uint32) *Value {
	v := g.consts[k]
	if v == nil || g.plain {
		v = g.node(nil, Value{Op: OpConst, K: k, Pos: -1})
		g.consts[k] = v
	}
	return v
}
