package asm

import "sort"

// maxPasses bounds how often the references are looked at again because others
// have shrunk between them and their labels. Every pass but the first finds few
// (a chain of n references, each just out of reach of the next, would take n
// passes), and a reference left long is only a few bytes too long.
const maxPasses = 16

// Finish shrinks and patches every reference and returns the finished code and
// its marks, ascending by offset. Nothing can be written afterwards.
//
// It takes time linear in the code plus, for each reference and label, the
// logarithm of their number.
func (b *Buffer) Finish() ([]byte, []Mark, error) {
	if !b.writable() {
		return nil, nil, b.err
	}
	b.done = true
	if !b.check() {
		return nil, nil, b.err
	}
	r := relaxation{Buffer: b}
	r.shrink()
	r.move()
	if b.err != nil {
		return nil, nil, b.err
	}
	return b.code, b.marks, nil
}

// Offset is where a bound label is: in the code as written so far and, after
// Finish, in the finished code. It is -1 for any other label.
func (b *Buffer) Offset(l Label) int {
	if !b.known(l) {
		return unbound
	}
	return b.labels[l-1]
}

// check tells whether every fixup covers code and has a label to go to.
func (b *Buffer) check() bool {
	end := 0
	for i := range b.fixups {
		f := &b.fixups[i]
		switch {
		case b.labels[f.label-1] == unbound:
			b.Failf("%s at offset %d refers to label %d, which is not bound", f.kind.Name, f.off, f.label)
		case f.off < end:
			b.Failf("%s at offset %d overlaps the reference before it", f.kind.Name, f.off)
		case f.off+f.kind.Long.Size > len(b.code):
			b.Failf("%s at offset %d reaches past the end of the code", f.kind.Name, f.off)
		}
		if b.err != nil {
			return false
		}
		end = f.off + f.kind.Long.Size
	}
	return true
}

// relaxation is the state of Finish. Code only ever gets shorter, so a
// reference that reaches in its short form goes on reaching, and stopping
// after any pass leaves correct code.
type relaxation struct {
	*Buffer
	before []int // label i+1 has this many fixups at lower offsets
	saved  []int // bytes that the fixups before the i-th have saved
}

func (r *relaxation) shrink() {
	r.before = make([]int, len(r.labels))
	for i, off := range r.labels {
		r.before[i] = sort.Search(len(r.fixups), func(k int) bool { return r.fixups[k].off >= off })
	}
	r.saved = make([]int, len(r.fixups)+1)
	for range maxPasses {
		changed := false
		for i := range r.fixups {
			f := &r.fixups[i]
			if !f.short && f.kind.Short.Size != 0 && f.kind.Short.reaches(r.shortDisp(i)) {
				f.short, changed = true, true
			}
		}
		if !changed {
			return
		}
		for i := range r.fixups {
			f, save := &r.fixups[i], 0
			if f.short {
				save = f.kind.Long.Size - f.kind.Short.Size
			}
			r.saved[i+1] = r.saved[i] + save
		}
	}
}

// disp is the displacement of fixup i after what was saved up to now.
func (r *relaxation) disp(i int) int64 {
	f := &r.fixups[i]
	return int64(r.target(f.label)-(f.off-r.saved[i])) + int64(f.addend)
}

// shortDisp is the displacement that fixup i, still long, would have if it
// were short: a label behind it comes nearer by what it saves itself.
func (r *relaxation) shortDisp(i int) int64 {
	f, d := &r.fixups[i], r.disp(i)
	if r.before[f.label-1] > i {
		d -= int64(f.kind.Long.Size - f.kind.Short.Size)
	}
	return d
}

// target is where label l is after what was saved up to now.
func (r *relaxation) target(l Label) int {
	return r.labels[l-1] - r.saved[r.before[l-1]]
}

// move compacts the code in place, patching the references, and then puts
// labels and marks where the code went.
func (r *relaxation) move() {
	from, to := 0, 0
	var long [16]byte
	for i := range r.fixups {
		f := &r.fixups[i]
		to += copy(r.code[to:], r.code[from:f.off])
		form := &f.kind.Long
		if f.short {
			form = &f.kind.Short
		}
		d := r.disp(i)
		if !form.reaches(d) {
			r.Failf("%s at offset %d: its label is %d bytes away, more than it reaches", f.kind.Name, to, d)
			return
		}
		n := copy(long[:], r.code[f.off:f.off+f.kind.Long.Size])
		form.Put(r.code[to:to+form.Size], long[:n], d)
		from, to = f.off+f.kind.Long.Size, to+form.Size
	}
	to += copy(r.code[to:], r.code[from:])
	r.code = r.code[:to]

	for i, off := range r.labels {
		if off != unbound {
			r.labels[i] = off - r.saved[r.before[i]]
		}
	}
	k := 0
	for i := range r.marks {
		m := &r.marks[i]
		for k < len(r.fixups) && r.fixups[k].off < m.Off {
			k++
		}
		m.Off -= r.saved[k]
	}
	r.fixups = nil
}
