//go:build linux

package afxdp

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/bpfjit/bpfjit/capture"
	"github.com/bpfjit/bpfjit/capture/traffic"
	"golang.org/x/sys/unix"
)

// namespace puts the test into a network namespace of its own, in which frames
// sent on va come in on vb, and skips it where AF_XDP is not to be had.
func namespace(t *testing.T) {
	t.Helper()
	if err := traffic.Namespace(); err != nil {
		t.Skip(err)
	}
	fd, err := unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no AF_XDP sockets here: %v", err)
	}
	unix.Close(fd)
}

func ip(t *testing.T, args string) {
	t.Helper()
	if err := traffic.IP(args); err != nil {
		t.Fatal(err)
	}
}

// pair makes another pair of interfaces, and waits until they are up.
func pair(t *testing.T, link, a, b string) {
	t.Helper()
	ip(t, "link add "+link)
	for _, name := range []string{a, b} {
		ip(t, "link set dev "+name+" arp off multicast off addrgenmode none up")
	}
	for range 500 {
		if out, err := exec.Command("ip", "-br", "link", "show", "dev", b).Output(); err == nil && strings.Contains(string(out), " UP ") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s does not come up", b)
}

func open(t *testing.T, o Options) *Ring {
	t.Helper()
	r, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func newSender(t *testing.T, name string) *traffic.Sender {
	t.Helper()
	s, err := traffic.NewSender(name, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// send sends frames and has the test fail if the kernel does not take all.
func send(t *testing.T, s *traffic.Sender, frames ...[]byte) {
	t.Helper()
	if n, err := s.Send(frames...); err != nil || n != len(frames) {
		t.Errorf("%d frames of %d sent: %v", n, len(frames), err)
	}
}

// frame returns an Ethernet frame of n bytes from 60 on: IPv4, UDP from 10.0.0.1
// to 10.0.0.2, with a number at byte 50 and bytes after it that depend on it.
func frame(n int, number uint32) []byte {
	b := make([]byte, n)
	copy(b, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0,
		0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 53, 0, 53, 0, 0, 0, 0})
	binary.BigEndian.PutUint16(b[16:], uint16(n-14))
	binary.BigEndian.PutUint16(b[38:], uint16(n-34))
	binary.BigEndian.PutUint32(b[50:], number)
	for i := 54; i < n; i++ {
		b[i] = byte(number) + byte(i)
	}
	return b
}

// tag puts VLAN tags, the outermost first, into a frame.
func tag(f []byte, tags ...uint32) []byte {
	for i := range tags {
		t := binary.BigEndian.AppendUint32(nil, tags[len(tags)-1-i])
		f = append(f[:12:12], append(t, f[12:]...)...)
	}
	return f
}

// limited ends a wait that would be for ever.
func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// settled waits until the ring has counted n packets.
func settled(t *testing.T, r *Ring, n int) RingStats {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		st, err := r.Stats()
		if err != nil {
			t.Fatal(err)
		}
		if st.Received+st.Dropped >= uint64(n) {
			return st
		}
		if time.Now().After(end) {
			t.Errorf("waited for %d packets, and there are %+v", n, st)
			return st
		}
	}
}

// drain stops the ring and returns the packets in it.
func drain(t *testing.T, r *Ring) (pkts []capture.Packet) {
	t.Helper()
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	ctx := limited(t)
	for {
		b, err := r.Next(ctx)
		if err == io.EOF {
			return pkts
		} else if err != nil {
			t.Fatal(err)
		}
		for p := range b.All() {
			pkts = append(pkts, capture.Packet{Meta: p.Meta, Data: bytes.Clone(p.Data)})
		}
	}
}

// both runs a test with either way to attach, each in a namespace of its own.
func both(t *testing.T, f func(t *testing.T, where Attach)) {
	for _, where := range []Attach{AttachGeneric, AttachNative} {
		t.Run(where.String(), func(t *testing.T) {
			namespace(t)
			f(t, where)
		})
	}
}

// TestPackets checks bytes, lengths, times and order, with frames of every size
// and VLAN tags, and that nobody else sees them while a Ring is open.
func TestPackets(t *testing.T) {
	both(t, func(t *testing.T, where Attach) {
		r := open(t, Options{Interface: "vb", Attach: where})
		others, err := capture.OpenRing(capture.RingOptions{Interface: "vb", Direction: capture.In, BlockSize: 64 << 10, Blocks: 2})
		if err != nil {
			t.Fatal(err)
		}
		defer others.Close()
		s := newSender(t, "va")
		tags := [][]uint32{nil, {0x81000064}, {0x8100a064}, {0x81000000}, {0x88a800c8, 0x81000064}}
		var want [][]byte
		before := time.Now().UnixNano()
		for n := 60; n <= 1506; n++ {
			f := tag(frame(n, uint32(n)), tags[n%len(tags)]...)
			want = append(want, f)
			send(t, s, f) // one by one: veth itself holds few packets
		}
		settled(t, r, len(want))
		after := time.Now().UnixNano()
		time.Sleep(20 * time.Millisecond)
		got := drain(t, r)
		if len(got) != len(want) {
			t.Fatalf("%d packets, sent %d", len(got), len(want))
		}
		last := before - int64(time.Millisecond)
		for i, p := range got {
			if !bytes.Equal(p.Data, want[i]) {
				t.Fatalf("packet %d: % x, sent % x", i, p.Data, want[i])
			}
			if p.TS < last || p.TS > after+int64(time.Millisecond) || int(p.WireLen) != len(want[i]) || p.LinkType != capture.LinkEthernet {
				t.Fatalf("packet %d: %+v, after %d and before %d", i, p.Meta, last, after)
			}
			last = p.TS
		}
		// The kernel's own times: spread over the sending, not those of Next.
		if spread := got[len(got)-1].TS - got[0].TS; spread < (after-before)/4 {
			t.Errorf("all times within %v, sent within %v", time.Duration(spread), time.Duration(after-before))
		}
		if st, err := others.Stats(); err != nil || st.Received != 0 {
			t.Errorf("others see what the Ring took: %+v, %v", st, err)
		}
		send(t, s, want[:3]...) // stopped: the stack has them again
		if st, err := r.Stats(); err != nil || st != (RingStats{Received: uint64(len(want))}) {
			t.Errorf("%+v, %v", st, err)
		}
		for range 500 {
			if st, err := others.Stats(); err != nil || st.Received == 3 {
				return
			}
			time.Sleep(time.Millisecond)
		}
		t.Error("others do not see packets after Stop")
	})
}

// TestTimes checks the fallback for drivers without metadata, and that the time
// of a packet before is not taken for the next one's.
func TestTimes(t *testing.T) {
	namespace(t)
	r := open(t, Options{Interface: "vb", Frames: 2})
	s := newSender(t, "va")
	for i := range 6 {
		send(t, s, frame(60, uint32(i)))
		b, err := r.Next(limited(t))
		if err != nil {
			t.Fatal(err)
		}
		stamp := r.stampOf(r.rx.desc(b.start))
		if *stamp == 0 {
			t.Fatal("no time from the XDP program")
		}
		if i == 3 {
			*stamp = 0
			r.clock.now = 77
			if p := b.Next(); p.TS != 77 {
				t.Errorf("time %d of a packet without", p.TS)
			}
		}
		b.Release()
		if *stamp != 0 {
			t.Error("the time stays in a free frame")
		}
	}
	c := clock{offset: 5, at: 1e9}
	if c.set(1.5e9); c.offset != 5 {
		t.Error("clocks compared within a second")
	}
	if c.set(2.5e9); c.offset == 5 || c.at < 1e9 {
		t.Errorf("clocks not compared after a second: %+v", c)
	}
}

// TestWrap goes round small rings many times, by blocks of all sizes.
func TestWrap(t *testing.T) {
	namespace(t)
	for _, frames := range []int{2, 4, 32} {
		r := open(t, Options{Interface: "vb", Frames: frames})
		s := newSender(t, "va")
		number := uint32(0)
		ctx := limited(t)
		for i := range 1000 {
			n := 1 + i%frames
			for j := range n {
				send(t, s, frame(60+i, number+uint32(j)))
			}
			for n > 0 {
				b, err := r.Next(ctx)
				if err != nil {
					t.Fatal(err)
				}
				n -= b.Len()
				for p := range b.All() {
					if want := frame(60+i, number); !bytes.Equal(p.Data, want) {
						t.Fatalf("%d frames: packet % x, sent % x", frames, p.Data, want)
					}
					number++
				}
				b.Release()
			}
		}
		if st, err := r.Stats(); err != nil || st != (RingStats{Received: uint64(number)}) {
			t.Errorf("%d frames: %+v, %v, sent %d", frames, st, err, number)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestLong sends packets around the largest that a frame holds.
func TestLong(t *testing.T) {
	both(t, func(t *testing.T, where Attach) {
		for _, name := range []string{"va", "vb"} {
			ip(t, "link set dev "+name+" mtu 3000") // less than a page, which native XDP wants
		}
		for _, size := range []int{2048, 4096} {
			o := Options{Interface: "vb", Attach: where, FrameSize: size}
			r := open(t, o)
			s := newSender(t, "va")
			var want [][]byte
			for _, n := range []int{1791, 1792, 1793, 3014} {
				send(t, s, frame(n, 1))
				if n <= o.MaxPacket() {
					want = append(want, frame(n, 1))
				}
			}
			st := settled(t, r, 4)
			if want := (RingStats{Received: uint64(len(want)), Dropped: uint64(4 - len(want))}); st != want {
				t.Errorf("frames of %d: %+v, want %+v", size, st, want)
			}
			if ifc := r.Interface(); int(ifc.SnapLen) != size-256 || ifc.Name != "vb" || ifc.LinkType != r.LinkType() {
				t.Errorf("interface %+v", ifc)
			}
			got := drain(t, r)
			for i, p := range got {
				if !bytes.Equal(p.Data, want[i]) {
					t.Errorf("frames of %d: packet %d is another", size, i)
				}
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestLoopback takes packets of an interface whose driver has no XDP.
func TestLoopback(t *testing.T) {
	namespace(t)
	ip(t, "link set dev lo up")
	r := open(t, Options{Interface: "lo"})
	f := frame(60, 9)
	send(t, newSender(t, "lo"), f)
	settled(t, r, 1)
	if got := drain(t, r); len(got) != 1 || !bytes.Equal(got[0].Data, f) {
		t.Errorf("packets %+v", got)
	}
}
