// Package flows watches who talks to whom: a table of flows with the largest of
// each interval, and alarms for sources that send more packets a second than a
// limit.
//
// Its memory is what New allocates and never grows, whatever the traffic: see
// [Options]. A flow is a direction: source, destination, IP protocol and, of TCP,
// UDP and SCTP, ports.
//
// # What happens when there are more flows than room
//
// A table is an array of sets of eight entries. A flow's set is given by a hash
// of its addresses, keyed at random, so that nobody can aim at one. When the
// set is full, the entry that weighs least goes; the weight is the number of
// packets, of which each interval takes half away. So a flood of flows of one
// packet each only throws out its own kind, and the flows that are large enough
// to be reported stay and are counted exactly. What goes is added up in
// Report.Evicted: totals always add up.
package flows

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/bpfjit/bpfjit/capture"
)

// Options say what to watch. The memory is about 100 bytes for each of Flows and
// Sources.
type Options struct {
	Interval time.Duration // between reports, in the packets' time; 0: a second
	Flows    int           // how many are remembered; 0: 65536
	Sources  int           // how many are remembered; 0: 16384
	Top      int           // how many flows and alarms a report names at most; 0: 10
	Alarm    uint64        // packets a second from which on a source is reported; 0: never
	Report   func(*Report) // gets each report, which it must not keep
}

// Report is what happened in an interval.
type Report struct {
	Start, End int64 // nanoseconds since 1970
	Total      Count
	NoFlow     Count // packets that are not IP, or whose IP header was not captured
	Evicted    Count // packets of flows that were thrown out for others
	Flows      int   // in the table at the end
	Gone       int   // flows thrown out
	Top        []Flow
	Alarms     []Source // the fastest sources first
	MoreAlarms int      // sources above the limit that are not named
}

// Count is a number of packets and of their bytes on the wire.
type Count struct{ Packets, Bytes uint64 }

func (c *Count) add(d Count) {
	c.Packets += d.Packets
	c.Bytes += d.Bytes
}

// Flow is a flow and what it sent in the interval.
type Flow struct {
	Src, Dst     netip.Addr
	SPort, DPort uint16 // 0 where the protocol has none
	Proto        uint8
	Count
}

// Source is a source above the limit.
type Source struct {
	Addr netip.Addr
	Rate uint64 // packets a second
}

// Watch is the tables and the current interval. It is for one goroutine at a
// time and allocates nothing per packet.
type Watch struct {
	opts           Options
	flows, sources *table
	report         Report
	open           bool // an interval has begun
}

// New makes a Watch.
func New(opts Options) *Watch {
	if opts.Interval <= 0 {
		opts.Interval = time.Second
	}
	if opts.Flows <= 0 {
		opts.Flows = 1 << 16
	}
	if opts.Sources <= 0 {
		opts.Sources = 1 << 14
	}
	if opts.Top <= 0 {
		opts.Top = 10
	}
	if opts.Report == nil {
		opts.Report = func(*Report) {}
	}
	return &Watch{opts: opts, flows: newTable(opts.Flows), sources: newTable(opts.Sources)}
}

// Add counts a packet. A packet of a later interval ends the current one first.
// Packets that are late count in the interval that is current.
func (w *Watch) Add(pkt *capture.Packet) {
	w.Advance(pkt.TS)
	if !w.open {
		w.open = true
		w.report.Start = pkt.TS
		w.report.End = pkt.TS + int64(w.opts.Interval)
	}
	one := Count{1, uint64(pkt.WireLen)}
	w.report.Total.add(one)
	var k key
	if !k.decode(pkt.LinkType, pkt.Data) {
		w.report.NoFlow.add(one)
		return
	}
	w.flows.add(&k, one)
	if w.opts.Alarm > 0 {
		k.sourceOnly()
		w.sources.add(&k, one)
	}
}

// Advance ends the current interval if now, in nanoseconds since 1970, is
// behind it. It is for times without packets.
func (w *Watch) Advance(now int64) {
	if w.open && now >= w.report.End {
		w.Finish()
	}
}

// Finish ends the current interval where it is, if one has begun, and reports.
// The next packet begins another.
func (w *Watch) Finish() {
	if !w.open {
		return
	}
	r := &w.report
	r.Evicted, r.Gone = w.flows.evicted, w.flows.gone
	r.Top = r.Top[:0]
	w.flows.endInterval(func(e *entry) {
		r.Flows++
		if e.now.Packets > 0 {
			insert(&r.Top, e.flow(), w.opts.Top, byBytes)
		}
	})
	if w.opts.Alarm > 0 {
		w.sources.endInterval(w.alarm)
	}
	w.opts.Report(r)
	*r = Report{Top: r.Top[:0], Alarms: r.Alarms[:0]}
	w.open = false
}

// alarm reports a source that was faster than the limit.
func (w *Watch) alarm(e *entry) {
	rate := uint64(float64(e.now.Packets) / w.opts.Interval.Seconds())
	if rate < w.opts.Alarm {
		return
	}
	r := &w.report
	if len(r.Alarms) == w.opts.Top {
		r.MoreAlarms++
	}
	insert(&r.Alarms, Source{e.key.src(), rate}, w.opts.Top, func(a, b Source) int { return cmp.Compare(b.Rate, a.Rate) })
}

func byBytes(a, b Flow) int {
	return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(b.Packets, a.Packets), a.Src.Compare(b.Src), a.Dst.Compare(b.Dst),
		cmp.Compare(a.SPort, b.SPort), cmp.Compare(a.DPort, b.DPort))
}

// insert puts v into a sorted list of at most limit elements.
func insert[T any](list *[]T, v T, limit int, order func(a, b T) int) {
	i, _ := slices.BinarySearchFunc(*list, v, order)
	if i == limit {
		return
	}
	if len(*list) == limit {
		*list = (*list)[:limit-1]
	}
	*list = slices.Insert(*list, i, v)
}
