package capture

import (
	"io"
	"io/fs"
	"runtime"
	"sync"
)

const (
	// aheadChunk is how much is read ahead at a time. Measured, little more or
	// less is slower: those of one goroutine stay in a level 2 cache of 2 MiB.
	aheadChunk = 384 << 10

	// aheadReaders is how many goroutines read a file of which any part can be
	// read at any time. What takes long is the kernel's copy. Measured, with two
	// of them packets are looked at on the core that read them more often than
	// with more.
	aheadReaders = 2

	// chunksEach is how many chunks each of these has: one is looked at while the
	// next is read.
	chunksEach = 2

	// aheadRoom is what stays free before a chunk, for the start of a record
	// that lies across two of them: of the usual largest snapshot length.
	aheadRoom = 257 << 10
)

// ahead reads a stream before it is asked for, in goroutines of its own.
//
// The stream is cut into chunks. Chunk n is read into chunks[n%len(chunks)] once
// chunk n-len(chunks) is given back. A file is read by several goroutines, each
// at the offsets of its chunks: they take turns, so that a chunk's memory stays in
// one core's cache. Any other stream is read by one, in order, with as much to a
// chunk as one call of Read returns.
//
// What is left to be written of a chunk that is given back is written by the
// goroutine that reads into it next, if there are several.
type ahead struct {
	chunks []chunk
	free   []chan struct{} // to each goroutine, a token for each of its chunks that may be read into
	stop   chan struct{}
	once   sync.Once

	taken, given int // chunks handed out, and of those given back; the taker's

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

	out  *outlet // if not nil, its batches up to number left have parts of mem
	left int64
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
		chunks: make([]chunk, chunksEach*readers),
		free:   make([]chan struct{}, readers),
		stop:   make(chan struct{}),
		scan:   scan,
		edges:  make([]chan edge, chunksEach*readers),
	}
	for i := range a.chunks {
		a.edges[i] = make(chan edge, 1)
		a.chunks[i] = chunk{mem: make([]byte, room+size), room: room, done: make(chan struct{}, 1)}
	}
	a.edges[0] <- first
	for i := range readers {
		a.free[i] = make(chan struct{}, chunksEach)
		for range chunksEach {
			a.free[i] <- struct{}{}
		}
		go a.run(i, read)
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

// run reads every len(free)-th chunk from the first on until the stream ends or is
// abandoned.
func (a *ahead) run(first int, read func(n int, c *chunk)) {
	for n := first; ; n += len(a.free) {
		select {
		case <-a.stop:
			return
		case <-a.free[first]:
		}
		c := &a.chunks[n%len(a.chunks)]
		if c.out != nil {
			c.out.write(c.left)
			c.out = nil
		}
		read(n, c)
		if a.scan != nil {
			// Most often it comes in less time than it takes to fall asleep and wake.
			for i := 0; i < 100 && len(a.edges[n%len(a.edges)]) == 0; i++ {
				runtime.Gosched()
			}
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
		// If the taker waits for this chunk, it is to go over it here, at once, and
		// give it back: else it waits until this goroutine has to wait for it.
		runtime.Gosched()
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
		a.free[a.given%len(a.free)] <- struct{}{}
	}
}

// leave lets what g has of the chunk that was taken last be written after it is
// given back, or writes it.
func (a *ahead) leave(g *gatherer) {
	if len(a.free) == 1 || !g.file || a.given == a.taken {
		g.flush()
		return
	}
	c := &a.chunks[(a.taken-1)%len(a.chunks)]
	c.out, c.left = g.out, g.handOver()
}

// close ends reading. A call of Read that is under way is not waited for.
func (a *ahead) close() { a.once.Do(func() { close(a.stop) }) }
