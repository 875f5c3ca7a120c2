//go:build linux

package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/capture/traffic"
	"github.com/bpfjit/bpfjit/jit"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// namespace puts the test into a network namespace of its own: what is sent on
// va comes in on vb.
func namespace(t *testing.T) {
	t.Helper()
	if err := traffic.Namespace(); err != nil {
		t.Skip(err)
	}
}

func ip(t *testing.T, args string) {
	t.Helper()
	if err := traffic.IP(args); err != nil {
		t.Fatal(err)
	}
}

// sender is a traffic.Sender that fails the test.
type sender struct {
	t *testing.T
	*traffic.Sender
}

func newSender(t *testing.T, name string, bypass bool) sender {
	t.Helper()
	s, err := traffic.NewSender(name, bypass)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return sender{t, s}
}

func (s sender) send(frames ...[]byte) int {
	n, err := s.Send(frames...)
	if err != nil {
		s.t.Error(err)
	}
	return n
}

func openRing(t *testing.T, o RingOptions) *Ring {
	t.Helper()
	r, err := OpenRing(o)
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

// drain stops the ring and returns its packets.
func drain(t *testing.T, r *Ring) (pkts []Packet) {
	t.Helper()
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	for {
		b, err := r.Next(t.Context())
		if err == io.EOF {
			return pkts
		} else if err != nil {
			t.Fatal(err)
		}
		for p := range b.All() {
			pkts = append(pkts, Packet{Meta: p.Meta, Data: bytes.Clone(p.Data)})
		}
	}
}

// TestRingCounts floods rings of two sizes: what was sent is what was received
// and dropped, each packet at most once and in order, and none is dropped by a
// ring that has room for all.
func TestRingCounts(t *testing.T) {
	namespace(t)
	const total = 200_000
	for _, c := range []struct {
		name string
		opts RingOptions
		slow bool
	}{
		{"large", RingOptions{Interface: "vb"}, false},
		{"small and slow", RingOptions{Interface: "vb", BlockSize: 64 << 10, Blocks: 4}, true},
	} {
		r := openRing(t, c.opts)
		s := newSender(t, "va", true)
		var sent int
		start := time.Now().UnixNano()
		var wg sync.WaitGroup
		wg.Go(func() {
			batch := make([][]byte, 500)
			for i := range batch {
				batch[i] = frame(60, 0)
			}
			for seq := 0; seq < total; seq += len(batch) {
				for i, f := range batch {
					binary.BigEndian.PutUint32(f[50:], uint32(seq+i))
				}
				sent += s.send(batch...)
			}
			r.Stop()
		})
		next, got, last := uint32(0), 0, start
		for {
			b, err := r.Next(t.Context())
			if err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			n := 0
			for p := range b.All() {
				seq := binary.BigEndian.Uint32(p.Data[50:])
				if seq < next || len(p.Data) != 60 || p.WireLen != 60 || p.LinkType != LinkEthernet {
					t.Fatalf("packet %d of %d bytes after %d", seq, len(p.Data), next)
				}
				if p.TS < last-1e9 || p.TS > time.Now().UnixNano()+1e9 {
					t.Fatalf("time %d is not now", p.TS)
				}
				next = seq + 1
				n++
			}
			if n != b.Len() {
				t.Fatalf("%d packets in a block of %d", n, b.Len())
			}
			got += n
			if c.slow {
				time.Sleep(5 * time.Millisecond)
			}
		}
		wg.Wait()
		st, err := r.Stats()
		if err != nil {
			t.Fatal(err)
		}
		if sent != total || uint64(got) != st.Received || st.Received+st.Dropped != total {
			t.Errorf("%s: sent %d, read %d, %+v", c.name, sent, got, st)
		}
		if c.slow != (st.Dropped > 0) || c.slow != (st.Frozen > 0) {
			t.Errorf("%s: %+v", c.name, st)
		}
		t.Logf("%s: %+v in %v", c.name, st, time.Duration(time.Now().UnixNano()-start))
	}
}

// generate drives vb with n frames as fast as this system can, and says how.
func generate(t *testing.T, f []byte, n int) string {
	if live, err := traffic.NewLive(traffic.B, f); err != nil {
		t.Log(err)
	} else {
		defer live.Close()
		if err = live.Run(1); err == nil {
			const chunk = 1 << 18 // a run takes 25 ms to set up
			for n--; n > 0; n -= chunk {
				if err := live.Run(min(n, chunk)); err != nil {
					t.Error(err)
				}
			}
			return "XDP live frames"
		}
		t.Log(err)
	}
	s := newSender(t, traffic.A, true)
	batch := slices.Repeat([][]byte{f}, 256)
	for ; n > 0; n -= len(batch) {
		s.send(batch[:min(n, len(batch))]...)
	}
	return "sendmmsg"
}

// TestRingRate drives a ring of the default size as fast as the generator can,
// with every packet looked at: nothing is lost that is not counted.
func TestRingRate(t *testing.T) {
	namespace(t)
	total := 1_000_000
	if testing.Short() {
		total = 100_000
	}
	r := openRing(t, RingOptions{Interface: "vb"})
	f := frame(60, 7)
	got, readErr := 0, error(nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		var b *Block
		for {
			if b, readErr = r.Next(t.Context()); readErr != nil {
				return
			}
			for p := range b.All() {
				if !bytes.Equal(p.Data, f) {
					t.Errorf("packet % x", p.Data)
				}
				got++
			}
		}
	})
	start := time.Now()
	how := generate(t, f, total) // here, in the namespace
	if err := r.Stop(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if readErr != io.EOF {
		t.Fatal(readErr)
	}
	rate := float64(total) / time.Since(start).Seconds()
	st, err := r.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if uint64(got) != st.Received || st.Received+st.Dropped != uint64(total) {
		t.Errorf("%s: sent %d, read %d, %+v", how, total, got, st)
	}
	t.Logf("%s: %.2f million packets a second, %+v", how, rate/1e6, st)
}

// TestRingToFile writes packets straight from the ring, as a capture program
// does, and has tcpdump read them.
func TestRingToFile(t *testing.T) {
	namespace(t)
	r := openRing(t, RingOptions{Interface: "vb", VLAN: VLANWire, BlockSize: 64 << 10})
	s := newSender(t, "va", false)
	var want []Packet
	for i := range 3000 {
		f := tag(frame(60+i%1000, byte(i)), vlanFrames[i%len(vlanFrames)].tags)
		want = append(want, Packet{Meta: Meta{WireLen: uint32(len(f))}, Data: f})
		s.send(f)
	}
	path := filepath.Join(t.TempDir(), "out.pcapng")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := NewWriter(file, WriterOptions{Format: Pcapng, Nanoseconds: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.AddInterface(r.Interface()); err != nil {
		t.Fatal(err)
	}
	r.Stop()
	for {
		b, err := r.Next(t.Context())
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		for p := range b.All() {
			if err := w.GatherPacket(p.Meta, p.Data); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil { // before the kernel has the block again
			t.Fatal(err)
		}
	}
	st, err := r.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteStats(0, time.Now().UnixNano(), st.Stats()); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	fr, err := NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadAll(fr)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if i < len(want) {
			want[i].TS = got[i].TS
		}
	}
	comparePackets(t, "file", got, want)
	ifc := fr.Interfaces()[0]
	if ifc.Name != "vb" || ifc.LinkType != LinkEthernet || ifc.SnapLen != maxSnapLen || ifc.Stats != (Stats{Received: 3000, Accepted: 3000, Has: 7}) {
		t.Errorf("interface %+v", ifc)
	}
	_, theirs, complaint := tcpdump(t, path)
	if complaint != "" {
		t.Error(complaint)
	}
	comparePackets(t, "tcpdump", theirs, want)
}

// TestRingEnds checks each way that a capture ends.
func TestRingEnds(t *testing.T) {
	namespace(t)
	s := newSender(t, "va", false)
	f := frame(60, 1)
	first := func(r *Ring) {
		t.Helper()
		s.send(f)
		if b, err := r.Next(t.Context()); err != nil || b.Len() != 1 || !bytes.Equal(b.Next().Data, f) {
			t.Fatalf("first packet: %v", err)
		}
	}

	r := openRing(t, RingOptions{Interface: "vb"})
	first(r)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { time.Sleep(20 * time.Millisecond); cancel() }()
	if _, err := r.Next(ctx); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
	first(r) // it goes on
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	if _, err := r.Next(ctx); err != context.DeadlineExceeded {
		t.Errorf("deadline: %v", err)
	}
	cancel()
	go func() { time.Sleep(20 * time.Millisecond); r.Stop() }()
	if _, err := r.Next(t.Context()); err != io.EOF {
		t.Errorf("stopped: %v", err)
	}
	if s.send(f, f); true {
		if _, err := r.Next(t.Context()); err != io.EOF {
			t.Errorf("stopped, and then a packet: %v", err)
		}
	}
	if st, err := r.Stats(); err != nil || st != (RingStats{Received: 2}) {
		t.Errorf("%+v, %v", st, err)
	}
	r.Close()
	if st, err := r.Stats(); err != nil || st != (RingStats{Received: 2}) {
		t.Errorf("closed: %+v, %v", st, err)
	}
	if _, err := r.Next(t.Context()); err != os.ErrClosed {
		t.Errorf("closed: %v", err)
	}
	if err := r.Stop(); err != nil {
		t.Errorf("closed: %v", err)
	}

	// Down, with a packet still in the block that the kernel fills.
	r = openRing(t, RingOptions{Interface: "vb", Retire: 200 * time.Millisecond})
	s.send(f)
	ip(t, "link set dev vb down")
	n := 0
	for {
		b, err := r.Next(t.Context())
		if err != nil {
			if !errors.Is(err, ErrInterfaceDown) || err.Error() != "capture on vb: the interface went down" {
				t.Errorf("down: %v", err)
			}
			break
		}
		n += b.Len()
	}
	if n != 1 {
		t.Errorf("%d packets before the interface went down, want 1", n)
	}
	for o, want := range map[*RingOptions]string{
		{Interface: "vb"}:                          "capture on vb: the interface is down",
		{Interface: "none"}:                        "capture on none: no such interface",
		{Interface: strings.Repeat("x", 40)}:       "capture on xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: no such interface",
		{Interface: "va", Blocks: 1}:               "capture on va: 1 blocks: one is read while another is filled",
		{Interface: "va", BlockSize: 1000}:         "capture on va: make a ring of 64 blocks of 1000 bytes: invalid argument",
		{Interface: "va", Retire: time.Hour}:       "capture on va: retire time 1h0m0s is not between 1ms and 1m",
		{Interface: "va", SnapLen: -1}:             "capture on va: snapshot length -1 is not between",
		{Interface: "any", Filter: rejectAll}:      "capture on any: a kernel filter needs an interface",
		{Interface: "va", HardwareTime: true}:      "capture on va: the interface has no time stamps of its own: ",
		{Interface: "va", Filter: rejectAll[:1:1]}: "",
		{Interface: "va", Filter: badProgram}:      "capture on va: attach the kernel filter: invalid argument",
	} {
		if r, err := OpenRing(*o); want == "" {
			if err != nil {
				t.Error(err)
			} else {
				r.Close()
			}
		} else if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

var badProgram = []bpf.RawInstruction{{Op: unix.BPF_LD}}

// TestRingTun captures where there is no link-layer header: packets are bare IP,
// and on "any" begin with one that says so.
func TestRingTun(t *testing.T) {
	namespace(t)
	tun, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no /dev/net/tun: %v", err)
	}
	ifr, err := unix.NewIfreq("tun7")
	if err != nil {
		t.Fatal(err)
	}
	ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(tun, unix.TUNSETIFF, ifr); err != nil {
		t.Skipf("no right to make a tun interface: %v", err)
	}
	ip(t, "link set dev tun7 multicast off addrgenmode none up")
	raw := openRing(t, RingOptions{Interface: "tun7"})
	all := openRing(t, RingOptions{Direction: In})
	packet := frame(60, 5)[14:]
	if _, err := unix.Write(tun, packet); err != nil {
		t.Fatal(err)
	}
	if raw.LinkType() != LinkRaw {
		t.Errorf("link type %v", raw.LinkType())
	}
	if got := drain(t, raw); len(got) != 1 || !bytes.Equal(got[0].Data, packet) || got[0].WireLen != 46 {
		t.Errorf("packets %+v", got)
	}
	header := []byte{8, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	got := drain(t, all)
	if len(got) != 1 {
		t.Fatalf("any: %d packets", len(got))
	}
	copy(header[4:8], got[0].Data[4:8]) // the interface's index
	if !bytes.Equal(got[0].Data, append(header, packet...)) || got[0].WireLen != 66 {
		t.Errorf("any: %+v", got[0])
	}

	// The interface goes with its file.
	gone := openRing(t, RingOptions{Interface: "tun7"})
	go func() { time.Sleep(20 * time.Millisecond); unix.Close(tun) }()
	if _, err := gone.Next(t.Context()); !errors.Is(err, ErrInterfaceDown) {
		t.Errorf("the interface is gone: %v", err)
	}
}

// TestRingDirection captures where packets go out and come in.
func TestRingDirection(t *testing.T) {
	namespace(t)
	ip(t, "link set dev lo up")
	out, in := frame(60, 1), frame(60, 2)
	rings := map[string]*Ring{}
	for _, name := range []string{"vb", "lo", ""} {
		for _, d := range []Direction{InOut, In, Out} {
			rings[name+[]string{" both", " in", " out"}[d]] = openRing(t, RingOptions{Interface: name, Direction: d, BlockSize: 64 << 10, Blocks: 4})
		}
	}
	newSender(t, "vb", false).send(out)
	newSender(t, "va", false).send(in)
	newSender(t, "lo", false).send(frame(60, 3))
	for name, want := range map[string]int{
		"vb both": 2, "vb in": 1, "vb out": 1,
		"lo both": 1, "lo in": 1, "lo out": 1,
		" both": 5, " in": 3, " out": 3,
	} {
		if pkts := drain(t, rings[name]); len(pkts) != want {
			t.Errorf("%q: %d packets, want %d", name, len(pkts), want)
		}
	}
}

// TestFanout spreads flows over two rings: every packet comes to one of them,
// and in hash mode each flow to one.
func TestFanout(t *testing.T) {
	namespace(t)
	for mode := FanoutHash; mode <= FanoutQueue; mode++ {
		if m, err := ParseFanoutMode(mode.String()); err != nil || m != mode {
			t.Errorf("%v is read as %v, %v", mode, m, err)
		}
		rings, err := OpenFanout(RingOptions{Interface: "vb", Blocks: 8}, 2, mode)
		if err != nil {
			t.Fatal(mode, err)
		}
		s := newSender(t, "va", false)
		var frames [][]byte
		for i := range 2000 {
			f := frame(60, 0)
			f[33], f[35] = byte(i%50), byte(i%50) // address and port: 50 flows
			binary.BigEndian.PutUint16(f[24:], 0)
			frames = append(frames, f)
		}
		s.send(frames...)
		owner := map[byte]int{}
		total := 0
		for i, r := range rings {
			pkts := drain(t, r)
			total += len(pkts)
			if mode == FanoutBalance && len(pkts) != 1000 {
				t.Errorf("%v: %d packets of 2000", mode, len(pkts))
			}
			if mode == FanoutHash && len(pkts) == 0 {
				t.Errorf("%v: ring %d gets nothing", mode, i)
			}
			for _, p := range pkts {
				if was, ok := owner[p.Data[33]]; mode == FanoutHash && ok && was != i {
					t.Fatalf("flow %d is in both rings", p.Data[33])
				}
				owner[p.Data[33]] = i
			}
			r.Close()
		}
		if total != len(frames) {
			t.Errorf("%v: %d packets, sent %d", mode, total, len(frames))
		}
	}
	if _, err := OpenFanout(RingOptions{Interface: "vb"}, 0, FanoutHash); err == nil {
		t.Error("a fanout to no ring")
	}
}

// TestRingNoAllocation checks that going over a ring allocates nothing per packet.
func TestRingNoAllocation(t *testing.T) {
	namespace(t)
	r := openRing(t, RingOptions{Interface: "vb"})
	s := newSender(t, "va", false)
	var frames [][]byte
	for i := range 1000 {
		frames = append(frames, tag(frame(60, 0), vlanFrames[i%len(vlanFrames)].tags))
	}
	var aux bpfc.Aux
	packets := 0
	all, err := jit.Compile([]bpf.RawInstruction{{Op: bpfc.RetK, K: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(20, func() {
		s.send(frames...)
		for got := 0; got < len(frames); {
			b, err := r.Next(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			b.Filter(all)
			for p := range b.All() {
				p.Aux(&aux)
				p.InsertTag()
				got++
				packets++
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations in 1000 packets", n)
	}
	if packets != 21*len(frames) {
		t.Errorf("%d packets", packets)
	}
}
