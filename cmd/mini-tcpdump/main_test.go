package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bpfjit/bpfjit/bench/traffic"
	"github.com/bpfjit/bpfjit/capture"
	"github.com/bpfjit/bpfjit/jit"
)

// asCommand in the environment makes the test's program the command.
const asCommand = "MINI_TCPDUMP_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// command is the command as a process of its own.
func command(t testing.TB, args ...string) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), asCommand+"=1", "TZ=UTC")
	return cmd
}

// result is what a call did.
type result struct {
	status         int
	stdout, stderr string
}

func call(args ...string) result { return callWith(context.Background(), nil, args...) }

func callWith(ctx context.Context, stdin io.Reader, args ...string) result {
	var stdout, stderr bytes.Buffer
	status := run(ctx, args, stdin, &stdout, &stderr)
	text := stderr.String()
	if jit.Available() != nil { // on most architectures, which is said first
		text = interpreted.ReplaceAllString(text, "")
	}
	return result{status, stdout.String(), text}
}

var interpreted = regexp.MustCompile("^mini-tcpdump: the interpreter filters: .*\n")

// writeMix writes a capture of n packets of made-up traffic, a millisecond apart.
func writeMix(t testing.TB, n int, opts capture.WriterOptions) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "mix."+opts.Format.String())
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	w, err := capture.NewWriter(f, opts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.AddInterface(capture.Interface{LinkType: capture.LinkEthernet}); err != nil {
		t.Fatal(err)
	}
	pkts := traffic.New(1).Mix(min(n, 5000))
	for i := range n {
		p := pkts[i%len(pkts)]
		m := capture.Meta{TS: 1_700_000_000_000_000_000 + int64(i)*1_000_000, WireLen: uint32(p.WireLen)}
		if err := w.WritePacket(m, p.Data); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return name
}

func needTcpdump(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("tcpdump"); err != nil {
		t.Skip("tcpdump is not installed: nothing to compare with")
	}
}

func tcpdump(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.Command("tcpdump", args...)
	cmd.Env = append(os.Environ(), "TZ=UTC")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tcpdump %q: %v", args, err)
	}
	return string(out)
}

// TestWriteLikeTcpdump writes what matches with every engine: the bytes are
// those that tcpdump writes.
func TestWriteLikeTcpdump(t *testing.T) {
	needTcpdump(t)
	in := writeMix(t, 3000, capture.WriterOptions{})
	dir := t.TempDir()
	for _, expr := range []string{"tcp port 80", "", "vlan and ip", "ip6 or arp", "less 10"} {
		ref := filepath.Join(dir, "ref.pcap")
		tcpdump(t, "-r", in, "-w", ref, expr)
		want, err := os.ReadFile(ref)
		if err != nil {
			t.Fatal(err)
		}
		for _, engine := range []string{"auto", "interp", "native", "both"} {
			if engine != "auto" && engine != "interp" && jit.Available() != nil {
				continue
			}
			out := filepath.Join(dir, "out.pcap")
			r := call("-r", in, "-w", out, "-engine", engine, expr)
			got, err := os.ReadFile(out)
			if r.status != 0 || err != nil || !bytes.Equal(got, want) {
				t.Errorf("%q with %s: status %d, %v, %d bytes, want %d\n%s", expr, engine, r.status, err, len(got), len(want), r.stderr)
			}
			if r := call("-r", in, "-w", "-", "-engine", engine, expr); r.stdout != string(want) {
				t.Errorf("%q with %s to standard output: %d bytes, want %d", expr, engine, len(r.stdout), len(want))
			}
		}
	}
}

// TestPrintLikeTcpdump compares whole lines, where tcpdump looks into no
// application's protocol.
func TestPrintLikeTcpdump(t *testing.T) {
	needTcpdump(t)
	t.Setenv("TZ", "UTC")
	time.Local = time.UTC
	in := writeMix(t, 2000, capture.WriterOptions{Nanoseconds: true})
	for _, flags := range []string{"-nnq", "-nneq", "-nnqt", "-nnqtt", "-nnqttt", "-nnqttttt", "-nnqtttt --nano", "-nnqx", "-nnqX", "-nnqxx", "-nnqXX -c 7"} {
		args := append(strings.Fields(flags), "-r", in, "tcp or udp or arp")
		got, want := call(args...), tcpdump(t, args...)
		if got.status == 0 && got.stdout == want {
			continue
		}
		ours, theirs := strings.Split(got.stdout, "\n"), strings.Split(want, "\n")
		for i := range min(len(ours), len(theirs)) {
			if ours[i] != theirs[i] {
				t.Errorf("%s, line %d:\n   ours %s\ntcpdump %s", flags, i+1, ours[i], theirs[i])
				break
			}
		}
		if len(ours) != len(theirs) {
			t.Errorf("%s: %d lines, tcpdump has %d", flags, len(ours), len(theirs))
		}
	}
}

// TestList: an expression and the program that it becomes are listed alike.
func TestList(t *testing.T) {
	prog := filepath.Join(t.TempDir(), "prog")
	ddd := call("-ddd", "ip and tcp")
	if err := os.WriteFile(prog, []byte(ddd.stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{"-d", "-dd", "-ddd"} {
		a, b := call(form, "ip and tcp"), call(form, "-f", prog)
		if a.status != 0 || a.stdout == "" || a != b {
			t.Errorf("%s: %+v, from a program %+v", form, a, b)
		}
	}
	if r := call("-d", "-r", writeRaw(t), "ip"); !strings.HasPrefix(r.stdout, "(000) ldb      [0]") {
		t.Errorf("for a capture of raw IP: %s%s", r.stdout, r.stderr)
	}
	if jit.Available() != nil {
		return
	}
	r := call("-dump", "ip and tcp")
	for _, want := range []string{"(000) ldh      [12]", "\t0000  ", "ret", "bytes of code"} {
		if r.status != 0 || !strings.Contains(r.stdout, want) {
			t.Errorf("-dump has no %q:\n%s%s", want, r.stdout, r.stderr)
		}
	}
}

func writeRaw(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "raw.pcap")
	var b bytes.Buffer
	w, err := capture.NewWriter(&b, capture.WriterOptions{})
	if err == nil {
		_, err = w.AddInterface(capture.Interface{LinkType: capture.LinkRaw})
	}
	if err := errors.Join(err, w.Flush(), os.WriteFile(name, b.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestErrors(t *testing.T) {
	in := writeMix(t, 100, capture.WriterOptions{})
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage")
	if err := os.WriteFile(garbage, []byte("what is this\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   string
		status int
		want   string // a pattern of the message
	}{
		{"", 2, "where packets are to come from is missing"},
		{"-k", 2, "-k: unknown flag"},
		{"-c", 2, "-c: a value is missing"},
		{"-c 0 -r x", 2, `"0" is not a number from 1`},
		{"-c=-1 -r x", 2, `-c: "-1" is not a number from 1 to 9223372036854775807\n$`},
		{"-B 0 -i lo", 2, `-B: "0" is not a number from 2 to 1048576\n$`},
		{"-threads 0 -i lo", 2, `-threads: "0" is not a number from 1 to 256`},
		{"-r x -r y", 2, `-r: "x" was given before`},
		{"-c x -r x", 2, `"x" is not a number`},
		{"-i lo -r x", 2, "exclude each other"},
		{"-r x -engine fast", 2, `"fast" is none of auto, native`},
		{"-r x -engine kernel", 2, "needs -i"},
		{"-r x -threads 2", 2, "needs -i"},
		{"-r x -stats 0s", 2, "not a time"},
		{"-r - -f -", 2, "cannot be both"},
		{"-r x -f y tcp", 2, "more than one filter"},
		{"-dddd tcp", 2, "3 times"},
		{"-r x -y NOSUCH", 2, "NOSUCH"},
		{"-r x -flows 1s -w -", 2, "standard output"},
		{"-i lo -engine kernel -vlan wire", 2, "kernel"},
		{"-r " + in + " -w " + in, 2, "same file as the input"},
		{"-r " + dir + "/none", 1, "none: no such file"},
		{"-r " + garbage, 1, "not a capture file"},
		{"-r " + in + " -f " + garbage, 1, "garbage: "},
		{"-r " + in + " -w " + dir + "/no/x", 1, "no such file or directory"},
		{"-r " + in + " tcp prot 80", 1, `1:5: `},
		{"-r " + in + " -y RAW ip", 1, "link type"},
		{"-i nosuchinterface", 1, "no such interface|no right|needs Linux"},
	} {
		r := call(strings.Fields(c.args)...)
		if r.status != c.status || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 ||
			!regexp.MustCompile(`^mini-tcpdump: .*(`+c.want+`)`).MatchString(r.stderr) {
			t.Errorf("%s: status %d, %q%q", c.args, r.status, r.stdout, r.stderr)
		}
	}
	if r := call("-h"); r.status != 0 || !strings.HasPrefix(r.stdout, "usage:") {
		t.Errorf("-h: %+v", r)
	}
}

// TestFlagForms: flags can be bundled, have their value attached, and stand
// behind the expression, where a minus may also be the expression's own.
func TestFlagForms(t *testing.T) {
	for _, c := range []struct {
		args string
		want func(*options) bool
	}{
		{"-nner x", func(o *options) bool { return o.numbers && o.line.Link && o.read == "x" }},
		{"-nnec10 -rx", func(o *options) bool { return o.count == 10 && o.read == "x" }},
		{"-r x tcp port 80 -c 5 -tttt", func(o *options) bool {
			return o.count == 5 && o.times == 4 && strings.Join(o.args, " ") == "tcp port 80"
		}},
		{"-r x ip[0] - 4 == 0x41 -n", func(o *options) bool { return o.numbers && strings.Join(o.args, " ") == "ip[0] - 4 == 0x41" }},
		{"-r x ip[0] -4 == 0x41", func(o *options) bool { return strings.Join(o.args, " ") == "ip[0] -4 == 0x41" }},
		{"-r x -- -c", func(o *options) bool { return o.count == 0 && o.args[0] == "-c" }},
		{"-r=x --stats=2s --time-stamp-precision=nano", func(o *options) bool { return o.stats == 2*time.Second && o.line.Nanos }},
		{"-rx -XX", func(o *options) bool { return o.line.Dump == 4 }},
		{"-ilo -Qin -B16 -j adapter -p", func(o *options) bool {
			return o.direction == capture.In && o.ringMiB == 16 && o.hardwareTime && o.noPromiscuous
		}},
		{"-ddd tcp", func(o *options) bool { return o.list == 3 }},
	} {
		o, err := parseFlags(strings.Fields(c.args))
		if err != nil || !c.want(o) {
			t.Errorf("%s: %v, %+v", c.args, err, o)
		}
	}
	for name := range settings {
		if !strings.Contains(usageText, "-"+name+" ") {
			t.Errorf("the usage has no -%s", name)
		}
		if switches[name] != nil {
			t.Errorf("-%s has a value and has none", name)
		}
	}
}

// TestCut: -s keeps so much of each packet, in each format.
func TestCut(t *testing.T) {
	for _, format := range []capture.Format{capture.Pcap, capture.Pcapng} {
		in := writeMix(t, 500, capture.WriterOptions{Format: format})
		out := filepath.Join(t.TempDir(), "out")
		if r := call("-r", in, "-s", "50", "-w", out, "tcp"); r.status != 0 {
			t.Fatal(r)
		}
		f, err := os.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		r, err := capture.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		pkts, err := capture.ReadAll(r)
		if err != nil || len(pkts) < 250 || r.Format() != format {
			t.Fatalf("%v: %d packets, %v", r.Format(), len(pkts), err)
		}
		for _, p := range pkts {
			if len(p.Data) != 50 || p.WireLen < 60 {
				t.Fatalf("%v: a packet of %d bytes of %d", format, len(p.Data), p.WireLen)
			}
		}
	}
}

// TestEnds: every way in which it can end has a summary, and a message if it is
// a failure.
func TestEnds(t *testing.T) {
	in := writeMix(t, 3000, capture.WriterOptions{})
	data, err := os.ReadFile(in)
	if err != nil {
		t.Fatal(err)
	}
	summary := regexp.MustCompile(`(?m)^\d+ packets read\n\d+ packets matched$`)
	check := func(what string, r result, status int, message string) {
		t.Helper()
		if r.status != status || !summary.MatchString(r.stderr) || !strings.Contains(r.stderr, message) {
			t.Errorf("%s: status %d, %s", what, r.status, r.stderr)
		}
	}
	check("whole file", call("-r", in, "-w", os.DevNull), 0, "3000 packets read\n3000 packets matched\n")
	check("-c", call("-r", in, "-nc", "10"), 0, "10 packets read\n10 packets matched\n")
	check("cut file", callWith(t.Context(), bytes.NewReader(data[:len(data)-1]), "-r", "-", "-w", os.DevNull), 1, "standard input: packet 3000 at byte ")
	if _, err := os.Stat("/dev/full"); err == nil {
		check("full disk", call("-r", in, "-w", "/dev/full"), 1, "/dev/full: no space left on device, after 0 bytes")
	}

	// Somebody who reads the beginning and goes away.
	for _, args := range [][]string{{"-n", "-r", in}, {"-r", in, "-w", "-"}, {"-r", in, "-flows", "1ms"}} {
		cmd := command(t, args...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadFull(stdout, make([]byte, 10))
		stdout.Close()
		_ = cmd.Wait()
		check(fmt.Sprintf("closed pipe of %v (%v)", args, err), result{cmd.ProcessState.ExitCode(), "", stderr.String()}, 1, "standard output: broken pipe")
	}

	// Somebody who stops sending, and a signal after that: what came is written.
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		out := filepath.Join(t.TempDir(), "out.pcap")
		cmd := command(t, "-r", "-", "-w", out, "-print", "-n")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		stdin, err1 := cmd.StdinPipe()
		stdout, err2 := cmd.StdoutPipe()
		if err := errors.Join(err1, err2, cmd.Start()); err != nil {
			t.Fatal(err)
		}
		go stdin.Write(data[:len(data)/2]) // as fast as it is printed
		// What came is printed before more is waited for: here, to the last packet.
		lines := 0
		printed := make([]byte, 64<<10)
		for last := []byte(nil); !strings.Contains(string(last), wholePackets(data[:len(data)/2])); {
			n, err := stdout.Read(printed)
			if err != nil {
				t.Fatal(err)
			}
			lines += bytes.Count(printed[:n], []byte("\n"))
			last = append(last, printed[:n]...)
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		stdin.Close()
		check(sig.String(), result{cmd.ProcessState.ExitCode(), "", stderr.String()}, 0, fmt.Sprintf("%d packets read\n", lines))
		written, err := os.ReadFile(out)
		if err != nil || len(written) < len(data)/2-2000 || !bytes.HasPrefix(data, written) {
			t.Errorf("%v: %d bytes written, of %d; %v", sig, len(written), len(data)/2, err)
		}
	}
}

// wholePackets is the time of the last whole packet in a part of a capture, as
// it is printed.
func wholePackets(data []byte) string {
	r, err := capture.NewReader(bytes.NewReader(data))
	if err != nil {
		return "?"
	}
	pkts, _ := capture.ReadAll(r)
	return time.Unix(0, pkts[len(pkts)-1].TS).UTC().Format("15:04:05.000000")
}

// TestDifference rigs the engines.
func TestDifference(t *testing.T) {
	t.Chdir(t.TempDir())
	in := writeMix(t, 500, capture.WriterOptions{})
	o, err := parseFlags([]string{"-r", in, "-w", "out.pcap", "tcp"})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TZ", "UTC")
	for n, suffix := range []string{"", "-1"} {
		var stderr bytes.Buffer
		tl := &tool{options: o, stdout: bufio.NewWriter(io.Discard), stderr: &stderr, filter: &source{expr: "tcp"}}
		good, err := tl.compile(capture.LinkEthernet, where{name: in})
		if err != nil {
			t.Fatal(err)
		}
		tl.filter = &source{expr: "tcp and not port 443"}
		bad, err := tl.compile(capture.LinkEthernet, where{name: in})
		if err != nil {
			t.Fatal(err)
		}
		r := &reading{tool: tl, judges: map[capture.LinkType]*judge{
			capture.LinkEthernet: {prog: good.prog, link: good.link, reference: good.filter, filter: bad.filter},
		}}
		f, err := os.Open(in)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if r.Reader, err = capture.NewReader(f); err != nil {
			t.Fatal(err)
		}
		r.name, r.sink, r.timing = in, tl.newSink(nil), newTiming()
		err = r.sink.finish(r.filter(context.Background()))
		pattern := `: packet \d+: the interpreter's verdict is 262144, native code's 0; it is in mini-tcpdump-difference` + suffix + `\.pcap, the program, of dialect libpcap, in mini-tcpdump-difference` + suffix + `\.ddd$`
		if err == nil || !regexp.MustCompile(pattern).MatchString(err.Error()) {
			t.Fatalf("round %d: %v", n, err)
		}
		// What was saved shows the packet again.
		again := call("-n", "-r", "mini-tcpdump-difference"+suffix+".pcap", "-f", "mini-tcpdump-difference"+suffix+".ddd")
		if again.status != 0 || !strings.Contains(again.stdout, "443") || !strings.Contains(again.stderr, "1 packets read\n1 packets matched\n") {
			t.Errorf("reproduced: %+v", again)
		}
	}
}

// TestBoth: the averages that -engine both prints are of all packets.
func TestBoth(t *testing.T) {
	if err := jit.Available(); err != nil {
		t.Skip(err)
	}
	r := call("-r", writeMix(t, 3000, capture.WriterOptions{}), "-engine", "both", "-w", os.DevNull, "tcp port 80")
	if r.status != 0 || !regexp.MustCompile(`interpreter [0-9.]+ ns \(\d+ cycles\), native [0-9.]+ ns \(\d+ cycles\) a packet, [0-9.]+ times faster, over 3000 packets in blocks\n`+
		`one by one: interpreter [0-9.]+ ns, native [0-9.]+ ns, over \d+ packets, less the [0-9.]+ ns that reading the clock takes \(\d+ left out, in which the processor did something else\)\n`).MatchString(r.stderr) {
		t.Errorf("%+v", r)
	}
}

func TestFlows(t *testing.T) {
	r := call("-r", writeMix(t, 3000, capture.WriterOptions{}), "-flows", "1s", "-alarm", "50", "ip or arp")
	if n := strings.Count(r.stdout, " packets, "); r.status != 0 || n != 3 {
		t.Errorf("%d intervals: %+v", n, r)
	}
	for _, want := range []string{"packets not IP", "  ALARM  10.0.0.1 sends ", "%  ", "udp "} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("no %q in\n%s", want, r.stdout)
		}
	}
}

// endsAfter is a context that is done once it was asked a number of times.
type endsAfter struct {
	context.Context
	asked, after int
}

func (c *endsAfter) Err() error {
	if c.asked++; c.asked > c.after {
		return context.Canceled
	}
	return nil
}

// TestNoMatch: a filter that matches nothing neither keeps rates from being shown
// nor an interrupt from ending the reading.
func TestNoMatch(t *testing.T) {
	in := writeMix(t, 40_000, capture.WriterOptions{})
	const nothing = "host 203.0.113.77"
	r := call("-r", in, "-w", os.DevNull, "-stats", "1ms", nothing)
	if n := strings.Count(r.stderr, "packets/s"); r.status != 0 || n == 0 || !strings.HasSuffix(r.stderr, "\n40000 packets read\n0 packets matched\n") {
		t.Errorf("%d lines of rates: %+v", n, r)
	}
	r = callWith(&endsAfter{context.Background(), 0, 3}, nil, "-r", in, "-w", os.DevNull, nothing)
	m := regexp.MustCompile(`^(\d+) packets read\n0 packets matched\n$`).FindStringSubmatch(r.stderr)
	if r.status != 0 || m == nil || m[1] == "0" || m[1] == "40000" {
		t.Errorf("interrupted: %+v", r)
	}
}

// TestKeeps: what is wrong with a filter is found before a file is written over.
func TestKeeps(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	if err := os.WriteFile(out, []byte("precious"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, format := range []capture.Format{capture.Pcap, capture.Pcapng} {
		in := writeMix(t, 10, capture.WriterOptions{Format: format})
		for _, args := range [][]string{{"tcp prot 80"}, {"wlan type mgt"}, {"-engine", "both", "tcp prot 80"}, {"-y", "RAW", "tcp"}} {
			r := call(append([]string{"-r", in, "-w", out}, args...)...)
			if got, err := os.ReadFile(out); r.status != 1 || r.stdout != "" || string(got) != "precious" {
				t.Errorf("%v %v: %+v, then %q, %v", format, args, r, got, err)
			}
		}
	}
}

// TestRates: a line of progress is written over, and goes in the end.
func TestRates(t *testing.T) {
	for _, progress := range []bool{false, true} {
		var b bytes.Buffer
		r := newRates(&b, progress)
		r.last = r.last.Add(-2 * time.Second)
		r.line(counts{packets: 4_000_000, matched: 3, bytes: 250_000_000, drops: 1_000_000}, 0.25)
		r.clear()
		pattern := `25%, 4000000 packets, 3 matched, [12]\.[90] Mpackets/s, (1\.0 G|99\d M)bit/s, 20\.00% dropped`
		if progress {
			pattern = `\r` + pattern + "\x1b\\[K\r\x1b\\[K"
		} else {
			pattern += "\n"
		}
		if !regexp.MustCompile("^" + pattern + "$").MatchString(b.String()) {
			t.Errorf("%q does not match %q", b.String(), pattern)
		}
	}
	for v, want := range map[float64]string{0: "0 ", 999: "999 ", 1000: "1.0 k", 99_900: "99.9 k", 99_990: "100 k", 999_499: "999 k", 999_600: "1.0 M", 2.5e9: "2.5 G", 5e18: "5000 P"} {
		if got := short(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
}

// TestNoAllocation: twenty times the packets take no more allocations, whatever is
// done with them.
func TestNoAllocation(t *testing.T) {
	small, large := writeMix(t, 1000, capture.WriterOptions{}), writeMix(t, 20_000, capture.WriterOptions{})
	for _, args := range []string{"-w /dev/null tcp", "-w /dev/null -s 60 tcp", "-n", "-neX", "-w /dev/null -flows 1h", "-w /dev/null -engine both udp"} {
		if strings.Contains(args, "both") && jit.Available() != nil {
			continue
		}
		mallocs := func(in string) int64 {
			var before, after runtime.MemStats
			o := append([]string{"-r", in}, strings.Fields(args)...)
			runtime.ReadMemStats(&before)
			if status := run(context.Background(), o, nil, io.Discard, io.Discard); status != 0 {
				t.Fatalf("%s: status %d", args, status)
			}
			runtime.ReadMemStats(&after)
			return int64(after.Mallocs - before.Mallocs)
		}
		mallocs(small) // what is made once
		if a, b := mallocs(small), mallocs(large); b-a > 500 {
			t.Errorf("%s: %d allocations for 1000 packets, %d for 20000", args, a, b)
		}
	}
}
