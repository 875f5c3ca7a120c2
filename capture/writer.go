package capture

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// WriterOptions says what file a Writer makes. The zero value is a pcap file
// with microseconds.
type WriterOptions struct {
	Format Format

	// Nanoseconds is the resolution of a pcap file, and of pcapng interfaces;
	// without it time stamps are rounded down to microseconds.
	Nanoseconds bool

	// In pcapng files only: what made the packets and the file.
	Hardware, OS, Application, Comment string
}

// Writer writes packets from any source into a new capture file, in
// little-endian byte order. It gathers what it is given: Flush writes what is
// outstanding. One goroutine may use it at a time. After an error, all calls
// return that error.
type Writer struct {
	g      gatherer
	opts   WriterOptions
	ifs    []LinkType
	count  int64
	perSec int64 // units of a time stamp in a second
}

// NewWriter starts a file. Its first interface has to be added next.
func NewWriter(w io.Writer, opts WriterOptions) (*Writer, error) {
	wr := &Writer{g: newGatherer(w), opts: opts, perSec: 1e6}
	if opts.Nanoseconds {
		wr.perSec = 1e9
	}
	switch opts.Format {
	case Pcap:
	case Pcapng:
		b := newBlock(blockSection)
		b.u32(byteOrderMagic)
		b.u16(1)
		b.u16(0)
		b.u64(math.MaxUint64) // length of the section: not known
		b.text(optComment, opts.Comment)
		b.text(shbHardware, opts.Hardware)
		b.text(shbOS, opts.OS)
		b.text(shbApplication, opts.Application)
		if err := wr.put(b); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("unknown capture file format %v", opts.Format)
	}
	return wr, nil
}

// AddInterface describes an interface and returns its index, which packets name
// it by. A pcap file has exactly one, and holds its LinkType, SnapLen and FCSLen
// only. A SnapLen of 0 becomes the largest of the link type.
func (w *Writer) AddInterface(ifc Interface) (int, error) {
	if ifc.SnapLen == 0 {
		ifc.SnapLen = ifc.LinkType.maxCapLen()
	}
	if ifc.LinkType > math.MaxUint16 {
		return 0, fmt.Errorf("link type %d does not fit 16 bits", uint32(ifc.LinkType))
	}
	if w.opts.Format == Pcap {
		if len(w.ifs) > 0 {
			return 0, fmt.Errorf("a pcap file has one interface: pcapng has room for more")
		}
		w.pcapHeader(ifc)
	} else if err := w.interfaceBlock(ifc); err != nil {
		return 0, err
	}
	w.ifs = append(w.ifs, ifc.LinkType)
	return len(w.ifs) - 1, w.g.err
}

func (w *Writer) pcapHeader(ifc Interface) {
	magic := pcapMagics[0].magic
	if w.opts.Nanoseconds {
		magic = pcapMagics[1].magic
	}
	link := uint32(ifc.LinkType)
	// The field has 4 bits for the number of 16-bit words.
	if ifc.FCSLen > 0 && ifc.FCSLen%2 == 0 && ifc.FCSLen < 32 {
		link |= linkFCSPresent | uint32(ifc.FCSLen/2)<<28
	}
	h := w.g.reserve(pcapHeader)
	le := binary.LittleEndian
	le.PutUint32(h, magic)
	le.PutUint16(h[4:], 2)
	le.PutUint16(h[6:], 4)
	le.PutUint64(h[8:], 0) // time zone and accuracy: always 0
	le.PutUint32(h[16:], ifc.SnapLen)
	le.PutUint32(h[20:], link)
}

// WritePacket puts a packet of m.Interface: m.TS and m.WireLen are used, the
// link type is the interface's. It takes a copy of data.
func (w *Writer) WritePacket(m Meta, data []byte) error {
	return w.packet(m, data, (*gatherer).copy)
}

// GatherPacket is WritePacket without the copy: data is written from where it
// is, and has to stay as it is until Flush. A small packet costs more this way.
func (w *Writer) GatherPacket(m Meta, data []byte) error {
	return w.packet(m, data, (*gatherer).ref)
}

func (w *Writer) packet(m Meta, data []byte, put func(*gatherer, []byte)) error {
	if w.g.err != nil {
		return w.g.err
	}
	if uint(m.Interface) >= uint(len(w.ifs)) {
		return fmt.Errorf("packet of interface %d: the file has %d", m.Interface, len(w.ifs))
	}
	if limit := w.ifs[m.Interface].maxCapLen(); uint64(len(data)) > uint64(limit) {
		return fmt.Errorf("packet of %d bytes: no more than %d can be read back", len(data), limit)
	}
	sec, frac := m.TS/1e9, m.TS%1e9
	if m.TS < 0 {
		return fmt.Errorf("packet captured before 1970: time stamp %d", m.TS)
	}
	frac /= 1e9 / w.perSec
	le := binary.LittleEndian
	if w.opts.Format == Pcap {
		if sec > math.MaxUint32 {
			return fmt.Errorf("packet captured after 2106: a pcap file has no such time stamp")
		}
		h := w.g.reserve(pcapRecordHeader)
		le.PutUint32(h, uint32(sec))
		le.PutUint32(h[4:], uint32(frac))
		le.PutUint32(h[8:], uint32(len(data)))
		le.PutUint32(h[12:], m.WireLen)
		put(&w.g, data)
	} else {
		ts := uint64(sec*w.perSec + frac)
		pad := -len(data) & 3
		total := uint32(blockOverhead + 20 + len(data) + pad)
		h := w.g.reserve(enhancedHeader)
		le.PutUint32(h, blockEnhanced)
		le.PutUint32(h[4:], total)
		le.PutUint32(h[8:], uint32(m.Interface))
		le.PutUint32(h[12:], uint32(ts>>32))
		le.PutUint32(h[16:], uint32(ts))
		le.PutUint32(h[20:], uint32(len(data)))
		le.PutUint32(h[24:], m.WireLen)
		put(&w.g, data)
		t := w.g.reserve(pad + 4)
		clear(t[:pad])
		le.PutUint32(t[pad:], total)
	}
	if w.g.err == nil {
		w.count++
	}
	return w.g.err
}

// WriteStats puts the counters of an interface, as they are at ts (nanoseconds
// since 1970). A pcap file has no place for them: they are left out.
func (w *Writer) WriteStats(iface int, ts int64, s Stats) error {
	if uint(iface) >= uint(len(w.ifs)) {
		return fmt.Errorf("statistics of interface %d: the file has %d", iface, len(w.ifs))
	}
	if w.opts.Format == Pcap {
		return w.g.err
	}
	t := uint64(max(ts, 0)) / uint64(1e9/w.perSec)
	b := newBlock(blockStatistics)
	b.u32(uint32(iface))
	b.u32(uint32(t >> 32))
	b.u32(uint32(t))
	for _, c := range []struct {
		has   StatsFields
		code  uint16
		value uint64
	}{
		{HasReceived, isbReceived, s.Received},
		{HasDropped, isbDropped, s.Dropped},
		{HasAccepted, isbAccepted, s.Accepted},
	} {
		if s.Has&c.has != 0 {
			b.option(c.code, binary.LittleEndian.AppendUint64(nil, c.value))
		}
	}
	return w.put(b)
}

// Flush writes what is still to be written.
func (w *Writer) Flush() error {
	w.g.flush()
	return w.g.err
}

// Packets returns how many packets were put.
func (w *Writer) Packets() int64 { return w.count }

// Bytes returns how many bytes have been written so far.
func (w *Writer) Bytes() int64 { return w.g.out.written.Load() }

// interfaceBlock puts an interface description.
func (w *Writer) interfaceBlock(ifc Interface) error {
	b := newBlock(blockInterface)
	b.u16(uint16(ifc.LinkType))
	b.u16(0)
	b.u32(ifc.SnapLen)
	b.text(ifName, ifc.Name)
	b.text(ifDescription, ifc.Description)
	if ifc.Filter != "" {
		b.option(ifFilter, append([]byte{0}, ifc.Filter...)) // 0: an expression
	}
	b.text(ifOS, ifc.OS)
	if w.opts.Nanoseconds {
		b.option(ifTSResol, []byte{9})
	}
	return w.put(b)
}

func (w *Writer) put(b *block) error {
	out, err := b.bytes()
	if err != nil {
		return err
	}
	w.g.copy(out)
	return w.g.err
}

// Options of the section header.
const (
	shbHardware    = 2
	shbOS          = 3
	shbApplication = 4
)

// block builds a pcapng block.
type block struct {
	b       []byte
	options int
	err     error
}

func newBlock(typ uint32) *block {
	b := &block{}
	b.u32(typ)
	b.u32(0) // the length, set by bytes
	return b
}

func (b *block) u16(v uint16) { b.b = binary.LittleEndian.AppendUint16(b.b, v) }
func (b *block) u32(v uint32) { b.b = binary.LittleEndian.AppendUint32(b.b, v) }
func (b *block) u64(v uint64) { b.b = binary.LittleEndian.AppendUint64(b.b, v) }

func (b *block) option(code uint16, v []byte) {
	if len(v) > math.MaxUint16 {
		b.err = fmt.Errorf("pcapng option %d of %d bytes: 65535 fit", code, len(v))
		return
	}
	b.u16(code)
	b.u16(uint16(len(v)))
	b.b = append(b.b, v...)
	b.b = append(b.b, make([]byte, -len(v)&3)...)
	b.options++
}

// text puts an option unless it is empty.
func (b *block) text(code uint16, s string) {
	if s != "" {
		b.option(code, []byte(s))
	}
}

func (b *block) bytes() ([]byte, error) {
	if b.options > 0 {
		b.u32(optEnd) // code and length
	}
	total := uint32(len(b.b) + 4)
	b.u32(total)
	binary.LittleEndian.PutUint32(b.b[4:], total)
	return b.b, b.err
}
