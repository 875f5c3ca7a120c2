package bpfc_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/fuzz"
	"github.com/bpfjit/bpfjit/lir"
)

// graph is the text of a program's graph after a pass.
func graph(t *testing.T, prog []bpf.RawInstruction, d bpfc.Dialect, pass string) string {
	t.Helper()
	p, err := bpfc.Check(prog, d, bpfc.WithAux(bpfc.AuxAll))
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	_, err = bpfc.TranslateTraced(p, 1, func(name string, g *bpfc.Graph) {
		if err := bpfc.CheckGraph(g); err != nil {
			t.Fatalf("after %s: %v\n%v", name, err, g)
		}
		if name == pass {
			text = g.String()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Every pass keeps the graph's promises, on random programs.
func TestPasses(t *testing.T) {
	n := 4000
	if testing.Short() {
		n /= 10
	}
	for _, d := range []bpfc.Dialect{bpfc.Libpcap, bpfc.Linux, bpfc.NetBSD, bpfc.Seccomp} {
		for seed := range n {
			s := fuzz.NewGen(d, uint64(seed)).Subject()
			if s.Context != nil {
				continue
			}
			p, err := bpfc.Check(s.Prog, d, bpfc.WithAux(s.Aux))
			if err != nil {
				t.Fatal(err)
			}
			for level := range 2 {
				bpfc.TranslateTraced(p, level, func(name string, g *bpfc.Graph) {
					if err := bpfc.CheckGraph(g); err != nil {
						t.Fatalf("%v, seed %d, after %s: %v\n%v", d, seed, name, err, g)
					}
				})
			}
		}
	}
}

// The filter of bpf(4) for packets between two hosts needs one length check,
// for 34 bytes, at the top: every way to accept reads both addresses.
func TestOneGuard(t *testing.T) {
	prog := assemble(t, `
		ldh [12]
		jeq #0x800, ip, no
	ip:	ld [26]
		jeq #0x8003700f, to, from
	to:	ld [30]
		jeq #0x80037023, yes, no
	from:	jeq #0x80037023, back, no
	back:	ld [30]
		jeq #0x8003700f, yes, no
	yes:	ret #-1
	no:	ret #0`)
	text := graph(t, prog, bpfc.Libpcap, "dead")
	if n := strings.Count(text, "guard.len"); n != 1 || !strings.Contains(text, "b0:\n\tguard.len 34\n") {
		t.Errorf("want one guard of 34 bytes at the top:\n%s", text)
	}
}

func TestPatterns(t *testing.T) {
	hosts := func(n int) string {
		var w strings.Builder
		for i := range n {
			fmt.Fprintf(&w, "h%d: ldh [12]\njeq #0x800, s%d, h%d\ns%d: ld [26]\njeq #%d, yes, d%d\nd%d: ld [30]\njeq #%d, yes, h%d\n",
				i, i, i+1, i, 0x0a000000+i*7, i, i, 0x0a000000+i*7, i+1)
		}
		fmt.Fprintf(&w, "h%d: ret #0\nyes: ret #1", n)
		return w.String()
	}
	for _, test := range []struct {
		name, src    string
		want, refuse string // parts that must be there, that must not; "|" between
	}{
		{"equality tests compare bytes as they lie", "ldh [12]\njeq #0x800, y, n\ny: ret #1\nn: ret #0",
			"load16.le [12]|test eq v2, 0x8", "load16 "},
		{"bit tests too", "ldh [20]\njset #0x1fff, n, y\ny: ret #1\nn: ret #0", "load16.le|test set v2, 0xff1f", ""},
		{"masked tests too", "ld [26]\nand #0xffff0000\njeq #0xc0a80000, y, n\ny: ret #1\nn: ret #0",
			"load32.le|and v2, 0xffff|0xa8c0", ""},
		{"but not order", "ldh [12]\njgt #0x800, y, n\ny: ret #1\nn: ret #0", "load16 [12]", "load16.le"},
		{"nor what is returned", "ldh [12]\njeq #0x800, y, n\ny: ret a\nn: ret #0", "load16 [12]", "load16.le"},
		{"the second test of a field is not made", "ldh [12]\njeq #0x800, y, n\ny: ldh [12]\njeq #0x806, n, k\nk: ret #7\nn: ret #0",
			"0x7", "0x608"},
		{"a test that bits rule out is not made", "ldb [0]\njeq #0x100, n, y\ny: ret #1\nn: ret #2", "ret 0x1", "test"},
		{"loads after a failing test are merged", "ldb [0]\njeq #1, y, n\nn: ldb [1]\njeq #2, y, m\nm: ldb [0]\njeq #3, y, o\ny: ret #1\no: ret #0",
			"[0]", "[0]\n[0]"},
		{"constants fold", "ld #6\nmul #7\nadd #0\nret a", "ret 0x2a", "mul"},
		{"X is part of the offset", "ldx #14\nldb [x + 9]\nret a", "load8 [23]", "add"},
		{"division by a power of two", "ldb [0]\ndiv #8\nret a", "rsh v2, 0x3", "div"},
		{"an impossible offset rejects", "ldb [4]\njeq #1, y, n\ny: ld [0xfffffffe]\nret #1\nn: ret #0", "ret 0x0", "load"},
		{"a list becomes a search", "ldh [0]\njeq #1,y,a\na: jeq #2,y,b\nb: jeq #3,y,c\nc: jeq #4,y,n\ny: ret #1\nn: ret #0", "switch", "test"},
		{"a search tree is a search", "ld [0]\njge #50,h,l\nl: jeq #3,y,a\na: jeq #9,y,n\nh: jgt #70,i,m\nm: jeq #60,y,b\nb: jeq #70,y,n\ni: jeq #100,y,n\ny: ret #1\nn: ret #0",
			"switch v2, 0x3000000: b1, 0x9000000: b1, 0x3c000000: b1, 0x46000000: b1, 0x64000000: b1, else: b2", "test"},
		{"ranges are not", "ld [0]\njge #50,h,l\nl: jge #40,n,y\nh: jgt #70,i,m\nm: jeq #60,y,n\ni: jge #100,y,n\ny: ret #1\nn: ret #0",
			"test", "switch"},
		{"what is computed between the tests of a list is kept",
			"ld [60]\nldb [0]\nst M[0]\njeq #1,a,k\nk: ld [4]\nst M[1]\nld M[0]\njeq #2,b,l\nl: jeq #3,c,m\nm: jeq #4,d,e\ne: ld M[1]\nret a\na: ret #1\nb: ret #2\nc: ret #3\nd: ret #4",
			"switch|load32 [4]", "test"},
		{"loads are not made before the tests that may make them needless", "ld [60]\nldb [0]\njeq #1,y,a\na: ldb [1]\njeq #2,y,b\nb: ldb [2]\njeq #3,y,c\nc: ldb [3]\njeq #4,y,n\ny: ret #1\nn: ret #0",
			"load8 [0]\n\ttest|load8 [1]\n\ttest|load8 [2]\n\ttest|load8 [3]\n\ttest", "switch"},
		{"nor before a search that may", "ld [60]\nldb [0]\njeq #1,y,a\na: jeq #2,y,b\nb: ldb [1]\njeq #2,y,c\nc: ldb [0]\njeq #3,y,d\nd: jeq #4,y,n\ny: ret #1\nn: ret #0",
			"load8 [0]\n\tswitch|load8 [1]\n\ttest", ""},
		{"a range is one test", "ldh [0]\njge #1000,h,n\nh: jgt #2000,n,y\ny: ret #1\nn: ret #0", "add v2, 0xfffffc18|test gt v|, 0x3e8", "test ge"},
		{"but not if nothing lies in it", "ldh [0]\njge #2000,h,n\nh: jgt #1000,n,y\ny: ret #1\nn: ret #0", "test ge v2, 0x7d0|test gt v2, 0x3e8", "add"},
		{"nor if there is a way around the first test", "ldh [0]\njset #1,h,l\nl: jge #1000,h,n\nh: jgt #2000,n,y\ny: ret #1\nn: ret #0", "test ge v2, 0x3e8|test gt v2, 0x7d0", "add"},
		{"a list of hosts becomes two", hosts(50), "switch v", "test eq v2, 0x608"},
	} {
		text := graph(t, assemble(t, test.src), bpfc.Libpcap, "dead")
		for _, part := range strings.Split(test.want, "|") {
			if !strings.Contains(text, part) {
				t.Errorf("%s: no %q in\n%s", test.name, part, text)
			}
		}
		for _, part := range strings.Split(test.refuse, "|") {
			if part != "" && strings.Contains(text, part) {
				t.Errorf("%s: %q in\n%s", test.name, part, text)
			}
		}
		if test.name == "a list of hosts becomes two" && (strings.Count(text, "switch") != 2 || strings.Count(text, "\nb") > 8) {
			t.Errorf("%s: got\n%s", test.name, text)
		}
	}
}

// Translations stay in proportion to the program, whatever its shape, and so
// does the time they take: any of the larger ones is done in a second or two,
// and would take minutes if that grew with the square of the size.
func TestTranslationSize(t *testing.T) {
	for _, test := range []struct {
		name string
		prog func(n int) []bpf.RawInstruction
	}{
		{"loads that live to the end", func(n int) []bpf.RawInstruction {
			var prog []bpf.RawInstruction
			for range 2 {
				for i := range n / 4 {
					prog = append(prog, bpf.RawInstruction{Op: bpfc.LdAbsW, K: uint32(i)}, bpf.RawInstruction{Op: bpfc.ClassJMP | bpfc.JmpJGT, K: 77, Jf: 1}, bpf.RawInstruction{Op: bpfc.RetA})
				}
			}
			return append(prog, bpf.RawInstruction{Op: bpfc.RetA})
		}},
		{"a value wanted everywhere", func(n int) []bpf.RawInstruction {
			prog := []bpf.RawInstruction{{Op: bpfc.LdAbsB}}
			for range n / 8 {
				prog = append(prog, bpf.RawInstruction{Op: bpfc.ClassALU | bpfc.AluMUL, K: 3}, bpf.RawInstruction{Op: bpfc.ClassALU | bpfc.AluXOR, K: 5})
			}
			prog = append(prog, bpf.RawInstruction{Op: bpfc.Tax})
			for range n / 8 {
				prog = append(prog, bpf.RawInstruction{Op: bpfc.LdAbsB, K: 1}, bpf.RawInstruction{Op: bpfc.ClassJMP | bpfc.JmpJGT | bpfc.SrcX, Jt: 1}, bpf.RawInstruction{Op: bpfc.Txa}, bpf.RawInstruction{Op: bpfc.St})
			}
			return append(prog, bpf.RawInstruction{Op: bpfc.LdMem}, bpf.RawInstruction{Op: bpfc.RetA})
		}},
		{"merges of all variables", func(n int) []bpf.RawInstruction {
			var prog []bpf.RawInstruction
			for i := range n / 4 {
				prog = append(prog, bpf.RawInstruction{Op: bpfc.LdAbsB, K: uint32(i % 40)}, bpf.RawInstruction{Op: bpfc.ClassJMP | bpfc.JmpJSET, K: 1, Jt: 1},
					bpf.RawInstruction{Op: bpfc.St, K: uint32(i % 16)}, bpf.RawInstruction{Op: bpfc.LdMem, K: uint32((i + 5) % 16)})
			}
			for i := range 16 {
				prog = append(prog, bpf.RawInstruction{Op: bpfc.LdxMem, K: uint32(i)}, bpf.RawInstruction{Op: bpfc.ClassALU | bpfc.AluADD | bpfc.SrcX})
			}
			return append(prog, bpf.RawInstruction{Op: bpfc.RetA})
		}},
		{"edges that could pass all of a list", func(n int) []bpf.RawInstruction {
			prog := []bpf.RawInstruction{{Op: bpfc.LdAbsW, K: 26}}
			for i := range n - 3 {
				prog = append(prog, bpf.RawInstruction{Op: bpfc.ClassJMP | bpfc.JmpJEQ, K: uint32(i) * 2654435761, Jt: uint8(min(i%250, n-3-i))})
			}
			return append(prog, bpf.RawInstruction{Op: bpfc.RetK, K: 1}, bpf.RawInstruction{Op: bpfc.RetK})
		}},
		{"a list of more values than tests of each", func(n int) []bpf.RawInstruction {
			prog := []bpf.RawInstruction{{Op: bpfc.LdAbsB, K: uint32(n)}} // one check for all
			for i := range n/3 - 1 {
				prog = append(prog, bpf.RawInstruction{Op: bpfc.LdAbsB, K: uint32(i / 2)}, bpf.RawInstruction{Op: bpfc.ClassJMP | bpfc.JmpJEQ, K: uint32(i % 200), Jf: 1},
					bpf.RawInstruction{Op: bpfc.Ja, K: uint32(3 * (n/3 - 2 - i))})
			}
			return append(prog, bpf.RawInstruction{Op: bpfc.RetK, K: 1}, bpf.RawInstruction{Op: bpfc.RetK})
		}},
	} {
		for _, n := range []int{1000, 50_000} {
			start := time.Now()
			prog := test.prog(n)
			p, err := bpfc.Check(prog, bpfc.Libpcap)
			if err != nil {
				t.Fatalf("%s: %v", test.name, err)
			}
			f, err := bpfc.Translate(p, 1)
			if err != nil {
				t.Fatalf("%s: %v", test.name, err)
			}
			if size := insts(f); size > 8*len(prog) {
				t.Errorf("%s: %d instructions became %d", test.name, len(prog), size)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("%s: %d instructions took %v", test.name, len(prog), took)
			}
		}
	}
}

func insts(f *lir.Func) int {
	n := 0
	for _, b := range f.Blocks {
		n += len(b.Insts) + 1
	}
	return n
}

// Lists longer than a search tree may be deep become one branch all the same.
func TestLongList(t *testing.T) {
	var w strings.Builder
	w.WriteString("ld [0]\n")
	const n = 200
	for i := range n {
		fmt.Fprintf(&w, "jeq #%d, y%d, n%d\ny%d: ret #1\nn%d:\n", i*i, i, i, i, i)
	}
	w.WriteString("ret #0")
	text := graph(t, assemble(t, w.String()), bpfc.Libpcap, "dead")
	if strings.Count(text, "switch") != 1 || strings.Contains(text, "test") {
		t.Errorf("want one switch:\n%s", text)
	}
}
