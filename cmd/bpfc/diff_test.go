package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bpfjit/bpfjit/internal/cli"
)

// TestDiff: the packets on which two filters disagree are those that one has
// and the other has not.
func TestDiff(t *testing.T) {
	capture := filepath.Join(testdata, "captures/ether.pcap")
	count := func(expr string) (n int) {
		t.Helper()
		if _, err := fmt.Sscanf(strings.Split(done(t, "", "-r", capture, expr), ", ")[1], "%d matched", &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, test := range [][2]string{{"tcp", "tcp port 80"}, {"udp", "udp or icmp"}, {"tcp", "udp"}, {"ip", "ip"}} {
		a, b := test[0], test[1]
		first, second := count("("+a+") and not ("+b+")"), count("("+b+") and not ("+a+")")
		out := filepath.Join(t.TempDir(), "out.pcap")
		got := done(t, "", "-diff", a, b, "-r", capture, "-w", out)
		want := fmt.Sprintf("200 packets, %d differ: %d match the first filter only, %d the second, 0 both with another verdict\n", first+second, first, second)
		if !strings.HasSuffix(got, want) || strings.Count(got, "\n") != 1+first+second {
			t.Errorf("-diff %q %q gives\n%swant at the end\n%s", a, b, got, want)
		}
		if written, want := done(t, "", "-r", out), fmt.Sprintf("%d packets, %d matched\n", first+second, first+second); written != want {
			t.Errorf("-diff %q %q writes %swant %s", a, b, written, want)
		}
	}
	filter := file(t, "1,6 0 0 8")
	want := "200 packets, 200 differ: 0 match the first filter only, 0 the second, 200 both with another verdict\n"
	if got := done(t, "", "-r", capture, "-f", filter, "-diff", "1,6 0 0 9"); !strings.HasSuffix(got, want) {
		t.Errorf("by value: %s", got)
	}
	if msg := failed(t, cli.Usage, "", "-diff", "-r", capture, "tcp"); !strings.HasPrefix(msg, "-diff needs two filters") {
		t.Error(msg)
	}
	if msg := failed(t, cli.Failed, "", "-diff", "-r", capture, "tcp", "tcp port"); !strings.HasPrefix(msg, "second filter: 1:9: ") {
		t.Error(msg)
	}
}
