package capture

import (
	"slices"
	"sync"
	"sync/atomic"
)

// outlet writes batches in the order in which they were put. Who puts one and who
// writes it may be different goroutines: whoever needs a batch's memory writes it,
// and those before it.
type outlet struct {
	mu    sync.Mutex
	queue []batch // put and not yet written
	puts  int64   // batches put
	spare []batch // for what is put next

	writing sync.Mutex // held while a batch is written
	vec     vectorWriter
	done    int64 // batches written

	written atomic.Int64          // bytes
	err     atomic.Pointer[error] // the first; after it, batches are dropped
}

// put takes b over. It returns its number, and an empty batch for what follows.
func (o *outlet) put(b batch) (n int64, next batch) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(b.pieces) == 0 {
		return o.puts, b
	}
	o.queue = append(o.queue, b)
	o.puts++
	if last := len(o.spare) - 1; last >= 0 {
		next, o.spare = o.spare[last], o.spare[:last]
	}
	return o.puts, next
}

// write writes the batches up to number n that are not yet written.
func (o *outlet) write(n int64) {
	o.writing.Lock()
	defer o.writing.Unlock()
	for ; o.done < n; o.done++ {
		o.mu.Lock()
		b := o.queue[0]
		o.queue = slices.Delete(o.queue, 0, 1)
		o.mu.Unlock()
		if o.failure() == nil {
			announceReads(b.pieces)
			size, err := o.vec.write(b.pieces)
			o.written.Add(size)
			if err != nil {
				o.fail(err)
			}
		}
		clear(b.pieces) // keeps nothing alive
		o.mu.Lock()
		o.spare = append(o.spare, batch{b.pieces[:0], b.scratch[:0]})
		o.mu.Unlock()
	}
}

func (o *outlet) fail(err error) { o.err.Store(&err) }

// failure returns the error that ended writing.
func (o *outlet) failure() error {
	if err := o.err.Load(); err != nil {
		return *err
	}
	return nil
}
