package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/capture"
)

// live is a capture from an interface.
type live struct {
	*tool
	where
	judge   *judge
	sink    *sink
	workers []*worker

	stopping sync.Once
	down     atomic.Bool // -c, or a failure: packets are counted but not looked at
}

// worker reads one ring.
type worker struct {
	*live
	ring    *capture.Ring
	cpu     int // -1: any
	matches []capture.Packet
	aux     bpfc.Aux
	timing  *timing // nil: nothing is measured

	// What others look at meanwhile.
	captured, matched, bytes atomic.Int64
}

// captureLive captures from an interface.
func (t *tool) captureLive(ctx context.Context) error {
	l := &live{tool: t, where: where{name: t.iface, live: true, vlan: t.vlan, netmask: netmaskOf(t.iface)}}
	if t.iface == "any" && !t.vlanGiven {
		// The tag has no other place to be kept in.
		l.vlan = capture.VLANWire
	}
	rings, err := l.open()
	if err != nil {
		return err
	}
	defer func() {
		for _, r := range rings {
			_ = r.Close() // the process has no use for an error
		}
	}()
	if t.user != "" {
		if err := becomeUser(t.user); err != nil {
			return err
		}
	}
	l.sink = t.newSink(interfaceNames())
	if l.sink.out, err = t.liveOutput(rings[0].Interface(), t.program, t.exprFile); err != nil {
		return err
	}
	for i, r := range rings {
		w := &worker{live: l, ring: r, cpu: -1}
		if len(rings) > 1 {
			w.cpu = i % runtime.NumCPU()
		}
		if t.engine == engineBoth {
			w.timing = newTiming()
		}
		l.workers = append(l.workers, w)
	}
	fmt.Fprintf(t.stderr, "listening on %s, link type %v, %s\n", t.iface, l.judge.link, l.how())
	err = l.run(ctx)
	stats, statErr := l.ringStats()
	file := stats.Stats()
	file.Accepted = uint64(l.sink.matched)
	if endErr := l.sink.out.stats(file); err == nil {
		err = endErr
	}
	err = l.sink.finish(err)
	l.summary(stats)
	return errors.Join(err, statErr)
}

// ringStats is what all rings count together.
func (l *live) ringStats() (sum capture.RingStats, err error) {
	for _, w := range l.workers {
		s, statErr := w.ring.Stats()
		err = errors.Join(err, statErr)
		sum.Received += s.Received
		sum.Dropped += s.Dropped
		sum.Frozen += s.Frozen
	}
	return sum, err
}

// open compiles the filter and opens the rings.
func (l *live) open() ([]*capture.Ring, error) {
	opts := capture.RingOptions{
		Interface: l.iface, SnapLen: l.snapLen, Blocks: l.ringMiB, Promiscuous: !l.noPromiscuous,
		Direction: l.direction, VLAN: l.vlan, HardwareTime: l.hardwareTime,
	}
	if l.engine == engineKernel {
		prog, link, err := l.kernelFilter()
		if err != nil {
			return nil, err
		}
		opts.Filter = prog
		l.linkGiven, l.link = true, link // has to be the ring's in the end
	}
	rings, err := openRings(opts, l.threads, l.fanout)
	if err != nil {
		return nil, err
	}
	if l.judge, err = l.compile(rings[0].LinkType(), l.where); err != nil {
		for _, r := range rings {
			_ = r.Close()
		}
		return nil, err
	}
	return rings, nil
}

func openRings(opts capture.RingOptions, n int, mode capture.FanoutMode) ([]*capture.Ring, error) {
	if n > 1 {
		return capture.OpenFanout(opts, n, mode)
	}
	r, err := capture.OpenRing(opts)
	return []*capture.Ring{r}, err
}

// kernelFilter compiles the filter before there is a ring: the kernel is to have
// it before the first packet. It needs the link type, which a ring tells that
// captures nothing.
func (l *live) kernelFilter() ([]bpf.RawInstruction, capture.LinkType, error) {
	probe, err := capture.OpenRing(capture.RingOptions{Interface: l.iface, Blocks: 2, BlockSize: 1 << 16,
		Filter: []bpf.RawInstruction{{Op: 6}}})
	if err != nil {
		return nil, 0, err
	}
	link := probe.LinkType()
	if err := probe.Close(); err != nil {
		return nil, 0, err
	}
	p, err := l.checked(link, l.where)
	if err != nil {
		return nil, 0, err
	}
	return p.Instructions(), link, nil
}

// how says who filters.
func (l *live) how() string {
	switch {
	case l.engine == engineKernel:
		return "filtered by the kernel"
	case l.judge.reference != nil:
		return "filtered by interpreter and native code"
	case l.judge.filter.Native():
		return "filtered by native code"
	}
	return "filtered by the interpreter"
}

// run reads the rings until ctx is done, -c packets have matched, the interface
// goes down or something fails.
func (l *live) run(ctx context.Context) error {
	defer context.AfterFunc(ctx, l.stop)()
	done := make(chan struct{})
	var ticking sync.WaitGroup
	ticking.Go(func() { l.tick(done) })
	errs := make([]error, len(l.workers))
	var working sync.WaitGroup
	for i, w := range l.workers {
		working.Go(func() {
			errs[i] = w.run()
			l.stop() // when one ends, all do
		})
	}
	working.Wait()
	close(done)
	ticking.Wait()
	// All rings of an interface that went down say so: once is enough.
	for _, err := range errs {
		if err != nil && !errors.Is(err, errEnough) {
			return err
		}
	}
	return nil
}

// stop lets no more packets into the rings. Those that are in are still read.
func (l *live) stop() {
	l.stopping.Do(func() {
		for _, w := range l.workers {
			_ = w.ring.Stop() // if it fails, the ring ends all the same
		}
	})
}

// tick prints rates, and ends intervals of flows in which nothing comes.
func (l *live) tick(done <-chan struct{}) {
	every := l.stats
	if l.progress && l.write != "" {
		every = time.Second
	}
	if l.sink.watch != nil && (every == 0 || every > l.flows) {
		every = l.flows
	}
	if every == 0 {
		return
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	rates := newRates(l.stderr, l.progress)
	defer rates.clear()
	for {
		select {
		case <-done:
			return
		case now := <-ticker.C:
			if l.sink.watch != nil {
				l.sink.mu.Lock()
				// A packet waits in the ring for a while before it is counted.
				l.sink.watch.Advance(now.Add(-time.Second).UnixNano())
				_ = l.sink.flush() // kept, and returned by the next packet's
				l.sink.mu.Unlock()
			}
			if (l.stats > 0 || l.progress) && now.Sub(rates.last) >= every*9/10 {
				rates.line(l.counts(), -1)
			}
		}
	}
}

func (l *live) counts() counts {
	var c counts
	for _, w := range l.workers {
		c.packets += w.captured.Load()
		c.matched += w.matched.Load()
		c.bytes += w.bytes.Load()
	}
	if s, err := l.ringStats(); err == nil {
		c.drops = s.Dropped
	}
	return c
}

// run reads the ring to its end. After -c packets, or a failure, what is left in
// the ring is not looked at, but waited for: only then do the counters add up.
func (w *worker) run() error {
	if w.cpu >= 0 {
		if err := capture.Pin(w.cpu); err != nil {
			return err
		}
	}
	var failed error
	for {
		b, err := w.ring.Next(context.Background())
		if err == io.EOF || failed != nil && err != nil {
			return failed
		} else if err != nil {
			return err
		}
		if failed == nil && !w.down.Load() {
			if failed = w.block(b); failed != nil {
				w.down.Store(true)
				w.stop()
			}
		}
		b.Release()
	}
}

// block filters the packets of a block and hands on those that match.
func (w *worker) block(b *capture.Block) (err error) {
	w.matches = w.matches[:0]
	both := w.judge.reference != nil
	if !both && w.judge.filter != nil {
		b.Filter(w.judge.filter)
	}
	for p := b.Next(); p != nil; p = b.Next() {
		v := p.Verdict
		switch {
		case both:
			v, err = w.compare(b, p)
		case w.judge.filter == nil: // what comes has matched
			v = keepAll
		}
		if err != nil {
			break
		}
		if v == 0 {
			continue
		}
		// The kernel's own filters would keep as much.
		kept := min(uint64(v), uint64(len(p.Data)))
		if _, _, tagged := p.VLAN(); tagged {
			// Whatever the filter sees, a capture has packets as on the wire.
			before := len(p.Data)
			p.InsertTag()
			kept += uint64(len(p.Data) - before)
		}
		m := capture.Packet{Meta: p.Meta, Data: p.Data[:kept]}
		m.Interface = 0
		w.matches = append(w.matches, m)
	}
	captured, bytes := b.Passed()
	w.captured.Add(captured)
	w.bytes.Add(bytes)
	w.matched.Add(int64(len(w.matches)))
	if w.timing != nil {
		w.timing.flush()
	}
	if len(w.matches) > 0 {
		if takeErr := w.sink.takeAll(w.matches); err == nil {
			err = takeErr
		}
	}
	return err
}

// compare is the verdict that interpreter and native code agree on.
func (w *worker) compare(b *capture.Block, p *capture.LivePacket) (uint32, error) {
	var aux *bpfc.Aux
	if w.usesAux() {
		aux = &w.aux
		p.Aux(aux)
	}
	v, err := w.judge.verdict(p.Data, p.WireLen, aux)
	if err != nil {
		n, _ := b.Passed()
		return v, w.different(err, &p.Packet, w.captured.Load()+n)
	}
	w.timing.add(w.judge, p.Data, p.WireLen, aux)
	return v, nil
}

func (w *worker) different(err error, p *capture.Packet, number int64) error {
	d, ok := errors.AsType[*difference](err)
	if !ok {
		return err
	}
	return fmt.Errorf("%s: %w", w.name, d.save(p.Meta, number))
}

// summary writes what became of all packets. It adds up: those received are
// captured or left, and with those dropped they are all that there were for the
// kernel to hand over.
func (l *live) summary(s capture.RingStats) {
	w := l.stderr
	var captured int64
	for i, wk := range l.workers {
		captured += wk.captured.Load()
		if i > 0 && wk.timing != nil {
			l.workers[0].timing.merge(wk.timing)
		}
	}
	if t := l.workers[0].timing; t != nil {
		t.report(w)
	}
	fmt.Fprintf(w, "%d packets captured\n%d packets matched\n", captured, l.sink.matched)
	if left := int64(s.Received) - captured; left != 0 {
		fmt.Fprintf(w, "%d packets not looked at (%s)\n", left, l.whyLeft())
	}
	fmt.Fprintf(w, "%d packets received by kernel\n%d packets dropped by kernel\n%d freezes of the ring\n", s.Received, s.Dropped, s.Frozen)
}

func (l *live) whyLeft() string {
	switch {
	case l.down.Load():
		return "they came after the capture had ended"
	case l.direction != capture.InOut:
		return "of the other direction"
	}
	return "sent ones that are received again"
}

// interfaceNames has the names of the machine's interfaces, by index.
func interfaceNames() []string {
	const most = 1 << 16 // indexes only grow; of others there is no name
	var names []string
	ifs, _ := net.Interfaces()
	for _, ifc := range ifs {
		if ifc.Index <= 0 || ifc.Index >= most {
			continue
		}
		for len(names) <= ifc.Index {
			names = append(names, "")
		}
		names[ifc.Index] = ifc.Name
	}
	return names
}
