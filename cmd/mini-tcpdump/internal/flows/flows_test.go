package flows

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/bpfjit/bpfjit/bench/traffic"
	"github.com/bpfjit/bpfjit/capture"
)

// udp fills in an IPv4 datagram.
func udp(b []byte, src, dst uint32, sport, dport uint16) *capture.Packet {
	b[0], b[9] = 0x45, 17
	binary.BigEndian.PutUint32(b[12:], src)
	binary.BigEndian.PutUint32(b[16:], dst)
	binary.BigEndian.PutUint16(b[20:], sport)
	binary.BigEndian.PutUint16(b[22:], dport)
	return &capture.Packet{Meta: capture.Meta{LinkType: capture.LinkRaw, WireLen: uint32(len(b))}, Data: b}
}

// TestFlood sends millions of flows of one packet each, and among them a few
// that go on: memory stays what it was, the few are counted exactly, and all
// packets are accounted for.
func TestFlood(t *testing.T) {
	const (
		packets   = 3_000_000
		each      = 200 // one packet in so many is an elephant's
		elephants = 5
		seconds   = 6
	)
	n := packets
	if testing.Short() {
		n = packets / 10
	}
	r := rand.New(rand.NewPCG(7, 11))
	var sent [elephants]uint64
	var got [elephants]uint64
	var total, gone uint64
	reports := 0
	w := New(Options{Flows: 1 << 14, Sources: 1 << 12, Top: elephants, Alarm: uint64(n / seconds / each / elephants / 2), Report: func(rep *Report) {
		reports++
		sum := rep.NoFlow.Packets + rep.Evicted.Packets
		total += rep.Total.Packets
		gone += uint64(rep.Gone)
		if rep.Flows > 1<<14 || sum > rep.Total.Packets {
			t.Errorf("report %d: %d flows; %d of %d packets", reports, rep.Flows, sum, rep.Total.Packets)
		}
		if len(rep.Top) != elephants || len(rep.Alarms) != elephants || rep.MoreAlarms != 0 {
			t.Fatalf("report %d: %d flows, %d+%d alarms", reports, len(rep.Top), len(rep.Alarms), rep.MoreAlarms)
		}
		for _, f := range rep.Top {
			e := f.SPort - 1
			if f.DPort != 9 || f.Proto != 17 || e >= elephants {
				t.Fatalf("report %d: on top is %+v", reports, f)
			}
			got[e] += f.Packets
		}
		if !slices.IsSortedFunc(rep.Alarms, func(a, b Source) int { return int(b.Rate) - int(a.Rate) }) {
			t.Errorf("alarms are not sorted: %v", rep.Alarms)
		}
		for _, a := range rep.Alarms {
			if !netip.MustParsePrefix("10.0.0.0/29").Contains(a.Addr) {
				t.Errorf("alarm for %v", a.Addr)
			}
		}
	}})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	b := make([]byte, 60)
	for i := range n {
		var p *capture.Packet
		if r.IntN(each) == 0 {
			e := r.IntN(elephants)
			sent[e]++
			p = udp(b, 10<<24+uint32(e), 1, uint16(e+1), 9)
		} else {
			p = udp(b, 11<<24|r.Uint32(), r.Uint32(), uint16(r.Uint32()), uint16(r.Uint32()))
		}
		p.TS = int64(i) * int64(seconds*time.Second) / int64(n)
		w.Add(p)
	}
	w.Finish()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("memory grew by %d bytes", grown)
	}
	if total != uint64(n) || reports != seconds || gone < uint64(n)/2 {
		t.Errorf("%d packets in %d reports, %d flows thrown out", total, reports, gone)
	}
	for e := range sent {
		// Before its second packet, a flow may be thrown out like any other.
		if got[e] > sent[e] || sent[e]-got[e] > 3 {
			t.Errorf("elephant %d: %d packets of %d", e, got[e], sent[e])
		}
	}
}

// TestExact compares with a map where everything fits.
func TestExact(t *testing.T) {
	pkts := traffic.New(4).Mix(20000)
	want := map[Flow]Count{}
	other := Count{}
	for _, p := range pkts {
		f, ok := slowDecode(p.Data)
		c := Count{1, uint64(p.WireLen)}
		if !ok {
			other.add(c)
			continue
		}
		sum := want[f]
		sum.add(c)
		want[f] = sum
	}
	var rep Report
	// Everything fits if no set gets more flows than it has places. With so many
	// sets, one does in 1 run of 400,000; with a fourth of them, in 1 of 16.
	w := New(Options{Flows: 1 << 19, Top: 1 << 17, Interval: time.Hour, Report: func(r *Report) {
		rep = *r
		rep.Top = slices.Clone(r.Top)
	}})
	for i, p := range pkts {
		w.Add(&capture.Packet{Meta: capture.Meta{TS: int64(i), LinkType: capture.LinkEthernet, WireLen: uint32(p.WireLen)}, Data: p.Data})
	}
	w.Finish()
	if rep.NoFlow != other || rep.Evicted.Packets != 0 || rep.Flows != len(want) || len(rep.Top) != len(want) {
		t.Fatalf("no flow %v, want %v; evicted %v; %d flows, %d on top, want %d", rep.NoFlow, other, rep.Evicted, rep.Flows, len(rep.Top), len(want))
	}
	for i, f := range rep.Top {
		c := f.Count
		f.Count = Count{}
		if want[f] != c {
			t.Fatalf("%+v: %v, want %v", f, c, want[f])
		}
		if i > 0 && rep.Top[i-1].Bytes < c.Bytes {
			t.Fatalf("place %d is larger than the one before", i)
		}
	}
}

// slowDecode reads the packets that package traffic makes.
func slowDecode(b []byte) (f Flow, ok bool) {
	typ := b[12:]
	if typ[0] == 0x81 {
		typ = typ[4:]
	}
	ip, l4 := typ[2:], []byte(nil)
	switch {
	case typ[0] == 8 && typ[1] == 0:
		f.Src, f.Dst = netip.AddrFrom4([4]byte(ip[12:])), netip.AddrFrom4([4]byte(ip[16:]))
		f.Proto = ip[9]
		if ip[6]&0x1f == 0 && ip[7] == 0 {
			l4 = ip[ip[0]&15*4:]
		}
	case typ[0] == 0x86:
		f.Src, f.Dst = netip.AddrFrom16([16]byte(ip[8:])), netip.AddrFrom16([16]byte(ip[24:]))
		f.Proto, l4 = ip[6], ip[40:]
	default:
		return f, false
	}
	if l4 != nil && f.Proto != 1 {
		f.SPort, f.DPort = binary.BigEndian.Uint16(l4), binary.BigEndian.Uint16(l4[2:])
	}
	return f, true
}

func TestIntervals(t *testing.T) {
	var starts, counts []int64
	w := New(Options{Interval: 10, Report: func(r *Report) {
		starts = append(starts, r.Start)
		counts = append(counts, int64(r.Total.Packets))
	}})
	b := make([]byte, 60)
	for _, ts := range []int64{100, 105, 99, 109, 110, 500, 501} {
		p := udp(b, 1, 2, 3, 4)
		p.TS = ts
		w.Add(p)
	}
	w.Advance(505)
	w.Advance(510)
	w.Advance(600)
	w.Finish()
	if !slices.Equal(starts, []int64{100, 110, 500}) || !slices.Equal(counts, []int64{4, 1, 2}) {
		t.Errorf("intervals begin at %v with %v packets", starts, counts)
	}
}

func TestHostile(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	w := New(Options{Alarm: 1})
	pkts := traffic.New(6).Mix(100)
	links := []capture.LinkType{capture.LinkEthernet, capture.LinkRaw, capture.LinkLinuxSLL, capture.LinkLinuxSLL2, capture.LinkNull, 77}
	for range 50_000 {
		data := slices.Clone(pkts[r.IntN(len(pkts))].Data)
		data = data[:r.IntN(min(100, len(data))):min(100, len(data))]
		link := links[r.IntN(len(links))]
		if link == capture.LinkRaw && len(data) > 14 {
			data = data[14:]
		}
		for range r.IntN(5) {
			if len(data) > 0 {
				data[r.IntN(len(data))] = byte(r.Uint32())
			}
		}
		w.Add(&capture.Packet{Meta: capture.Meta{LinkType: link}, Data: slices.Clip(data)})
	}
}

func TestNoAllocation(t *testing.T) {
	w := New(Options{Alarm: 10, Interval: time.Millisecond})
	b := make([]byte, 60)
	ts := int64(0)
	if n := testing.AllocsPerRun(100, func() {
		for i := range 1000 {
			ts += 3000
			p := udp(b, uint32(i), 2, 3, uint16(ts))
			p.TS = ts
			w.Add(p)
		}
	}); n > 0 {
		t.Errorf("%v allocations for 1000 packets and three reports", n)
	}
	// The bound that the documentation states.
	if size := unsafe.Sizeof(entry{}); size > 100 {
		t.Errorf("an entry has %d bytes", size)
	}
}

func BenchmarkAdd(b *testing.B) {
	w := New(Options{Alarm: 1000})
	buf := make([]byte, 60)
	r := rand.New(rand.NewPCG(1, 1))
	for b.Loop() {
		w.Add(udp(buf, r.Uint32(), 1, 2, 3))
	}
}
