package capture

import (
	"io"
	"io/fs"
	"sync"
)

const (
	// aheadChunk is how much is read ahead at a time. Together the chunks are
	// no more than a level 2 cache of today.
	aheadChunk = 512 << 10

	// aheadReaders is how many goroutines read a file of which any part can be
	// read at any time. What takes long is the kernel's copy. Measured, with two
	// of them packets are looked at on the core that read them more often than
	// with more.
	aheadReaders = 2

	// aheadRoom is what stays free before a chunk, for the start of a record
	// that lies across two of them: the usual largest snapshot length.
	aheadRoom = 256 << 10
)

// ahead reads a stream before it is asked for, in goroutines of its own.
//
// The stream is cut into chunks. Chunk n is read into chunks[n%len(chunks)] once
// chunk n-len(chunks) is given back. A file is read by several goroutines, each
// at the offset of its chunk; any other stream by one, in order, with as much to
// a chunk as one call of Read returns.
type ahead struct {
	chunks []chunk
	free   chan struct{} // a token for each chunk that may be read into
	stop   chan struct{}
	once   sync.Once

	taken, given int // chunks handed out, and of those given back; the taker's

	mu   sync.Mutex
	next int // the chunk to be read next

	scan  *scanner    // nil: nothing is looked for
	edges []chan edge // to chunk n, in edges[n%len(edges)]
}

// chunk is a piece of the stream, with room before it.
type chunk struct {
	mem  []byte
	room int
	n    int   // bytes read behind the room
	err  error // what ended the stream behind them
	done chan struct{}

	start int64 // offset in the stream, from the first chunk's
	found found // there
}

// filled is the room and what was read. There is nothing behind it to append to.
func (c *chunk) filled() []byte { return c.mem[: c.room+c.n : c.room+c.n] }

// newAhead starts reading src in chunks of size bytes with room bytes before. If
// there is something to be looked for, the next record starts at first.
func newAhead(src io.Reader, room, size int, scan *scanner, first edge) *ahead {
	offset := int64(0)
	readers, read := 1, func(_ int, c *chunk) {
		c.n, c.err = readSome(src, c.mem[room:])
		c.start = offset
		offset += int64(c.n)
	}
	if at, start, ok := randomAccess(src); ok {
		readers = aheadReaders
		read = func(n int, c *chunk) {
			c.start = int64(n) * int64(size)
			c.n, c.err = at.ReadAt(c.mem[room:], start+c.start)
		}
	}
	a := &ahead{
		chunks: make([]chunk, readers+1), // one is the taker's
		free:   make(chan struct{}, readers+1),
		stop:   make(chan struct{}),
		scan:   scan,
		edges:  make([]chan edge, readers+1),
	}
	for i := range a.chunks {
		a.edges[i] = make(chan edge, 1)
		a.chunks[i] = chunk{mem: make([]byte, room+size), room: room, done: make(chan struct{}, 1)}
		a.free <- struct{}{}
	}
	a.edges[0] <- first
	for range readers {
		go a.run(read)
	}
	return a
}

// randomAccess tells whether src is a regular file, and where it stands.
func randomAccess(src io.Reader) (at io.ReaderAt, offset int64, ok bool) {
	f, ok := src.(interface {
		io.ReaderAt
		io.Seeker
		Stat() (fs.FileInfo, error)
	})
	if !ok {
		return nil, 0, false
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, 0, false
	}
	offset, err = f.Seek(0, io.SeekCurrent)
	return f, offset, err == nil
}

// readSome reads what is there, but not nothing for ever.
func readSome(src io.Reader, b []byte) (int, error) {
	for range 100 {
		if n, err := src.Read(b); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// run reads chunks until the stream ends or is abandoned.
func (a *ahead) run(read func(n int, c *chunk)) {
	for {
		select {
		case <-a.stop:
			return
		case <-a.free:
		}
		a.mu.Lock()
		n := a.next
		a.next++
		a.mu.Unlock()
		c := &a.chunks[n%len(a.chunks)]
		read(n, c)
		if a.scan != nil {
			select {
			case <-a.stop:
				return
			case e := <-a.edges[n%len(a.edges)]:
				a.edges[(n+1)%len(a.edges)] <- a.scan.walk(c, c.start, e)
			}
			a.scan.run(c)
		}
		ended := c.err != nil // c is the taker's from the next line on
		c.done <- struct{}{}
		if ended {
			return
		}
	}
}

// take waits for the next chunk. It is the taker's until it is given back. There
// is none after one with an error.
func (a *ahead) take() *chunk {
	c := &a.chunks[a.taken%len(a.chunks)]
	<-c.done
	a.taken++
	return c
}

// giveBack lets all chunks but the last keep be read into again.
func (a *ahead) giveBack(keep int) {
	for ; a.given < a.taken-keep; a.given++ {
		a.free <- struct{}{}
	}
}

// close ends reading. A call of Read that is under way is not waited for.
func (a *ahead) close() { a.once.Do(func() { close(a.stop) }) }
