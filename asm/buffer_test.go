package asm

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// jump is a reference of a machine of no one's: long is 'L' and four bytes of
// displacement, short is 's' and one; both count from their first byte.
var jump = Kind{
	Name: "jump",
	Long: Form{Size: 5, Min: -1 << 31, Max: 1<<31 - 1, Put: func(dst, long []byte, d int64) {
		dst[0] = long[0]
		binary.LittleEndian.PutUint32(dst[1:], uint32(d))
	}},
	Short: Form{Size: 2, Min: -20, Max: 20, Put: func(dst, _ []byte, d int64) {
		dst[0], dst[1] = 's', byte(d)
	}},
}

// near has one form only, of little reach.
var near = Kind{
	Name: "near jump",
	Long: Form{Size: 1, Min: -100, Max: 100, Put: func(dst, _ []byte, d int64) { dst[0] = byte(d) }},
}

func emitJump(b *Buffer, l Label) {
	b.Fixup(&jump, l, 0)
	b.Byte('L', 0, 0, 0, 0)
}

// check decodes code and compares it with what was written: jumps to labels,
// and the bytes 'a' to 'z' but s.
func check(t *testing.T, b *Buffer, code []byte, want []any) {
	t.Helper()
	off := 0
	for i, w := range want {
		switch w := w.(type) {
		case byte:
			if code[off] != w {
				t.Fatalf("item %d at %d is %q, not %q", i, off, code[off], w)
			}
			off++
		case Label:
			d, size := int(int8(code[off+1])), 2
			if code[off] == 'L' {
				d, size = int(int32(binary.LittleEndian.Uint32(code[off+1:]))), 5
				if min := d - 3; -20 <= d && min <= 20 && d < 0 || 0 <= min && min <= 20 {
					t.Fatalf("item %d at %d jumps by %d and is long", i, off, d)
				}
			}
			if off+d != b.Offset(w) {
				t.Fatalf("item %d at %d goes to %d, label %d is at %d", i, off, off+d, w, b.Offset(w))
			}
			off += size
		}
	}
	if off != len(code) || b.Len() != len(code) {
		t.Fatalf("%d bytes are %d items of %d bytes", len(code), len(want), off)
	}
}

func TestRandomCode(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		var b Buffer
		labels := make([]Label, 1+r.IntN(30))
		for i := range labels {
			labels[i] = b.NewLabel()
		}
		var want []any
		var marks []Mark // with the index in want for an offset
		pos := int32(0)
		for _, l := range labels {
			b.Bind(l)
			for range r.IntN(12) {
				if r.IntN(5) == 0 {
					pos++
					b.Mark(pos)
					marks = append(marks, Mark{len(want), pos})
				}
				if r.IntN(3) == 0 {
					to := labels[r.IntN(len(labels))]
					emitJump(&b, to)
					want = append(want, to)
				} else {
					c := byte('a' + r.IntN(18))
					b.Byte(c)
					want = append(want, c)
				}
			}
		}
		code, got, err := b.Finish()
		if err != nil {
			t.Fatal(err)
		}
		check(t, &b, code, want)

		// Each mark is where its item is.
		offs := make([]int, 0, len(want))
		for off := 0; off < len(code); {
			offs = append(offs, off)
			switch code[off] {
			case 'L':
				off += 5
			case 's':
				off += 2
			default:
				off++
			}
		}
		for i, m := range marks {
			if i+1 < len(marks) && marks[i+1].Off == m.Off {
				continue // nothing came from it
			}
			off := offs[m.Off]
			if len(got) == 0 || got[0] != (Mark{off, m.Pos}) {
				t.Fatalf("marks %v, want %v at %d", got, m.Pos, off)
			}
			got = got[1:]
		}
		if len(got) != 0 {
			t.Fatalf("more marks than were made: %v", got)
		}
	}
}

// What shrinks late: each jump is just out of reach until the next has shrunk.
func TestChain(t *testing.T) {
	const n = 10
	var b Buffer
	labels := make([]Label, n+1)
	for i := range labels {
		labels[i] = b.NewLabel()
	}
	var want []any
	put := func(v any) {
		switch v := v.(type) {
		case byte:
			b.Byte(v)
		case Label:
			emitJump(&b, v)
		}
		want = append(want, v)
	}
	// Jump i covers jump i+1 and goes exactly as far as a short one does
	// once i+1 is short too.
	for i := range n {
		b.Bind(labels[i])
		put(labels[min(i+2, n)])
		for range 8 {
			put(byte('x'))
		}
		if i == n-1 {
			b.Bind(labels[n])
		}
	}
	b.Byte('x')
	want = append(want, byte('x'))
	code, _, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	check(t, &b, code, want)
	if len(code) != n*10+1 {
		t.Errorf("%d bytes: a jump stayed long", len(code))
	}
}

func TestAddend(t *testing.T) {
	var b Buffer
	l := b.NewLabel()
	b.Fixup(&near, l, 7)
	b.Byte(0)
	b.Bind(l)
	b.Byte(9)
	code, _, err := b.Finish()
	if err != nil || code[0] != 8 {
		t.Errorf("%v %v", code, err)
	}
}

func TestBufferErrors(t *testing.T) {
	for _, c := range []struct {
		write func(b *Buffer)
		want  string
	}{
		{func(b *Buffer) { emitJump(b, b.NewLabel()) }, "code offset 6: jump at offset 1 refers to label 1, which is not bound"},
		{func(b *Buffer) { emitJump(b, 0) }, "code offset 1: jump refers to label 0, which does not exist"},
		{func(b *Buffer) { emitJump(b, -1) }, "code offset 1: jump refers to label -1, which does not exist"},
		{func(b *Buffer) { b.Bind(4) }, "code offset 1: label 4 does not exist"},
		{func(b *Buffer) { l := b.NewLabel(); b.Bind(l); b.Bind(l) }, "code offset 1: label 1 is bound twice"},
		{func(b *Buffer) { l := b.NewLabel(); b.Bind(l); b.Fixup(&jump, l, 0); b.Byte(1) }, "code offset 2: jump at offset 1 reaches past the end of the code"},
		{func(b *Buffer) {
			l := b.NewLabel()
			b.Bind(l)
			b.Fixup(&jump, l, 0)
			b.Byte(1, 2, 3)
			b.Fixup(&jump, l, 0)
			b.Byte(1, 2, 3, 4, 5)
		}, "code offset 9: jump at offset 4 overlaps the reference before it"},
		{func(b *Buffer) {
			l := b.NewLabel()
			b.Fixup(&near, l, 0)
			b.Byte(make([]byte, 101)...)
			b.Bind(l)
			b.Byte(1)
		}, "code offset 103: near jump at offset 1: its label is 101 bytes away, more than it reaches"},
		{func(b *Buffer) { b.Finish(); b.Byte(2) }, "code offset 1: code is written after its end"},
		{func(b *Buffer) { b.Finish(); b.Mark(2) }, "code offset 1: code is written after its end"},
		{func(b *Buffer) { b.Failf("mine: %d", 5); b.Failf("second") }, "code offset 1: mine: 5"},
	} {
		var b Buffer
		b.Byte('a')
		c.write(&b)
		code, marks, err := b.Finish()
		if err == nil || err.Error() != c.want {
			t.Errorf("error %q, want %q", fmt.Sprint(err), c.want)
		}
		if code != nil || marks != nil || b.Err() != err || strings.Contains(c.want, "\n") {
			t.Errorf("with the error %v: %v %v %v", err, code, marks, b.Err())
		}
	}
}

func TestEmpty(t *testing.T) {
	var b Buffer
	code, marks, err := b.Finish()
	if len(code) != 0 || len(marks) != 0 || err != nil {
		t.Error(code, marks, err)
	}
}

// Jumps of every length among each other: many passes, each over all of them.
func TestManyJumps(t *testing.T) {
	start := time.Now()
	const n = 200_000
	r := rand.New(rand.NewPCG(5, 6))
	var b Buffer
	labels := make([]Label, n)
	for i := range labels {
		labels[i] = b.NewLabel()
	}
	for i := range labels {
		b.Bind(labels[i])
		to := i + r.IntN(13) - 6
		if r.IntN(10) == 0 {
			to = r.IntN(n)
		}
		emitJump(&b, labels[min(max(to, 0), n-1)])
	}
	if _, _, err := b.Finish(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d jumps in %v", n, time.Since(start))
}
