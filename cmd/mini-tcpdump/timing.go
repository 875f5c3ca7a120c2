package main

import (
	"fmt"
	"io"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/cmd/mini-tcpdump/internal/stopwatch"
	"github.com/bpfjit/bpfjit/jit"
)

const (
	// blockPackets and blockBytes are when enough packets of a file are
	// together to time the engines over them.
	blockPackets = 512
	blockBytes   = 256 << 10

	// sampleEvery is in how many blocks one has its packets timed singly.
	sampleEvery = 8

	// interruption is an interval, in ticks, in which a filter was not alone:
	// tens of microseconds, of which one in ten thousand spoils an average.
	interruption = 1 << 16
)

// timing measures both engines of -engine both, over packets that they were
// just compared on. One goroutine may use it at a time.
//
// A block of packets is timed as a whole, once for each engine: the clock is
// read twice for hundreds of packets, so this is what an engine takes. For every
// few blocks, packets are also timed one by one, less what reading the clock
// takes; a filter takes less than that, so this is good for seeing whether the
// two ways agree, not more.
type timing struct {
	watch  *stopwatch.Stopwatch
	blocks int

	packets       int64 // in blocks
	interp, nativ uint64

	samples, interrupted      int64
	sampleInterp, sampleNativ uint64

	items []timed
	arena []byte
}

// timed is a packet to be measured with.
type timed struct {
	judge *judge
	data  []byte
	wire  int
	aux   *bpfc.Aux
	store bpfc.Aux // what aux points to
}

func newTiming() *timing { return &timing{watch: stopwatch.New()} }

// add puts a packet that stays where it is until flush.
func (t *timing) add(j *judge, data []byte, wire uint32, aux *bpfc.Aux) {
	n := len(t.items)
	if n == cap(t.items) {
		// Pointers to store would point into the old array.
		items := make([]timed, n, max(2*n, blockPackets))
		copy(items, t.items)
		t.items = items
		for i := range items {
			if items[i].aux != nil {
				items[i].aux = &items[i].store
			}
		}
	}
	t.items = t.items[:n+1]
	it := &t.items[n]
	it.judge, it.data, it.wire, it.aux = j, data, int(wire), nil
	if aux != nil {
		it.store = *aux
		it.aux = &it.store
	}
}

// addCopy puts a copy of a packet, and measures when there are enough of them.
func (t *timing) addCopy(j *judge, data []byte, wire uint32) {
	if t.arena == nil {
		t.arena = make([]byte, 0, blockBytes)
	}
	if len(t.items) == blockPackets || len(t.arena)+len(data) > cap(t.arena) {
		t.flush()
		if len(data) > cap(t.arena) {
			return // one of the few that are larger than a block
		}
	}
	at := len(t.arena)
	t.arena = append(t.arena, data...)
	t.add(j, t.arena[at:], wire, nil)
}

// flush measures with the packets that were put, which are the caller's again.
func (t *timing) flush() {
	if len(t.items) == 0 {
		return
	}
	// Whoever comes first finds packets and code in no cache: take turns.
	first, second := (*judge).referenceFilter, (*judge).nativeFilter
	a, b := &t.interp, &t.nativ
	if t.blocks%2 == 1 {
		first, second, a, b = second, first, b, a
	}
	*a += t.block(first)
	*b += t.block(second)
	t.packets += int64(len(t.items))
	if t.blocks%sampleEvery == 0 {
		t.sample()
	}
	t.blocks++
	t.items, t.arena = t.items[:0], t.arena[:0]
}

func (j *judge) referenceFilter() *jit.Filter { return j.reference }
func (j *judge) nativeFilter() *jit.Filter    { return j.filter }

// block is how many ticks an engine takes for all packets.
func (t *timing) block(which func(*judge) *jit.Filter) uint64 {
	// Packets of a block nearly always have one judge; its filter is looked up
	// once for each run of packets, not for each packet.
	total := uint64(0)
	for rest := t.items; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].judge == rest[0].judge {
			n++
		}
		filter := which(rest[0].judge)
		start := stopwatch.Ticks()
		for i := range rest[:n] {
			it := &rest[i]
			filter.RunAux(it.data, it.wire, it.aux)
		}
		total += t.lessEmpty(stopwatch.Ticks() - start)
		rest = rest[n:]
	}
	return total
}

// sample times packets one by one.
func (t *timing) sample() {
	for i := range t.items {
		it := &t.items[i]
		t0 := stopwatch.Ticks()
		it.judge.reference.RunAux(it.data, it.wire, it.aux)
		t1 := stopwatch.Ticks()
		it.judge.filter.RunAux(it.data, it.wire, it.aux)
		t2 := stopwatch.Ticks()
		if max(t1-t0, t2-t1) > interruption {
			t.interrupted++
			continue
		}
		t.samples++
		t.sampleInterp += t.lessEmpty(t1 - t0)
		t.sampleNativ += t.lessEmpty(t2 - t1)
	}
}

func (t *timing) lessEmpty(ticks uint64) uint64 {
	return ticks - min(ticks, t.watch.Empty())
}

// merge adds what another timing measured.
func (t *timing) merge(o *timing) {
	t.packets += o.packets
	t.interp += o.interp
	t.nativ += o.nativ
	t.samples += o.samples
	t.interrupted += o.interrupted
	t.sampleInterp += o.sampleInterp
	t.sampleNativ += o.sampleNativ
}

// report writes the averages so far.
func (t *timing) report(w io.Writer) {
	if t.packets == 0 || t.samples == 0 {
		return
	}
	each := func(ticks uint64, n int64) (ns, cycles float64) {
		cycles = float64(ticks) / float64(n)
		return t.watch.Nanoseconds(cycles), cycles
	}
	in, ic := each(t.interp, t.packets)
	nn, nc := each(t.nativ, t.packets)
	fmt.Fprintf(w, "interpreter %.1f ns (%.0f cycles), native %.1f ns (%.0f cycles) a packet, %.1f times faster, over %d packets in blocks\n",
		in, ic, nn, nc, in/max(nn, 0.01), t.packets)
	in, _ = each(t.sampleInterp, t.samples)
	nn, _ = each(t.sampleNativ, t.samples)
	fmt.Fprintf(w, "one by one: interpreter %.1f ns, native %.1f ns, over %d packets, less the %.1f ns that reading the clock takes (%d left out, in which the processor did something else)\n",
		in, nn, t.samples, t.watch.Nanoseconds(float64(t.watch.Empty())), t.interrupted)
}
