// Package asm holds what every architecture's encoder shares: a buffer of
// machine code with labels, references to them that are patched when all is
// written, and marks that tie code to source lines.
//
// An encoder appends instructions to a [Buffer]. Where an instruction refers to
// a label, it writes the longest form the instruction has, and adds a fixup of
// one of its architecture's [Kind] values. [Buffer.Finish] then shrinks the
// references whose label turned out to be near, moves the code together, and
// patches the displacements.
//
// Misuse (a label bound twice or never, a displacement no form can hold) is
// remembered, not panicked: the first error sticks, what follows is ignored,
// and Finish returns it. A Buffer is for one goroutine.
package asm

import (
	"encoding/binary"
	"fmt"
)

// MaxSize is the largest code a buffer takes, in bytes. It keeps every
// displacement within a signed 32-bit field.
const MaxSize = 1 << 30

// Label is a place in the code, bound or still to be bound. The zero value is
// no label.
type Label int32

// Kind is a way for an instruction to refer to a label. Each architecture has
// a handful, made once and shared; a Kind is not changed after.
type Kind struct {
	Name string
	// Long is the form that the encoder writes first.
	Long Form
	// Short replaces Long where it reaches. Size 0: there is none.
	Short Form
}

// Form is one encoding of a reference.
type Form struct {
	// Size in bytes of the code that the fixup covers: from the byte where
	// the fixup was added on.
	Size int
	// Min and Max bound the displacement: the label's offset less that of
	// the first byte covered, plus the fixup's addend.
	Min, Max int64
	// Put writes the form into dst, which has Size bytes. long is what the
	// encoder had written for the long form, so that a condition or a
	// register can be taken from it.
	Put func(dst, long []byte, disp int64)
}

func (f *Form) reaches(disp int64) bool { return f.Min <= disp && disp <= f.Max }

// Mark says that the code from Off on, up to the next mark, came from source
// line Pos.
type Mark struct {
	Off int
	Pos int32
}

type fixup struct {
	off    int // of the first byte covered, in the code as written
	kind   *Kind
	label  Label
	addend int32
	short  bool
}

const unbound = -1

// Buffer is machine code under construction. The zero value is empty and ready.
type Buffer struct {
	code   []byte
	labels []int // offset of label i+1 in the code as written
	fixups []fixup
	marks  []Mark
	err    error
	done   bool
}

// Len is the number of bytes written so far, every reference counted in its
// long form; after Finish, the size of the finished code.
func (b *Buffer) Len() int { return len(b.code) }

// Err is the first error, or nil.
func (b *Buffer) Err() error { return b.err }

// Failf records an error, with the place, unless there is one already.
func (b *Buffer) Failf(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf("code offset %d: %s", len(b.code), fmt.Sprintf(format, args...))
	}
}

// NewLabel makes a label, not bound yet.
func (b *Buffer) NewLabel() Label {
	b.labels = append(b.labels, unbound)
	return Label(len(b.labels))
}

// Bind puts label l here: before the byte written next.
func (b *Buffer) Bind(l Label) {
	switch {
	case !b.writable():
	case !b.known(l):
		b.Failf("label %d does not exist", l)
	case b.labels[l-1] != unbound:
		b.Failf("label %d is bound twice", l)
	default:
		b.labels[l-1] = len(b.code)
	}
}

func (b *Buffer) known(l Label) bool { return 0 < l && int(l) <= len(b.labels) }

// Mark says that what is written next comes from source line pos.
func (b *Buffer) Mark(pos int32) {
	if !b.writable() {
		return
	}
	if n := len(b.marks); n > 0 && b.marks[n-1].Off == len(b.code) {
		b.marks = b.marks[:n-1] // nothing came from that line
	}
	if n := len(b.marks); n > 0 && b.marks[n-1].Pos == pos {
		return
	}
	b.marks = append(b.marks, Mark{len(b.code), pos})
}

// Fixup makes the code that is written next, kind.Long.Size bytes of it, refer
// to label l. The addend is added to the displacement: an instruction whose
// displacement counts from elsewhere than the first byte covered says so with
// it. Fixups are added in the order of the code and do not overlap.
func (b *Buffer) Fixup(kind *Kind, l Label, addend int32) {
	switch {
	case !b.writable():
	case !b.known(l):
		b.Failf("%s refers to label %d, which does not exist", kind.Name, l)
	default:
		b.fixups = append(b.fixups, fixup{off: len(b.code), kind: kind, label: l, addend: addend})
	}
}

// writable tells whether the buffer still takes code.
func (b *Buffer) writable() bool {
	if b.done {
		b.Failf("code is written after its end")
	} else if len(b.code) > MaxSize-16 {
		b.Failf("code is larger than %d bytes", MaxSize)
	}
	return b.err == nil
}

// Byte appends bytes.
func (b *Buffer) Byte(v ...byte) {
	if b.writable() {
		b.code = append(b.code, v...)
	}
}

// U16 appends a little-endian half-word.
func (b *Buffer) U16(v uint16) {
	if b.writable() {
		b.code = binary.LittleEndian.AppendUint16(b.code, v)
	}
}

// U32 appends a little-endian word.
func (b *Buffer) U32(v uint32) {
	if b.writable() {
		b.code = binary.LittleEndian.AppendUint32(b.code, v)
	}
}

// U64 appends a little-endian double word.
func (b *Buffer) U64(v uint64) {
	if b.writable() {
		b.code = binary.LittleEndian.AppendUint64(b.code, v)
	}
}
