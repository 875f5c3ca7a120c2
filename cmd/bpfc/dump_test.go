package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/bpfc/bpfasm"
	"github.com/bpfjit/bpfjit/fuzz"
	"github.com/bpfjit/bpfjit/internal/listing"
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
		listing.Write(out, prog, fn, code, arches[0].decode)
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
