package bpfasm

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzRead gives any bytes to the readers. Whatever one of them takes for a
// program is written in every form and has to read back as the same.
func FuzzRead(f *testing.F) {
	r := newRandom(1)
	for range 4 {
		prog := r.program(1+r.IntN(20), false)
		for _, form := range Forms() {
			f.Add([]byte(write(f, form, prog)))
		}
	}
	files, err := filepath.Glob("testdata/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		if data, err := os.ReadFile(name); err == nil {
			f.Add(data)
		}
	}
	f.Add([]byte("top: ldx 4*([14]&0xf) jneq %x, l /* far */ " + strings.Repeat("tax ", 300) + "l: ja top ret a"))
	f.Add([]byte("int main() { struct sock_filter f[] = { BPF_JUMP(BPF_JMP|BPF_JEQ, 0x800, 0, 1), { .code = 6 } }; }"))

	f.Fuzz(func(t *testing.T, data []byte) {
		prog, form, err := Read(data)
		if err != nil {
			checkError(t, data, err)
		} else {
			checkRoundTrip(t, "recognised as "+form.String(), prog)
		}
		for _, form := range Forms() {
			if !form.Readable() {
				continue
			}
			prog, err := ReadAs(form, data)
			if err != nil {
				checkError(t, data, err)
				continue
			}
			back, err := ReadAs(Asm, []byte(write(t, Asm, prog)))
			if err != nil {
				t.Fatalf("read as %v, written as assembler text: %v", form, err)
			}
			same(t, form.String(), back, prog)
		}
	})
}

// checkError wants one short line, with a place inside the text.
func checkError(t *testing.T, data []byte, err error) {
	t.Helper()
	msg := err.Error()
	if msg == "" || strings.Contains(msg, "\n") || len(msg) > 400 {
		t.Fatalf("not one clear line: %q", msg)
	}
	var place *SyntaxError
	if errors.As(err, &place) && (place.Offset < 0 || place.Offset > len(data)) {
		t.Fatalf("an error at byte %d of %d", place.Offset, len(data))
	}
}
