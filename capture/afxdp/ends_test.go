//go:build linux

package afxdp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bpfjit/bpfjit/capture"
	"github.com/bpfjit/bpfjit/capture/traffic"
)

// TestEnds checks each way that a wait or a capture ends.
func TestEnds(t *testing.T) {
	namespace(t)
	s := newSender(t, "va")
	f := frame(60, 1)
	first := func(r *Ring) {
		t.Helper()
		send(t, s, f)
		if b, err := r.Next(limited(t)); err != nil || b.Len() != 1 || !bytes.Equal(b.Next().Data, f) || b.Next() != nil {
			t.Fatalf("first packet: %v", err)
		}
	}
	var later sync.WaitGroup
	soon := func(f func()) {
		later.Go(func() { time.Sleep(20 * time.Millisecond); f() })
	}

	r := open(t, Options{Interface: "vb"})
	first(r)
	ctx, cancel := context.WithCancel(t.Context())
	soon(cancel)
	if _, err := r.Next(ctx); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
	later.Wait()
	first(r) // it goes on
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	if _, err := r.Next(ctx); err != context.DeadlineExceeded {
		t.Errorf("deadline: %v", err)
	}
	cancel()

	// Changes of other interfaces, and of the name of this one, end nothing.
	soon(func() { send(t, s, f) })
	r.block.Release()
	ip(t, "link add ve type veth peer name vf")
	ip(t, "link del ve")
	renamed := traffic.IP("link set dev vb name vx") == nil // Linux 6.3 lets an interface keep up for that
	if b, err := r.Next(limited(t)); err != nil || b.Len() != 1 {
		t.Errorf("other interfaces change: %v", err)
	}
	later.Wait()
	if renamed {
		ip(t, "link set dev vx name vb")
	}

	soon(func() {
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	})
	if _, err := r.Next(limited(t)); err != io.EOF {
		t.Errorf("stopped: %v", err)
	}
	later.Wait()
	send(t, s, f, f)
	if _, err := r.Next(limited(t)); err != io.EOF {
		t.Errorf("stopped, and then a packet: %v", err)
	}
	if err := r.Stop(); err != nil {
		t.Errorf("stopped twice: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}

	// Close ends a wait, and all works or fails without harm after it.
	r = open(t, Options{Interface: "vb"})
	first(r)
	soon(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := r.Next(limited(t)); err != os.ErrClosed {
		t.Errorf("closed while waiting: %v", err)
	}
	later.Wait()
	if err := r.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	if st, err := r.Stats(); err != nil || st != (RingStats{Received: 1}) {
		t.Errorf("closed: %+v, %v", st, err)
	}
	if _, err := r.Next(limited(t)); err != os.ErrClosed {
		t.Errorf("closed: %v", err)
	}
	if err := r.Stop(); err != nil {
		t.Errorf("closed: %v", err)
	}
	r.block.Release()

	// Down, with packets in the Ring.
	r = open(t, Options{Interface: "vb"})
	send(t, s, f, f, f)
	settled(t, r, 3)
	ip(t, "link set dev vb down")
	n := 0
	for {
		b, err := r.Next(limited(t))
		if err != nil {
			if !errors.Is(err, capture.ErrInterfaceDown) || err.Error() != "capture on vb: the interface went down" {
				t.Errorf("down: %v", err)
			}
			break
		}
		n += b.Len()
	}
	if n != 3 {
		t.Errorf("%d packets before the interface went down, want 3", n)
	}
	if _, err := Open(Options{Interface: "vb"}); err == nil || err.Error() != "capture on vb: the interface is down" {
		t.Errorf("open: %v", err)
	}

	// Gone, while Next waits and counters of the kernel with it.
	pair(t, "ve type veth peer name vf", "ve", "vf")
	gone := open(t, Options{Interface: "vf", Frames: 2})
	se := newSender(t, "ve")
	send(t, se, f, f, f)
	before := settled(t, gone, 3)
	if b, err := gone.Next(limited(t)); err != nil || b.Len() != 1 {
		t.Fatal(err)
	}
	if b, err := gone.Next(limited(t)); err != nil || b.Len() != 1 {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		_, err := gone.Next(limited(t))
		ended <- err
	}()
	time.Sleep(20 * time.Millisecond)
	ip(t, "link del ve")
	if err := <-ended; !errors.Is(err, capture.ErrInterfaceDown) {
		t.Errorf("the interface is gone: %v", err)
	}
	if st, err := gone.Stats(); err != nil || st != before || st != (RingStats{Received: 2, Dropped: 1, NoFrame: 1}) {
		t.Errorf("the interface is gone: %+v, %v; before %+v", st, err, before)
	}
	if err := gone.Stop(); err != nil {
		t.Errorf("the interface is gone: %v", err)
	}
}

// TestKilled has a program with a Ring killed: the interface is as it was before,
// and open to the next.
func TestKilled(t *testing.T) {
	const child = "AFXDP_TEST_CHILD"
	if os.Getenv(child) != "" {
		open(t, Options{Interface: "vb", Promiscuous: true})
		fmt.Println("open")
		time.Sleep(20 * time.Second)
		return
	}
	namespace(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$", "-test.v") // in this thread's namespace
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "open" {
		t.Log(lines.Text())
	}
	xdp := func() string {
		out, err := exec.Command("ip", "-d", "link", "show", "dev", "vb").Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if s := xdp(); !strings.Contains(s, "prog/xdp") || !strings.Contains(s, "promiscuity 1") {
		t.Fatalf("the other program has no Ring: %s", s)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if s := xdp(); strings.Contains(s, "prog/xdp") || !strings.Contains(s, "promiscuity 0") {
		t.Errorf("the interface keeps something: %s", s)
	}
	r := open(t, Options{Interface: "vb"})
	send(t, newSender(t, "va"), frame(60, 1))
	settled(t, r, 1)
}
