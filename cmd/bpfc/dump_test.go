package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/bpfc/bpfasm"
	"github.com/bpfjit/bpfjit/fuzz"
	"github.com/bpfjit/bpfjit/lir"
	"github.com/bpfjit/bpfjit/lir/amd64"
)

// machineLine is a machine instruction in a listing: offset, bytes, mnemonic.
var machineLine = regexp.MustCompile(`^\t([0-9a-f]{4,})  ([0-9a-f]+)(?: +(\S.*))?$`)

// checkListing checks what -dump prints: each BPF instruction in its order, as
// in -d, and below them each byte of the machine code exactly once; tables come last.
func checkListing(text string, prog []bpf.RawInstruction, c *lir.Code) error {
	code, size := c.Bytes, len(c.Bytes)-c.Data
	next, covered, last := 0, make([]bool, len(code)), ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		last = line
		if strings.HasPrefix(line, "(") {
			if next == len(prog) || line != bpfasm.ListingLine(next, prog[next]) {
				return fmt.Errorf("in place of instruction %d: %q", next, line)
			}
			next++
			continue
		}
		m := machineLine.FindStringSubmatch(line)
		if m == nil {
			if strings.Contains(line, "no code: ") || strings.Contains(line, "below (") || !strings.HasPrefix(line, "\t") {
				continue
			}
			return fmt.Errorf("no machine instruction: %q", line)
		}
		at, err := strconv.ParseInt(m[1], 16, 64)
		if err != nil {
			return err
		}
		b, err := hex.DecodeString(m[2])
		if err != nil {
			return err
		}
		if int(at)+len(b) > len(code) || !bytes.Equal(code[at:int(at)+len(b)], b) {
			return fmt.Errorf("%q: other bytes than the code has", line)
		}
		for i := range b {
			if covered[int(at)+i] {
				return fmt.Errorf("%q: byte %d a second time", line, i)
			}
			covered[int(at)+i] = true
		}
		if isTable := m[3] == ""; isTable != (int(at) >= size) {
			return fmt.Errorf("%q: instructions are in the first %#x bytes", line, size)
		}
		if strings.Contains(m[3], ".byte") || strings.Contains(m[3], "(bad)") {
			return fmt.Errorf("%q: not decoded", line)
		}
	}
	if next != len(prog) {
		return fmt.Errorf("instruction %d is missing", next)
	}
	for at, ok := range covered {
		if !ok {
			return fmt.Errorf("byte %#x is missing", at)
		}
	}
	if want := fmt.Sprintf("; %d instructions, %d bytes of code, %d bytes of tables, ", len(prog), size, c.Data); !strings.HasPrefix(last, want) {
		return fmt.Errorf("last line %q, want %q", last, want)
	}
	return nil
}

// dumped lists a program's code for a processor with everything, and without
// anything, beyond the baseline.
func dumped(prog []bpf.RawInstruction, d bpfc.Dialect, ctx []bpfc.Option, level int) error {
	p, err := bpfc.Check(prog, d, ctx...)
	if err != nil {
		return err
	}
	fn, err := bpfc.Translate(p, level)
	if err != nil {
		return nil // no native form: nothing to list
	}
	for _, feat := range []amd64.Features{{}, {BMI2: true, MOVBE: true}} {
		code, err := amd64.Compile(fn, feat)
		if err != nil {
			return err
		}
		var text bytes.Buffer
		out := newOutput(&text)
		newListing(&arches[0], prog, fn, code).write(out)
		out.flush()
		if err := checkListing(text.String(), prog, code); err != nil {
			return fmt.Errorf("level %d, %+v: %w", level, feat, err)
		}
	}
	return nil
}

// TestListingIsWhole: over the filters of testdata and random programs of every
// dialect.
func TestListingIsWhole(t *testing.T) {
	for _, name := range append(glob(t, "filters/*.ddd"), glob(t, "filters/article/*.ddd")...) {
		prog, _, err := bpfasm.Read([]byte(read(t, name)))
		if err != nil {
			t.Fatal(err)
		}
		for level := range 2 {
			if err := dumped(prog, bpfc.Libpcap, nil, level); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for _, d := range []bpfc.Dialect{bpfc.Libpcap, bpfc.Linux, bpfc.NetBSD, bpfc.Seccomp} {
		g := fuzz.NewGen(d, 1)
		for range 300 {
			s := g.Subject()
			opts := []bpfc.Option{bpfc.WithAux(s.Aux)}
			if s.Context != nil {
				opts = append(opts, bpfc.WithContext(s.Context))
			}
			for level := range 2 {
				if err := dumped(s.Prog, d, opts, level); err != nil {
					t.Fatalf("%v dialect: %v\n%v", d, err, s.Prog)
				}
			}
		}
	}
}

// TestDump: a listing by the command, on any machine.
func TestDump(t *testing.T) {
	name := filepath.Join(testdata, "filters/article/article.ddd")
	for _, args := range [][]string{{"-dump"}, {"-dump", "-O", "0"}, {"-dump", "-arch", "amd64"}} {
		text := done(t, "", append(args, "-f", name)...)
		if got := strings.Count(text, "\n("); got != 49 { // and the first line
			t.Errorf("%q: %d lines of instructions besides the first", args, got)
		}
	}
	if text := done(t, "", "-lir", "-f", name); !strings.Contains(text, "b0:") {
		t.Errorf("-lir gives\n%s", text)
	} else if _, err := lir.Parse(text); err != nil {
		t.Errorf("-lir gives what does not parse: %v", err)
	}
}

// TestWhyNoCode: instructions without code say why.
func TestWhyNoCode(t *testing.T) {
	for _, test := range []struct{ name, prog, line, why string }{
		{"unreachable", "4,40 0 0 12,6 0 0 1,40 0 0 14,6 0 0 0", "(002) ldh      [14]", "no code: nothing leads here"},
		{"jump", "4,5 0 0 0,40 0 0 12,22 0 0 0,6 0 0 0", "(000) ja       1", "no code: what leads here goes on to where it leads"},
		{"constant", "3,0 0 0 7,4 0 0 1,22 0 0 0", "(001) add      #1", "no code: "},
		{"same load twice", "5,40 0 0 12,21 0 2 2048,40 0 0 12,22 0 0 0,6 0 0 0", "(002) ldh      [12]", "code below (000)"},
	} {
		text := done(t, "", "-dump", test.prog)
		_, rest, found := strings.Cut(text, test.line+"\n")
		next, _, _ := strings.Cut(rest, "\n")
		if !found || !strings.Contains(next, test.why) {
			t.Errorf("%s: below %q there is %q, want %q\n%s", test.name, test.line, next, test.why, text)
		}
	}
}

// TestListingAgainstObjdump: instructions begin where objdump has them begin.
func TestListingAgainstObjdump(t *testing.T) {
	need(t, "objdump")
	g := fuzz.NewGen(bpfc.Libpcap, 7)
	var all []byte
	var ours []string
	for len(all) < 20000 {
		s := g.Subject()
		p, err := bpfc.Check(s.Prog, s.Dialect)
		if err != nil {
			t.Fatal(err)
		}
		fn, err := bpfc.Translate(p, 1)
		if err != nil {
			continue
		}
		code, err := amd64.Compile(fn, amd64.Features{BMI2: true, MOVBE: true})
		if err != nil {
			t.Fatal(err)
		}
		base := len(all)
		all = append(all, code.Bytes[:len(code.Bytes)-code.Data]...)
		for at := 0; at < len(code.Bytes)-code.Data; {
			inst := decodeAMD64(code.Bytes, at)
			name, _, _ := strings.Cut(inst.text, " ")
			ours = append(ours, fmt.Sprintf("%x %s", base+at, mnemonicClass(name)))
			at += inst.size
		}
	}
	bin := file(t, string(all))
	out, err := exec.Command("objdump", "-D", "-b", "binary", "-m", "i386:x86-64", "-M", "intel", "--no-show-raw-insn", bin).Output()
	if err != nil {
		t.Fatal(err)
	}
	theirs := regexp.MustCompile(`(?m)^ +([0-9a-f]+):\t(\S+)`).FindAllStringSubmatch(string(out), -1)
	if len(theirs) != len(ours) {
		t.Errorf("%d instructions, objdump has %d", len(ours), len(theirs))
	}
	for i := range min(len(ours), len(theirs)) {
		if want := theirs[i][1] + " " + mnemonicClass(theirs[i][2]); ours[i] != want {
			t.Fatalf("%s, objdump has %s", ours[i], want)
		}
	}
}

// mnemonicClass makes one of the mnemonics that mean the same.
func mnemonicClass(m string) string {
	for _, same := range []struct{ prefixes, suffixes string }{{"j cmov set", "e=z ne=nz b=c=nae ae=nc=nb a=nbe be=na s ns p=pe np=po l=nge ge=nl le=ng g=nle"}} {
		for prefix := range strings.FieldsSeq(same.prefixes) {
			suffix, ok := strings.CutPrefix(m, prefix)
			for group := range strings.FieldsSeq(same.suffixes) {
				names := strings.Split(group, "=")
				for _, n := range names {
					if ok && suffix == n {
						return prefix + names[0]
					}
				}
			}
		}
	}
	if m == "movabs" {
		return "mov"
	}
	return m
}

// TestVEX: the encoder's samples of VEX-encoded instructions, with bytes by GNU
// as, decode to their text.
func TestVEX(t *testing.T) {
	samples, err := os.ReadFile("../../asm/amd64/testdata/gas.txt")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for line := range strings.Lines(string(samples)) {
		text, code, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok || strings.HasPrefix(line, "#") || !strings.HasPrefix(code, "c4") {
			continue
		}
		b, err := hex.DecodeString(code)
		if err != nil {
			t.Fatal(err)
		}
		got, size := decodeVEX(b)
		if size != len(b) || canonical(got) != canonical(text) {
			t.Errorf("%s %s: decoded as %q of %d bytes", text, code, got, size)
		}
		for cut := range b {
			if text, size := decodeVEX(b[:cut]); size > cut {
				t.Errorf("%s: the first %d bytes decode as %q of %d bytes", text, cut, text, size)
			}
		}
		name, _, _ := strings.Cut(text, " ")
		seen[name]++
	}
	for _, name := range []string{"shlx", "shrx", "sarx", "rorx", "mulx"} {
		if seen[name] == 0 {
			t.Errorf("no sample of %s", name)
		}
	}
}

var (
	decimal = regexp.MustCompile(`\b[0-9]+\b`)
	scale1  = regexp.MustCompile(`\*1\b`)
)

// canonical writes numbers and blanks one way.
func canonical(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(s), " + ", "+"), ", ", ",")
	s = decimal.ReplaceAllStringFunc(s, func(n string) string {
		v, err := strconv.ParseUint(n, 10, 64)
		if err != nil {
			return n
		}
		return fmt.Sprintf("%#x", v)
	})
	return scale1.ReplaceAllString(strings.ReplaceAll(s, "*0x", "*"), "")
}
