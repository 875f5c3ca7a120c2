package capture

import (
	"encoding/binary"
	"slices"
)

// What makes the captures of the tests: byte by byte, and nothing of the Writer.

// enc puts numbers in one byte order.
type enc struct{ binary.AppendByteOrder }

var (
	le = enc{binary.LittleEndian}
	be = enc{binary.BigEndian}
)

func (e enc) u16s(v ...uint16) (b []byte) {
	for _, v := range v {
		b = e.AppendUint16(b, v)
	}
	return b
}

func (e enc) u32s(v ...uint32) (b []byte) {
	for _, v := range v {
		b = e.AppendUint32(b, v)
	}
	return b
}

func (e enc) pcap(magic uint32, major, minor uint16, snap, link uint32, records ...[]byte) []byte {
	return slices.Concat(e.u32s(magic), e.u16s(major, minor), e.u32s(0, 0, snap, link), slices.Concat(records...))
}

func (e enc) record(sec, frac, capLen, wireLen uint32, data []byte) []byte {
	return append(e.u32s(sec, frac, capLen, wireLen), data...)
}

func padded(b []byte) []byte {
	return append(slices.Clone(b), make([]byte, -len(b)&3)...)
}

func (e enc) block(typ uint32, body ...[]byte) []byte {
	b := padded(slices.Concat(body...))
	n := uint32(len(b) + 12)
	return slices.Concat(e.u32s(typ, n), b, e.u32s(n))
}

func (e enc) opt(code uint16, v []byte) []byte {
	return append(e.u16s(code, uint16(len(v))), padded(v)...)
}

func (e enc) shb(major, minor uint16, opts ...[]byte) []byte {
	return e.block(0x0a0d0d0a, e.u32s(0x1a2b3c4d), e.u16s(major, minor), e.u32s(0xffffffff, 0xffffffff), slices.Concat(opts...))
}

func (e enc) idb(link uint16, snap uint32, opts ...[]byte) []byte {
	return e.block(1, e.u16s(link, 0), e.u32s(snap), slices.Concat(opts...))
}

func (e enc) epb(iface uint32, ts uint64, capLen, wireLen uint32, data []byte, opts ...[]byte) []byte {
	return e.block(6, e.u32s(iface, uint32(ts>>32), uint32(ts), capLen, wireLen), padded(data), slices.Concat(opts...))
}

func (e enc) opb(iface uint16, ts uint64, capLen, wireLen uint32, data []byte) []byte {
	return e.block(2, e.u16s(iface, 7), e.u32s(uint32(ts>>32), uint32(ts), capLen, wireLen), padded(data))
}

func (e enc) spb(wireLen uint32, data []byte) []byte {
	return e.block(3, e.u32s(wireLen), data)
}

// frame is an Ethernet frame of n bytes: IPv4, UDP, and a recognisable rest.
func frame(n int, mark byte) []byte {
	b := append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0,
		0x45, 0, 0, byte(n - 14), 0, mark, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 53, 0, 53, 0, byte(n - 34), 0, 0},
		make([]byte, max(0, n-42))...)
	for i := 42; i < n; i++ {
		b[i] = mark + byte(i)
	}
	return b[:n]
}
