package capture

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/bits"
	"runtime"
	"slices"
)

const (
	// bufferSize is how much is read at a time: enough for few system calls,
	// little enough to stay in a level 2 cache. Measured, mapping the file is
	// not faster, and it neither works on pipes nor survives a file that is
	// truncated meanwhile.
	bufferSize = 512 << 10

	// maxBlock bounds a pcapng block, as in libpcap and Wireshark. Only an
	// interface of a link type with larger packets raises it.
	maxBlock = 16 << 20

	// maxInterfaces and maxText bound what is kept of interface descriptions
	// over all sections of a pcapng stream, in number and in bytes of text.
	maxInterfaces = 1 << 16
	maxText       = 16 << 20
)

// Reader reads packets from a capture file. One goroutine may use it at a time.
//
// Its memory is one buffer of 512 KiB, which grows only for a larger record: as
// data arrives, up to 16 MiB (128 MiB for D-Bus captures). WithReadAhead adds five
// such buffers, and with a Filter places of packets in them: 8 bytes for each, 48
// more for each that matches.
type Reader struct {
	src    io.Reader
	srcErr error  // what ended src, once it did
	ahead  *ahead // reads src if not nil

	startAhead startAhead // makes ahead when it is needed

	buf      []byte
	pos, end int   // what is read and not yet consumed: buf[pos:end]
	base     int64 // offset of buf[0] in the stream

	compressed bool // src decompresses

	format Format
	order  // of the file, or of the current section
	ifs    []Interface
	count  int64
	pkt    Packet
	err    error // sticky

	rec pcapRecord
	ng  section

	filters *filters // nil: all packets are given
	verdict uint32
	lane    lane
	bytes   int64 // of packets, captured

	onFill  func() error                 // see OnFill
	head    []byte                       // everything before the first record, for a Copier
	copied  *gatherer                    // keeps parts of buf, until they are written
	onBlock func(typ uint32, raw []byte) // called for each block that is no packet
}

// Option changes how NewReader reads.
type Option func(*options)

type options struct {
	decompressors []decompressor
	ahead         func(file io.Reader) startAhead
}

type decompressor struct {
	magic string
	open  func(io.Reader) (io.Reader, error)
}

// WithDecompressor makes NewReader read a stream that starts with magic, of at
// most 16 bytes, through what open returns for it. Gzip needs no such option.
func WithDecompressor(magic string, open func(io.Reader) (io.Reader, error)) Option {
	return func(o *options) { o.decompressors = append(o.decompressors, decompressor{magic, open}) }
}

// WithReadAhead makes the Reader read a regular file, and decompress it, in
// goroutines of its own while packets are looked at. Parts of a file are read at
// the same time: its offset tells nothing, and one that grows meanwhile ends at
// some place between its old and its new end. Nobody else may read from the file
// until the stream has ended.
//
// Any other source, of which packets may be long in coming, is read when Next is
// called, as without the option.
func WithReadAhead() Option {
	return func(o *options) {
		o.ahead = func(file io.Reader) startAhead {
			if _, _, ok := randomAccess(file); !ok || runtime.GOMAXPROCS(0) == 1 {
				return nil
			}
			return func(stream io.Reader, s *scanner, first edge) *ahead {
				return newAhead(stream, aheadRoom, aheadChunk, s, first)
			}
		}
	}
}

// Streams that are recognised only to be named.
var compressions = []struct{ magic, name string }{
	{"\x28\xb5\x2f\xfd", "zstd"},
	{"\xfd7zXZ\x00", "xz"},
	{"BZh", "bzip2"},
	{"\x04\x22\x4d\x18", "lz4"},
}

const gzipMagic = "\x1f\x8b\x08"

// NewReader reads src's file header and, in pcapng, everything up to the first
// interface description. It never reads from src again after src has said
// io.EOF or failed.
func NewReader(src io.Reader, opts ...Option) (*Reader, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	r := &Reader{src: src, buf: make([]byte, bufferSize)}
	_ = r.fill(16) // what is missing or failed shows again when it is needed
	if err := r.decompress(&o); err != nil {
		return nil, err
	}
	if err := r.open(); err != nil {
		return nil, err
	}
	if o.ahead != nil {
		r.startAhead = o.ahead(src)
	}
	return r, nil
}

// startAhead makes what reads a stream ahead.
type startAhead func(stream io.Reader, s *scanner, first edge) *ahead

// OnFill makes Next call f before it goes on to more of the stream, every half a
// megabyte or more often: to show how far it has come, and to end, since a Next with
// a filter may go through the whole file. An error of f ends reading; Next's wraps it.
func (r *Reader) OnFill(f func() error) { r.onFill = f }

// Close ends reading ahead; it neither closes the source nor waits for a call of
// its Read. Without WithReadAhead it is not needed, and nowhere after the end of
// the stream.
func (r *Reader) Close() { _ = r.fail(r.Offset(), fs.ErrClosed) }

// decompress puts a decompressor between src and r if what was read so far is
// the start of a compressed stream.
func (r *Reader) decompress(o *options) error {
	start := r.buf[:r.end]
	var open func(io.Reader) (io.Reader, error)
	switch i := slices.IndexFunc(o.decompressors, func(d decompressor) bool { return hasMagic(start, d.magic) }); {
	case i >= 0:
		open = o.decompressors[i].open
	case hasMagic(start, gzipMagic):
		open = func(src io.Reader) (io.Reader, error) { return gzip.NewReader(src) }
	default:
		for _, c := range compressions {
			if hasMagic(start, c.magic) {
				return r.fail(0, &reason{ErrNotCapture, "not a capture file but " + c.name + "-compressed data: decompress it first"})
			}
		}
		return nil
	}
	rest := r.src
	if r.srcErr != nil {
		rest = endReader{r.srcErr}
	}
	all := io.MultiReader(bytes.NewReader(bytes.Clone(start)), rest)
	src, err := open(bufio.NewReaderSize(all, 64<<10))
	r.src, r.srcErr, r.end, r.compressed = src, nil, 0, true
	if err != nil {
		return r.short(0, err, "compressed file", 0)
	}
	return nil
}

func hasMagic(start []byte, magic string) bool {
	return bytes.HasPrefix(start, []byte(magic))
}

// endReader is a stream that has already ended.
type endReader struct{ err error }

func (e endReader) Read([]byte) (int, error) { return 0, e.err }

// open recognises the format and reads the file header.
func (r *Reader) open() error {
	if err := r.fill(4); err != nil {
		if r.end == 0 && err == io.EOF {
			return r.fail(0, truncated("empty file"))
		}
		return r.short(0, err, "file header", 4)
	}
	magic := binary.LittleEndian.Uint32(r.buf)
	if magic == blockSection {
		r.format = Pcapng
		return r.openPcapng()
	}
	for _, m := range pcapMagics {
		if magic == m.magic || magic == bits.ReverseBytes32(m.magic) {
			r.format, r.big = Pcap, magic != m.magic
			return r.openPcap(m)
		}
	}
	return r.fail(0, &reason{ErrNotCapture,
		fmt.Sprintf("not a capture file: it starts with % x, which is neither pcap nor pcapng", r.buf[:4])})
}

// Format returns the format of the stream.
func (r *Reader) Format() Format { return r.format }

// Interfaces returns the interfaces described so far: those of a pcapng
// stream's later sections are appended as they are met. The slice is the
// Reader's own, good until the next call of Next.
func (r *Reader) Interfaces() []Interface { return r.ifs }

// LinkType returns the first interface's link type. Packets of a pcapng stream
// may be of another: their Meta tells.
func (r *Reader) LinkType() LinkType { return r.ifs[0].LinkType }

// FirstLinkType returns the link type of the next packet: in a pcap file that of all;
// in a pcapng stream it is known only if that packet has been read with what came
// before it, as it has in all but unusual files. So what depends on link types can
// be found wrong before anything is done.
func (r *Reader) FirstLinkType() (LinkType, bool) {
	if r.format == Pcap {
		return r.LinkType(), true
	}
	return r.nextLinkType()
}

// Packets returns how many packets Next has come by: those it has given, and those
// before them that Filter's filter does not match.
func (r *Reader) Packets() int64 { return r.count }

// Offset returns how many bytes of the (decompressed) stream are consumed.
func (r *Reader) Offset() int64 { return r.base + int64(r.pos) }

// Compressed tells whether the stream is decompressed by the Reader.
func (r *Reader) Compressed() bool { return r.compressed }

// Next returns the next packet. Its error is io.EOF after the last packet of a
// well-formed stream, one of making a filter (see Filter), else an *Error; all stay.
func (r *Reader) Next() (*Packet, error) {
	if r.err != nil {
		return nil, r.err
	}
	for {
		h := r.lane.next(r)
		if h == nil && r.pos == r.end && r.filters != nil && r.fill(1) == nil {
			h = r.lane.next(r) // of the next chunk; what fill found wrong shows again
		}
		if h != nil && h.verdict != 0 {
			return r.take(h), nil
		}
		p, err := r.nextRecord()
		if err != nil {
			return nil, err
		}
		if p == nil {
			continue // a block of another kind
		}
		r.bytes += int64(len(p.Data))
		if r.filters == nil {
			return p, nil
		}
		if r.verdict, err = r.filters.verdict(r); err != nil {
			return nil, r.stop(err)
		}
		if r.verdict != 0 {
			return p, nil
		}
	}
}

// nextRecord reads a record; nil if it is no packet.
func (r *Reader) nextRecord() (*Packet, error) {
	if r.format == Pcap {
		return r.nextPcap()
	}
	return r.nextPcapng()
}

// fill makes need bytes available at buf[pos:]. It fails with what the stream
// ended with if there are fewer.
func (r *Reader) fill(need int) error {
	if r.end-r.pos >= need {
		return nil
	}
	if r.onFill != nil {
		if err := r.onFill(); err != nil {
			return r.fail(r.Offset(), err)
		}
		if r.err != nil { // it called Close
			return r.err
		}
	}
	if r.startAhead != nil && r.srcErr == nil {
		var scan *scanner
		if r.filters != nil {
			scan = r.filters.scan
		}
		r.ahead = r.startAhead(r.src, scan, r.edge(scan))
		r.startAhead = nil
		if r.ahead != nil {
			runtime.AddCleanup(r, (*ahead).close, r.ahead)
		}
	}
	if r.ahead != nil {
		return r.fillAhead(need)
	}
	if r.pos > 0 {
		if r.copied != nil {
			r.copied.flush()
		}
		r.end = copy(r.buf, r.buf[r.pos:r.end])
		r.base += int64(r.pos)
		r.pos = 0
	}
	for empty := 0; r.end < need; {
		if r.srcErr != nil {
			return r.srcErr
		}
		if r.end == len(r.buf) {
			// A hostile length costs no more memory than twice the data sent.
			buf := make([]byte, min(2*len(r.buf), max(need, bufferSize)))
			copy(buf, r.buf)
			r.buf = buf
		}
		n, err := r.src.Read(r.buf[r.end:])
		r.end += n
		r.srcErr = err
		if n > 0 {
			empty = 0
		} else if empty++; empty == 100 && err == nil {
			r.srcErr = io.ErrNoProgress
		}
	}
	return nil
}

// fillAhead is fill from chunks that were read ahead. What is left of one chunk is
// put before the next; if it is more than there is room for, both go into memory
// of their own.
func (r *Reader) fillAhead(need int) error {
	if r.copied != nil {
		r.ahead.leave(r.copied)
	}
	for r.end-r.pos < need {
		if r.srcErr != nil {
			return r.srcErr
		}
		c := r.ahead.take()
		if r.srcErr = c.err; c.err != nil {
			r.ahead.close() // others may have found more, in a file that grows
		}
		rest := r.buf[r.pos:r.end]
		buf, at := c.filled(), c.room-len(rest)
		r.lane = lane{}
		if at >= 0 {
			copy(buf[at:], rest)
			r.ahead.giveBack(1)
			if r.ahead.scan != nil {
				r.lane = lane{found: &c.found, shift: c.room}
			}
		} else {
			buf, at = append(rest, buf[c.room:]...), 0
			r.ahead.giveBack(0)
		}
		r.base += int64(r.pos - at)
		r.buf, r.pos, r.end = buf, at, len(buf)
	}
	return nil
}

// short makes the error for what, of size bytes at offset off, of which the
// stream has only buf[pos:end] before it ended with err.
func (r *Reader) short(off int64, err error, what string, size int) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = truncated("%s cut short: the compressed stream ends early", what)
	case err == io.EOF:
		err = truncated("%s cut short: %d of %d bytes", what, r.end-r.pos, size)
	}
	return r.fail(off, err)
}

// fail records err, met in what starts at off, as the end of the stream, if that has
// not ended.
func (r *Reader) fail(off int64, err error) error {
	if r.err != nil {
		return r.err
	}
	e := &Error{Offset: off, Err: err}
	if len(r.ifs) > 0 {
		e.Packet = r.count + 1
	}
	return r.stop(e)
}

// stop ends reading with an error.
func (r *Reader) stop(err error) error {
	r.err = err
	if r.ahead != nil {
		r.ahead.close()
	}
	return err
}
