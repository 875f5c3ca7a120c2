package capture

import (
	"io"
	"os"
)

const (
	// maxPieces is how many pieces of memory are gathered at most. One system call
	// takes fewer (IOV_MAX).
	maxPieces = 8192

	// scratchSize is room for what has no memory of its own: record headers.
	scratchSize = 256 << 10
)

// gatherer collects pieces of memory and writes them in order, in few system
// calls where the system can. Pieces that lie side by side become one, so a run
// of neighbouring packets costs as much as one packet.
//
// The first error stays; what is put after it is dropped.
type gatherer struct {
	batch
	out  *outlet
	file bool // it is a file that is written, not something with a Write of its own
	err  error
}

// batch is what is written together.
type batch struct {
	pieces  [][]byte
	scratch []byte // backing of copied pieces
}

func newGatherer(w io.Writer) gatherer {
	_, file := w.(*os.File)
	return gatherer{out: &outlet{vec: newVectorWriter(w)}, file: file}
}

// ref puts p, which has to stay as it is until the next flush, or until what
// handOver returned is written.
func (g *gatherer) ref(p []byte) {
	if len(p) == 0 || g.err != nil {
		return
	}
	if n := len(g.pieces); n > 0 {
		// Within the capacity, what follows last is the same allocation: if that
		// is where p starts, the two are one.
		last := g.pieces[n-1]
		if cap(last)-len(last) >= len(p) && &last[:len(last)+1][len(last)] == &p[0] {
			g.pieces[n-1] = last[:len(last)+len(p)]
			return
		}
	}
	if len(g.pieces) == maxPieces {
		if g.flush(); g.err != nil {
			return
		}
	}
	g.pieces = append(g.pieces, p)
}

// reserve returns n bytes to fill in, which are put. n is far less than scratchSize.
func (g *gatherer) reserve(n int) []byte {
	if cap(g.scratch)-len(g.scratch) < n || len(g.pieces) == maxPieces {
		g.flush()
		if g.scratch = g.scratch[:0]; cap(g.scratch) == 0 {
			g.scratch = make([]byte, 0, scratchSize)
		}
	}
	at := len(g.scratch)
	g.scratch = g.scratch[:at+n]
	g.ref(g.scratch[at:])
	return g.scratch[at:]
}

// copy puts a copy of p.
func (g *gatherer) copy(p []byte) {
	for len(p) > 0 {
		n := copy(g.reserve(min(len(p), scratchSize/2)), p)
		p = p[n:]
	}
}

// flush writes what was put. Afterwards the memory is the caller's again.
func (g *gatherer) flush() {
	g.out.write(g.handOver())
	g.err = g.out.failure()
}

// handOver leaves what was put to whoever calls the outlet's write with the number
// that it returns.
func (g *gatherer) handOver() int64 {
	var n int64
	n, g.batch = g.out.put(g.batch)
	g.err = g.out.failure()
	return n
}

// stage writes pieces to a plain io.Writer. Small ones go through a buffer:
// a call for each would cost more than the copy.
type stage struct {
	w   io.Writer
	buf []byte
}

func (s *stage) write(pieces [][]byte) (written int64, err error) {
	const small = 8 << 10
	if s.buf == nil {
		s.buf = make([]byte, 0, 8*small)
	}
	out := func(p []byte) bool {
		if len(p) == 0 {
			return true
		}
		var n int
		n, err = s.w.Write(p)
		written += int64(n)
		if err == nil && n < len(p) {
			err = io.ErrShortWrite
		}
		return err == nil
	}
	s.buf = s.buf[:0]
	for _, p := range pieces {
		if len(p) > cap(s.buf)-len(s.buf) || len(p) >= small {
			if !out(s.buf) {
				return written, err
			}
			s.buf = s.buf[:0]
		}
		if len(p) >= small {
			if !out(p) {
				return written, err
			}
			continue
		}
		s.buf = append(s.buf, p...)
	}
	out(s.buf)
	return written, err
}
