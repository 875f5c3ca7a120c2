package main

import (
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/bpfjit/bpfjit/cmd/mini-tcpdump/internal/flows"
)

// counts is how far a capture is.
type counts struct {
	packets, matched, bytes int64
	drops                   uint64
}

// rates prints how fast packets come: a line each -stats, or a line of progress
// that is written over.
type rates struct {
	w        io.Writer
	progress bool
	start    time.Time
	last     time.Time
	before   counts
	shown    bool
}

func newRates(w io.Writer, progress bool) *rates {
	now := time.Now()
	return &rates{w: w, progress: progress, start: now, last: now}
}

// line prints what happened since the last one. Of a file, done is the part of
// it that is read; negative if it is not known.
func (r *rates) line(now counts, done float64) {
	t := time.Now()
	secs := t.Sub(r.last).Seconds()
	if secs <= 0 {
		return
	}
	packets := now.packets - r.before.packets
	s := fmt.Sprintf("%d packets, %d matched, %spackets/s, %sbit/s",
		now.packets, now.matched, short(float64(packets)/secs), short(float64(now.bytes-r.before.bytes)*8/secs))
	if dropped := now.drops - r.before.drops; dropped > 0 {
		s += fmt.Sprintf(", %.2f%% dropped", 100*float64(dropped)/float64(dropped+uint64(packets)))
	}
	if done >= 0 {
		s = fmt.Sprintf("%.0f%%, ", 100*done) + s
	}
	if r.progress {
		fmt.Fprintf(r.w, "\r%s\x1b[K", s)
		r.shown = true
	} else {
		fmt.Fprintf(r.w, "%s\n", s)
	}
	r.last, r.before = t, now
}

// clear removes the line of progress, so that others can be written.
func (r *rates) clear() {
	if r.shown {
		fmt.Fprint(r.w, "\r\x1b[K")
		r.shown = false
	}
}

// short writes a number of up to three digits, a blank and the unit's prefix.
func short(v float64) string {
	units := []string{"", "k", "M", "G", "T", "P"}
	unit := 0
	for ; v >= 999.5 && unit < len(units)-1; unit++ {
		v /= 1000
	}
	if v < 99.95 && unit > 0 {
		return fmt.Sprintf("%.1f %s", v, units[unit])
	}
	return fmt.Sprintf("%.0f %s", v, units[unit])
}

// printFlows prints an interval of -flows.
func (t *tool) printFlows(r *flows.Report) {
	secs := float64(r.End-r.Start) / 1e9
	w := t.stdout
	fmt.Fprintf(w, "%s %d packets, %sbit/s, %d flows", time.Unix(0, r.Start).Format("15:04:05.000"),
		r.Total.Packets, short(float64(r.Total.Bytes)*8/secs), r.Flows+r.Gone)
	if r.Gone > 0 {
		fmt.Fprintf(w, " (%d small ones forgotten, of %d packets)", r.Gone, r.Evicted.Packets)
	}
	if r.NoFlow.Packets > 0 {
		fmt.Fprintf(w, ", %d packets not IP", r.NoFlow.Packets)
	}
	fmt.Fprintln(w)
	for _, f := range r.Top {
		fmt.Fprintf(w, "  %5.1f%%  %8d packets  %sbit/s  %s %s > %s\n", 100*float64(f.Bytes)/float64(max(r.Total.Bytes, 1)),
			f.Packets, short(float64(f.Bytes)*8/secs), protocol(f.Proto), endpoint(f.Src, f.SPort), endpoint(f.Dst, f.DPort))
	}
	for _, a := range r.Alarms {
		fmt.Fprintf(w, "  ALARM  %v sends %d packets/s, the limit is %d\n", a.Addr, a.Rate, t.alarm)
	}
	if r.MoreAlarms > 0 {
		fmt.Fprintf(w, "  ALARM  and %d more\n", r.MoreAlarms)
	}
}

func protocol(p uint8) string {
	switch p {
	case 1:
		return "icmp"
	case 6:
		return "tcp"
	case 17:
		return "udp"
	case 58:
		return "icmp6"
	}
	return fmt.Sprintf("ip-proto-%d", p)
}

func endpoint(a netip.Addr, port uint16) string {
	if port == 0 {
		return a.String()
	}
	return fmt.Sprintf("%v.%d", a, port)
}
