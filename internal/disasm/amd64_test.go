package disasm

import (
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/fuzz"
	"github.com/bpfjit/bpfjit/lir/amd64"
)

// TestAgainstObjdump: instructions begin where objdump has them begin.
func TestAgainstObjdump(t *testing.T) {
	if _, err := exec.LookPath("objdump"); err != nil {
		t.Skip("objdump is not installed: nothing to compare with")
	}
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
			inst := AMD64(code.Bytes, at)
			name, _, _ := strings.Cut(inst.Text, " ")
			ours = append(ours, fmt.Sprintf("%x %s", base+at, mnemonicClass(name)))
			at += inst.Size
		}
	}
	bin := filepath.Join(t.TempDir(), "code")
	if err := os.WriteFile(bin, all, 0o666); err != nil {
		t.Fatal(err)
	}
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
