// Package traffic makes packets for measurements and tests: an Ethernet link's
// mix of protocols in random order, so that neither branches nor loads can be
// guessed from the packet before. Equal seeds make equal packets.
package traffic

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
)

// Packet is an Ethernet frame.
type Packet struct {
	Data    []byte
	WireLen int
}

// Gen makes packets.
type Gen struct {
	r *rand.Rand
}

// New makes a generator.
func New(seed uint64) *Gen { return &Gen{rand.New(rand.NewPCG(seed, 0x6d6978))} }

// Mix makes n packets of 64 to 1514 bytes: in a hundred, 60 are TCP, 25 UDP and
// 5 ICMP over IPv4, 3 ARP, 5 IPv6 (4 TCP, 1 UDP), 2 IPv4 behind a VLAN tag.
func (g *Gen) Mix(n int) []Packet {
	packets := make([]Packet, n)
	for i := range packets {
		packets[i] = g.packet(i * 100 / n)
	}
	g.r.Shuffle(n, func(i, j int) { packets[i], packets[j] = packets[j], packets[i] })
	return packets
}

// Hosts makes n addresses in 10.0.0.0/8, none twice.
func (g *Gen) Hosts(n int) []netip.Addr {
	seen := map[netip.Addr]bool{}
	var hosts []netip.Addr
	for len(hosts) < n {
		a := netip.AddrFrom4([4]byte{10, byte(g.r.Uint32()), byte(g.r.Uint32()), byte(g.r.Uint32())})
		if !seen[a] {
			seen[a] = true
			hosts = append(hosts, a)
		}
	}
	return hosts
}

const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58

	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherVLAN = 0x8100
	etherIPv6 = 0x86dd

	minFrame = 64 // bytes, padding included
	maxFrame = 1514
)

// packet makes the packet that stands at a percentage of the mix.
func (g *Gen) packet(percent int) Packet {
	var b []byte
	switch {
	case percent < 60:
		b = g.ipv4(g.ether(etherIPv4), protoTCP)
	case percent < 85:
		b = g.ipv4(g.ether(etherIPv4), protoUDP)
	case percent < 90:
		b = g.ipv4(g.ether(etherIPv4), protoICMP)
	case percent < 93:
		b = g.arp(g.ether(etherARP))
	case percent < 97:
		b = g.ipv6(g.ether(etherIPv6), protoTCP)
	case percent < 98:
		b = g.ipv6(g.ether(etherIPv6), protoUDP)
	default:
		b = binary.BigEndian.AppendUint16(g.ether(etherVLAN), uint16(1+g.r.IntN(4094)))
		b = binary.BigEndian.AppendUint16(b, etherIPv4)
		b = g.ipv4(b, []byte{protoTCP, protoUDP}[g.r.IntN(2)])
	}
	for len(b) < minFrame {
		b = append(b, 0)
	}
	return Packet{b, len(b)}
}

func (g *Gen) ether(proto uint16) []byte {
	b := make([]byte, 0, maxFrame)
	// Locally administered addresses: nobody's.
	b = append(b, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2)
	return binary.BigEndian.AppendUint16(b, proto)
}

// one picks an element.
func one[T any](g *Gen, of ...T) T { return of[g.r.IntN(len(of))] }

// host is an IPv4 address: of a few well-known ones, of private networks, or of
// anywhere.
func (g *Gen) host() [4]byte {
	x := g.r.Uint32()
	a, b, c, d := byte(x>>24), byte(x>>16), byte(x>>8), byte(x)
	switch g.r.IntN(10) {
	case 0:
		return [4]byte{10, 0, 0, 1}
	case 1:
		return one(g, [4]byte{10, 1, 2, 3}, [4]byte{8, 8, 8, 8}, [4]byte{169, 254, 0, 4})
	case 2, 3:
		return [4]byte{192, 168, c, d}
	case 4, 5, 6:
		return [4]byte{10, b, c, d}
	case 7:
		return [4]byte{172, 16 | b&15, c, d}
	}
	return [4]byte{1 + a%223, b, c, d}
}

// ports picks source and destination: one side mostly a service's.
func (g *Gen) ports(proto byte) (src, dst uint16) {
	service := uint16(0)
	switch n := g.r.IntN(20); {
	case proto == protoTCP && n < 5:
		service = 80
	case proto == protoTCP && n < 11:
		service = 443
	case proto == protoTCP && n < 14:
		service = one[uint16](g, 22, 25, 993, 3306, 8080)
	case proto == protoUDP && n < 9:
		service = 53
	case proto == protoUDP && n < 13:
		service = one[uint16](g, 123, 443, 5060)
	case n < 16:
		service = uint16(1000 + g.r.IntN(1001))
	default:
		service = uint16(1024 + g.r.IntN(64512))
	}
	other := uint16(32768 + g.r.IntN(28232))
	if g.r.IntN(2) == 0 {
		return service, other
	}
	return other, service
}

// size picks how many bytes follow the headers: of three packets, one is bare
// or nearly so, one is full and one anything.
func (g *Gen) size(room int) int {
	switch g.r.IntN(3) {
	case 0:
		return g.r.IntN(24)
	case 1:
		return room - g.r.IntN(100)
	}
	return g.r.IntN(room)
}

// ipv4 adds an IPv4 packet. A few are fragments, a few have options.
func (g *Gen) ipv4(b []byte, proto byte) []byte {
	at := len(b)
	options := 0
	if g.r.IntN(50) == 0 {
		options = 4 * (1 + g.r.IntN(10))
	}
	fragment := uint16(0x4000) // don't
	if g.r.IntN(50) == 0 {
		fragment = uint16(1 + g.r.IntN(180))
	}
	src, dst := g.host(), g.host()
	b = append(b, 0x45+byte(options/4), 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(g.r.Uint32()))
	b = binary.BigEndian.AppendUint16(b, fragment)
	b = append(b, 64, proto, 0, 0)
	b = append(append(b, src[:]...), dst[:]...)
	for range options {
		b = append(b, 1) // no operation
	}
	header := len(b)
	b = g.transport(b, proto)
	binary.BigEndian.PutUint16(b[at+2:], uint16(len(b)-at))
	binary.BigEndian.PutUint16(b[at+10:], ^checksum(b[at:header]))
	return b
}

// checksum is the ones' complement sum of 16-bit words (RFC 1071).
func checksum(b []byte) uint16 {
	sum := uint32(0)
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

func (g *Gen) ipv6(b []byte, proto byte) []byte {
	at := len(b)
	b = append(b, 0x60, 0, 0, 0, 0, 0, proto, 64)
	for range 2 {
		b = append(b, 0x20, 0x01, 0x0d, 0xb8) // the documentation prefix (RFC 3849)
		for range 3 {
			b = binary.BigEndian.AppendUint32(b, g.r.Uint32())
		}
	}
	header := len(b)
	b = g.transport(b, proto)
	binary.BigEndian.PutUint16(b[at+4:], uint16(len(b)-header))
	return b
}

// transport adds a TCP segment, a UDP datagram or an ICMP message.
func (g *Gen) transport(b []byte, proto byte) []byte {
	var payload int
	switch proto {
	case protoTCP:
		src, dst := g.ports(proto)
		b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, src), dst)
		b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, g.r.Uint32()), g.r.Uint32())
		const fin, syn, rst, psh, ack = 1, 2, 4, 8, 16
		flags := one[byte](g, syn, syn|ack, ack, ack, ack, psh|ack, psh|ack, psh|ack, fin|ack, rst)
		words := one[byte](g, 5, 8) // of header; with time stamps it is 8
		b = append(b, words<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
		for range words - 5 {
			b = append(b, 1, 1, 1, 1)
		}
		if flags&(syn|rst) == 0 && flags != ack {
			payload = 1 + g.size(maxFrame-len(b)-1)
		}
	case protoUDP:
		src, dst := g.ports(proto)
		b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, src), dst)
		payload = g.size(maxFrame - len(b) - 4)
		b = binary.BigEndian.AppendUint16(b, uint16(8+payload))
		b = append(b, 0, 0) // no checksum
	case protoICMP, protoICMPv6:
		b = append(b, one[byte](g, 0, 8, 8, 3), 0, 0, 0)
		b = binary.BigEndian.AppendUint32(b, g.r.Uint32())
		payload = 56
	}
	for range payload {
		b = append(b, byte(g.r.Uint32()))
	}
	return b
}

// arp adds a request or a reply (RFC 826).
func (g *Gen) arp(b []byte) []byte {
	b = append(b, 0, 1, 8, 0, 6, 4, 0, byte(1+g.r.IntN(2)))
	for range 2 {
		host := g.host()
		b = append(b, 2, 0, 0, 0, 0, byte(g.r.Uint32()))
		b = append(b, host[:]...)
	}
	return b
}
