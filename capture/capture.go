// Package capture is where packets come from: capture files, and on Linux
// network interfaces.
//
// # Files
//
// A [Reader] reads pcap and pcapng (every byte order, time resolution and
// packet block of the formats, gzip included) from any io.Reader, so files,
// pipes and standard input are all the same. It reads into one buffer and hands
// out slices of that buffer: no packet is copied and none is allocated. With
// [WithReadAhead], files are read in goroutines, and filtered there as well
// ([Reader.Filter]).
//
//	r, err := capture.NewReader(f)
//	...
//	for {
//		p, err := r.Next()
//		if err == io.EOF {
//			break
//		}
//		if err != nil {
//			return err // *capture.Error: which packet, which byte, what
//		}
//		use(p.TS, p.Data)
//	}
//
// A [Writer] makes pcap and pcapng files; a [Copier] writes packets that a
// Reader read into a file of the same format, their records taken as they are
// from the Reader's buffer.
//
// Package zstdread adds zstd to what NewReader decompresses.
//
// What a file is refused for is what libpcap refuses it for, with these
// exceptions: a pcapng file may have interfaces that differ in link type and
// snapshot length and sections that differ in byte order, and reserved bits in
// a pcap file's link type are an error, where libpcap 1.10.3 takes them for a
// part of it. Times that int64 nanoseconds do not hold become the nearest that do.
//
// # Interfaces
//
// A [Ring] is a capture from a network interface, or from all, through memory
// that the kernel writes packets into (Linux only). [Ring.Next] hands out blocks
// of packets, which are used where they are and given back. What a packet's bytes
// do not tell, a VLAN tag before all, goes into a bpfc.Aux for the filter.
// [Block.Filter] has generated code go over a whole block.
//
// # Sources
//
// The formats: pcap-savefile(5), draft-ietf-opsawg-pcap, and
// draft-ietf-opsawg-pcapng. Where libpcap accepts more than these say, the
// comment says that it is libpcap's practice. Rings: packet(7),
// Documentation/networking/packet_mmap.rst of Linux, linux/if_packet.h.
package capture

import (
	"errors"
	"fmt"
)

// Meta is what is known of a packet besides its bytes.
type Meta struct {
	TS        int64    // time of capture, nanoseconds since 1970-01-01 UTC; 0 if the file has none
	WireLen   uint32   // bytes the packet had on the wire; len(Data) is what was kept
	Interface int      // index into the source's Interfaces
	LinkType  LinkType // that interface's link type
}

// Packet is one captured packet. The one that Next returns is the Reader's own,
// and so is the memory of its slices: both are good until the next call.
type Packet struct {
	Meta
	Data []byte // the bytes kept

	// Raw is the packet's whole record or block as it stands in the file,
	// header and padding included. The Raw of neighbouring packets are
	// neighbours in memory, and its capacity reaches beyond its length so that
	// a Copier can tell; never append to it. It is nil in packets that ReadAll
	// returned.
	Raw []byte
}

// Interface describes where packets were captured. In a pcap file there is one,
// of which only link type, snapshot length and FCS are known.
type Interface struct {
	LinkType    LinkType
	SnapLen     uint32 // most bytes kept of a packet; 0: no limit stated
	FCSLen      int    // bytes of frame check sequence at each packet's end; -1: not stated
	Name        string // if_name
	Description string // if_description
	Filter      string // if_filter, when it is an expression
	OS          string // if_os

	// BigEndian is the byte order of the machine that wrote the file. Packets
	// are delivered as they are in the file; a few link types (NFLOG, USB, the
	// PF log, D-Bus) have fields in that order.
	BigEndian bool

	// Stats holds the counters of the last interface statistics block seen.
	Stats Stats

	clock clock
}

// Stats counts packets at an interface, as far as the capturing program said.
// A counter whose bit is missing in Has is unknown.
type Stats struct {
	Received uint64 // packets that came in (isb_ifrecv)
	Dropped  uint64 // packets lost for want of resources (isb_ifdrop)
	Accepted uint64 // packets that passed the filter (isb_filteraccept)
	Has      StatsFields
}

// StatsFields is a set of fields of Stats.
type StatsFields uint8

const (
	HasReceived StatsFields = 1 << iota
	HasDropped
	HasAccepted
)

// Format is a capture file format.
type Format uint8

const (
	Pcap   Format = iota // pcap-savefile(5)
	Pcapng               // draft-ietf-opsawg-pcapng
)

func (f Format) String() string {
	switch f {
	case Pcap:
		return "pcap"
	case Pcapng:
		return "pcapng"
	}
	return fmt.Sprintf("Format(%d)", uint8(f))
}

// The kinds of error in a capture; errors.Is tells them apart.
var (
	// ErrTruncated: the stream ends inside a header, record or block. That is
	// what a file looks like whose writer was killed or is still at work.
	ErrTruncated = errors.New("capture is cut short")
	// ErrCorrupt: the stream says something that cannot be.
	ErrCorrupt = errors.New("capture is corrupt")
	// ErrNotCapture: the stream is in no format that NewReader knows.
	ErrNotCapture = errors.New("not a capture file")
)

// Error is how reading a capture ends, other than at its proper end. Everything
// before the place it names has been delivered.
type Error struct {
	// Packet is the number, from 1, of the packet that could not be delivered;
	// 0 if reading failed before the first packet could be looked for.
	Packet int64
	// Offset is where the header, record or block at fault starts, in bytes
	// from the start of the stream (of what it decompresses to, if compressed).
	Offset int64
	// Err says what is wrong: one of the kinds above, or the error of the
	// underlying io.Reader.
	Err error
}

func (e *Error) Error() string {
	if e.Packet == 0 {
		return fmt.Sprintf("byte %d: %v", e.Offset, e.Err)
	}
	return fmt.Sprintf("packet %d at byte %d: %v", e.Packet, e.Offset, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// reason is an error of one of the kinds with its own words.
type reason struct {
	kind error
	msg  string
}

func (e *reason) Error() string { return e.msg }
func (e *reason) Unwrap() error { return e.kind }

func truncated(format string, args ...any) error {
	return &reason{ErrTruncated, fmt.Sprintf(format, args...)}
}

func corrupt(format string, args ...any) error {
	return &reason{ErrCorrupt, fmt.Sprintf(format, args...)}
}
