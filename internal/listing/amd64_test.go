package listing

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/fuzz"
	"github.com/bpfjit/bpfjit/internal/disasm"
	"github.com/bpfjit/bpfjit/lir/amd64"
)

var (
	headLine    = regexp.MustCompile(`^\((\d{3,})\) `)
	machineLine = regexp.MustCompile(`^\t([0-9a-f]{4,})  ((?:[0-9a-f]{2})+) +(.*?)(?: +; (.*))?$`)
	branch      = regexp.MustCompile(`^j[a-z]+ ([0-9a-f]{4,})$`)
	toNote      = regexp.MustCompile(`to \((\d+)\)`)
	alsoNote    = regexp.MustCompile(`also((?: \(\d+\))+)`)
	number      = regexp.MustCompile(`\((\d+)\)`)
)

// none is the section of code of no instruction.
const none = -1

// page is a listing, read back.
type page struct {
	below    map[int]int      // by offset of a machine instruction: the section it is in
	branches []pageBranch     // in order
	also     map[int][]int    // by instruction: the sections with code that is also its own
	remarks  map[int][]string // by section: lines that are not code
	coded    map[int]bool     // sections with code
}

type pageBranch struct {
	line   string
	target int
	names  int // what the note names; none: there is no note
}

func atoi(s string, base int) int {
	n, err := strconv.ParseInt(s, base, 64)
	if err != nil {
		panic(err)
	}
	return int(n)
}

// readBack takes a listing apart.
func readBack(text string) (*page, error) {
	p := &page{below: map[int]int{}, also: map[int][]int{}, remarks: map[int][]string{}, coded: map[int]bool{}}
	section, tables := none, false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if m := headLine.FindStringSubmatch(line); m != nil {
			section = atoi(m[1], 10)
			continue
		}
		switch {
		case strings.HasPrefix(line, "of no instruction"):
			section = none
			continue
		case strings.HasPrefix(line, "tables"):
			tables = true
			continue
		case strings.HasPrefix(line, "; "), tables:
			continue
		}
		m := machineLine.FindStringSubmatch(line)
		if m == nil {
			if !strings.HasPrefix(line, "\t; ") {
				return nil, fmt.Errorf("%q is nothing that a listing has", line)
			}
			p.remarks[section] = append(p.remarks[section], strings.TrimPrefix(line, "\t; "))
			continue
		}
		at, inst, note := atoi(m[1], 16), m[3], m[4]
		// Columns, unless what is before is too wide: bytes at 7, behind a tab and
		// four digits, mnemonics at 29, notes at 61.
		if at < 1<<16 && len(m[2]) <= 20 && (!strings.HasPrefix(line[7:], m[2]+" ") || !strings.HasPrefix(line[29:], inst)) {
			return nil, fmt.Errorf("%q: the mnemonic is not in its column", line)
		}
		if i := strings.Index(line, " ; "); i >= 0 && i != max(60, len(strings.TrimRight(line[:i], " "))) {
			return nil, fmt.Errorf("%q: the note is in column %d", line, i)
		}
		if _, twice := p.below[at]; twice {
			return nil, fmt.Errorf("%q: listed twice", line)
		}
		p.below[at] = section
		p.coded[section] = true
		if b := branch.FindStringSubmatch(inst); b != nil {
			names := none
			if n := toNote.FindStringSubmatch(note); n != nil {
				names = atoi(n[1], 10)
			}
			p.branches = append(p.branches, pageBranch{line, atoi(b[1], 16), names})
		} else if toNote.MatchString(note) {
			return nil, fmt.Errorf("%q: no branch, and it leads somewhere", line)
		}
		if a := alsoNote.FindStringSubmatch(note); a != nil {
			for _, n := range number.FindAllStringSubmatch(a[1], -1) {
				p.also[atoi(n[1], 10)] = append(p.also[atoi(n[1], 10)], section)
			}
		}
	}
	return p, nil
}

// check checks what a listing says against itself and the program.
func (p *page) check(prog []bpf.RawInstruction) error {
	for _, b := range p.branches {
		section, ok := p.below[b.target]
		if !ok {
			return fmt.Errorf("%q leads to no instruction", b.line)
		}
		if section != b.names {
			return fmt.Errorf("%q: what it leads to is below %d", b.line, section)
		}
	}
	reached := reachedForward(prog)
	for i := range prog {
		remark := strings.Join(p.remarks[i], "\n")
		var below int
		switch sections := p.also[i]; {
		case len(sections) > 0:
			kind := "code"
			if p.coded[i] {
				kind = "more"
			}
			least := sections[0]
			for _, s := range sections {
				least = min(least, s)
			}
			if want := fmt.Sprintf("%s below (%03d)", kind, least); remark != want {
				return fmt.Errorf("(%03d): %q, want %q", i, remark, want)
			}
		case p.coded[i]:
			if remark != "" {
				return fmt.Errorf("(%03d) has code, and below it %q", i, remark)
			}
		case remark == "no code: nothing leads here":
			if reached[i] {
				return fmt.Errorf("(%03d) can be reached, and below it %q", i, remark)
			}
		case !reached[i]:
			return fmt.Errorf("(%03d) cannot be reached, and below it %q", i, remark)
		case !strings.HasPrefix(remark, "no code: "):
			return fmt.Errorf("(%03d) has no code, and below it %q", i, remark)
		default:
			if n, _ := fmt.Sscanf(remark, "no code: part of what (%d) does", &below); n == 1 && (below == i || below >= len(prog)) {
				return fmt.Errorf("(%03d): %q", i, remark)
			}
		}
	}
	return nil
}

// reachedForward finds what can be reached in a program without backward jumps,
// in which one look at each instruction is enough.
func reachedForward(prog []bpf.RawInstruction) []bool {
	reached := make([]bool, len(prog)+1<<8+1)
	reached[0] = true
	for i, ins := range prog {
		switch {
		case !reached[i]:
		case ins.Op&7 == 6: // ret
		case ins.Op == 5: // ja
			reached[i+1+int(ins.K)] = true
		case ins.Op&7 == 5: // other jumps
			reached[i+1+int(ins.Jt)], reached[i+1+int(ins.Jf)] = true, true
		default:
			reached[i+1] = true
		}
	}
	return reached
}

// TestAMD64 reads listings of random programs back: branches name the
// instruction below which the code is that they lead to, shared code is
// mentioned below each instruction that shares it, and what has no code says why.
func TestAMD64(t *testing.T) {
	seen := map[string]int{}
	for _, d := range []bpfc.Dialect{bpfc.Libpcap, bpfc.Linux, bpfc.Seccomp} {
		g := fuzz.NewGen(d, 2)
		for range 200 {
			s := g.Subject()
			opts := []bpfc.Option{bpfc.WithAux(s.Aux)}
			if s.Context != nil {
				opts = append(opts, bpfc.WithContext(s.Context))
			}
			p, err := bpfc.Check(s.Prog, d, opts...)
			if err != nil {
				t.Fatal(err)
			}
			for level := range 2 {
				fn, err := bpfc.Translate(p, level)
				if err != nil {
					continue // no native form
				}
				code, err := amd64.Compile(fn, amd64.Features{BMI2: true, MOVBE: true})
				if err != nil {
					t.Fatal(err)
				}
				var b bytes.Buffer
				if err := Write(&b, s.Prog, fn, code, disasm.AMD64); err != nil {
					t.Fatal(err)
				}
				page, err := readBack(b.String())
				if err == nil {
					err = page.check(s.Prog)
				}
				if err != nil {
					t.Fatalf("%v dialect, level %d: %v\n%s", d, level, err, b.String())
				}
				for _, part := range []string{" ; to (", "also (", "code below", "more below", "nothing leads here", "part of what", "of no instruction"} {
					seen[part] += strings.Count(b.String(), part)
				}
			}
		}
	}
	for part, n := range seen {
		if n == 0 {
			t.Errorf("no %q in any listing: the programs do not try it", part)
		}
	}
}
