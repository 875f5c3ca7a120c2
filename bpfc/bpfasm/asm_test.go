package bpfasm

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
)

// TestNetsniff has every spelling of netsniff-ng's assembler, as that
// assembles it.
func TestNetsniff(t *testing.T) {
	var progs [2][]bpf.RawInstruction
	for i, name := range []string{"netsniff.asm", "netsniff.dd"} {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		var f Form
		progs[i], f, err = Read(data)
		if err != nil || f != []Form{Asm, DD}[i] {
			t.Fatalf("%s: recognised as %v, %v", name, f, err)
		}
	}
	same(t, "netsniff.asm", progs[0], progs[1])
}

// TestSpellings has what only Linux's bpf_asm, only bpf_image or only we have.
func TestSpellings(t *testing.T) {
	const ad = "32 0 0 " // ld [k]
	for _, c := range []struct{ asm, ddd string }{
		{"ld vlan_pr", ad + "4294963248"},
		{"ld #vlan_avail", ad + "4294963248"},
		{"ld vlan_tpid", ad + "4294963260"},
		{"ld rand", ad + "4294963256"},
		{"ld #random", ad + "4294963256"},
		{"ld [random]", ad + "4294963256"},
		{"ld PAYLOAD_OFFSET", ad + "4294963252"},
		{"ld xor_x", ad + "4294963240"},
		{"ld [-4056]", ad + "4294963240"},
		{"ld [0xfffff028]", ad + "4294963240"},
		{"ldb [x + -1]", "80 0 0 4294967295"},
		{"ldb [x+-1]", "80 0 0 4294967295"},
		{"ret #-2147483648", "6 0 0 2147483648"},
		{"RET #0XFF", "6 0 0 255"},
		{"ret #0B11", "6 0 0 3"},
		{"ret #0017", "6 0 0 15"},
		{"ret #0", "6 0 0 0"},
		{"cop #2", "39 0 0 2"},
		{"copx", "71 0 0 0"},
		{".insn 0x15, 255, 1, -1", "21 255 1 4294967295"},
		{".INSN 65535,0,0,0", "65535 0 0 0"},
		{"ret a // end", "22 0 0 0"},
		{"# 1\n \t# 2\n// 3\n; 4 { \n/* 5 \n * 6 */ ret a", "22 0 0 0"},
		{"ret // the accumulator\na", "22 0 0 0"},
		{"ret a\r\n", "22 0 0 0"},
		{"\ufeffret a", "22 0 0 0"},
		{"x: a: len: M: ret: ret a", "22 0 0 0"},
		{"a: jeq x, x\nx: ret a", "29 0 0 0\n22 0 0 0"},
		{"ja ja\nja: ret a", "5 0 0 0\n22 0 0 0"},
		{"l: ja l", "5 0 0 4294967295"},
		{"L: ret a\nl: ja L", "22 0 0 0\n5 0 0 4294967294"},
		{"jneq #1, l\nret #1\nl: ret a", "21 0 1 1\n6 0 0 1\n22 0 0 0"},
		{"jlt #1, l\nret #1\nl: ret a", "53 0 1 1\n6 0 0 1\n22 0 0 0"},
		{"jle x, l\nret #1\nl: ret a", "45 0 1 0\n6 0 0 1\n22 0 0 0"},
	} {
		got, f, err := Read([]byte(c.asm))
		if err != nil || f != Asm {
			t.Errorf("%q: %v, %v", c.asm, f, err)
			continue
		}
		want, err := ReadAs(DDD, []byte(c.ddd))
		if err != nil {
			t.Fatal(err)
		}
		same(t, c.asm, got, want)
	}
}

// TestRecognise has forms with all that may be around them.
func TestRecognise(t *testing.T) {
	want := []bpf.RawInstruction{
		{Op: bpfc.LdAbsH, K: 12},
		{Op: bpfc.ClassJMP | bpfc.JmpJEQ, Jt: 0, Jf: 1, K: 0x800},
		{Op: bpfc.RetK, K: 1<<32 - 1},
		{Op: bpfc.RetA},
	}
	for _, c := range []struct {
		form Form
		text string
	}{
		{DDD, "4\n40 0 0 12\n21 0 1 2048\n6 0 0 4294967295\n22 0 0 0\n"},
		{DDD, "\r\n4\r\n\r\n40  0\t0 12\r\n21 0 1 2048\r\n6 0 0 4294967295\r\n22 0 0 0"},
		{DDD, "# a comment\n40 0 0 12\n21 0 1 2048\n6 0 0 4294967295\n22 0 0 0\n"},
		{XT, "4,40 0 0 12,21 0 1 2048,6 0 0 4294967295,22 0 0 0"},
		{XT, " 4 , 40 0 0 12 , 21 0 1 2048 , 6 0 0 4294967295 , 22 0 0 0 ,\n"},
		{DD, "{ 0x28, 0, 0, 0x0000000c },\n{ 0x15, 0, 1, 0x00000800 },\n{ 0x6, 0, 0, 0xffffffff },\n{ 0x16, 0, 0, 0x00000000 },\n"},
		{DD, "{40,0,0,12},{0x15,0,1,2048,},{6,0,0,-1},{026,0,0,0}"},
		{DD, "BPF_STMT(BPF_LD|BPF_H|BPF_ABS, 12),\nBPF_JUMP(BPF_JMP+BPF_JEQ+BPF_K, 0x800u, 0, 1),\nBPF_STMT(BPF_RET, -1), /* all { */\nBPF_STMT(BPF_RET | BPF_A, 0ul)"},
		{C, "#include <linux/filter.h>\n\nstatic const struct sock_filter f[] = {\n\t{ .code = 0x28, .k = 12 },\n\t{ .jf = 1, .code = BPF_JMP + (BPF_JEQ | BPF_K), .k = 0x800 },\n BPF_STMT(BPF_RET, 0xffffffff),\n { BPF_RET|BPF_A, 0, 0, 0 } };\nstruct sock_fprog p = { .len = sizeof(f) / sizeof(f[0]), .filter = f };\n"},
		{C, "int main(void) { struct bpf_insn f[] = { {40,0,0,12}, {21,0,1,2048}, {6,0,0,-1}, {22,0,0,0} }; }"},
		{Go, "package p\n\nvar f = []bpf.RawInstruction{\n\t{Op: 0x28, K: 12},\n\t{0x15, 0, 1, 0x800},\n\t{Op: 6, K: 0xffffffff}, // {}\n\t{Op: 22},\n}\n"},
		{Go, "{Op: 0x28, K: 12}, {Op: 0x15, Jf: 1, K: 0x800}, {Op: 6, K: 0xffffffff}, {Op: 22}"},
		{Listing, "(000) ldh      [12]\n(001) jeq      #0x800           jt 2\tjf 3\n(002) ret      #-1\n(003) ret      \n"},
		{Listing, " (0) LDH [ 12 ] (1) jeq #2048 jt 2 jf 3 (2) ret #4294967295 (3) ret a"},
		{Asm, "ldh [12]\njneq #0x800, d\nret #-1\nd: ret a"},
		{Asm, "; { 0x28, 0, 0, 12 }\nldh [12]\njneq #0x800, d\nret #-1\nd: ret a"},
		{Raw, "\x28\x00\x00\x00\x0c\x00\x00\x00\x15\x00\x00\x01\x00\x08\x00\x00\x06\x00\x00\x00\xff\xff\xff\xff\x16\x00\x00\x00\x00\x00\x00\x00"},
		{RawBE, "\x00\x28\x00\x00\x00\x00\x00\x0c\x00\x15\x00\x01\x00\x00\x08\x00\x00\x06\x00\x00\xff\xff\xff\xff\x00\x16\x00\x00\x00\x00\x00\x00"},
		{Hex, "280000000c000000\n1500000100080000\n06000000ffffffff\n1600000000000000\n"},
		{HexBE, "002800000000000C001500010000080000060000FFFFFFFF\n0016000000000000"},
		{Hex, "28 00 00 00 0c 00 00 00 15 00 00 01 00 08 00 00\n06 00 00 00 ff ff ff ff 16 00 00 00 00 00 00 00\n"},
	} {
		got, f, err := Read([]byte(c.text))
		if err != nil || f != c.form {
			t.Errorf("%.60q: recognised as %v, want %v: %v", c.text, f, c.form, err)
			continue
		}
		same(t, fmt.Sprintf("%.60q", c.text), got, want)
	}
}

// TestFarJumps assembles programs whose jumps go anywhere forward, follows them
// with conditions decided by chance, and sees that they pass the same
// instructions as the text says.
func TestFarJumps(t *testing.T) {
	for seed := range uint64(60) {
		r := newRandom(seed)
		n := 2 + r.IntN(1500)
		reach := []int{n, 300, 257}[r.IntN(3)] // the latter two are at the limit all the time
		var text bytes.Buffer
		type jump struct{ t, f int }
		jumps := make([]jump, n)
		isJa := make([]bool, n)
		for i := range n {
			target := func() int { return min(n-1, i+1+r.IntN(reach)) }
			fmt.Fprintf(&text, "l%d: ", i)
			switch j := &jumps[i]; {
			case i == n-1:
				fmt.Fprintf(&text, "ret #%d\n", i)
			case r.IntN(4) == 0:
				*j = jump{i + 1, i + 1}
				fmt.Fprintf(&text, "add #%d\n", i)
			case i > 0 && r.IntN(8) == 0:
				isJa[i] = true
				j.t = target()
				fmt.Fprintf(&text, "ja l%d\n", j.t)
			case r.IntN(4) == 0:
				*j = jump{i + 1, target()}
				fmt.Fprintf(&text, "jneq #%d, l%d\n", i, j.f)
			case r.IntN(4) == 0:
				*j = jump{target(), i + 1}
				fmt.Fprintf(&text, "jeq #%d, l%d\n", i, j.t)
			default:
				*j = jump{target(), target()}
				fmt.Fprintf(&text, "jgt #%d, l%d, l%d\n", i, j.t, j.f)
			}
		}
		prog, err := ReadAs(Asm, text.Bytes())
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for range 50 {
			walk(t, r, prog, func(i int, cond bool) int {
				for first := true; first || isJa[i]; first = false {
					if cond || isJa[i] {
						i = jumps[i].t
					} else {
						i = jumps[i].f
					}
				}
				return i
			})
		}
		// All of it is within reach now: nothing more is inserted.
		again, err := ReadAs(Asm, []byte(write(t, Asm, prog)))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		same(t, fmt.Sprintf("seed %d again", seed), again, prog)
	}
}

// walk runs prog from its start, where no ja is, to its ret. All instructions
// but ja have their number in the text as k; next says which comes after number
// i, with every ja of the text followed.
func walk(t *testing.T, r random, prog []bpf.RawInstruction, next func(i int, cond bool) int) {
	t.Helper()
	pc, want := 0, 0
	for {
		ins := prog[pc]
		if int(ins.K) != want {
			t.Fatalf("came to instruction %d of the text, not %d", ins.K, want)
		}
		if ins.Op == bpfc.RetK {
			return
		}
		cond := r.IntN(2) == 0
		want = next(want, cond)
		pc++
		switch {
		case bpfc.IsConditional(ins.Op) && cond:
			pc += int(ins.Jt)
		case bpfc.IsConditional(ins.Op):
			pc += int(ins.Jf)
		}
		for prog[pc].Op == bpfc.Ja {
			pc += 1 + int(prog[pc].K)
		}
	}
}

// TestJumpLimit is about the last distance that needs no ja and the first that
// does, for each label.
func TestJumpLimit(t *testing.T) {
	filler := strings.Repeat("add #1\n", 255)
	for _, c := range []struct {
		jump string
		want string // the instructions that the jump becomes
	}{
		{"jeq #1, at255", "21 255 0 1"},
		{"jneq #1, at255", "21 0 255 1"},
		{"jeq #1, at255, at254", "21 255 254 1"},
		{"jeq #1, at256", "21 0 1 1\n5 0 0 256"},
		{"jneq #1, at256", "21 1 0 1\n5 0 0 256"},
		{"jeq #1, at256, at256", "21 0 0 1\n5 0 0 256"},
		{"jeq #1, at256, at254", "21 0 255 1\n5 0 0 256"},
		{"jeq #1, at254, at256", "21 255 0 1\n5 0 0 256"},
		{"jeq #1, at256, at255", "21 0 1 1\n5 0 0 257\n5 0 0 255"},
		{"jset x, at255, at256", "77 0 1 0\n5 0 0 256\n5 0 0 256"},
		{"ja at256", "5 0 0 256"},
	} {
		text := c.jump + "\n" + filler[:254*len("add #1\n")] + "at254: add #2\nat255: add #3\nat256: ret #0\n"
		got, err := ReadAs(Asm, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		want, err := ReadAs(DDD, []byte(c.want))
		if err != nil {
			t.Fatal(err)
		}
		same(t, c.jump, got[:len(want)], want)
		if len(got) != len(want)+257 {
			t.Errorf("%s: %d instructions", c.jump, len(got))
		}
	}
}
