package jit

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/lir"
)

// batch is a filter's program as a loop over packets. It is generated when the
// first batch comes: most filters never see one.
type batch struct {
	generate func() (*code, error) // nil: there is no program, only code
	once     sync.Once
	code     atomic.Pointer[code] // nil: not possible, or closed
}

// loop is the code of the loop; nil if there can be none, or if f is closed.
func (b *batch) loop(f *Filter) *code {
	b.once.Do(func() {
		if b.generate == nil {
			return
		}
		c, err := b.generate()
		if err != nil {
			return // one packet a call is as right
		}
		b.code.Store(c)
	})
	c := f.code.Load()
	if c == nil || c.entry == nil {
		b.code.Store(nil)
	}
	return b.code.Load()
}

// run runs the loop, over n packets that packets leads to in the loop's way, and
// returns what the loop returns. There is room for n verdicts.
func (c *code) run(packets unsafe.Pointer, n int, verdicts []uint32) uintptr {
	if c.large {
		return batchLarge(c, packets, n, unsafe.SliceData(verdicts), c.noAux)
	}
	return batchSmall(c, packets, n, unsafe.SliceData(verdicts), c.noAux)
}

// loop makes the code of a program's loop over packets.
func (c *config) loop(fn *lir.Func, suffix string) (*code, error) {
	code, err := c.native(fn)
	if err != nil {
		return nil, err
	}
	code.noAux = c.noAux()
	named := *c
	named.name += suffix
	return code, named.announce(code)
}

// maxBatch is how many packets generated code loops over at once. The garbage
// collector can stop the goroutine only between.
const maxBatch = 256

// RunBatch runs the filter on every packet, with its length as wire length,
// and puts the verdict on pkts[i] into verdicts[i]. It panics before the first
// packet if there are fewer verdicts than packets; verdicts beyond the last
// packet are left alone. A Close meanwhile has no effect on the batch.
//
// The loop is native code as well, which costs less a packet than Run. The
// first batch pays for its generation.
func (f *Filter) RunBatch(pkts [][]byte, verdicts []uint32) {
	if len(verdicts) < len(pkts) {
		panic(fmt.Sprintf("jit: RunBatch of %d packets with room for %d verdicts", len(pkts), len(verdicts)))
	}
	verdicts = verdicts[:len(pkts)]
	loop := f.batch.loop(f)
	if loop == nil {
		c := f.code.Load()
		for i, pkt := range pkts {
			verdicts[i] = c.verdict(pkt, len(pkt))
		}
		return
	}
	for len(pkts) > 0 {
		n := min(len(pkts), maxBatch)
		announceBatch(pkts[:n], verdicts[:n])
		loop.run(unsafe.Pointer(unsafe.SliceData(pkts)), n, verdicts)
		pkts, verdicts = pkts[n:], verdicts[n:]
	}
}

// Records is a filter as a loop over packets that lie in memory with headers
// which tell where the next one is, as in a ring. It is safe for concurrent use.
type Records struct {
	filter *Filter
	layout bpfc.Records
	batch  batch
}

// Records makes the loop for a layout of headers. It runs without Aux, so there
// is none for a filter that UsesAux; nor is there for one that is interpreted.
func (f *Filter) Records(layout bpfc.Records) (*Records, error) {
	switch {
	case f.fallback != nil:
		return nil, fmt.Errorf("jit: no loop over records: %w", f.fallback)
	case f.UsesAux():
		return nil, errors.New("jit: no loop over records: the filter uses metadata")
	}
	r := &Records{filter: f, layout: layout}
	r.batch.generate = func() (*code, error) { return f.records(layout) }
	if r.batch.loop(f) == nil && f.code.Load() != nil {
		return nil, errors.New("jit: no loop over records: it does not fit")
	}
	return r, nil
}

// Run puts the verdicts on n packets into verdicts. The first one's header is at
// first. It panics if there is no room for n verdicts. The headers are believed:
// wrong ones lead astray. After the filter's Close, all verdicts are 0.
//
// As with Run, packets must not change meanwhile; the race detector is not told
// of their bytes.
func (r *Records) Run(first unsafe.Pointer, n int, verdicts []uint32) {
	if n < 0 || len(verdicts) < n {
		panic(fmt.Sprintf("jit: %d records with room for %d verdicts", n, len(verdicts)))
	}
	verdicts = verdicts[:n]
	loop := r.batch.loop(r.filter)
	if loop == nil {
		clear(verdicts)
		return
	}
	for len(verdicts) > maxBatch {
		announceBatch(nil, verdicts[:maxBatch])
		next := loop.run(first, maxBatch, verdicts)
		first, verdicts = unsafe.Add(first, next-uintptr(first)), verdicts[maxBatch:]
	}
	announceBatch(nil, verdicts)
	loop.run(first, len(verdicts), verdicts)
}
