package bpfasm

import (
	"bytes"
	"flag"
	"fmt"
	gofmt "go/format"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
)

var update = flag.Bool("update", false, "write golden files anew")

// random makes programs of all shapes: plain ones as compilers make them, and
// ones with anything in any field.
type random struct{ *rand.Rand }

func newRandom(seed uint64) random { return random{rand.New(rand.NewPCG(seed, 0))} }

var edges = []uint32{
	0, 1, 2, 4, 12, 14, 15, 16, 31, 32, 255, 256, 0x7ff, 0xffff, 0x10000,
	1<<31 - 1, 1 << 31, 1<<31 + 1, adOff - 1, adOff, adOff + 2, adOff + 4, adOff + 40, adOff + 60, adOff + 64,
	1<<32 - 1, 1<<32 - 255, 1<<32 - 0x100000, 1<<32 - 0x200000,
}

func (r random) k() uint32 {
	switch r.IntN(3) {
	case 0:
		return edges[r.IntN(len(edges))]
	case 1:
		return r.Uint32()
	}
	return uint32(r.IntN(100))
}

// program is n instructions. A plain one has known opcodes, no values in unused
// fields and all targets inside.
func (r random) program(n int, plain bool) []bpf.RawInstruction {
	prog := make([]bpf.RawInstruction, n)
	for i := range prog {
		if !plain && r.IntN(4) == 0 {
			prog[i] = bpf.RawInstruction{Op: uint16(r.Uint32() >> r.IntN(16) & 0xffff), Jt: uint8(r.Uint32()), Jf: uint8(r.Uint32()), K: r.k()}
			continue
		}
		f := &formatTable[r.IntN(len(formatTable))]
		rest := n - i - 1
		if plain && rest == 0 {
			f = formatOf(bpfc.RetK)
		}
		ins := bpf.RawInstruction{Op: f.op, K: r.k()}
		if f.arg == argLabel && r.IntN(8) > 0 {
			ins.K = uint32(r.IntN(n) - i - 1)
		}
		if f.arg == argLabel && plain {
			ins.K = uint32(r.IntN(rest))
		}
		if f.conditional() {
			ins.Jt, ins.Jf = uint8(r.IntN(min(rest, 256)+1)), uint8(r.IntN(min(rest, 256)+1))
			if plain {
				ins.Jt, ins.Jf = uint8(r.IntN(min(rest, 256))), uint8(r.IntN(min(rest, 256)))
			}
		}
		if plain || r.IntN(4) > 0 {
			ins = used(f, ins)
		}
		prog[i] = ins
	}
	return prog
}

// write is Write to a string.
func write(t testing.TB, f Form, prog []bpf.RawInstruction) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, f, prog); err != nil {
		t.Fatalf("writing %v: %v", f, err)
	}
	return b.String()
}

// same fails at the first instruction that differs.
func same(t testing.TB, what string, got, want []bpf.RawInstruction) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("%s: instruction %d is %+v, want %+v", what, i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s: %d instructions, want %d", what, len(got), len(want))
	}
}

// listed is what a listing says of a program.
func listed(prog []bpf.RawInstruction) []bpf.RawInstruction {
	out := slices.Clone(prog)
	for i, ins := range prog {
		f := formatOf(ins.Op)
		if f == nil || f.unimp {
			f = &format{op: ins.Op, arg: argNone}
		}
		out[i] = used(f, ins)
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	for seed := range uint64(120) {
		r := newRandom(seed)
		prog := r.program(1+r.IntN(400), seed%2 == 0)
		checkRoundTrip(t, fmt.Sprintf("seed %d", seed), prog)
	}
}

// checkRoundTrip writes a program in every form and reads it back, told the
// form and not.
func checkRoundTrip(t testing.TB, what string, prog []bpf.RawInstruction) {
	t.Helper()
	for _, f := range Forms() {
		text := write(t, f, prog)
		if !f.Readable() {
			continue
		}
		want := prog
		if f == Listing {
			want = listed(prog)
		}
		got, err := ReadAs(f, []byte(text))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		same(t, fmt.Sprintf("%s as %v", what, f), got, want)

		if slices.Contains([]Form{Raw, RawBE, Hex, HexBE}, f) && known(prog)*2 <= len(prog) {
			continue // the byte order of nonsense cannot be seen
		}
		got, found, err := Read([]byte(text))
		if err != nil || found != f {
			t.Fatalf("%s: %v is recognised as %v: %v", what, f, found, err)
		}
		same(t, fmt.Sprintf("%s recognised as %v", what, f), got, want)
	}
}

// TestPlainHasNoDirective: what compilers make can go to other assemblers.
func TestPlainHasNoDirective(t *testing.T) {
	for seed := range uint64(200) {
		r := newRandom(seed)
		text := write(t, Asm, r.program(1+r.IntN(400), true))
		if strings.Contains(text, insnDirective) {
			t.Fatalf("seed %d: %s in\n%s", seed, insnDirective, text)
		}
	}
}

func TestGoIsFormatted(t *testing.T) {
	for seed := range uint64(100) {
		r := newRandom(seed)
		src := "package p\n\nvar filter = " + write(t, Go, r.program(1+r.IntN(300), seed%2 == 0))
		got, err := gofmt.Source([]byte(src))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != src {
			t.Fatalf("seed %d: gofmt changes\n%s", seed, src)
		}
	}
}

// expressions make tcpdump generate every kind of instruction that libpcap
// has, protochain's backward ja and the ancillary loads included.
var expressions = []string{
	"", "ip", "icmp", "tcp port 80", "tcp[tcpflags] & (tcp-syn) != 0",
	"(tcp port 80 and host 169.254.0.4) or icmp", "vlan and ip", "vlan 7 and vlan and udp",
	"ip6 protochain 6", "ip protochain 51", "inbound", "outbound", "len > 100", "less 64",
	"ip[2:2] / 3 * ip[0] % 7 ^ 3 >> ip[1] << 1 = -1", "ether[0:4] | 0xfffffff0 > 5 - ip[0]",
	"ether[0] & 1 != 0 and tcp port 80", "portrange 1000-2000 and not net 10.0.0.0/8",
	"ip6 host fe80::1", "ether host 00:01:02:03:04:05", "mpls 5 and ip", "pppoes and ip6",
	"geneve 7", "ip[ip[0] & 15] = len", "ether broadcast", "ip6[6] = 58 and ip6[40] = 128",
	"host 1.2.3.4 or host 1.2.3.5 or host 1.2.3.6 or port 5", "1 = 1", "2 > 3", "ifindex 3",
}

func TestTcpdump(t *testing.T) {
	if _, err := exec.LookPath("tcpdump"); err != nil {
		t.Skip("no tcpdump here to compare with")
	}
	run := func(args ...string) (string, error) {
		out, err := exec.Command("tcpdump", args...).Output()
		return string(out), err
	}
	compared := 0
	for _, link := range []string{"EN10MB", "LINUX_SLL", "RAW"} {
		for _, expr := range expressions {
			args := []string{"-y", link, "-ddd", expr}
			if compared%2 == 1 {
				args = append([]string{"-O"}, args...) // unoptimised
			}
			numbers, err := run(args...)
			if err != nil {
				continue // not every expression has a meaning on every link type
			}
			compared++
			prog, f, err := Read([]byte(numbers))
			if err != nil || f != DDD {
				t.Fatalf("%v: %v, %v", args, f, err)
			}
			for _, f := range []Form{Listing, DD, DDD} {
				args[slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "-d") })] = "-" + f.String()
				want, err := run(args...)
				if err != nil {
					t.Fatalf("%v: %v", args, err)
				}
				if got := write(t, f, prog); got != want {
					t.Errorf("%v: wrote\n%swant\n%s", args, got, want)
				}
				back, found, err := Read([]byte(want))
				if err != nil || found != f {
					t.Fatalf("%v: recognised as %v, %v", args, found, err)
				}
				wantBack := prog
				if f == Listing {
					wantBack = listed(prog) // the optimiser leaves constants in tax
				}
				same(t, strings.Join(args, " "), back, wantBack)
			}
		}
	}
	if compared < 60 {
		t.Errorf("tcpdump compiled %d expressions only", compared)
	}
}

// imageCases are one of each opcode at least, with operands at the edges.
func imageCases() (numbers []int, prog []bpf.RawInstruction) {
	r := newRandom(1)
	for op := range 0x180 {
		for range 3 {
			numbers = append(numbers, []int{0, 7, 999, 1000, 123456}[r.IntN(5)])
			prog = append(prog, bpf.RawInstruction{Op: uint16(op), Jt: uint8(r.Uint32()), Jf: uint8(r.Uint32()), K: r.k()})
		}
	}
	for k := uint32(adOff - 8); k < adOff+80; k += 2 {
		for _, op := range []uint16{bpfc.LdAbsW, bpfc.LdAbsH, bpfc.LdAbsB, bpfc.LdIndW, bpfc.LdImm} {
			numbers = append(numbers, 1)
			prog = append(prog, bpf.RawInstruction{Op: op, K: k})
		}
	}
	return numbers, prog
}

// bpfImage asks testdata/bpf_image.c.
func bpfImage(t *testing.T, tool string, numbers []int, prog []bpf.RawInstruction) []string {
	var in bytes.Buffer
	for i, ins := range prog {
		fmt.Fprintln(&in, numbers[i], ins.Op, ins.Jt, ins.Jf, ins.K)
	}
	cmd := exec.Command(tool)
	cmd.Stdin = &in
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(prog) {
		t.Fatalf("%d lines for %d instructions", len(lines), len(prog))
	}
	return lines
}

func TestImageGolden(t *testing.T) {
	const golden = "testdata/bpf_image.txt"
	numbers, prog := imageCases()
	if *update {
		var b bytes.Buffer
		b.WriteString("# What bpf_image of libpcap 1.10.3 prints; see bpf_image.c for how to make this file.\n")
		for _, line := range bpfImage(t, os.Getenv("BPF_IMAGE"), numbers, prog) {
			b.WriteString(line + "\n")
		}
		if err := os.WriteFile(golden, b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(data), "\n")
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) != len(prog) {
		t.Fatalf("%d lines for %d instructions", len(lines), len(prog))
	}
	for i, ins := range prog {
		if got := ListingLine(numbers[i], ins); got != lines[i] {
			t.Errorf("%+v: %q, want %q", ins, got, lines[i])
		}
	}
}

// TestImageLive compares random instructions with the libpcap of this machine,
// whichever it is.
func TestImageLive(t *testing.T) {
	tool := compileC(t, "testdata/bpf_image.c", "-lpcap")
	r := newRandom(2)
	prog := r.program(20000, false)
	numbers := make([]int, len(prog))
	for i := range numbers {
		numbers[i] = i
	}
	for i, want := range bpfImage(t, tool, numbers, prog) {
		if got := ListingLine(i, prog[i]); got != want {
			t.Errorf("%+v: %q, want %q", prog[i], got, want)
		}
	}
}

// compileC builds a C program, or skips the test where that is not possible.
func compileC(t *testing.T, args ...string) string {
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler here")
	}
	tool := filepath.Join(t.TempDir(), "tool")
	if out, err := exec.Command(cc, append([]string{"-o", tool}, args...)...).CombinedOutput(); err != nil {
		t.Skipf("cannot compile the C that judges: %v: %.200s", err, out)
	}
	return tool
}

// TestCArray has a C compiler read what we write for it.
func TestCArray(t *testing.T) {
	r := newRandom(3)
	prog := r.program(300, false)
	src := filepath.Join(t.TempDir(), "filter.c")
	text := "#include <linux/filter.h>\n#include <stdio.h>\n" + write(t, C, prog) +
		"int main(void) { return fwrite(filter, sizeof filter, 1, stdout) != 1; }\n"
	if err := os.WriteFile(src, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(compileC(t, src)).Output()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadAs(Raw, out)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "compiled", got, prog)

	got, f, err := Read([]byte(text))
	if err != nil || f != C {
		t.Fatalf("recognised as %v, %v", f, err)
	}
	same(t, "read with the C around it", got, prog)
}

func TestText(t *testing.T) {
	for _, c := range []struct {
		ins  bpf.RawInstruction
		want string
	}{
		{bpf.RawInstruction{Op: 0x28, K: 12}, "ldh [12]"},
		{bpf.RawInstruction{Op: 0x28, Jt: 9, K: 12}, "ldh [12]"},
		{bpf.RawInstruction{Op: 0x15, Jt: 1, K: 0x800}, "jeq #0x800"},
		{bpf.RawInstruction{Op: 0x1d, Jt: 1, K: 0x800}, "jeq x"},
		{bpf.RawInstruction{Op: 0x05, K: 1}, "ja"},
		{bpf.RawInstruction{Op: 0x16}, "ret a"},
		{bpf.RawInstruction{Op: 0x06, K: 1<<32 - 1}, "ret #-1"},
		{bpf.RawInstruction{Op: 0x81}, "ldx #len"},
		{bpf.RawInstruction{Op: 0x30, K: 0xfffff030}, "ldb vlan_avail"},
		{bpf.RawInstruction{Op: 0x30, K: 0xfffff028}, "ldb [-4056]"},
		{bpf.RawInstruction{Op: 0x27, K: 3}, "cop #3"},
		{bpf.RawInstruction{Op: 0x87}, "txa"},
		{bpf.RawInstruction{Op: 0x0e, Jt: 1, Jf: 2, K: 3}, ".insn 0xe, 1, 2, 0x3"},
	} {
		if got := Text(c.ins); got != c.want {
			t.Errorf("%+v: %q, want %q", c.ins, got, c.want)
		}
	}
}

// TestGraph compares with a graph drawn by hand, and counts the edges of others.
func TestGraph(t *testing.T) {
	prog := []bpf.RawInstruction{
		{Op: bpfc.LdAbsH, K: 12},
		{Op: bpfc.ClassJMP | bpfc.JmpJEQ, Jt: 0, Jf: 1, K: 0x800},
		{Op: bpfc.RetK, K: 1},
		{Op: bpfc.Ja, K: 7},
	}
	want := `digraph filter {
	node [shape=box, fontname=monospace];
	b0 [label="(000) ldh [12]\l(001) jeq #0x800 jt 2 jf 3\l"];
	b0 -> b2 [label=t];
	b0 -> b3 [label=f];
	b2 [label="(002) ret #1\l"];
	b3 [label="(003) ja 11\l"];
	b3 -> outside;
	outside [label="outside the program", style=dashed];
}
`
	if got := write(t, Dot, prog); got != want {
		t.Errorf("wrote\n%swant\n%s", got, want)
	}
	for seed := range uint64(50) {
		r := newRandom(seed)
		prog := r.program(1+r.IntN(300), true)
		text := write(t, Dot, prog)
		for i, ins := range prog {
			for _, target := range targetsOf(i, ins) {
				if !strings.Contains(text, fmt.Sprintf("\tb%d [label=", target)) {
					t.Fatalf("seed %d: no block begins at %d, where %d jumps", seed, target, i)
				}
			}
			if n := strings.Count(text, fmt.Sprintf("(%03d) ", i)); n != 1 {
				t.Fatalf("seed %d: instruction %d is in %d blocks", seed, i, n)
			}
		}
	}
}

func TestForms(t *testing.T) {
	for _, f := range Forms() {
		if got, err := ParseForm(f.String()); got != f || err != nil {
			t.Errorf("ParseForm(%q) = %v, %v", f.String(), got, err)
		}
	}
	if _, err := ParseForm("elf"); err == nil || !strings.Contains(err.Error(), "asm, d, dd, ddd, xt, c, go, raw, rawbe, hex, hexbe, dot") {
		t.Errorf("ParseForm: %v", err)
	}
	for _, f := range Forms() {
		if err := Write(&bytes.Buffer{}, f, nil); err == nil {
			t.Errorf("%v: wrote an empty program", f)
		}
	}
	if _, err := ReadAs(Dot, []byte("digraph {}")); err == nil {
		t.Error("read a graph")
	}
	if err := Write(&bytes.Buffer{}, Unknown, make([]bpf.RawInstruction, 1)); err == nil {
		t.Error("wrote an unknown form")
	}
}
