package capture

import "github.com/bpfjit/bpfjit/jit"

// scanner filters the records of a pcap file chunk by chunk, where they were
// read: on the core whose cache has them. What it finds is a proposal, which the
// Reader takes where it comes to the place itself.
type scanner struct {
	rec    pcapRecord
	filter *jit.Filter
}

// edge is where the next record starts, handed on from chunk to chunk.
type edge struct {
	at   int64                 // offset, from the first chunk's start
	head [maxRecordHeader]byte // the header's first n bytes, if it starts in an earlier chunk
	n    int
	lost bool // it is not known where records start
}

// found is what a scanner finds in a chunk. Positions are behind the chunk's room.
type found struct {
	first, end int   // from the first record that starts here to the end of the last whole one; first is -1 if there is none
	starts     []int // of all whole records
	hits       []hit // of those that match
	bytes      int64 // of all packets
}

// hit is a record that matches: the index-th in its chunk. It has all of a packet
// but the data, so that they need not come to the core of who takes it.
type hit struct {
	ts              int64
	at, index       int32
	capLen, wireLen uint32
	verdict         uint32
}

// walk finds the records of a chunk that starts at an offset, from an edge on, and
// returns the next edge.
func (s *scanner) walk(c *chunk, start int64, e edge) edge {
	f, data, header := &c.found, c.mem[c.room:c.room+c.n], s.rec.header
	f.first, f.starts, f.hits, f.bytes = -1, f.starts[:0], f.hits[:0], 0
	if e.lost {
		return e
	}
	if e.n > 0 {
		e.n += copy(e.head[e.n:header], data)
		if e.n < header {
			return e
		}
		n, _, ok := s.rec.lengths(e.head[:])
		e.at, e.n, e.lost = e.at+int64(header)+int64(n), 0, !ok
	}
	e.lost = e.lost || e.at < start // the stream ended in an earlier chunk
	if e.lost || e.at >= start+int64(len(data)) {
		return e // in a record that is larger than the chunk
	}
	at := int(e.at - start)
	f.first = at
	for len(data)-at >= header {
		n, _, ok := s.rec.lengths(data[at:])
		if !ok {
			f.end, e.lost = at, true
			return e
		}
		size := header + int(n)
		if len(data)-at < size {
			f.end, e.at = at, start+int64(at)+int64(size)
			return e
		}
		f.starts = append(f.starts, at)
		at += size
	}
	f.end, e.at, e.n = at, start+int64(at), copy(e.head[:], data[at:])
	return e
}

// run filters what walk has found.
func (s *scanner) run(c *chunk) {
	f, data := &c.found, c.mem[c.room:c.room+c.n]
	for i, at := range f.starts {
		n, wireLen, _ := s.rec.lengths(data[at:])
		shown := min(n, s.rec.snapLen)
		f.bytes += int64(shown)
		body := data[at+s.rec.header:]
		if v := s.filter.Run(body[:shown:shown], int(wireLen)); v != 0 {
			f.hits = append(f.hits, hit{s.rec.timeStamp(data[at:]), int32(at), int32(i), n, wireLen, v})
		}
	}
}

// lane is what was found in the chunk that a Reader has, and how far it has come
// with that. Positions are in the Reader's buffer.
type lane struct {
	*found
	shift int   // where positions of found start
	base  int64 // packets before the first record, once begun
	begun bool
	given int // hits
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
		r.pos, r.count, r.verdict = l.shift+int(h.at), l.base+int64(h.index), h.verdict
		return h
	}
	r.pos, r.count = l.shift+l.end, l.base+int64(len(l.starts))
	r.bytes += l.bytes
	l.found = nil
	return nil
}
