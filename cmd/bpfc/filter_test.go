package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bpfjit/bpfjit/internal/cli"
)

// TestCountsAgainstTcpdump: what matches, and the file it is written to, are
// what tcpdump makes of expression and capture.
func TestCountsAgainstTcpdump(t *testing.T) {
	need(t, "tcpdump")
	out := filepath.Join(t.TempDir(), "out.pcap")
	for _, line := range strings.Split(strings.TrimSpace(read(t, filepath.Join(testdata, "filters/filters.tsv"))), "\n") {
		name, expr, _ := strings.Cut(line, "\t")
		for _, capture := range []string{"ether.pcap", "short.pcap"} {
			capture = filepath.Join(testdata, "captures", capture)
			want, err := exec.Command("tcpdump", "-O", "-r", capture, "-w", "-", expr).Output()
			if err != nil {
				t.Fatal(err)
			}
			done(t, "", "-r", capture, "-w", out, "-f", filepath.Join(testdata, "filters", name+".raw.ddd"))
			if read(t, out) != string(want) {
				t.Errorf("%s on %s: other packets than tcpdump's", name, capture)
			}
			done(t, "", "-r", capture, "-w", out, expr)
			if read(t, out) != string(want) {
				t.Errorf("%s on %s, as an expression: other packets than tcpdump's", name, capture)
			}
		}
	}
}

// TestFilter: every way of packets in and out.
func TestFilter(t *testing.T) {
	name := filepath.Join(testdata, "captures/ether.pcap")
	ether := read(t, name)
	const all = "200 packets, 200 matched\n"
	if got := done(t, "", "-r", name, acceptAll); got != all {
		t.Errorf("got %q", got)
	}
	if got := done(t, ether, "-r", "-", acceptAll); got != all {
		t.Errorf("from standard input: %q", got)
	}
	if got := done(t, "", "-r", name); got != all {
		t.Errorf("without a filter: %q", got)
	}
	if got := done(t, "", "-r", name, "-O", "0", "1,6 0 0 0"); got != "200 packets, 0 matched\n" {
		t.Errorf("rejecting all: %q", got)
	}
	if got := done(t, "", "-r", filepath.Join(testdata, "captures/empty.pcap"), acceptAll); got != "0 packets, 0 matched\n" {
		t.Errorf("no packets: %q", got)
	}
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	fmt.Fprint(w, ether)
	w.Close()
	if got := done(t, zipped.String(), "-r", "-", acceptAll); got != all {
		t.Errorf("compressed: %q", got)
	}

	r := call("", "-r", name, "-w", "-", acceptAll)
	if r.stdout != ether || r.stderr != all || r.status != cli.Done {
		t.Errorf("to standard output: status %d, %d bytes of %d, %q", r.status, len(r.stdout), len(ether), r.stderr)
	}
	out := file(t, strings.Repeat("what was here before ", 10000))
	if got := done(t, "", "-r", name, "-w", out, acceptAll); got != all || read(t, out) != ether {
		t.Errorf("over another file: %q", got)
	}
	for _, capture := range []string{"ether-nano.pcapng", "empty.pcap", "short.pcap"} {
		capture = filepath.Join(testdata, "captures", capture)
		done(t, "", "-r", capture, "-w", out, acceptAll)
		if read(t, out) != read(t, capture) {
			t.Errorf("%s: matching all packets gives another file", capture)
		}
	}
}

// TestLinkTypes: an expression is compiled for each link type that a capture
// has; a program is for one.
func TestLinkTypes(t *testing.T) {
	raw, two := filepath.Join(testdata, "captures/raw.pcap"), filepath.Join(testdata, "captures/two-links.pcapng")
	const rawTCP = "4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0"
	want := done(t, "", "-y", "RAW", "-r", raw, rawTCP)
	if strings.HasSuffix(want, " 0 matched\n") {
		t.Fatalf("nothing to see: %s", want)
	}
	for _, args := range [][]string{{"ip proto 6"}, {"-y", "RAW", "ip proto 6"}, {"-y", "101", "ip proto 6"}, {"-y", "12", rawTCP}} {
		if got := done(t, "", append(args, "-r", raw)...); got != want {
			t.Errorf("%q: %s, want %s", args, got, want)
		}
	}
	if got := done(t, "", "-r", two, "ip or not ip"); got != "100 packets, 100 matched\n" {
		t.Errorf("two link types: %q", got)
	}
	r := call("", "-r", two, acceptAll)
	if want := "bpfc: " + two + ": packets of link type RAW, the program is for EN10MB (-y says for which)\n"; r.status != cli.Failed || r.stderr != want {
		t.Errorf("a program on two link types: status %d, %q", r.status, r.stderr)
	}
	// A file that could not be finished is not left behind.
	out := filepath.Join(t.TempDir(), "out")
	failed(t, cli.Failed, "", "-r", two, "-w", out, acceptAll)
	if _, err := os.Stat(out); !os.IsNotExist(err) {
		t.Errorf("half a file is left: %v", err)
	}
}
