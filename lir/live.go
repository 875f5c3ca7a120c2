package lir

// flow is the shape of a function: where each block starts in the numbering of
// instructions, and who precedes whom.
//
// Instructions are numbered from 0 in layout order; a terminator counts as
// one.
type flow struct {
	first     []int32 // by block: its first instruction; one more entry at the end
	predStart []int32 // by block: where its predecessors begin in preds
	preds     []int32
}

// term is the number of block b's terminator.
func (g *flow) term(b int32) int32 { return g.first[b+1] - 1 }

func (g *flow) predecessors(b int32) []int32 {
	return g.preds[g.predStart[b]:g.predStart[b+1]]
}

// newFlow needs the targets of f to be in range.
func newFlow(f *Func) *flow {
	n := len(f.Blocks)
	g := &flow{first: make([]int32, n+1), predStart: make([]int32, n+1)}
	var buf []int
	for i, b := range f.Blocks {
		g.first[i+1] = g.first[i] + int32(len(b.Insts)) + 1
		buf = b.Term.AppendTargets(buf[:0])
		for _, t := range buf {
			g.predStart[t]++
		}
	}
	// A counting sort: predStart holds, while it runs, the end of the part of
	// each block that is still empty.
	sum := int32(0)
	for i := range g.predStart {
		sum += g.predStart[i]
		g.predStart[i] = sum
	}
	g.preds = make([]int32, sum)
	for i := n - 1; i >= 0; i-- {
		buf = f.Blocks[i].Term.AppendTargets(buf[:0])
		for _, t := range buf {
			g.predStart[t]--
			g.preds[g.predStart[t]] = int32(i)
		}
	}
	return g
}

// liveness answers into which blocks a register is live. It is sparse: it
// keeps, for each register, the blocks that read it before they write it and
// the blocks that write it, and walks from the first backward until it meets
// the second. Its cost is the number of blocks that a register is live in, not
// registers times blocks.
type liveness struct {
	*flow
	reads  byReg // blocks that read the register before any write of theirs
	writes byReg // blocks that write it

	// For the walk. A block is marked for register r when its entry is r.
	seen, kills []Reg
	live        []int32
}

// byReg is a list of blocks for each register, all in one slice.
type byReg struct {
	start  []int32
	blocks []int32
}

func (l *byReg) of(r Reg) []int32 { return l.blocks[l.start[r]:l.start[r+1]] }

// blockReg is an entry of a byReg before sorting.
type blockReg struct {
	block int32
	reg   Reg
}

func groupByReg(events []blockReg, numReg Reg) byReg {
	l := byReg{start: make([]int32, numReg+1), blocks: make([]int32, len(events))}
	for _, e := range events {
		l.start[e.reg]++
	}
	sum := int32(0)
	for i := range l.start {
		sum += l.start[i]
		l.start[i] = sum
	}
	for i := len(events) - 1; i >= 0; i-- {
		e := events[i]
		l.start[e.reg]--
		l.blocks[l.start[e.reg]] = e.block
	}
	return l
}

// visitor is told of every read and write of a register in layout order, reads
// of an instruction before its write. at is the number of the instruction.
type visitor interface {
	read(r Reg, block, at int32)
	write(r Reg, block, at int32)
}

// newLiveness needs the registers of f to be in range. folded is Pool.Folded.
// Every read and write is also given to v, if that is not nil.
func newLiveness(f *Func, folded []int32, v visitor) *liveness {
	l := &liveness{
		flow:  newFlow(f),
		seen:  make([]Reg, len(f.Blocks)),
		kills: make([]Reg, len(f.Blocks)),
	}
	var reads, writes []blockReg
	// The last block, plus one, that read or wrote a register.
	readIn, writtenIn := make([]int32, f.NumReg), make([]int32, f.NumReg)
	read := func(r Reg, b, at int32) {
		if writtenIn[r] != b+1 && readIn[r] != b+1 {
			readIn[r] = b + 1
			reads = append(reads, blockReg{b, r})
		}
		if v != nil {
			v.read(r, b, at)
		}
	}
	write := func(r Reg, b, at int32) {
		if writtenIn[r] != b+1 {
			writtenIn[r] = b + 1
			writes = append(writes, blockReg{b, r})
		}
		if v != nil {
			v.write(r, b, at)
		}
	}
	moved := newMover(f, folded, l.flow)
	var buf []Reg
	for i, b := range f.Blocks {
		n, at := int32(i), l.first[i]
		for j := range b.Insts {
			if moved.away(at) {
				at++
				continue
			}
			in := &b.Insts[j]
			buf = moved.appendReads(in.AppendReads(buf[:0]), at)
			for _, r := range buf {
				read(r, n, at)
			}
			if r := in.Writes(); r != NoReg {
				write(r, n, at)
			}
			at++
		}
		buf = moved.appendReads(b.Term.AppendReads(buf[:0]), at)
		for _, r := range buf {
			read(r, n, at)
		}
	}
	l.reads, l.writes = groupByReg(reads, f.NumReg), groupByReg(writes, f.NumReg)
	return l
}

// blocks returns the blocks at whose start r is live, in no order. The slice
// is good until the next call.
func (l *liveness) blocks(r Reg) []int32 {
	l.live = l.live[:0]
	readers := l.reads.of(r)
	if len(readers) == 0 {
		return nil
	}
	for _, b := range l.writes.of(r) {
		l.kills[b] = r
	}
	for _, b := range readers {
		l.seen[b] = r
	}
	l.live = append(l.live, readers...)
	for i := 0; i < len(l.live); i++ {
		for _, p := range l.predecessors(l.live[i]) {
			if l.kills[p] != r && l.seen[p] != r {
				l.seen[p] = r
				l.live = append(l.live, p)
			}
		}
	}
	return l.live
}

// mover knows the instructions that a backend makes a part of later ones.
type mover struct {
	f      *Func
	flow   *flow
	folded []int32
	head   []int32 // by instruction: the last that was folded into it, plus one
	next   []int32 // by instruction: the one before that, plus one
	insts  []*Inst
}

func newMover(f *Func, folded []int32, g *flow) *mover {
	m := &mover{f: f, flow: g, folded: folded}
	if folded == nil {
		return m
	}
	n := g.first[len(f.Blocks)]
	m.head, m.next = make([]int32, n), make([]int32, n)
	m.insts = make([]*Inst, n)
	for i, b := range f.Blocks {
		for j := range b.Insts {
			at := g.first[i] + int32(j)
			if to := folded[at]; to != 0 {
				m.insts[at] = &b.Insts[j]
				m.next[at], m.head[to] = m.head[to], at+1
			}
		}
	}
	return m
}

// away reports whether the instruction is part of a later one.
func (m *mover) away(at int32) bool { return m.folded != nil && m.folded[at] != 0 }

// appendReads takes from the reads of an instruction the results of those
// that are folded into it, and appends what these read instead.
func (m *mover) appendReads(regs []Reg, at int32) []Reg {
	if m.folded == nil || m.head[at] == 0 {
		return regs
	}
	for i := m.head[at]; i != 0; i = m.next[i-1] {
		regs = m.insts[i-1].AppendReads(regs)
	}
	for i := m.head[at]; i != 0; i = m.next[i-1] {
		dst := m.insts[i-1].Writes()
		kept := regs[:0]
		for _, r := range regs {
			if r != dst {
				kept = append(kept, r)
			}
		}
		regs = kept
	}
	return regs
}
