package pcapfilter

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
)

// judgeOptimised asks tcpdump for its optimised program; nil if it refuses.
func judgeOptimised(t testing.TB, j *judge, lt LinkType, expr string) (prog []bpf.RawInstruction) {
	t.Helper()
	out, err := exec.Command(j.path, "-y", lt.String(), "-ddd", "--", expr).Output()
	if err != nil {
		return nil
	}
	f := strings.Fields(string(out))
	for i := 1; i+3 < len(f); i += 4 {
		var v [4]uint64
		for n := range v {
			if v[n], err = strconv.ParseUint(f[i+n], 10, 32); err != nil {
				t.Fatal(err)
			}
		}
		prog = append(prog, bpf.RawInstruction{Op: uint16(v[0]), Jt: uint8(v[1]), Jf: uint8(v[2]), K: uint32(v[3])})
	}
	return prog
}

// comparison is one expression's programs: ours and libpcap's, both optimised.
type comparison struct {
	expr         string
	ours, theirs []bpf.RawInstruction
}

func (c comparison) String() string {
	return fmt.Sprintf("%4d instructions, %3d on the longest way; libpcap's %4d, %3d: %.120s",
		len(c.ours), longest(c.ours), len(c.theirs), longest(c.theirs), c.expr)
}

// excuse says why our program may be longer than libpcap's, or nothing.
func (c comparison) excuse(t testing.TB, r *rand.Rand) string {
	t.Helper()
	if costOf(c.ours) < costOf(c.theirs) {
		return "a search or a tree, which is longer than tests one by one but sooner done"
	}
	plain, err := Compile(c.expr, Options{Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	want, err := bpfc.NewInterpreter(plain, bpfc.Libpcap)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := bpfc.NewInterpreter(c.theirs, bpfc.Libpcap)
	if err != nil {
		t.Fatal(err)
	}
	for range 300 {
		for _, p := range steered(plain, r, 100) {
			if theirs.Run(p.data, p.wire, nil) != want.Run(p.data, p.wire, nil) {
				return "libpcap's optimiser left out or moved a load that rejects packets cut short"
			}
		}
	}
	return ""
}

// lists makes lists as people have them, of n entries each.
func lists(r *rand.Rand, n int) (exprs []string) {
	list := func(item func(i int) string) {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = item(i)
		}
		exprs = append(exprs, strings.Join(parts, " or "))
	}
	v4 := func() string { return ip4(0x0a000000 | uint32(r.IntN(1<<24))).String() }
	list(func(int) string { return "host " + v4() })
	list(func(int) string { return "ip src host " + v4() })
	list(func(int) string { return "src " + v4() })
	list(func(int) string { return "net 10." + strconv.Itoa(r.IntN(256)) + ".0.0/16" })
	list(func(int) string { return "port " + strconv.Itoa(r.IntN(65536)) })
	list(func(int) string { return "tcp dst port " + strconv.Itoa(r.IntN(65536)) })
	list(func(i int) string { return fmt.Sprintf("host 2001:db8:%x::%x", i%5, r.IntN(65536)) })
	list(func(i int) string { return fmt.Sprintf("dst host 2001:db8:%x::%x", i%5, r.IntN(65536)) })
	list(func(int) string { return fmt.Sprintf("ether host 2:0:0:%x:%x:%x", r.IntN(2), r.IntN(256), r.IntN(256)) })
	list(func(int) string { return "vlan " + strconv.Itoa(r.IntN(4096)) })
	exprs[len(exprs)-1] = "vlan and (" + strings.ReplaceAll(exprs[len(exprs)-1], "vlan ", "ether[14:2] & 0xfff = ") + ")"
	return exprs
}

// TestSizes compares the lengths of programs with libpcap's: those of the
// manual's examples and of lists are not longer, but for a reason. With -v it
// prints them all.
func TestSizes(t *testing.T) {
	j := newJudge(t)
	r := rand.New(rand.NewPCG(3, 1))
	// Names are replaced: tcpdump would look them up.
	plain := strings.NewReplacer("\\(", "(", "\\)", ")", "gateway snup", "host 10.0.9.9", "net ucb-ether", "net 128.32.0.0/16",
		"net localnet", "net 10.0.0.0/8", "ether src foo", "ether src 1:2:3:4:5:6", "sundown", "10.0.1.1", "helios", "10.0.1.2",
		"hot ", "10.0.1.3 ", "ace", "10.0.1.4", "host foo", "host 10.0.1.5", "src foo", "src 10.0.1.5", "host vs", "host 10.0.1.6")
	var exprs []string
	for _, e := range examples {
		exprs = append(exprs, plain.Replace(e))
	}
	for _, n := range []int{2, 3, 5, 10, 12, 20, 60} {
		exprs = append(exprs, lists(r, n)...)
	}
	for _, expr := range exprs {
		ours, err := Compile(expr, Options{})
		if err != nil {
			t.Errorf("%q: %v", expr, err)
			continue
		}
		c := comparison{expr, ours, judgeOptimised(t, j, Ethernet, expr)}
		if c.theirs == nil {
			t.Logf("libpcap refuses %q", expr)
			continue
		}
		why := ""
		if len(c.ours) > len(c.theirs) {
			if why = c.excuse(t, r); why == "" {
				t.Errorf("longer: %v", c)
				continue
			}
		}
		t.Logf("%v %s", c, why)
	}
}

// TestSizesGenerated does it for generated expressions, whose programs are not
// longer on the whole and seldom by themselves. PCAPFILTER_EXPRS sets how many,
// PCAPFILTER_SEED the seed; with -v it prints those that are worst.
func TestSizesGenerated(t *testing.T) {
	j := newJudge(t)
	r := rand.New(rand.NewPCG(uint64(environment("PCAPFILTER_SEED", 1)), 13))
	g := &generator{r: r}
	var worse []comparison
	n, sum, theirSum := 0, 0, 0
	for want := environment("PCAPFILTER_EXPRS", 150); n < want; {
		expr := g.expr()
		ours, err := Compile(expr, Options{})
		if err != nil || len(expr) > 1000 || strings.Contains(expr, "byte") {
			continue // "byte" libpcap misunderstands
		}
		c := comparison{expr, ours, judgeOptimised(t, j, Ethernet, expr)}
		if c.theirs == nil {
			continue
		}
		n++
		sum += len(c.ours)
		theirSum += len(c.theirs)
		if len(c.ours) > 4096 && len(c.theirs) <= 4096 {
			t.Errorf("too long for the kernel: %v", c)
		}
		if len(c.ours) > len(c.theirs) && !strings.Contains(expr, "protochain") && c.excuse(t, r) == "" {
			worse = append(worse, c)
		}
	}
	slices.SortFunc(worse, func(a, b comparison) int {
		return len(b.ours)*len(a.theirs) - len(a.ours)*len(b.theirs)
	})
	t.Logf("%d expressions: %d instructions, libpcap's %d; %d longer without a reason", n, sum, theirSum, len(worse))
	for _, c := range worse[:min(len(worse), 40)] {
		t.Log(c)
	}
	if sum > theirSum || 10*len(worse) > n {
		t.Errorf("programs are longer than libpcap's")
	}
}
