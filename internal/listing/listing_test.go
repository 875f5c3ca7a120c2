package listing

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/internal/disasm"
	"github.com/bpfjit/bpfjit/lir"
)

// madeUp decodes a machine of two instructions: b0 TT goes to TT, any other
// byte is an instruction by itself.
func madeUp(code []byte, at int) disasm.Inst {
	if code[at] == 0xb0 {
		to := int(code[at+1])
		return disasm.Inst{Off: at, Size: 2, Text: fmt.Sprintf("go %04x", to), Target: to, OK: true}
	}
	return disasm.Inst{Off: at, Size: 1, Text: fmt.Sprintf("op %x", code[at]), Target: -1, OK: true}
}

// made has each kind of line there is: code of one BPF instruction, of several,
// in two pieces and of none, and branches to all of these, into the middle of an
// instruction and into a table.
var made = struct {
	prog []bpf.RawInstruction
	fn   *lir.Func
	code *lir.Code
}{
	prog: []bpf.RawInstruction{
		{Op: 0x28, K: 12},                   // 0: ldh [12]
		{Op: 0x15, Jt: 0, Jf: 2, K: 0x800},  // 1: jeq #0x800
		{Op: 0x28, K: 12},                   // 2: ldh [12], once more
		{Op: 0x15, Jt: 0, Jf: 0, K: 0x0800}, // 3: jeq, with a piece of its own
		{Op: 0x06, K: 0},                    // 4: ret #0
		{Op: 0x06, K: 1},                    // 5: ret #1, to which nothing leads
	},
	fn: &lir.Func{Origins: [][]int32{{0, 2}, {1, 3}, {3}, {4}}},
	code: &lir.Code{
		Bytes: []byte{
			0x01,       // 0: entry
			0x02, 0x03, // 1: (000), (002)
			0xb0, 0x02, // 3: (001), (003), to the middle of the first
			0xb0, 0x0c, // 5: (003), to (004)
			0xb0, 0x00, // 7: (001), (003), a second piece, to the entry
			0xb0, 0x04, // 9: (003), to no beginning of an instruction
			0xb0, // 11: (004), to the table; its second byte is
			0x10, // 12: also a place to go to
			0x04, // 13
			0xe0, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xeb, 0xec, 0xed, 0xee, 0xef, 0xf0,
		},
		Data:  17,
		Frame: 24,
		Lines: []lir.Line{{Off: 0, Pos: -1}, {Off: 1, Pos: 0}, {Off: 3, Pos: 1}, {Off: 5, Pos: 2}, {Off: 7, Pos: 1}, {Off: 9, Pos: 2}, {Off: 11, Pos: 3}, {Off: 14, Pos: 3}},
	},
}

const madeListing = `(000) ldh      [12]
	0001  02                    op 2                            ; also (002)
	0002  03                    op 3
(001) jeq      #0x800           jt 2	jf 4
	0003  b002                  go 0002                         ; to (000) also (003)
	0007  b000                  go 0000                         ; also (003)
(002) ldh      [12]
	; code below (000)
(003) jeq      #0x800           jt 4	jf 4
	0005  b00c                  go 000c
	0009  b004                  go 0004
	; more below (001)
(004) ret      #0
	000b  b010                  go 0010
	000d  04                    op 4
(005) ret      #1
	; no code: nothing leads here
of no instruction: entry, moves between blocks, the rejection that all share
	0000  01                    op 1
tables that the code looks values up in
	000e  e0e1e2e3e4e5e6e7e8e9eaebecedeeef
	001e  f0
; 6 instructions, 14 bytes of code, 17 bytes of tables, 24 bytes of frame
`

func TestWrite(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, made.prog, made.fn, made.code, madeUp); err != nil {
		t.Fatal(err)
	}
	got, want := strings.Split(b.String(), "\n"), strings.Split(madeListing, "\n")
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Fatalf("line %d is missing: %q", i+1, want[i])
		case i >= len(want) || got[i] != want[i]:
			t.Fatalf("line %d is %q in\n%s", i+1, got[i], b.String())
		}
	}
}

// TestTarget: a branch to the beginning of an instruction names whose it is, the
// last one included.
func TestTarget(t *testing.T) {
	l := newListing(made.prog, made.fn, made.code, madeUp)
	for target, want := range map[int]string{
		-1: "", 0: "", 1: "to (000)", 2: "to (000)", 3: "to (001)", 4: "", 5: "to (003)", 7: "to (001)",
		9: "to (003)", 11: "to (004)", 12: "", 13: "to (004)", 14: "", 31: "", 1 << 20: "",
	} {
		if got := l.whereTo(target); got != want {
			t.Errorf("%d: %q, want %q", target, got, want)
		}
	}
}

// TestWithoutOrigins: without a table of origins, positions are BPF
// instructions.
func TestWithoutOrigins(t *testing.T) {
	code := &lir.Code{Bytes: []byte{1, 0xb0, 0}, Lines: []lir.Line{{Off: 0, Pos: 4}, {Off: 1, Pos: 0}}}
	var b bytes.Buffer
	if err := Write(&b, made.prog[:5], &lir.Func{}, code, madeUp); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"(000) ldh      [12]\n\t0001  b000                  go 0000                         ; to (004)\n", "(004) ret      #0\n\t0000  01  "} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("no %q in\n%s", part, b.String())
		}
	}
}

// TestWriteError: what cannot be written is an error.
func TestWriteError(t *testing.T) {
	full := errors.New("full")
	if err := Write(failing{full}, made.prog, made.fn, made.code, madeUp); err != full {
		t.Error(err)
	}
}

type failing struct{ error }

func (f failing) Write([]byte) (int, error) { return 0, f.error }
