package capture

import (
	"io"
	"math"
	"slices"
)

const (
	pcapHeader       = 24 // bytes of a pcap file header
	pcapRecordHeader = 16 // bytes of a packet's header
	maxRecordHeader  = pcapRecordHeader + 8
)

// pcapMagic is a variant of the format: what follows from the file's first word.
type pcapMagic struct {
	magic    uint32
	fraction int64 // nanoseconds in a unit of the time stamp's second word
	header   int   // bytes of a packet's header
	snapMore uint32
}

var pcapMagics = []pcapMagic{
	{0xa1b2c3d4, 1000, pcapRecordHeader, 0},
	{0xa1b23c4d, 1, pcapRecordHeader, 0},
	// Alexey Kuznetzov's patches of the 1990s: interface, protocol and packet
	// type follow the lengths. libpcap reads them, and allows 14 bytes more than
	// the snapshot length since the patches did not count the Ethernet header.
	{0xa1b2cd34, 1000, maxRecordHeader, 14},
}

// lengthOrder says which of a record's two lengths comes first.
type lengthOrder uint8

const (
	captureFirst lengthOrder = iota
	wireFirst                // before version 2.3, and in DG/UX's 543.0
	smallerFirst             // version 2.3, whose writers did not agree
)

// pcapRecord is what a pcap file header says of the records that follow.
type pcapRecord struct {
	order
	header   int
	fraction int64
	lengthOrder
	snapLen uint32
	maxCap  uint32
}

// Bits of the link type field: the low 16 are the link type. The FCS length is
// in units of two bytes and counts if the bit for it is set.
const (
	linkReserved   = 0x03ff0000
	linkFCSPresent = 0x04000000
)

func (r *Reader) openPcap(m pcapMagic) error {
	if err := r.fill(pcapHeader); err != nil {
		return r.short(0, err, "file header", pcapHeader)
	}
	h := r.buf[:pcapHeader]
	major, minor := r.u16(h[4:]), r.u16(h[6:])
	snapLen, link := r.u32(h[16:]), r.u32(h[20:])

	rec := pcapRecord{order: r.order, header: m.header, fraction: m.fraction}
	switch {
	case major == 2 && minor < 3, major == 543 && minor == 0:
		rec.lengthOrder = wireFirst
	case major == 2 && minor == 3:
		rec.lengthOrder = smallerFirst
	case major == 2 && minor == 4:
	default:
		return r.fail(0, corrupt("pcap version %d.%d: only 2.0 to 2.4 are known", major, minor))
	}
	if link&linkReserved != 0 {
		return r.fail(0, corrupt("reserved bits of the link type field are set: %#08x", link))
	}
	ifc := Interface{LinkType: LinkType(link & 0xffff), FCSLen: -1, BigEndian: r.big}
	if link&linkFCSPresent != 0 {
		ifc.FCSLen = int(link>>28) * 2
	}
	rec.maxCap = ifc.LinkType.maxCapLen()
	if snapLen == 0 || snapLen > math.MaxInt32 {
		rec.snapLen = rec.maxCap // libpcap's reading of "no limit"
	} else {
		rec.snapLen = snapLen + m.snapMore
		ifc.SnapLen = rec.snapLen
	}
	r.rec = rec
	r.ifs = []Interface{ifc}
	r.pkt.LinkType = ifc.LinkType
	r.head = slices.Clone(h)
	r.pos = pcapHeader
	return nil
}

// lengths are those of the record whose header b starts with; false if there is no
// such record.
func (rec *pcapRecord) lengths(b []byte) (capLen, wireLen uint32, ok bool) {
	capLen, wireLen = rec.u32(b[8:]), rec.u32(b[12:])
	if rec.lengthOrder == wireFirst || rec.lengthOrder == smallerFirst && capLen > wireLen {
		capLen, wireLen = wireLen, capLen
	}
	return capLen, wireLen, capLen <= rec.maxCap
}

// timeStamp is that of the record whose header b starts with, in nanoseconds.
func (rec *pcapRecord) timeStamp(b []byte) int64 {
	return int64(rec.u32(b))*1e9 + int64(rec.u32(b[4:]))*rec.fraction
}

func (r *Reader) nextPcap() (*Packet, error) {
	hdr := r.rec.header
	if r.end-r.pos < hdr {
		if err := r.fill(hdr); err != nil {
			if err == io.EOF && r.end == r.pos {
				return nil, r.stop(io.EOF)
			}
			return nil, r.short(r.Offset(), err, "packet header", hdr)
		}
	}
	b := r.buf[r.pos:r.end]
	capLen, wireLen, ok := r.rec.lengths(b)
	if !ok {
		return nil, r.fail(r.Offset(), corrupt("captured length %d is larger than %d, the largest of link type %v",
			capLen, r.rec.maxCap, r.pkt.LinkType))
	}
	ts := r.rec.timeStamp(b)
	if size := hdr + int(capLen); len(b) < size {
		if err := r.fill(size); err != nil {
			return nil, r.short(r.Offset(), err, "packet", size)
		}
	}
	b = r.buf[r.pos:][:hdr+int(capLen)]
	// Such files exist, and libpcap shows no more than the header promised.
	shown := hdr + int(min(capLen, r.rec.snapLen))
	p := &r.pkt
	p.TS, p.WireLen = ts, wireLen
	p.Raw, p.Data = b, b[hdr:shown:shown]
	r.pos += len(b)
	r.count++
	return p, nil
}
