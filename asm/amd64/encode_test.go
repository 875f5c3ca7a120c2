package amd64

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

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
		if err == nil {
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
