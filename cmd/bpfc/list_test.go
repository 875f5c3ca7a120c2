package main

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/bpfc/bpfasm"
	"github.com/bpfjit/bpfjit/internal/cli"
)

// TestArticle: the three programs of an article give the listings it shows.
// testdata/filters/regen.sh says where both come from.
func TestArticle(t *testing.T) {
	const icmp = "6,40 0 0 12,21 0 3 2048,48 0 0 23,21 0 1 1,6 0 0 8192,6 0 0 0"
	if got, want := done(t, "", "-d", icmp), read(t, filepath.Join(testdata, "filters/article/icmp.d")); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	for _, name := range glob(t, "filters/article/*.ddd") {
		want := read(t, strings.TrimSuffix(name, "dd"))
		for _, args := range [][]string{{"-f", name}, {"-d", "-f", name}, {"-f", name, "-emit", "d"}} {
			if got := done(t, "", args...); got != want {
				t.Errorf("bpfc %q gives\n%swant\n%s", args, got, want)
			}
		}
		if got := done(t, "", "-ddd", "-f", name); got != read(t, name) {
			t.Errorf("bpfc -ddd -f %s gives\n%s", name, got)
		}
	}
}

// TestForms: every form that is printed and can be read gives the program back,
// whether its form is said or not.
func TestForms(t *testing.T) {
	for _, name := range glob(t, "filters/*.ddd") {
		want := read(t, name)
		for _, f := range bpfasm.Forms() {
			text := done(t, "", "-f", name, "-emit", f.String())
			if !f.Readable() {
				continue
			}
			as, want := "-ddd", want
			if f == bpfasm.Listing { // has no fields that mean nothing; libpcap leaves numbers there
				as, want = "-d", text
			}
			if got := done(t, text, "-f", "-", as); got != want {
				t.Errorf("%s: as %v it reads back as\n%s", name, f, got)
			}
			if got := done(t, text, "-f", "-", as, "-in", f.String()); got != want {
				t.Errorf("%s: read as %v it is\n%s", name, f, got)
			}
		}
	}
}

// TestExpressions: an expression compiles to a program that gives the verdicts
// of tcpdump's on the packets of testdata; pcapfilter has the thorough tests.
func TestExpressions(t *testing.T) {
	expressions := strings.Split(strings.TrimSpace(read(t, filepath.Join(testdata, "filters/filters.tsv"))), "\n")
	for _, line := range expressions {
		name, expr, _ := strings.Cut(line, "\t")
		for _, capture := range []string{"ether.pcap", "ether-nano.pcapng", "short.pcap"} {
			capture = filepath.Join(testdata, "captures", capture)
			want := done(t, "", "-r", capture, "-f", filepath.Join(testdata, "filters", name+".raw.ddd"))
			for _, level := range []string{"0", "1"} {
				if got := done(t, "", "-O", level, "-r", capture, expr); got != want {
					t.Errorf("%s, -O %s, %s: %swant %s", name, level, capture, got, want)
				}
			}
		}
	}
}

// TestExpressionForms: an expression may be several arguments, and flags may
// stand behind it.
func TestExpressionForms(t *testing.T) {
	want := done(t, "", "-ddd", "-s", "100", "tcp port 80")
	if !strings.HasSuffix(want, "6 0 0 100\n6 0 0 0\n") && !strings.HasSuffix(want, "6 0 0 0\n6 0 0 100\n") {
		t.Errorf("-s 100 does not show:\n%s", want)
	}
	for _, args := range [][]string{
		{"-ddd", "-s", "100", "tcp", "port", "80"},
		{"tcp", "port", "80", "-ddd", "-s", "100"},
		{"-ddd", "tcp port", "-s=100", "80"},
		{"--ddd", "-s", "100", "--", "tcp", "port", "80"},
	} {
		if got := done(t, "", args...); got != want {
			t.Errorf("bpfc %q gives\n%s", args, got)
		}
	}
	if got := done(t, "tcp port 80\n", "-f", "-", "-in", "expr", "-ddd", "-s", "100"); got != want {
		t.Errorf("from a file it is\n%s", got)
	}
	// A minus in an expression is no flag.
	if done(t, "", "-ddd", "len", "-", "4", "=", "60") != done(t, "", "-ddd", "len - 4 = 60") {
		t.Error("a minus is lost")
	}
	// A netmask matters to one primitive.
	for _, mask := range []string{"255.255.255.0", "0xffffff00", "4294967040"} {
		if got := done(t, "", "-m", mask, "-ddd", "ip broadcast"); !strings.Contains(got, " 255\n") {
			t.Errorf("-m %s: no host part of 8 bits in\n%s", mask, got)
		}
	}
}

// TestExplain: each primitive is named; pcapfilter tests what is said of it.
func TestExplain(t *testing.T) {
	text := done(t, "", "-explain", "tcp port 80 or vlan and icmp")
	for _, part := range []string{"tcp port 80", "vlan", "icmp", "reads"} {
		if !strings.Contains(text, part) {
			t.Errorf("nothing of %q in\n%s", part, text)
		}
	}
	if done(t, "", "-explain", "-y", "RAW", "icmp") == done(t, "", "-explain", "icmp") {
		t.Error("the link type makes no difference")
	}
	if msg := failed(t, cli.Failed, "", "-explain", acceptAll); msg != "-explain is for expressions: this is a program" {
		t.Error(msg)
	}
	if msg := failed(t, cli.Failed, "", "-explain", "tcp port"); !strings.HasPrefix(msg, "1:9: ") {
		t.Error(msg)
	}
}

// TestMetadata: programs that only the kernel can run can be listed, not run.
func TestMetadata(t *testing.T) {
	const mark = "2,32 0 0 4294963220,22 0 0 0" // ld [SKF_AD_OFF + SKF_AD_MARK]; ret a
	for _, action := range []string{"-d", "-dump", "-lir"} {
		done(t, "", "-dialect", "linux", action, mark)
	}
	msg := failed(t, cli.Failed, "", "-dialect", "linux", "-r", filepath.Join(testdata, "captures/ether.pcap"), mark)
	if !strings.HasPrefix(msg, "instruction 0: ") {
		t.Error(msg)
	}
}

// TestPasses: -dump=all shows the graph after each pass of -dump=PASS.
func TestPasses(t *testing.T) {
	name := filepath.Join(testdata, "filters/article.raw.ddd")
	all := done(t, "", "-f", name, "-dump=all")
	passes := 0
	for _, part := range strings.Split(strings.TrimSpace(all), "\n\n") {
		pass, graph, ok := strings.Cut(part, ":\n")
		if !ok || strings.ContainsAny(pass, " \t\n") {
			t.Fatalf("no pass: %q", part)
		}
		passes++
		if got := strings.TrimSpace(done(t, "", "-f", name, "-dump="+pass)); got != strings.TrimSpace(graph) {
			t.Errorf("-dump=%s gives\n%s\n-dump=all has\n%s", pass, got, graph)
		}
	}
	if passes < 3 {
		t.Errorf("%d passes", passes)
	}
	if plain := done(t, "", "-f", name, "-O", "0", "-dump=all"); strings.Count(plain, "b0:") != 1 {
		t.Errorf("at -O 0 there are passes:\n%s", plain)
	}
}

// TestUsage: the help names every flag, form and dialect.
func TestUsage(t *testing.T) {
	help := done(t, "", "-h")
	for _, a := range actions {
		if !strings.Contains(help, " -"+a.flag) {
			t.Errorf("-%s is not there", a.flag)
		}
	}
	for _, flag := range []string{"f", "in", "y", "s", "m", "dns", "dialect", "O", "arch", "w"} {
		if !strings.Contains(help, "  -"+flag+" ") {
			t.Errorf("-%s is not there", flag)
		}
	}
	for _, f := range bpfasm.Forms() {
		if !strings.Contains(help, f.String()) {
			t.Errorf("form %v is not there", f)
		}
	}
	for _, d := range []bpfc.Dialect{bpfc.Libpcap, bpfc.Linux, bpfc.NetBSD, bpfc.Seccomp} {
		if !strings.Contains(help, d.String()) {
			t.Errorf("dialect %v is not there", d)
		}
	}
	if i := slices.IndexFunc(strings.Split(help, "\n"), func(l string) bool { return len(l) > 80 }); i >= 0 {
		t.Errorf("line %d is longer than 80", i+1)
	}
	if done(t, "", "-help") != help {
		t.Error("-help and -h differ")
	}
	if v := done(t, "", "-version"); !strings.HasPrefix(v, "bpfc ") || strings.Count(v, "\n") != 1 {
		t.Errorf("-version gives %q", v)
	}
}

// TestListingsAgainstTcpdump: -d, -dd and -ddd of an unoptimised program are
// what tcpdump prints.
func TestListingsAgainstTcpdump(t *testing.T) {
	need(t, "tcpdump")
	for _, line := range strings.Split(strings.TrimSpace(read(t, filepath.Join(testdata, "filters/filters.tsv"))), "\n") {
		_, expr, _ := strings.Cut(line, "\t")
		ddd, err := exec.Command("tcpdump", "-O", "-y", "EN10MB", "-ddd", expr).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, flag := range []string{"-d", "-dd", "-ddd"} {
			want, err := exec.Command("tcpdump", "-O", "-y", "EN10MB", flag, expr).Output()
			if err != nil {
				t.Fatal(err)
			}
			if got := done(t, string(ddd), "-f", "-", flag); got != string(want) {
				t.Errorf("%s %s gives\n%swant\n%s", flag, expr, got, want)
			}
		}
	}
}
