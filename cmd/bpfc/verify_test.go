package main

import (
	"bytes"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/fuzz"
	"github.com/bpfjit/bpfjit/internal/cli"
)

// TestVerify: all filters over all captures, in every engine.
func TestVerify(t *testing.T) {
	needNative(t)
	filters := append(glob(t, "filters/*.ddd"), glob(t, "filters/article/*.ddd")...)
	for _, filter := range filters {
		for _, capture := range []string{"ether.pcap", "ether-nano.pcapng", "short.pcap"} {
			capture = filepath.Join(testdata, "captures", capture)
			counted := done(t, "", "-r", capture, "-f", filter)
			if got := done(t, "", "-verify", "-r", capture, "-f", filter); got != counted {
				t.Errorf("%s, %s: %s; counting gives %s", filter, capture, got, counted)
			}
		}
	}
	for _, expr := range []string{"tcp port 80", "icmp or ip6", "not host 10.0.0.1"} {
		done(t, "", "-verify", "-r", filepath.Join(testdata, "captures/two-links.pcapng"), expr)
	}
}

// TestVerifyWithoutNative: verifying nothing is no success.
func TestVerifyWithoutNative(t *testing.T) {
	needNative(t)
	// ja -1 loops; protochain's programs have such jumps.
	msg := failed(t, cli.Failed, "", "-verify", "-r", filepath.Join(testdata, "captures/ether.pcap"), "3,48 0 0 0,5 0 0 4294967294,6 0 0 0")
	if !strings.HasPrefix(msg, "nothing to verify: ") {
		t.Error(msg)
	}
}

// TestVerifyFinds: an engine that is wrong on one packet is found there, and
// what is printed is enough to see it again.
func TestVerifyFinds(t *testing.T) {
	needNative(t)
	const bad = 17
	capture := filepath.Join(testdata, "captures/ether.pcap")
	filter := filepath.Join(testdata, "filters/article/icmp.ddd")
	out := filepath.Join(t.TempDir(), "find.pcap")
	o, err := parseFlags([]string{"-verify", "-r", capture, "-f", filter, "-w", out})
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	tl := &tool{options: o, stdin: strings.NewReader(""), stdout: newOutput(&text), stderr: &text}
	packet := 0
	err = tl.verifyEngines(func(p *bpfc.Program) (engines, error) {
		es, err := makeEngines(p)
		return append(es, fuzz.Engine{Name: "wrong", Run: func(in fuzz.Packet) (uint32, bool, error) {
			packet++
			v, ok, err := es[0].Run(in)
			if packet == bad {
				v ^= 1 // both are matches, or neither: values are compared
			}
			return v, ok, err
		}}), err
	})
	if err == nil || !regexp.MustCompile(`ether\.pcap: packet 17: wrong gives \d+, interp \d+$`).MatchString(err.Error()) {
		t.Fatalf("got %v", err)
	}
	if err := tl.stdout.flush(); err != nil {
		t.Fatal(err)
	}
	if got := done(t, "", "-r", out, acceptAll); got != "1 packets, 1 matched\n" {
		t.Errorf("written: %s", got)
	}
	m := regexp.MustCompile(`(?m)^packet: (\d+) bytes, (\d+) on the wire, link type EN10MB: ([0-9a-f]+)\nprogram: bpfc -dialect libpcap -dump '(.*)'\n`).FindStringSubmatch(text.String())
	if m == nil {
		t.Fatalf("reported:\n%s", text.String())
	}
	if n, _ := strconv.Atoi(m[1]); len(m[3]) != 2*n {
		t.Errorf("packet of %d bytes: %s", n, m[3])
	}
	if done(t, "", "-ddd", m[4]) != read(t, filter) {
		t.Errorf("another program: %s", m[4])
	}
}

// TestBench: a line for each engine, and all count the same.
func TestBench(t *testing.T) {
	needNative(t)
	capture := filepath.Join(testdata, "captures/short.pcap")
	for _, test := range []struct{ dialect, prog, engines string }{
		{"libpcap", "6,40 0 0 12,21 0 3 2048,48 0 0 23,21 0 1 6,6 0 0 1,6 0 0 0", "interp xnet native batch"},
		{"libpcap", "3,48 0 0 0,132 0 0 0,22 0 0 0", "interp native batch"}, // x/net has no NEG
		{"linux", acceptAll, "interp native batch"},
	} {
		out := done(t, "", "-bench", "-dialect", test.dialect, "-r", capture, test.prog)
		want := strings.Fields(strings.Split(done(t, "", "-dialect", test.dialect, "-r", capture, test.prog), ", ")[1])[0]
		var names []string
		for line := range strings.Lines(out) {
			f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
			if len(f) != 3 {
				t.Fatalf("line %q", line)
			}
			names = append(names, f[0])
			if ns, err := strconv.ParseFloat(f[1], 64); err != nil || ns <= 0 {
				t.Errorf("%s takes %s ns", f[0], f[1])
			}
			if f[2] != want {
				t.Errorf("%s matches %s, want %s", f[0], f[2], want)
			}
		}
		if got := strings.Join(names, " "); got != test.engines {
			t.Errorf("%s: engines %s, want %s", test.prog, got, test.engines)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		times []float64
		want  float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}} {
		if got := median(test.times); got != test.want {
			t.Errorf("median of %v: %v, want %v", test.times, got, test.want)
		}
	}
}
