package bpfasm

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestErrors(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", `empty input: no program`},
		{" \n\t", `empty input: no program`},
		{"\ufeff\n", `empty input: no program`},
		{"; only\n# comments", `only comments: no program`},
		{"/* x", `1:1: asm: comment without end: expected */`},
		{"ret #0\n /* x", `2:2: asm: comment without end: expected */`},
		{"foo", `1:1: asm: unknown instruction "foo"`},
		{"ret #0\n\tfoo x", `2:2: asm: unknown instruction "foo"`},
		{"ldh", `1:4: asm: expected [k], [x + k] or an extension's name, found the end`},
		{"ldh #12\nret #0", `1:5: asm: ldh takes [k], [x + k] or an extension's name, not #k`},
		{"LDI M[5]", `1:5: asm: ldi takes #k, not M[k]`},
		{"ldi len", `1:5: asm: ldi takes #k, not #len`},
		{"ld 5", `1:4: asm: expected #k, [k], [x + k], M[k], #len or an extension's name, found "5"`},
		{"ldx 5", `1:5: asm: expected #k, M[k], 4*([k]&0xf) or #len, found "5"`},
		{"ldx 5*([14]&0xf)", `1:5: asm: expected 4 as in 4*([k]&0xf), found "5"`},
		{"ldx 4*([14]&0xff)", `1:13: asm: expected 0xf as in 4*([k]&0xf), found "0xff"`},
		{"ldx 4*([14]&0xf", `1:16: asm: expected ")", found the end`},
		{"ret x", `1:5: asm: ret takes #k or a, not x`},
		{"ret 5", `1:5: asm: expected #k or a, found "5"`},
		{"ret é", `1:5: asm: expected #k or a, found "é"`},
		{"tax 5", `1:5: asm: expected an instruction, found "5"`},
		{"ld [x-5]", `1:6: asm: expected "+", found "-"`},
		{"ld [5", `1:6: asm: expected "]", found the end`},
		{"ld [y]", `1:5: asm: expected #k, [k], [x + k], M[k], #len or an extension's name, found "y"`},
		{"ld [%y]", `1:6: asm: expected register x, found "y"`},
		{"add %y", `1:6: asm: expected register a or x, found "y"`},
		{"ld #" + strings.Repeat("z", 99), `1:5: asm: expected #k, [k], [x + k], M[k], #len or an extension's name, found "` + strings.Repeat("z", 40) + `"...`},
		{"ret #0x100000000", `1:6: asm: "0x100000000" does not fit in 32 bits`},
		{"ret #-2147483649", `1:6: asm: -2147483649 does not fit in 32 bits`},
		{"ret #08", `1:6: asm: expected a number, found "08", which is no number of base 8`},
		{"ret #0x", `1:6: asm: expected a number, found "0x", which is no number of base 16`},
		{"ret #1_000", `1:6: asm: expected a number, found "1_000", which is no number of base 10`},
		{"jeq #1", `1:7: asm: expected ",", found the end`},
		{"jeq #1, 5", `1:9: asm: expected a label, found "5"`},
		{"jeq #1, foo\nret a", `1:9: asm: undefined label "foo"`},
		{"l: jeq #1, l\nret #0", `1:4: asm: conditional jump back to label "l" (1:1): only ja can go back`},
		{"jneq #1, l, l\nl: ret a", `1:11: asm: expected one label only: this jump is jeq with its labels exchanged`},
		{"l: ret a\nl: ret a", `2:1: asm: label "l" is already defined at 1:1`},
		{"ret a\nl:", `2:1: asm: expected an instruction after label "l", found the end`},
		{".insn 5", `1:8: asm: expected ",", found the end`},
		{".insn 65536,0,0,0", `1:7: asm: op 65536 is not in 0..65535`},
		{".insn 5,256,0,0", `1:9: asm: jt 256 is not in 0..255`},
		{"jeq #1, l\n.insn 0x15, 0, 0, 0\n" + strings.Repeat("tax\n", 300) + "l: ret a", `2:1: asm: this jump of fixed distance cannot be in a program where one (1:1) is longer than 255`},

		{"6\n40 0 0 12\n", `1:1: ddd: count 6, but instructions found: 1`},
		{"1\n40 0 0 12\n6 0 0 0\n", `1:1: ddd: count 1, but instructions found: 2`},
		{"1\n40 0 0\n", `3:1: ddd: expected k, found the end`},
		{"1\n40 0 0\n6 0 0 0\n", `3:1: ddd: expected k on line 2, found the end of the line`},
		{"1\n40 0 0 12 13\n", `2:11: ddd: expected the end of the line after four numbers, found "13"`},
		{"1\n40 0 x 12\n", `2:6: ddd: expected jf, found "x"`},
		{"1\n65536 0 0 0\n", `2:1: ddd: op 65536 is not in 0..65535`},
		{"1\n40 256 0 0\n", `2:4: ddd: jt 256 is not in 0..255`},
		{"1\n6 0 0 -1\n", `2:7: ddd: expected k, found "-"`},
		{"1\n6 0 0 4294967296\n", `2:7: ddd: "4294967296" does not fit in 32 bits`},
		{"1\n0x6 0 0 0\n", `2:1: ddd: expected op, found "0x6", which is no number of base 10`},
		{"0\n", `1:1: ddd: expected a count of instructions, found 0`},
		{"4294967295\n6 0 0 0\n", `1:1: ddd: count of instructions 4294967295 is not in 0..4194304`},

		{"2,6 0 0 0", `1:1: xt: count 2, but instructions found: 1`},
		{"1,", `1:1: xt: count 1, but instructions found: 0`},
		{"1,6 0 0", `1:8: xt: expected k, found the end`},
		{"2,6 0 0 0;6 0 0 0", `1:10: xt: expected "," or the end, found ";"`},
		{"1,6,0,0,0", `1:4: xt: expected jt, found ","`},

		{"{ 0x28, 0, 0 },", `1:14: dd: expected k, found the end of the instruction`},
		{"{ 0x28, 0, 0, 0, 0 },", `1:18: dd: expected "}" after op, jt, jf and k, found "0"`},
		{"{ 0x28, 0, 0, 12 }\n{ 6, 0, 0, 0 }", `2:1: dd: expected "," or the end after an instruction, found "{"`},
		{"{ 0x28, -1, 0, 0 },", `1:9: dd: jt -1 is not in 0..255`},
		{"{ FOO, 0, 0, 0 },", `1:3: dd: expected op, found "FOO", which is no known constant`},
		{"{ 6, 0, 0, 0xffffffff + 1 },", `1:12: dd: k 4294967296 is not in 0..4294967295`},
		{"{", `1:2: dd: expected op, found the end`},
		{"{}", `1:2: dd: no instructions`},
		{"{ " + strings.Repeat("(", 1<<20), `1:19: dd: more than 16 parentheses in each other`},
		{"BPF_STMT(BPF_LD+BPF_W)", `1:22: dd: expected ",", found ")"`},
		{"BPF_JUMP(BPF_JMP+BPF_JEQ, 1, 0, 256)", `1:33: dd: jf 256 is not in 0..255`},
		{"struct sock_filter f[] = { };", `1:28: c: no instructions`},
		{"struct sock_filter f[] = { {1,2,3,4}", `1:37: c: expected "," or "}" after an instruction, found the end`},
		{"struct sock_filter f[] = { {6,0,0,4} }; struct sock_filter g[] = { {6,0,0,0} };", `1:68: c: expected one program, found a second`},
		{"struct sock_filter f[] = { 1, 2, 3, 4 };", `1:28: c: expected "{" of an instruction, found "1"`},
		{"{Op: 1, Foo: 2}", `1:9: go: expected field code (or op), jt, jf or k, found "Foo"`},
		{"{Op: 1, Op: 2}", `1:9: go: field "Op" is given twice`},
		{"{Op: 1, 2}", `1:9: go: expected all fields with names or all without, found "2"`},

		{"(000) ldh [12]\n(002) ret #0", `2:2: d: expected instruction 1, found 2`},
		{"(000) jeq #1 jt 1 jf 257", `1:22: d: jf 257 is not in 1..256, where the jump can reach`},
		{"(000) ldh [12]\n(001) jeq #1 jt 1 jf 3", `2:17: d: jt 1 is not in 2..257, where the jump can reach`},
		{"(000) jeq #1 jt 1", `1:18: d: expected jf, found the end`},
		{"(000) jeq #1, l", `1:13: d: expected jt, found ","`},
		{"(000) jneq #1 jt 1 jf 2", `1:7: d: "jneq" is no instruction of a listing, which has its jumps as jeq with jt and jf`},
		{"(000) foo", `1:7: d: unknown instruction "foo"`},
		{"(000) unimp 0x12345", `1:13: d: opcode 74565 is not in 0..65535`},
		{"(000) ret #0 jt", `1:14: d: expected (001) or the end, found "jt"`},
		{"(000", `1:5: d: expected ")", found the end`},

		{"\x00\x01", `byte 0: raw: expected 8 bytes of an instruction, found 2 and the end`},
		{"\x28\x00\x00\x00\x0c\x00\x00\x00\x06", `byte 8: raw: expected 8 bytes of an instruction, found 1 and the end`},
		{"\x00\x11\x22\x33\x44\x55\x66\x77", `no form recognised: binary data without a known opcode in either byte order`},
		{"0011223344556677", `no form recognised: binary data without a known opcode in either byte order`},
		{"28000000000000001", `1:18: hex: expected two digits a byte, found an odd number of digits`},
		{"2800000000000000\n2800", `2:5: hex: expected 8 bytes of an instruction, found 2 and the end`},
	} {
		prog, form, err := Read([]byte(c.in))
		if err == nil || prog != nil {
			t.Errorf("%.60q: read %d instructions, %v", c.in, len(prog), err)
			continue
		}
		if err.Error() != c.want {
			t.Errorf("%.60q:\n got %v\nwant %s", c.in, err, c.want)
		}
		var place *SyntaxError
		if errors.As(err, &place) && form != Unknown && place.Form != form {
			t.Errorf("%.60q: an error of form %v for %v", c.in, place.Form, form)
		}
	}
	if _, err := ReadAs(Hex, []byte("28\n0g")); err == nil || err.Error() != `2:2: hex: expected a hexadecimal digit, found 'g'` {
		t.Error(err)
	}
}

// TestLargeInput: time grows with the input, not with its square, which would be
// minutes here.
func TestLargeInput(t *testing.T) {
	const n = 100_000
	repeat := func(s string) string { return strings.Repeat(s, n) }
	var labels strings.Builder
	for i := range n {
		fmt.Fprintf(&labels, "l%d: ja l%d\n", i, n-1-i)
	}
	for name, text := range map[string]string{
		"far jumps":     repeat("jeq #1, end, end2\n") + "end: ret a\nend2: ret #0",
		"chain":         repeat("jeq #1, end\n") + "end: ret a",
		"comments":      repeat("/* x */ tax ; y\n") + "ret a",
		"open comments": repeat("/* x ") + "*/ ret a",
		"labels":        labels.String(),
		"ddd":           "100000\n" + repeat("6 0 0 0\n"),
		"xt":            "100000" + repeat(",6 0 0 0"),
		"dd":            repeat("{ 6, 0, 0, 0 },\n"),
		"macros":        repeat("BPF_STMT(BPF_RET+BPF_K, 0),\n"),
		"sum":           "{ 6, 0, 0, 0" + repeat("+0") + " }",
		"hex":           repeat("0600000000000000\n"),
		"raw":           repeat("\x06\x00\x00\x00\x00\x00\x00\x00"),
	} {
		start := time.Now()
		if _, _, err := Read([]byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%s: %d lines in %v", name, n, time.Since(start))
	}
}

// TestCountAllocatesNothing: a count line is not to be trusted.
func TestCountAllocatesNothing(t *testing.T) {
	for _, text := range []string{"4194304\n6 0 0 0\n", "4194304,6 0 0 0"} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, _, err := Read([]byte(text)); err == nil {
			t.Errorf("%q was read", text)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<16 {
			t.Errorf("%q: %d bytes allocated", text, n)
		}
	}
}

func TestTooManyInstructions(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 32 MB")
	}
	for _, c := range []struct {
		form Form
		unit string
	}{
		{Raw, "\x06\x00\x00\x00\x00\x00\x00\x00"},
		{Asm, "tax\n"},
	} {
		text := []byte(strings.Repeat(c.unit, MaxInstructions+1))
		if _, err := ReadAs(c.form, text); err == nil || !strings.HasSuffix(err.Error(), "more than 4194304 instructions") {
			t.Errorf("%v: %v", c.form, err)
		}
		prog, err := ReadAs(c.form, text[:len(text)-len(c.unit)])
		if err != nil || len(prog) != MaxInstructions {
			t.Errorf("%v: %d instructions, %v", c.form, len(prog), err)
		}
	}
}
