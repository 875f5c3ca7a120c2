package fuzz

import (
	"encoding/binary"

	"github.com/bpfjit/bpfjit/bpfc"
)

// Packet is what an engine is given.
type Packet struct {
	Data    []byte
	WireLen int
	Aux     *bpfc.Aux
}

// Packet makes a packet: of any length from 0 to 70, now and then longer, with
// bytes that are random, or of the last program's constants, or a plausible
// frame.
func (g *Gen) Packet() Packet {
	n := g.r.IntN(71)
	if g.r.IntN(8) == 0 {
		n = g.r.IntN(400)
	}
	data := make([]byte, n)
	switch g.r.IntN(4) {
	case 0:
		for i := range data {
			data[i] = byte(g.r.Uint32())
		}
	case 1:
		for i := range data {
			data[i] = byte(g.r.Uint32N(4))
		}
	}
	if g.r.IntN(4) != 0 {
		copy(data, frames[g.r.IntN(len(frames))])
	}
	for range 1 + g.r.IntN(8) { // constants of the program, where its loads look
		var field [4]byte
		binary.BigEndian.PutUint32(field[:], g.number())
		if at := g.offset(); uint64(at) < uint64(n) {
			copy(data[at:], field[4-g.pick(1, 2, 4):])
		}
	}
	p := Packet{Data: data, WireLen: n}
	switch g.r.IntN(4) {
	case 0:
		p.WireLen += g.r.IntN(1500)
	case 1:
		p.WireLen = int(g.number())
	}
	if g.r.IntN(2) == 0 {
		p.Aux = g.aux()
	}
	return p
}

func (g *Gen) aux() *bpfc.Aux {
	return &bpfc.Aux{
		Protocol: g.number(), PktType: g.r.Uint32N(8), IfIndex: g.number(), Mark: g.number(), Queue: g.number(),
		HaType: g.number(), RxHash: g.number(), CPU: g.number(), VLANTag: g.number(), VLANPresent: g.r.Uint32N(2),
		VLANProto: g.number(), PayOffset: g.r.Uint32N(80), Random: g.number(), NetOffset: g.offset(),
	}
}

// frames are the beginnings of Ethernet frames.
var frames = [][]byte{
	frame("080045000054000040004001", "0a0000010a000002", "0800"),                             // ICMP
	frame("08004500003c000040004006", "c0a80101a9fe0004", "c0010050000000010000000050021000"), // TCP to port 80, SYN
	frame("08004600003c000020004011", "0a0102030a000001", "01010101003500350010"),             // UDP, IP options, first fragment
	frame("0806000108000604", "0001", "0102030405060a0000010000000000000a000002"),             // ARP
	frame("86dd60000000001406ff", "20010db8000000000000000000000001", "20010db8000000000000000000000002", "01bbc001"),
	frame("81000064080045000028000040004006", "0a0000010a000002", "00501234"), // tagged
}

// frame makes an Ethernet frame of what follows its addresses, in hex.
func frame(parts ...string) []byte {
	b := make([]byte, 12, 64)
	for _, part := range parts {
		for i := 0; i+1 < len(part); i += 2 {
			b = append(b, unhex(part[i])<<4|unhex(part[i+1]))
		}
	}
	return b
}

func unhex(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}
