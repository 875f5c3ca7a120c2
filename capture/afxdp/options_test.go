//go:build linux

package afxdp

import (
	"bytes"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOptions has each option that cannot be refused in a line that says why,
// and nothing left behind.
func TestOptions(t *testing.T) {
	namespace(t)
	files := openFiles(t)
	ip(t, "link set dev lo up")
	ip(t, "tuntap add dev tun7 mode tun")
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{}, "capture on : an interface has to be named: AF_XDP has no any"},
		{Options{Interface: "any"}, "capture on any: an interface has to be named"},
		{Options{Interface: "none"}, "capture on none: no such interface"},
		{Options{Interface: strings.Repeat("x", 40)}, "capture on xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: no such interface"},
		{Options{Interface: "tun7"}, "capture on tun7: its packets have no Ethernet header (ARPHRD type 65534)"},
		{Options{Interface: "vb", Frames: 1}, "capture on vb: 1 frames is not a power of two between 2 and 1048576"},
		{Options{Interface: "vb", Frames: -64}, "capture on vb: -64 frames is not"},
		{Options{Interface: "vb", Frames: 100}, "capture on vb: 100 frames is not"},
		{Options{Interface: "vb", Frames: 1 << 30}, "capture on vb: 1073741824 frames is not"},
		{Options{Interface: "vb", FrameSize: 256}, "capture on vb: frame size 256 is neither 2048 nor 4096"},
		{Options{Interface: "vb", FrameSize: -2048}, "capture on vb: frame size -2048 is"},
		{Options{Interface: "vb", Queue: -1}, "capture on vb: queue -1 is not between 0 and 4095"},
		{Options{Interface: "vb", Queue: 4096}, "capture on vb: queue 4096 is not"},
		{Options{Interface: "vb", Queue: 4095, Frames: 2}, "capture on vb: queue 4095: the interface has no such queue"},
		{Options{Interface: "vb", Attach: 3}, "capture on vb: unknown way to attach 3"},
		{Options{Interface: "vb", Attach: AttachGeneric, ZeroCopy: true}, "capture on vb: zero copy needs the driver"},
		{Options{Interface: "vb", ZeroCopy: true, Frames: 2}, "capture on vb: the driver has no zero copy: operation not supported"},
		{Options{Interface: "lo", Attach: AttachNative, Frames: 2}, "capture on lo: the driver has no XDP: "},
	} {
		if r, err := Open(c.o); err == nil {
			r.Close()
			t.Errorf("%+v: no error, want %q", c.o, c.want)
		} else if !strings.HasPrefix(err.Error(), c.want) || strings.ContainsAny(err.Error(), "\n") {
			t.Errorf("%+v: %q, want %q", c.o, err, c.want)
		}
	}
	if _, err := OpenAll(Options{Interface: "vb", Queue: 1}); err == nil || err.Error() != "capture on vb: queue 1 is one, not all" {
		t.Error(err)
	}
	if now := openFiles(t); now != files {
		t.Errorf("%d open files, %d before", now, files)
	}

	// Another program, whosever, is not pushed aside.
	r := open(t, Options{Interface: "vb", Frames: 2, Attach: AttachGeneric, Promiscuous: true})
	for _, where := range []Attach{AttachAuto, AttachGeneric, AttachNative} {
		_, err := attach(r.ifindex, where)
		if err == nil || !strings.HasPrefix(err.Error(), "the interface has an XDP program already: ") {
			t.Errorf("a second program: %v", err)
		}
	}
	promiscuous := func() bool {
		out, err := exec.Command("ip", "-d", "link", "show", "dev", "vb").Output()
		if err != nil || !bytes.Contains(out, []byte("promiscuity ")) {
			t.Fatal(err, string(out))
		}
		return !bytes.Contains(out, []byte("promiscuity 0 "))
	}
	if !promiscuous() {
		t.Error("the interface is not promiscuous")
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if promiscuous() {
		t.Error("the interface stays promiscuous")
	}
	if now := openFiles(t); now != files {
		t.Errorf("%d open files, %d before", now, files)
	}

	for a := AttachAuto; a <= AttachNative; a++ {
		if b, err := ParseAttach(a.String()); err != nil || a != b {
			t.Errorf("%v is read as %v, %v", a, b, err)
		}
	}
	if _, err := ParseAttach("Attach(3)"); err == nil || Attach(3).String() != "Attach(3)" {
		t.Error(err)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestNoRights opens without the capabilities, one after the other.
func TestNoRights(t *testing.T) {
	namespace(t)
	done := make(chan struct{})
	// The thread has its rights no more: it ends with the goroutine.
	netns, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(netns)
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if err := unix.Setns(netns, unix.CLONE_NEWNET); err != nil {
			t.Error(err)
			return
		}
		var limit unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
			t.Error(err)
			return
		}
		defer unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit)
		for _, c := range []struct {
			drop int
			want string
			lock uint64 // the limit on locked memory
		}{
			{unix.CAP_IPC_LOCK, "capture on vb: lock 4096 bytes in memory: above the limit (ulimit -l), and no CAP_IPC_LOCK: ", 0},
			{unix.CAP_BPF, "", limit.Cur}, // CAP_SYS_ADMIN stands in for it
			{unix.CAP_SYS_ADMIN, "capture on vb: no right to make a map of sockets (CAP_BPF and CAP_NET_ADMIN): ", limit.Cur},
			{unix.CAP_NET_RAW, "capture on vb: no right to open an AF_XDP socket (CAP_NET_RAW): operation not permitted", limit.Cur},
		} {
			hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			var caps [2]unix.CapUserData
			if err := unix.Capget(&hdr, &caps[0]); err != nil {
				t.Error(err)
				return
			}
			caps[c.drop/32].Effective &^= 1 << (c.drop % 32)
			if err := unix.Capset(&hdr, &caps[0]); err != nil {
				t.Error(err)
				return
			}
			if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: c.lock, Max: limit.Max}); err != nil {
				t.Error(err)
				return
			}
			r, err := Open(Options{Interface: "vb", Frames: 2})
			if err == nil {
				err = r.Close()
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
				t.Errorf("without capability %d: %v, want %q", c.drop, err, c.want)
			}
		}
	}()
	<-done
}
