package bpfasm

import (
	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
)

// maxJump is the largest jt and jf.
const maxJump = 255

// layout turns labels into distances. Where a conditional jump cannot reach its
// target, a ja goes behind it:
//
//	jeq #1, far, near   =>   jeq #1, +0, near+1
//	                         ja far
//
// Nothing else comes upon that ja, for a conditional jump never falls through
// to the instruction behind it without saying so in jt or jf.
//
// Conditional jumps only go forward, so that the size of what is behind one
// settles whether it reaches: one walk from the end finds the smallest code.
func (a *assembler) layout() ([]bpf.RawInstruction, error) {
	// tail[i] is how many instructions the statements from i on become.
	tail := make([]int, len(a.code)+1)
	longJump := -1
	for i := len(a.code) - 1; i >= 0; i-- {
		st := &a.code[i]
		tail[i] = tail[i+1] + 1
		if !st.raw && bpfc.IsConditional(st.ins.Op) {
			t, f, err := a.forward(i)
			if err != nil {
				return nil, err
			}
			if n := detours(tail[i+1]-tail[t], tail[i+1]-tail[f]); n > 0 {
				tail[i] += n
				longJump = i
			}
		}
	}
	if longJump >= 0 {
		if err := a.noRawJumps(longJump); err != nil {
			return nil, err
		}
	}
	if tail[0] > MaxInstructions {
		return nil, a.errorAt(a.code[longJump].offset, "%s with those inserted for long jumps", errTooLong)
	}
	out := make([]bpf.RawInstruction, 0, tail[0])
	for i := range a.code {
		out = a.emit(out, i, tail)
	}
	return out, nil
}

// goesTo is the statement that a jump at i with label id goes to.
func (a *assembler) goesTo(i int, id int32) int {
	if id == nextLabel {
		return i + 1
	}
	return a.labels[id].def
}

// forward is the two places of the conditional jump at i, both behind it.
func (a *assembler) forward(i int) (t, f int, err error) {
	st := &a.code[i]
	for _, id := range [...]int32{st.jt, st.jf} {
		if a.goesTo(i, id) <= i {
			l := &a.labels[id]
			line, col := a.place(l.defAt)
			return 0, 0, a.errorAt(st.offset, "conditional jump back to label %q (%d:%d): only ja can go back", l.name, line, col)
		}
	}
	return a.goesTo(i, st.jt), a.goesTo(i, st.jf), nil
}

// noRawJumps refuses to insert anything into a program that has distances of
// its own, which would no longer be right.
func (a *assembler) noRawJumps(longJump int) error {
	for i := range a.code {
		st := &a.code[i]
		if st.raw && bpfc.Class(st.ins.Op) == bpfc.ClassJMP {
			line, col := a.place(a.code[longJump].offset)
			return a.errorAt(st.offset, "this jump of fixed distance cannot be in a program where one (%d:%d) is longer than %d", line, col, maxJump)
		}
	}
	return nil
}

// detours is how many ja a conditional jump needs, given the distances of its
// targets from the instruction behind it. A ja puts the other target one
// further away.
func detours(t, f int) int {
	near, far := min(t, f), max(t, f)
	switch {
	case far <= maxJump:
		return 0
	case near == far || near < maxJump:
		return 1
	}
	return 2
}

// emit appends the code of statement i.
func (a *assembler) emit(out []bpf.RawInstruction, i int, tail []int) []bpf.RawInstruction {
	st := &a.code[i]
	ins := st.ins
	switch {
	case st.raw:
	case ins.Op == bpfc.Ja:
		ins.K = uint32(tail[0] - tail[a.goesTo(i, st.jt)] - len(out) - 1)
	case bpfc.IsConditional(ins.Op):
		t := tail[i+1] - tail[a.goesTo(i, st.jt)]
		f := tail[i+1] - tail[a.goesTo(i, st.jf)]
		ja := func(distance int) bpf.RawInstruction {
			return bpf.RawInstruction{Op: bpfc.Ja, K: uint32(distance)}
		}
		switch n := detours(t, f); {
		case n == 0:
			ins.Jt, ins.Jf = uint8(t), uint8(f)
		case n == 2:
			ins.Jt, ins.Jf = 0, 1
			return append(out, ins, ja(t+1), ja(f))
		case t == f:
			return append(out, ins, ja(t))
		case t > f:
			ins.Jf = uint8(f + 1)
			return append(out, ins, ja(t))
		default:
			ins.Jt = uint8(t + 1)
			return append(out, ins, ja(f))
		}
	}
	return append(out, ins)
}
