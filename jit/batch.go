package jit

import (
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/bpfjit/bpfjit/bpfc"
)

// batch is a filter's program as a loop over packets. It is generated when the
// first batch comes: most filters never see one.
type batch struct {
	generate func() (*code, error) // nil: there is no program, only code
	once     sync.Once
	code     atomic.Pointer[code] // nil: not possible, or closed
}

// batch makes the code of a program's loop over packets.
func (c *config) batch(p *bpfc.Program) (*code, error) {
	fn, err := bpfc.TranslateBatch(p, c.level)
	if err != nil {
		return nil, err
	}
	code, err := c.native(fn)
	if err != nil {
		return nil, err
	}
	code.noAux = c.noAux()
	named := *c
	named.name += "_batch"
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
	c := f.code.Load()
	var loop *code
	if c != nil && c.entry != nil {
		loop = f.loop()
	}
	if loop == nil {
		for i, pkt := range pkts {
			verdicts[i] = c.verdict(pkt, len(pkt))
		}
		return
	}
	for len(pkts) > 0 {
		n := min(len(pkts), maxBatch)
		announceBatch(pkts[:n], verdicts[:n])
		if loop.large {
			batchLarge(loop, unsafe.SliceData(pkts), n, unsafe.SliceData(verdicts), loop.noAux)
		} else {
			batchSmall(loop, unsafe.SliceData(pkts), n, unsafe.SliceData(verdicts), loop.noAux)
		}
		pkts, verdicts = pkts[n:], verdicts[n:]
	}
}

// loop is the code of the loop over packets; nil if there can be none.
func (f *Filter) loop() *code {
	f.batch.once.Do(func() {
		if f.batch.generate == nil {
			return
		}
		c, err := f.batch.generate()
		if err != nil {
			return // one packet a call is as right
		}
		f.batch.code.Store(c)
		if f.code.Load() == nil { // closed meanwhile
			f.batch.code.Store(nil)
		}
	})
	return f.batch.code.Load()
}
