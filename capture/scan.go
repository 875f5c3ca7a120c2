package capture

import (
	"sync/atomic"

	"github.com/bpfjit/bpfjit/jit"
)

// scanner filters the records of a file chunk by chunk, where they were read: on
// the core whose cache has them. What it finds is a proposal, which the Reader
// takes where it comes to the place itself.
type scanner struct {
	ng     bool
	rec    pcapRecord            // of a pcap file
	filter *jit.Filter           // of a pcap file
	known  atomic.Pointer[known] // of a pcapng file
}

// known is what the Reader has come to know of a pcapng section. It does not change.
type known struct {
	section, first int // as in section: number, first
	ifs            []knownInterface
}

// knownInterface is an interface with, if there is one yet, its filter.
type knownInterface struct {
	clock  clock
	limit  uint32 // of captured lengths
	filter *jit.Filter
}

// maxKnown bounds the interfaces of a section whose packets are filtered ahead.
const maxKnown = 64

// edge is where the next record starts, handed on from chunk to chunk.
type edge struct {
	at   int64                 // offset, from the first chunk's start
	head [maxRecordHeader]byte // the header's first n bytes, if it starts in an earlier chunk
	n    int
	lost bool // it is not known where records start

	blocks
}

// blocks is what a scanner has come by of a pcapng file.
type blocks struct {
	order
	section int // as in section: number
}

// found is what a scanner finds in a chunk. Positions are behind the chunk's room.
type found struct {
	first, end int    // from the first record that starts here to the end of the last whole one; first is -1 if there is none
	before     blocks // before first
	starts     []int  // of all whole records
	packets    int    // of these
	hits       []hit
	bytes      int64 // of packets that were filtered
}

// hit is a packet that matches, with all that is in its header, so that who takes it
// need not touch memory that another core has. One without a verdict is a record to
// be looked at, whatever it is.
type hit struct {
	ts      int64
	at      int32 // where the record starts
	before  int32 // packets before it
	bytes   int64 // of those that were filtered, and of this one if it was
	size    int32 // of the record
	data    int32 // where in the record the data start
	capLen  uint32
	wireLen uint32
	ifc     int32
	verdict uint32
}

// edge is where the next record starts, from what is not yet read on. Without a
// scanner nobody asks.
func (r *Reader) edge(s *scanner) (e edge) {
	if s == nil {
		return e
	}
	rest := r.buf[r.pos:r.end]
	e = edge{at: int64(-len(rest)), blocks: blocks{r.order, r.ng.number}}
	if e.n = copy(e.head[:s.header()], rest); e.n == s.header() {
		e.pass(s, e.head[:])
	}
	return e
}

// header is how many bytes of a record it takes to know its size.
func (s *scanner) header() int {
	if s.ng {
		return blockOverhead
	}
	return s.rec.header
}

// size is that of the record whose header b starts with; false if there is no such
// record.
func (s *scanner) size(b []byte, e *blocks) (n int, ok bool) {
	if s.ng {
		return e.size(b)
	}
	capLen, _, ok := s.rec.lengths(b)
	return s.rec.header + int(capLen), ok
}

// pass goes over the record whose header is given.
func (e *edge) pass(s *scanner, header []byte) {
	n, ok := s.size(header, &e.blocks)
	e.at, e.n, e.lost = e.at+int64(n), 0, !ok
}

// walk finds the records of a chunk that starts at an offset, from an edge on, and
// returns the next edge.
func (s *scanner) walk(c *chunk, start int64, e edge) edge {
	f, data, header := &c.found, c.mem[c.room:c.room+c.n], s.header()
	f.first, f.starts, f.hits, f.packets, f.bytes = -1, f.starts[:0], f.hits[:0], 0, 0
	if e.lost {
		return e
	}
	if e.n > 0 {
		e.n += copy(e.head[e.n:header], data)
		if e.n < header {
			return e
		}
		e.pass(s, e.head[:])
	}
	e.lost = e.lost || e.at < start // the stream ended in an earlier chunk
	if e.lost || e.at >= start+int64(len(data)) {
		return e // in a record that is larger than the chunk
	}
	at := int(e.at - start)
	f.first, f.before = at, e.blocks
	for len(data)-at >= header {
		size, ok := s.size(data[at:], &e.blocks)
		if !ok {
			f.end, e.lost = at, true
			return e
		}
		if len(data)-at < size {
			f.end, e.at = at, start+int64(at)+int64(size)
			return e
		}
		f.starts = append(f.starts, at)
		at += size
	}
	f.end, e.at, e.n = at, start+int64(at), copy(e.head[:header], data[at:])
	return e
}

// run filters what walk has found.
func (s *scanner) run(c *chunk) {
	f, data := &c.found, c.mem[c.room:c.room+c.n]
	if s.ng {
		s.runBlocks(f, data)
		return
	}
	header := s.rec.header
	for i, at := range f.starts {
		n, wireLen, _ := s.rec.lengths(data[at:])
		shown := min(n, s.rec.snapLen)
		f.bytes += int64(shown)
		body := data[at+header:]
		if v := s.filter.Run(body[:shown:shown], int(wireLen)); v != 0 {
			f.hits = append(f.hits, hit{
				ts: s.rec.timeStamp(data[at:]), at: int32(at), before: int32(i), size: int32(header) + int32(n),
				bytes: f.bytes, data: int32(header), capLen: shown, wireLen: wireLen, verdict: v,
			})
		}
	}
	f.packets = len(f.starts)
}

// lane is what was found in the chunk that a Reader has, and how far it has come
// with that. Positions are in the Reader's buffer.
type lane struct {
	*found
	shift int   // where positions of found start
	base  int64 // packets before the first record, once begun
	begun bool
	given int   // hits
	bytes int64 // of packets up to the last hit
}

// next takes the Reader to the next hit; if there is none, nil, and then to where
// records have to be looked at one by one.
func (l *lane) next(r *Reader) *hit {
	if l.found == nil || l.first < 0 {
		return nil
	}
	if !l.begun {
		if r.pos != l.shift+l.first {
			return nil
		}
		l.begun, l.base = true, r.count
	}
	if l.given < len(l.hits) {
		h := &l.hits[l.given]
		l.given++
		l.passTo(r, int(h.at), int(h.before), h.bytes)
		return h
	}
	l.passTo(r, l.end, l.packets, l.found.bytes)
	l.found = nil
	return nil
}

// passTo takes the Reader to a position, by packets of so many bytes.
func (l *lane) passTo(r *Reader, at, packets int, bytes int64) {
	r.pos, r.count = l.shift+at, l.base+int64(packets)
	r.bytes += bytes - l.bytes
	l.bytes = bytes
}

// take is the packet of a hit, at buf[pos].
func (r *Reader) take(h *hit) *Packet {
	p := &r.pkt
	p.Interface = int(h.ifc)
	p.LinkType = r.ifs[h.ifc].LinkType
	p.TS, p.WireLen = h.ts, h.wireLen
	p.Raw = r.buf[r.pos:r.end][:h.size]
	p.Data = p.Raw[h.data:][:h.capLen:h.capLen]
	r.verdict = h.verdict
	r.pos += int(h.size)
	r.count++
	return p
}
