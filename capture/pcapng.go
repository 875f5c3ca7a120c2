package capture

import (
	"io"
	"slices"
)

// Block types (draft-ietf-opsawg-pcapng, section 4). The section header's reads
// the same in either byte order.
const (
	blockSection    = 0x0a0d0d0a
	blockInterface  = 1
	blockPacket     = 2 // obsolete
	blockSimple     = 3
	blockNames      = 4
	blockStatistics = 5
	blockEnhanced   = 6
	blockSecrets    = 10
	blockCustom     = 0x0bad // may be copied to other files, says the writer
)

const (
	byteOrderMagic = 0x1a2b3c4d
	blockOverhead  = 12 // type, length; length again at the end
)

// blockTypes has what the reader needs to know of the blocks it looks into.
var blockTypes = map[uint32]struct {
	name string
	body int // bytes of the fixed part of the body
}{
	blockSection:   {"section header", 16},
	blockInterface: {"interface description", 8},
	blockPacket:    {"packet block", 20},
	blockSimple:    {"simple packet block", 4},
	blockEnhanced:  {"enhanced packet block", 20},
}

// section is the state of the pcapng section being read.
type section struct {
	number   int // sections before it
	first    int // index of the section's interface 0 in Reader.ifs
	maxBlock uint32
	text     int // bytes of interface descriptions kept so far
}

// openPcapng reads up to the first interface description, without which nothing
// can be said of the capture, and keeps the blocks for a Copier.
func (r *Reader) openPcapng() error {
	r.ng.maxBlock = maxBlock
	for len(r.ifs) == 0 {
		off := r.Offset()
		typ, raw, err := r.block()
		if err == io.EOF {
			return r.fail(off, corrupt("the capture has no interface description"))
		} else if err != nil {
			return err
		}
		if isPacket(typ) {
			return r.fail(off, corrupt("%s before any interface description", blockTypes[typ].name))
		}
		if err := r.describe(typ, raw); err != nil {
			return r.fail(off, err)
		}
		if copyable(typ) {
			r.head = appendBlock(r.head, typ, raw)
		}
		if len(r.head) > maxBlock {
			return r.fail(off, corrupt("no interface description in the first %d bytes", maxBlock))
		}
	}
	return nil
}

// nextPcapng reads a block; nil if it is no packet.
func (r *Reader) nextPcapng() (*Packet, error) {
	off := r.Offset()
	typ, raw, err := r.block()
	if err == io.EOF {
		return nil, r.stop(io.EOF)
	} else if err != nil {
		return nil, err
	}
	if isPacket(typ) {
		if err := r.packet(typ, raw); err != nil {
			return nil, r.fail(off, err)
		}
		r.count++
		return &r.pkt, nil
	}
	if err := r.describe(typ, raw); err != nil {
		return nil, r.fail(off, err)
	}
	if r.onBlock != nil {
		r.onBlock(typ, raw)
	}
	return nil, nil
}

// nextLinkType looks for the next packet in the buffer, and what it is of.
func (r *Reader) nextLinkType() (LinkType, bool) {
	var links []LinkType // of the section
	for _, ifc := range r.ifs[r.ng.first:] {
		links = append(links, ifc.LinkType)
	}
	at := blocks{order: r.order}
	for rest := r.buf[r.pos:r.end]; len(rest) >= blockOverhead; {
		size, ok := at.size(rest)
		if !ok || len(links) > maxKnown {
			break
		}
		typ, body := at.u32(rest), rest[8:min(size-4, len(rest))]
		index := uint32(0) // of a simple packet block
		switch {
		case typ == blockSection:
			links = nil
		case typ == blockInterface && len(body) >= 2:
			links = append(links, LinkType(at.u16(body)))
		case typ == blockEnhanced && len(body) >= 4:
			index = at.u32(body)
		case typ == blockPacket && len(body) >= 2:
			index = uint32(at.u16(body))
		}
		if isPacket(typ) {
			if index >= uint32(len(links)) {
				break
			}
			return links[index], true
		}
		rest = rest[min(size, len(rest)):]
	}
	return 0, false
}

func isPacket(typ uint32) bool {
	return typ == blockEnhanced || typ == blockSimple || typ == blockPacket
}

// block consumes the next block, whatever its type, and returns all its bytes.
// Its capacity reaches to the end of the buffer. The error is io.EOF if there is
// none, or final.
func (r *Reader) block() (uint32, []byte, error) {
	const prefix = 8
	if r.end-r.pos < prefix {
		if err := r.fill(prefix); err != nil {
			if err == io.EOF && r.end == r.pos {
				return 0, nil, io.EOF
			}
			return 0, nil, r.short(r.Offset(), err, "block header", prefix)
		}
	}
	off := r.Offset()
	typ := r.u32(r.buf[r.pos:])
	if typ == blockSection {
		// Its own length is already in the new section's byte order.
		if err := r.fill(prefix + 4); err != nil {
			return 0, nil, r.short(off, err, "section header", prefix+4)
		}
		var ok bool
		m := r.buf[r.pos+prefix:][:4]
		if r.order, ok = sectionOrder(m); !ok {
			return 0, nil, r.fail(off, corrupt("section header's byte-order magic is % x", m))
		}
	}
	total := r.u32(r.buf[r.pos+4:])
	if err := checkTotal(total, r.ng.maxBlock); err != nil {
		return 0, nil, r.fail(off, err)
	}
	size := int(total)
	if r.end-r.pos < size {
		if err := r.fill(size); err != nil {
			return 0, nil, r.short(off, err, "block", size)
		}
	}
	raw := r.buf[r.pos:r.end][:size]
	if again := r.u32(raw[size-4:]); again != total {
		return 0, nil, r.fail(off, corrupt("block length is %d at its start and %d at its end", total, again))
	}
	r.pos += size
	return typ, raw, nil
}

// sectionOrder tells the byte order by a section header's magic.
func sectionOrder(magic []byte) (o order, ok bool) {
	for _, o := range []order{{big: false}, {big: true}} {
		if o.u32(magic) == byteOrderMagic {
			return o, true
		}
	}
	return order{}, false
}

// checkTotal says what is wrong with a block's length.
func checkTotal(total, limit uint32) error {
	switch {
	case total < blockOverhead:
		return corrupt("block length %d is less than %d", total, blockOverhead)
	case total%4 != 0:
		return corrupt("block length %d is not a multiple of 4", total)
	case total > limit:
		return corrupt("block length %d is larger than %d", total, limit)
	}
	return nil
}

// packet decodes a packet block of any of the three kinds into r.pkt.
func (r *Reader) packet(typ uint32, raw []byte) error {
	p, body := &r.pkt, raw[8:len(raw)-4]
	var index, capLen uint32
	var hdr int
	switch {
	case typ == blockEnhanced && len(body) >= 20:
		index, capLen, p.WireLen, hdr = r.u32(body), r.u32(body[12:]), r.u32(body[16:]), 20
	case typ == blockPacket && len(body) >= 20:
		index, capLen, p.WireLen, hdr = uint32(r.u16(body)), r.u32(body[12:]), r.u32(body[16:]), 20
	case typ == blockSimple && len(body) >= 4:
		p.WireLen, hdr = r.u32(body), 4
	default:
		return tooShort(typ, len(raw))
	}
	if index >= uint32(len(r.ifs)-r.ng.first) {
		return corrupt("packet of interface %d: the section has described %d", index, len(r.ifs)-r.ng.first)
	}
	p.Interface = r.ng.first + int(index)
	ifc := &r.ifs[p.Interface]
	limit := ifc.limit()
	if typ == blockSimple {
		// It has no captured length: that is what the snapshot length left.
		capLen, p.TS = min(p.WireLen, limit), 0
	} else {
		p.TS = ifc.clock.ns(uint64(r.u32(body[4:]))<<32 | uint64(r.u32(body[8:])))
	}
	if capLen > limit {
		return corrupt("captured length %d is larger than the snapshot length %d", capLen, limit)
	}
	if int(capLen) > len(body)-hdr {
		return corrupt("captured length %d is larger than the block, which has room for %d", capLen, len(body)-hdr)
	}
	p.LinkType = ifc.LinkType
	p.Data = body[hdr : hdr+int(capLen) : hdr+int(capLen)]
	p.Raw = raw
	return nil
}

// limit is the largest captured length.
func (ifc *Interface) limit() uint32 {
	if ifc.SnapLen > 0 {
		return ifc.SnapLen
	}
	return ifc.LinkType.maxCapLen()
}

func tooShort(typ uint32, size int) error {
	t := blockTypes[typ]
	return corrupt("%s of %d bytes: it has at least %d", t.name, size, t.body+blockOverhead)
}

// describe takes in a block that is no packet.
func (r *Reader) describe(typ uint32, raw []byte) error {
	body := raw[8 : len(raw)-4]
	if t, known := blockTypes[typ]; known && len(body) < t.body {
		return tooShort(typ, len(raw))
	}
	switch typ {
	case blockSection:
		// 1.2 is 1.0 in other words: some versions of the draft had that number.
		if major, minor := r.u16(body[4:]), r.u16(body[6:]); major != 1 || minor != 0 && minor != 2 {
			return corrupt("pcapng version %d.%d: only 1.0 is known", major, minor)
		}
		r.ng.first = len(r.ifs)
		r.ng.number++
	case blockInterface:
		return r.addInterface(body)
	case blockStatistics:
		r.statistics(body)
	}
	return nil
}

// copyable says whether a block that is no packet belongs into a file that has
// only some of the packets: what describes the others does, what stands beside
// the packets and is unknown does not.
func copyable(typ uint32) bool {
	return slices.Contains([]uint32{blockSection, blockInterface, blockNames,
		blockStatistics, blockSecrets, blockCustom}, typ)
}

// appendBlock appends a block to b. A section's length, which will be another,
// becomes "not known".
func appendBlock(b []byte, typ uint32, raw []byte) []byte {
	at := len(b)
	b = append(b, raw...)
	if typ == blockSection {
		copy(b[at+16:at+24], "\xff\xff\xff\xff\xff\xff\xff\xff")
	}
	return b
}
