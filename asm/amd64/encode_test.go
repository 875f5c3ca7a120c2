package amd64

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/bpfjit/bpfjit/asm"

	"golang.org/x/arch/x86/x86asm"
)

var update = flag.Bool("update", false, "rewrite testdata/gas.txt from what GNU as makes")

const gasFile = "testdata/gas.txt"

var gasCommand = []string{"as", "--64", "-msyntax=intel", "-mnaked-reg", "-aln", "--listing-lhs-width=4", "-o", os.DevNull, "-"}

// gas gives the bytes that GNU as makes of each line.
func gas(t *testing.T, lines []string) []string {
	t.Helper()
	if _, err := exec.LookPath("as"); err != nil {
		t.Skip("GNU as is not installed")
	}
	cmd := exec.Command(gasCommand[0], gasCommand[1:]...)
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("as: %v: %s", err, firstLines(stderr.String(), 10))
	}
	// A listing line: number, address, bytes in groups, tab, source.
	line := regexp.MustCompile(`^ *(\d+) [0-9a-f]{4,} ([0-9A-F ]+?) *\t`)
	got := make([]string, len(lines))
	for sc := bufio.NewScanner(bytes.NewReader(out)); sc.Scan(); {
		if m := line.FindStringSubmatch(sc.Text()); m != nil {
			var n int
			fmt.Sscan(m[1], &n)
			got[n-1] = strings.ToLower(strings.ReplaceAll(m[2], " ", ""))
		}
	}
	return got
}

func firstLines(s string, n int) string {
	return strings.Join(strings.SplitN(s, "\n", n+1)[:min(n, strings.Count(s, "\n"))], "\n")
}

// ours encodes the samples: their texts and bytes in hex.
func ours(t *testing.T) (texts, hexes []string) {
	t.Helper()
	for _, s := range samples() {
		code, err := s.encode()
		if err != nil {
			t.Fatalf("%s: %v", s.text(0), err)
		}
		texts = append(texts, s.text(len(code)))
		hexes = append(hexes, hex.EncodeToString(code))
	}
	return texts, hexes
}

// Every instruction, every register and addressing form, is what GNU as makes
// of it, as recorded.
func TestRecordedGAS(t *testing.T) {
	texts, hexes := ours(t)
	if *update {
		writeGAS(t, texts, gas(t, texts))
	}
	want := readGAS(t)
	if len(want) != len(texts) {
		t.Fatalf("%s has %d instructions, the table gives %d: regenerate it", gasFile, len(want), len(texts))
	}
	bad := 0
	for i, text := range texts {
		switch {
		case want[i][0] != text:
			t.Fatalf("line %d of %s is %q, the table gives %q: regenerate it", i, gasFile, want[i][0], text)
		case want[i][1] != hexes[i]:
			if bad++; bad < 20 {
				t.Errorf("%s: encoded as %s, GNU as has %s", text, hexes[i], want[i][1])
			}
		}
	}
}

// The record is what the installed GNU as says.
func TestInstalledGAS(t *testing.T) {
	want := readGAS(t)
	texts := make([]string, len(want))
	for i, w := range want {
		texts[i] = w[0]
	}
	for i, got := range gas(t, texts) {
		if got != want[i][1] {
			t.Errorf("%s: GNU as here has %s, the record %s", texts[i], got, want[i][1])
		}
	}
}

func writeGAS(t *testing.T, texts, hexes []string) {
	version, err := exec.Command("as", "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "# Instructions and their bytes by %s.\n", firstLines(string(version), 1))
	fmt.Fprintf(&out, "# Regenerate with: go test ./asm/amd64 -run TestRecordedGAS -update\n")
	fmt.Fprintf(&out, "# which gives the first column to: %s\n", strings.Join(gasCommand, " "))
	for i := range texts {
		fmt.Fprintf(&out, "%s\t%s\n", texts[i], hexes[i])
	}
	if err := os.MkdirAll(filepath.Dir(gasFile), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(gasFile, out.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
}

func readGAS(t *testing.T) [][2]string {
	t.Helper()
	data, err := os.ReadFile(gasFile)
	if err != nil {
		t.Fatal(err)
	}
	var lines [][2]string
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		if text, code, ok := strings.Cut(line, "\t"); ok && !strings.HasPrefix(line, "#") {
			lines = append(lines, [2]string{text, code})
		}
	}
	return lines
}

// The x86asm decoder reads back the operation and the operands.
func TestDecode(t *testing.T) {
	bad := 0
	for _, s := range samples() {
		code, err := s.encode()
		if err != nil {
			t.Fatal(err)
		}
		inst, err := x86asm.Decode(code, 64)
		if s.op == XCHG && s.w != W32 && s.ops[0] == RAX && s.ops[1] == RAX {
			continue // it is NOP, and decoded so
		}
		if err == nil {
			err = s.agrees(inst, len(code))
		}
		if err != nil && s.op == XCHG { // it has no order
			s.ops[0], s.ops[1] = s.ops[1], s.ops[0]
			err = s.agrees(inst, len(code))
		}
		if err != nil {
			if bad++; bad < 20 {
				t.Errorf("%s = %x: %v", s.text(len(code)), code, err)
			}
		}
	}
}

func (s sample) agrees(inst x86asm.Inst, size int) error {
	if inst.Len != size {
		return fmt.Errorf("decoded length is %d of %d", inst.Len, size)
	}
	if s.op == INT3 && inst.Op == x86asm.INT && inst.Args[0] == x86asm.Imm(3) {
		return nil
	}
	if got, want := strings.ToLower(inst.Op.String()), s.op.String(); got != want {
		return fmt.Errorf("decoded as %s", inst)
	}
	for i, o := range s.ops {
		if err := agreeOperand(o, inst.Args[i], s.operandWidth(i), size); err != nil {
			return fmt.Errorf("operand %d of %s: %v", i+1, inst, err)
		}
		if m, ok := o.(Mem); ok && s.op != LEA && s.op != PREFETCHT0 && inst.MemBytes != int(s.operandWidth(i)) {
			return fmt.Errorf("%v: %d bytes of memory", m, inst.MemBytes)
		}
	}
	if n := len(s.ops); n < 4 && inst.Args[n] != nil {
		return fmt.Errorf("%s has more than %d operands", inst, n)
	}
	return nil
}

func agreeOperand(o Operand, arg x86asm.Arg, w Width, size int) error {
	switch o := o.(type) {
	case Reg:
		if arg != decodedReg(o, w) {
			return fmt.Errorf("it is not %s", o.Name(w))
		}
	case Imm:
		got, ok := arg.(x86asm.Imm)
		if mask := uint64(1)<<(8*w-1)<<1 - 1; !ok || uint64(got)&mask != uint64(o)&mask {
			return fmt.Errorf("it is not %d", o)
		}
	case Mem:
		want := x86asm.Mem{Disp: int64(o.Disp)}
		switch {
		case o.Label != 0:
			want.Base, want.Disp = x86asm.RIP, int64(o.Disp)-int64(size)
		default:
			if o.Base != NoReg {
				want.Base = decodedReg(o.Base, W64)
			}
			if o.Scale != 0 {
				want.Index, want.Scale = decodedReg(o.Index, W64), o.Scale
			}
		}
		got, ok := arg.(x86asm.Mem)
		// The decoder (v0.32.0) leaves 32-bit displacements unsigned, the
		// scale of no index as it is and, behind VEX, RIP away.
		got.Disp = int64(int32(got.Disp))
		if got.Index == 0 {
			got.Scale = 0
		}
		if o.Label != 0 && got.Base == 0 {
			got.Base = x86asm.RIP
		}
		if !ok || got != want {
			return fmt.Errorf("%#v, not %#v", arg, want)
		}
	}
	return nil
}

func decodedReg(r Reg, w Width) x86asm.Reg {
	switch w {
	case W8:
		if r >= RSP && r <= RDI {
			return x86asm.SPB + x86asm.Reg(r-RSP)
		}
		if r >= R8 {
			return x86asm.R8B + x86asm.Reg(r-R8)
		}
		return x86asm.AL + x86asm.Reg(r)
	case W16:
		return x86asm.AX + x86asm.Reg(r)
	case W32:
		return x86asm.EAX + x86asm.Reg(r)
	}
	return x86asm.RAX + x86asm.Reg(r)
}

// Branches go where they should, and none is long that could be short.
func TestBranches(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var a Assembler
		labels := make([]asm.Label, 1+r.IntN(60))
		for i := range labels {
			labels[i] = a.NewLabel()
		}
		var want []asm.Label
		for _, l := range labels {
			a.Bind(l)
			for range r.IntN(4) {
				to := labels[r.IntN(len(labels))]
				if want = append(want, to); r.IntN(3) == 0 {
					a.Jmp(to)
				} else {
					a.Jcc(Cond(r.IntN(16)), to)
				}
			}
			a.Nop(r.IntN(30))
		}
		code, _, err := a.Finish()
		if err != nil {
			t.Fatal(err)
		}
		for off := 0; off < len(code); {
			inst, err := x86asm.Decode(code[off:], 64)
			if err != nil {
				t.Fatal(err)
			}
			off += inst.Len
			if rel, ok := inst.Args[0].(x86asm.Rel); ok {
				if got := a.Offset(want[0]); off+int(rel) != got {
					t.Fatalf("jump to %#x, not %#x", off+int(rel), got)
				}
				if inst.Len > 2 && -128 <= rel && rel <= 127 {
					t.Fatalf("jump at %#x by %d is long", off, rel)
				}
				want = want[1:]
			}
		}
		if len(want) != 0 {
			t.Fatalf("%d jumps are missing", len(want))
		}
	}
}

// The conditions of jumps have the numbers of SETcc's, which GNU as has judged.
func TestJccConditions(t *testing.T) {
	for c := O; c <= G; c++ {
		for _, far := range []int{0, 300} {
			var a Assembler
			l := a.NewLabel()
			a.Jcc(c, l)
			a.Nop(far)
			a.Bind(l)
			code, _, err := a.Finish()
			if err != nil {
				t.Fatal(err)
			}
			inst, err := x86asm.Decode(code, 64)
			alias := map[string]string{"jnb": "jae", "jnz": "jne", "jz": "je"}
			got := strings.ToLower(inst.Op.String())
			if a, ok := alias[got]; ok {
				got = a
			}
			if err != nil || got != "j"+c.String() {
				t.Errorf("condition %s, %d bytes away: %v %v", c, far, inst, err)
			}
		}
	}
}

func TestNop(t *testing.T) {
	for n := range 40 {
		var a Assembler
		a.Endbr64()
		a.Nop(n)
		code, _, err := a.Finish()
		if err != nil || len(code) != n+4 {
			t.Fatalf("%d bytes: %x %v", n, code, err)
		}
		for code = code[4:]; len(code) > 0; {
			inst, err := x86asm.Decode(code, 64)
			if err != nil || inst.Op != x86asm.NOP {
				t.Fatalf("%d bytes: %v %v", n, inst, err)
			}
			code = code[inst.Len:]
		}
	}
}

func TestMovImm(t *testing.T) {
	for _, v := range []struct {
		imm  int64
		size int
	}{{0, 5}, {1, 5}, {1<<32 - 1, 5}, {-1, 7}, {-1 << 31, 7}, {1 << 32, 10}, {-1<<31 - 1, 10}, {math.MinInt64, 10}} {
		var a Assembler
		a.MovImm(RDI, v.imm)
		code, _, err := a.Finish()
		if err != nil || len(code) != v.size {
			t.Errorf("%d: %x %v", v.imm, code, err)
			continue
		}
		inst, _ := x86asm.Decode(code, 64)
		got, ok := inst.Args[1].(x86asm.Imm)
		if inst.Args[0] == x86asm.EDI {
			got = x86asm.Imm(uint32(got))
		}
		if !ok || int64(got) != v.imm {
			t.Errorf("%d: %v", v.imm, inst)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		write func(a *Assembler)
		want  string
	}{
		{func(a *Assembler) { a.Emit(ADD, W32, RAX, Imm(1<<32)) }, "code offset 1: add of 32 bits does not take (register rax, immediate 4294967296)"},
		{func(a *Assembler) { a.Emit(ADD, W64, RAX, Imm(1<<31)) }, "code offset 1: add of 64 bits does not take (register rax, immediate 2147483648)"},
		{func(a *Assembler) { a.Emit(ADD, W8|W16, RAX, RCX) }, "code offset 1: add of 24 bits does not take (register rax, register rcx)"},
		{func(a *Assembler) { a.Emit(ADD, 0, RAX, RCX) }, "code offset 1: add of 0 bits does not take (register rax, register rcx)"},
		{func(a *Assembler) { a.Emit(MOV, W64, Mem{}, At(RAX, 0)) }, "code offset 1: mov of 64 bits does not take (memory, memory)"},
		{func(a *Assembler) { a.Emit(LEA, W64, RAX, RAX) }, "code offset 1: lea of 64 bits does not take (register rax, register rax)"},
		{func(a *Assembler) { a.Emit(MOV, W64, NoReg, RAX) }, "code offset 1: mov of 64 bits does not take (register invalid, register rax)"},
		{func(a *Assembler) { a.Emit(RET, 0, RAX) }, "code offset 1: ret of 0 bits does not take (register rax)"},
		{func(a *Assembler) { a.Emit(BSWAP, W16, RAX) }, "code offset 1: bswap of 16 bits does not take (register rax)"},
		{func(a *Assembler) { a.Emit(ADD, W64, RAX) }, "code offset 1: add of 64 bits does not take (register rax)"},
		{func(a *Assembler) { a.Emit(ADD, W64, RAX, nil) }, "code offset 1: add of 64 bits does not take (register rax, nothing)"},
		{func(a *Assembler) { a.Emit(MOV, W64, RAX, Mem{Base: RAX, Index: RSP, Scale: 1}) }, "code offset 1: memory operand: rsp cannot be an index"},
		{func(a *Assembler) { a.Emit(MOV, W64, RAX, Mem{Base: RAX, Index: RCX, Scale: 3}) }, "code offset 1: memory operand: scale 3 is not 1, 2, 4 or 8"},
		{func(a *Assembler) { a.Emit(MOV, W64, RAX, Mem{Base: RAX, Index: 16, Scale: 1}) }, "code offset 1: memory operand: index 16 is no register"},
		{func(a *Assembler) { a.Emit(MOV, W64, RAX, Mem{Base: 17}) }, "code offset 1: memory operand: base 17 is no register"},
		{func(a *Assembler) { a.Emit(MOV, W64, RAX, AtLabel(3)) }, "code offset 4: relative address refers to label 3, which does not exist"},
		{func(a *Assembler) { a.Emit(numOps, W64, RAX) }, "code offset 1: invalid of 64 bits does not take (register rax)"},
	} {
		var a Assembler
		a.Emit(RET, 0)
		c.write(&a)
		a.Emit(RET, 0)
		a.Emit(ADD, W8, RAX, Imm(1000)) // not the first error
		if _, _, err := a.Finish(); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
}

// Operands do not go to the heap.
func TestEmitAllocates(t *testing.T) {
	var a Assembler
	a.Nop(1 << 20)
	n := testing.AllocsPerRun(100, func() {
		a.Emit(ADD, W64, RAX, Mem{Base: RCX, Index: R12, Scale: 4, Disp: 1000})
		a.Emit(CMP, W32, RAX, Imm(100000))
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
