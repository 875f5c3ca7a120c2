//go:build linux

package afxdp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/capture"
	"github.com/bpfjit/bpfjit/capture/traffic"
	"golang.org/x/sys/unix"
)

// dropped returns how many packets the pair of interfaces lost by itself: with
// XDP, veth has a queue of 256 packets between the two.
func dropped(t *testing.T, name string) int {
	t.Helper()
	data, err := os.ReadFile("/proc/thread-self/net/dev")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		// Eight counters of receiving, then bytes, packets, errors, drops of sending.
		if f := strings.Fields(line); len(f) > 12 && f[0] == name+":" {
			var n int
			if _, err := fmt.Sscan(f[12], &n); err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no counters of %s in %s", name, data)
	return 0
}

// TestCounts floods Rings of two sizes: what was sent is what was received and
// dropped, each packet at most once, in order and whole.
func TestCounts(t *testing.T) {
	both(t, func(t *testing.T, where Attach) {
		for _, c := range []struct {
			frames int
			slow   bool
		}{{1 << 15, false}, {64, true}} {
			r := open(t, Options{Interface: "vb", Attach: where, Frames: c.frames})
			s := newSender(t, "va")
			total := 100_000
			lost := dropped(t, "va")
			got, next := 0, uint32(0)
			var wg sync.WaitGroup
			ctx := limited(t)
			wg.Go(func() {
				for {
					b, err := r.Next(ctx)
					if err != nil {
						if err != io.EOF {
							t.Error(err)
						}
						return
					}
					for p := range b.All() {
						number := binary.BigEndian.Uint32(p.Data[50:])
						if number < next || !bytes.Equal(p.Data, frame(60, number)) {
							t.Errorf("packet % x after number %d", p.Data, next)
							return
						}
						next = number + 1
						got++
					}
					if c.slow {
						time.Sleep(time.Millisecond)
					}
				}
			})
			start := time.Now()
			sent := 0
			batch := make([][]byte, 250)
			for sent < total {
				for i := range batch {
					batch[i] = frame(60, uint32(sent+i))
				}
				send(t, s, batch...)
				sent += len(batch)
			}
			took := time.Since(start)
			lost = dropped(t, "va") - lost
			settled(t, r, sent-lost)
			if err := r.Stop(); err != nil {
				t.Error(err)
			}
			wg.Wait()
			st, err := r.Stats()
			if err != nil {
				t.Fatal(err)
			}
			if uint64(got) != st.Received || int(st.Received+st.Dropped)+lost != sent || st.NoFrame != st.Dropped {
				t.Errorf("%d frames: sent %d, lost before the Ring %d, read %d, %+v", c.frames, sent, lost, got, st)
			}
			if c.slow && st.Dropped == 0 || got < c.frames {
				t.Errorf("%d frames: %d packets read, %+v", c.frames, got, st)
			}
			t.Logf("%d frames: %d lost before the Ring, %+v, %.2f million packets a second sent", c.frames, lost, st, float64(sent)/1e6/took.Seconds())
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			if after, err := r.Stats(); err != nil || after != st {
				t.Errorf("closed: %+v, %v; before %+v", after, err, st)
			}
		}
	})
}

// TestStopFlood stops in the middle of a flood, many times: when that is done no
// packet comes in, not even one that was on its way.
func TestStopFlood(t *testing.T) {
	both(t, func(t *testing.T, where Attach) {
		r := open(t, Options{Interface: "vb", Attach: where})
		s := newSender(t, "va")
		ctx := limited(t)
		var ending atomic.Bool
		var wg sync.WaitGroup
		wg.Go(func() {
			batch := slices.Repeat([][]byte{frame(60, 0)}, 256)
			for !ending.Load() {
				send(t, s, batch...)
			}
		})
		came := uint64(0)
		for round := range 40 {
			if round > 0 {
				if err := r.att.add(0, r.fd); err != nil { // Stop's inverse
					t.Fatal(err)
				}
			}
			for st, end := came, time.Now().Add(5*time.Second); came == st && time.Now().Before(end); {
				now, err := r.Stats()
				if err != nil {
					t.Fatal(err)
				}
				came = now.Received + now.Dropped
			}
			if err := r.Stop(); err != nil {
				t.Fatal(err)
			}
			before, _ := r.Stats()
			time.Sleep(2 * time.Millisecond)
			if after, err := r.Stats(); err != nil || after != before {
				t.Errorf("round %d: %+v, %v, and when Stop was done %+v", round, after, err, before)
			}
			came = before.Received + before.Dropped
			for err := error(nil); err != io.EOF; { // so that there is room again
				if _, err = r.Next(ctx); err != nil && err != io.EOF {
					t.Fatal(err)
				}
			}
		}
		ending.Store(true)
		wg.Wait()
		if came == 0 {
			t.Error("no packet has come")
		}
	})
}

// TestFull fills a Ring exactly, with nobody reading: it takes as many packets as
// it has frames, and drops the next.
func TestFull(t *testing.T) {
	both(t, func(t *testing.T, where Attach) {
		const frames = 128
		r := open(t, Options{Interface: "vb", Attach: where, Frames: frames})
		s := newSender(t, "va")
		for round := range 3 {
			for i := range frames {
				send(t, s, frame(60, uint32(i)))
			}
			if st := settled(t, r, frames*(round+1)+3*round); int(st.Received) != frames*(round+1) || int(st.Dropped) != 3*round {
				t.Fatalf("round %d: %+v", round, st)
			}
			send(t, s, frame(60, 0), frame(60, 0), frame(60, 0))
			if st := settled(t, r, (frames+3)*(round+1)); int(st.Dropped) != 3*(round+1) || st.NoFrame != st.Dropped {
				t.Fatalf("round %d: %+v", round, st)
			}
			for i := 0; i < frames; {
				b, err := r.Next(limited(t))
				if err != nil {
					t.Fatal(err)
				}
				if b.Len() > frames/4 {
					t.Errorf("a block of %d packets", b.Len())
				}
				for p := range b.All() {
					if !bytes.Equal(p.Data, frame(60, uint32(i))) {
						t.Fatalf("round %d, packet %d: % x", round, i, p.Data)
					}
					i++
				}
				b.Release()
			}
		}
	})
}

// TestQueues spreads flows over the queues of an interface: every packet comes to
// the Ring of its queue, and a Ring closed leaves its queue to the stack.
func TestQueues(t *testing.T) {
	namespace(t)
	const queues = 3
	pair(t, fmt.Sprintf("vc numtxqueues %d numrxqueues 1 type veth peer name vd numtxqueues 1 numrxqueues %d", queues, queues), "vc", "vd")
	others, err := capture.OpenRing(capture.RingOptions{Interface: "vd", Direction: capture.In, BlockSize: 64 << 10, Blocks: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer others.Close()
	rings, err := OpenAll(Options{Interface: "vd", Attach: AttachNative, Frames: 1024})
	if err != nil {
		t.Fatal(err)
	}
	if len(rings) != queues {
		t.Fatalf("%d rings for %d queues", len(rings), queues)
	}
	if _, err := Open(Options{Interface: "vd", Queue: 1}); err == nil || err.Error() != "capture on vd: queue 1 has an AF_XDP socket already: device or resource busy" {
		t.Errorf("a queue twice: %v", err)
	}
	s := newSender(t, "vc")
	const total = 300
	flood := func() {
		for i := range total {
			f := frame(60, uint32(i))
			f[29], f[33] = byte(i), byte(i) // addresses: so many flows
			send(t, s, f)
		}
	}
	flood()
	var aux bpfc.Aux
	counts, seen, sum := [queues]int{}, map[uint32]bool{}, 0
	for end := time.Now().Add(5 * time.Second); sum < total && time.Now().Before(end); time.Sleep(time.Millisecond) {
		sum = 0
		for _, r := range rings {
			st, err := r.Stats()
			if err != nil {
				t.Fatal(err)
			}
			sum += int(st.Received + st.Dropped)
		}
	}
	for q, r := range rings {
		if err := r.Stop(); err != nil {
			t.Fatal(err)
		}
		for {
			b, err := r.Next(limited(t))
			if err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			for p := range b.All() {
				p.Aux(&aux)
				if int(aux.Queue) != q || r.Queue() != q || int(aux.IfIndex) != p.IfIndex() || aux.IfIndex == 0 || aux.HaType != unix.ARPHRD_ETHER {
					t.Errorf("packet of ring %d has %+v", q, aux)
				}
				seen[binary.BigEndian.Uint32(p.Data[50:])] = true
				counts[q]++
			}
		}
	}
	if len(seen) != total || counts[0]+counts[1]+counts[2] != total || counts[0] == 0 || counts[1] == 0 || counts[2] == 0 {
		t.Errorf("%v packets, %d different, sent %d", counts, len(seen), total)
	}
	for _, r := range rings {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}

	// One queue alone: the others' packets pass.
	r := open(t, Options{Interface: "vd", Queue: 2, Attach: AttachNative, Frames: 1024})
	was, _ := others.Stats()
	flood()
	if st := settled(t, r, counts[2]); int(st.Received) != counts[2] {
		t.Errorf("queue 2: %+v, want %d", st, counts[2])
	}
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		st, err := others.Stats()
		if n := int(st.Received - was.Received); err != nil || n == total-counts[2] {
			break
		} else if time.Now().After(end) {
			t.Errorf("%d packets passed, want %d", n, total-counts[2])
			break
		}
	}
}

// TestRate drives a Ring behind the driver as fast as the generator can, and says
// how fast that is: nothing is lost that is not counted.
func TestRate(t *testing.T) {
	namespace(t)
	total := 500_000
	if testing.Short() {
		total = 50_000
	}
	f := frame(60, 7)
	live, err := traffic.NewLive(traffic.B, f)
	if err != nil {
		t.Skip(err)
	}
	defer live.Close()
	r := open(t, Options{Interface: "vb", Attach: AttachGeneric})
	done := make(chan error)
	got := 0
	ctx := limited(t)
	go func() {
		for {
			b, err := r.Next(ctx)
			if err != nil {
				done <- err
				return
			}
			for p := range b.All() {
				if !bytes.Equal(p.Data, f) {
					t.Errorf("packet % x", p.Data)
				}
				got++
			}
		}
	}()
	start := time.Now()
	runErr := live.Run(total)
	took := time.Since(start)
	if err := r.Stop(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != io.EOF {
		t.Error(err)
	}
	if runErr != nil {
		t.Skip(runErr)
	}
	st, err := r.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if uint64(got) != st.Received || st.Received+st.Dropped != uint64(total) || st.NoFrame != st.Dropped {
		t.Errorf("sent %d, read %d, %+v", total, got, st)
	}
	t.Logf("XDP live frames: %.2f million packets a second, %+v", float64(total)/1e6/took.Seconds(), st)
}
