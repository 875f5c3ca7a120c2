package capture

import "io"

const (
	// maxPieces is how many pieces of memory go into one system call: IOV_MAX
	// of Linux, which is UIO_MAXIOV (uio.h).
	maxPieces = 1024

	// scratchSize is room for what has no memory of its own: record headers.
	scratchSize = 256 << 10
)

// gatherer collects pieces of memory and writes them in order, in one system
// call where the system can. Pieces that lie side by side become one, so a run
// of neighbouring packets costs as much as one packet.
//
// The first error stays; what is put after it is dropped.
type gatherer struct {
	w       io.Writer
	vec     vectorWriter
	pieces  [][]byte
	scratch []byte // backing of copied pieces; reused after a flush
	written int64
	err     error
}

func newGatherer(w io.Writer) gatherer {
	return gatherer{w: w, vec: newVectorWriter(w), scratch: make([]byte, 0, scratchSize)}
}

// ref puts p, which has to stay as it is until the next flush.
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
		g.scratch = g.scratch[:0] // after an error, nothing is written from it any more
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
	if g.err == nil && len(g.pieces) > 0 {
		var n int64
		n, g.err = g.vec.write(g.pieces)
		g.written += n
	}
	clear(g.pieces)
	g.pieces = g.pieces[:0]
	g.scratch = g.scratch[:0]
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
