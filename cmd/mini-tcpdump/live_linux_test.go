package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bpfjit/bpfjit/capture"
	"github.com/bpfjit/bpfjit/capture/traffic"
	"github.com/bpfjit/bpfjit/jit"
)

// watched is standard error that says when a capture has begun.
type watched struct {
	mu      sync.Mutex
	text    bytes.Buffer
	started chan struct{}
	once    sync.Once
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.text.Write(b)
	if bytes.Contains(w.text.Bytes(), []byte("listening on")) {
		w.once.Do(func() { close(w.started) })
	}
	return n, err
}

// session is a capture that goes on while the test makes traffic.
type session struct {
	t      *testing.T
	stop   context.CancelFunc
	done   chan result
	stderr watched
	stdout bytes.Buffer
}

// startLive starts a capture in the test's namespace, on the interface at which
// frames arrive unless args say another, and waits until it captures.
func startLive(t *testing.T, args ...string) *session {
	t.Helper()
	s := &session{t: t, done: make(chan result, 1)}
	s.stderr.started = make(chan struct{})
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	t.Cleanup(stop)
	ns, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	if !slices.Contains(args, "-i") {
		args = append([]string{"-i", traffic.B}, args...)
	}
	go func() {
		runtime.LockOSThread() // for good: the thread is in another namespace
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			s.done <- result{-1, "", err.Error()}
			return
		}
		status := run(ctx, args, nil, &s.stdout, &s.stderr)
		s.done <- result{status, s.stdout.String(), s.stderr.text.String()}
	}()
	select {
	case <-s.stderr.started:
	case r := <-s.done:
		t.Fatalf("%q ended: %+v", args, r)
	case <-time.After(20 * time.Second):
		t.Fatalf("%q does not start", args)
	}
	return s
}

// end waits for the end of the capture.
func (s *session) end() result {
	s.t.Helper()
	select {
	case r := <-s.done:
		return r
	case <-time.After(30 * time.Second):
		s.t.Fatal("the capture does not end")
		return result{}
	}
}

// summaryOf reads the numbers of a summary.
func summaryOf(t *testing.T, stderr string) map[string]int {
	t.Helper()
	numbers := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^(\d+) (packets \w+|freezes)`).FindAllStringSubmatch(stderr, -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		numbers[m[2]] = n
	}
	for _, name := range []string{"packets captured", "packets matched", "packets received", "packets dropped", "freezes"} {
		if _, ok := numbers[name]; !ok {
			t.Fatalf("no %q in the summary:\n%s", name, stderr)
		}
	}
	if got := numbers["packets captured"] + numbers["packets not"]; got != numbers["packets received"] {
		t.Errorf("the summary does not add up:\n%s", stderr)
	}
	return numbers
}

// frame is a UDP datagram to a port, behind VLAN tags of which each is protocol
// and control information, 60 bytes without them.
func frame(dport uint16, tags ...uint16) []byte {
	b := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}
	for i := 0; i < len(tags); i += 2 {
		b = binary.BigEndian.AppendUint16(b, tags[i])
		b = binary.BigEndian.AppendUint16(b, tags[i+1])
	}
	b = append(b, 8, 0, 0x45, 0, 0, 46, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 4, 0)
	b = binary.BigEndian.AppendUint16(b, dport)
	b = append(b, 0, 26, 0, 0)
	return append(b, make([]byte, 18)...)
}

func namespace(t *testing.T) {
	t.Helper()
	if err := traffic.Namespace(); err != nil {
		t.Skip(err)
	}
}

func send(t *testing.T, frames ...[]byte) {
	t.Helper()
	s, err := traffic.NewSender(traffic.A, true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if n, err := s.Send(frames...); err != nil || n != len(frames) {
		t.Fatalf("%d of %d sent: %v", n, len(frames), err)
	}
}

// generate has frames arrive as fast as this system can make them, for so long,
// and returns how many and how.
func generate(t *testing.T, f []byte, long time.Duration) (total int, how string) {
	t.Helper()
	deadline := time.Now().Add(long)
	if live, err := traffic.NewLive(traffic.B, f); err != nil {
		t.Log(err)
	} else {
		defer live.Close()
		const chunk = 1 << 18
		for time.Now().Before(deadline) {
			if err = live.Run(chunk); err != nil {
				t.Log(err)
				break
			}
			total += chunk
		}
		if total > 0 {
			return total, "XDP live frames"
		}
	}
	s, err := traffic.NewSender(traffic.A, true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	batch := slices.Repeat([][]byte{f}, 4096)
	for time.Now().Before(deadline) {
		n, err := s.Send(batch...)
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	return total, "sendmmsg"
}

// TestLiveBoth drives a capture with both engines for two seconds: they never
// differ, every packet is accounted for, none is lost as long as the machine
// keeps up, and none costs an allocation.
func TestLiveBoth(t *testing.T) {
	if err := jit.Available(); err != nil {
		t.Skip(err)
	}
	namespace(t)
	long := 2 * time.Second
	if testing.Short() {
		long = 200 * time.Millisecond
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s := startLive(t, "-engine", "both", "-B", "256", "-w", os.DevNull, "ip and (udp port 53 or tcp port 443)")
	start := time.Now()
	sent, how := generate(t, frame(53), long)
	rate := float64(sent) / time.Since(start).Seconds()
	s.stop()
	r := s.end()
	runtime.ReadMemStats(&after)
	n := summaryOf(t, r.stderr)
	t.Logf("%s: %d frames, %.2f million a second\n%s", how, sent, rate/1e6, r.stderr)
	if r.status != 0 || n["packets received"]+n["packets dropped"] != sent || n["packets captured"] != n["packets received"] ||
		n["packets matched"] != n["packets captured"] {
		t.Errorf("sent %d: status %d", sent, r.status)
	}
	if n["packets dropped"] > 0 {
		// On a machine that does something else at the same time, this says
		// nothing of the capture.
		if out, err := os.ReadFile("/proc/loadavg"); err == nil && os.Getenv("BPFJIT_IDLE") == "" {
			t.Logf("packets were lost; the load is %s", out)
		} else {
			t.Errorf("%d packets were lost", n["packets dropped"])
		}
	}
	if mallocs := after.Mallocs - before.Mallocs; mallocs > uint64(sent)/20 {
		t.Errorf("%d allocations for %d packets", mallocs, sent)
	}
}

// TestLiveVLAN: on traffic with and without tags, every engine gives the
// kernel's verdicts, and what is written has the tags.
func TestLiveVLAN(t *testing.T) {
	namespace(t)
	frames := [][]byte{
		frame(53), frame(54),
		frame(53, 0x8100, 100), frame(53, 0x8100, 100|5<<13), frame(53, 0x8100, 0), frame(53, 0x8100, 7<<13),
		frame(53, 0x88a8, 200, 0x8100, 100), frame(53, 0x8100, 200, 0x8100, 100), frame(54, 0x8100, 101),
	}
	engines := []string{"interp", "kernel", "auto"}
	if jit.Available() == nil {
		engines = append(engines, "native", "both")
	}
	dir := t.TempDir()
	for _, expr := range []string{"", "vlan", "vlan 100", "vlan 0", "udp port 53", "vlan 100 and udp port 53", "vlan 200 and vlan 100", "not vlan"} {
		kernel := ""
		for _, engine := range engines {
			name := filepath.Join(dir, "vlan.pcap")
			s := startLive(t, "-engine", engine, "-w", name, "-n", expr)
			send(t, frames...)
			s.stop()
			r := s.end()
			n := summaryOf(t, r.stderr)
			if r.status != 0 || engine != "kernel" && n["packets captured"] != len(frames) || engine == "kernel" && n["packets captured"] != n["packets matched"] {
				t.Fatalf("%q, %s: %+v", expr, engine, r)
			}
			var got []string
			for _, data := range packetsOf(t, name) {
				i := slices.IndexFunc(frames, func(f []byte) bool { return bytes.Equal(f, data) })
				got = append(got, strconv.Itoa(i))
			}
			if set := strings.Join(got, " "); engine == "interp" {
				kernel = set
			} else if set != kernel {
				t.Errorf("%q: %s writes %s, the interpreter %s", expr, engine, set, kernel)
			}
			if strings.Contains(strings.Join(got, " "), "-1") {
				t.Errorf("%q, %s: not as sent", expr, engine)
			}
		}
		// With -vlan wire, the verdicts are those on the file.
		whole := filepath.Join(dir, "whole.pcap")
		s := startLive(t, "-w", whole)
		send(t, frames...)
		s.stop()
		s.end()
		s = startLive(t, "-vlan", "wire", "-w", filepath.Join(dir, "wire.pcap"), expr)
		send(t, frames...)
		s.stop()
		s.end()
		call("-r", whole, "-w", filepath.Join(dir, "file.pcap"), expr)
		a, b := packetsOf(t, filepath.Join(dir, "wire.pcap")), packetsOf(t, filepath.Join(dir, "file.pcap"))
		if !slices.EqualFunc(a, b, bytes.Equal) {
			t.Errorf("%q: %d packets live, %d from the file", expr, len(a), len(b))
		}
	}
}

func packetsOf(t *testing.T, name string) (all [][]byte) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := capture.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	pkts, err := capture.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pkts {
		all = append(all, p.Data)
	}
	return all
}

// interfaceOf is the first interface in a capture, after all of it was read.
func interfaceOf(t *testing.T, name string) capture.Interface {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := capture.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := capture.ReadAll(r); err != nil {
		t.Fatal(err)
	}
	return r.Interfaces()[0]
}

// TestLiveCount: -c ends a capture, and what came meanwhile is accounted for.
func TestLiveCount(t *testing.T) {
	namespace(t)
	for _, threads := range []string{"1", "2"} {
		s := startLive(t, "-nt", "-c", "3", "-threads", threads, "-fanout", "lb", "udp port 53")
		send(t, slices.Repeat([][]byte{frame(53), frame(54)}, 50)...)
		r := s.end()
		n := summaryOf(t, r.stderr)
		if want := strings.Repeat("IP 10.0.0.1.1024 > 10.0.0.2.53: UDP, length 18\n", 3); r.status != 0 || r.stdout != want || n["packets matched"] != 3 {
			t.Errorf("%s threads: %+v", threads, r)
		}
	}
}

// TestLiveThreads: threads that share an interface see each packet once.
func TestLiveThreads(t *testing.T) {
	namespace(t)
	for _, mode := range []string{"lb", "hash", "cpu"} {
		out := filepath.Join(t.TempDir(), "out.pcapng")
		s := startLive(t, "-threads", "3", "-fanout", mode, "-B", "4", "-w", out, "-stats", "10ms", "-flows", "20ms", "udp port 53")
		send(t, slices.Repeat([][]byte{frame(53), frame(54)}, 3000)...)
		time.Sleep(50 * time.Millisecond) // for a few lines of rates
		s.stop()
		r := s.end()
		n := summaryOf(t, r.stderr)
		if r.status != 0 || n["packets captured"]+n["packets dropped"] != 6000 || !strings.Contains(r.stderr, "packets/s") || !strings.Contains(r.stdout, "udp 10.0.0.1.1024 > 10.0.0.2.53") {
			t.Errorf("%s: %+v", mode, r)
		}
		if got := len(packetsOf(t, out)); got != n["packets matched"] || n["packets dropped"] == 0 && got != 3000 {
			t.Errorf("%s: %d packets written, %v", mode, got, n)
		}
		ifc := interfaceOf(t, out)
		want := capture.Stats{Received: 6000, Dropped: uint64(n["packets dropped"]), Accepted: uint64(n["packets matched"]),
			Has: capture.HasReceived | capture.HasDropped | capture.HasAccepted}
		if ifc.Name != traffic.B || ifc.Filter != "udp port 53" || ifc.Stats != want {
			t.Errorf("%s: the file says %+v", mode, ifc)
		}
	}
}

// TestLiveEnds: an interface that goes down, a full disk and a closed pipe end a
// capture with a message and a summary.
func TestLiveEnds(t *testing.T) {
	namespace(t)
	s := startLive(t, "-w", os.DevNull)
	send(t, frame(53), frame(54))
	if err := traffic.IP("link set dev " + traffic.B + " down"); err != nil {
		t.Fatal(err)
	}
	r := s.end()
	if n := summaryOf(t, r.stderr); r.status != 1 || n["packets captured"] != 2 || !strings.HasSuffix(r.stderr, "mini-tcpdump: capture on vb: the interface went down\n") {
		t.Errorf("%+v", r)
	}
	if r := call("-i", traffic.B); r.status != 1 || !strings.Contains(r.stderr, "the interface is down") {
		t.Errorf("%+v", r)
	}
	if err := traffic.IP("link set dev " + traffic.B + " up"); err != nil {
		t.Fatal(err)
	}

	// The header of the file already is too much for /dev/full.
	if _, err := os.Stat("/dev/full"); err == nil {
		if r := call("-i", traffic.B, "-w", "/dev/full"); r.status != 1 || !strings.Contains(r.stderr, "/dev/full: no space left on device") {
			t.Errorf("%+v", r)
		}
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s = startLive(t, "-w", fmt.Sprintf("/proc/self/fd/%d", write.Fd()))
	if _, err := io.ReadFull(read, make([]byte, 24)); err != nil {
		t.Fatal(err)
	}
	read.Close()
	write.Close()
	send(t, frame(53))
	r = s.end()
	if n := summaryOf(t, r.stderr); r.status != 1 || n["packets captured"] != 1 || !strings.Contains(r.stderr, "broken pipe, after 24 bytes") {
		t.Errorf("%+v", r)
	}
}

// TestLiveUser captures as a user without rights, and writes files as that user.
func TestLiveUser(t *testing.T) {
	namespace(t)
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skip("there is no user nobody")
	}
	dir, err := os.MkdirTemp("", "mini-tcpdump")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)
	if err := errors.Join(os.Chown(dir, uid, gid), os.Chmod(dir, 0o700)); err != nil {
		t.Skip(err)
	}
	out := filepath.Join(dir, "out.pcap")
	cmd := command(t, "-i", traffic.B, "-Z", "nobody", "-w", out, "-c", "2", "-engine", "interp")
	stderr, err := cmd.StderrPipe()
	if err := errors.Join(err, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 4096)
	n, err := stderr.Read(first)
	if err != nil || !bytes.HasPrefix(first[:n], []byte("listening on")) {
		t.Fatalf("%s, %v", first[:n], err)
	}
	status, err := exec.Command("grep", "^Uid:", fmt.Sprintf("/proc/%d/status", cmd.Process.Pid)).Output()
	if err != nil || strings.Contains(string(status), "\t0") {
		t.Errorf("%s, %v", status, err)
	}
	send(t, frame(53), frame(53))
	rest, _ := io.ReadAll(stderr)
	if err := cmd.Wait(); err != nil || !bytes.Contains(rest, []byte("2 packets matched")) {
		t.Errorf("%v: %s", err, rest)
	}
	info, err := os.Stat(out)
	if err != nil || int(info.Sys().(*syscall.Stat_t).Uid) != uid {
		t.Errorf("%+v, %v", info, err)
	}
	if r := call("-i", traffic.B, "-Z", "no such user"); r.status != 1 || !strings.Contains(r.stderr, "-Z no such user: ") {
		t.Errorf("%+v", r)
	}
}

// TestLiveAny: of all interfaces, with a tag in the packet.
func TestLiveAny(t *testing.T) {
	namespace(t)
	s := startLive(t, "-i", "any", "-nt", "-e", "-Q", "in")
	send(t, frame(53), frame(53, 0x8100, 100))
	time.Sleep(20 * time.Millisecond)
	s.stop()
	r := s.end()
	want := regexp.MustCompile(`^vb    P   ifindex \d+ 02:00:00:00:00:02 ethertype IPv4 \(0x0800\), length 66: 10\.0\.0\.1\.1024 > 10\.0\.0\.2\.53: UDP, length 18
vb    P   ifindex \d+ 02:00:00:00:00:02 ethertype 802\.1Q \(0x8100\), length 70: vlan 100, p 0, ethertype IPv4 \(0x0800\), 10\.0\.0\.1\.1024 > 10\.0\.0\.2\.53: UDP, length 18
$`)
	if r.status != 0 || !want.MatchString(r.stdout) {
		t.Errorf("%s\n%s", r.stdout, r.stderr)
	}
	summaryOf(t, r.stderr)
}

// TestLiveWithoutRights says in one line what is missing.
func TestLiveWithoutRights(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to give it up")
	}
	cmd := command(t, "-i", "lo")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	exe := filepath.Join(os.TempDir(), fmt.Sprintf("mini-tcpdump-test-%d", os.Getpid()))
	data, err := os.ReadFile(cmd.Path)
	if err == nil {
		err = os.WriteFile(exe, data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(exe)
	cmd.Path, cmd.Dir = exe, "/"
	out, err := cmd.CombinedOutput()
	if err == nil || string(out) != "mini-tcpdump: capture on lo: no right to open a packet socket (CAP_NET_RAW): operation not permitted\n" {
		t.Errorf("%v: %s", err, out)
	}
}
