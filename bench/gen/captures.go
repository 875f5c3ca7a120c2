package main

import (
	"bufio"
	"encoding/binary"
	"path/filepath"

	"github.com/bpfjit/bpfjit/bench/traffic"
	"github.com/bpfjit/bpfjit/capture"
)

// etherHeader is how long an Ethernet header without tags is.
const etherHeader = 14

// writeCaptures writes the captures that the tests of the command use: small
// ones, of every kind that it makes a difference for.
func writeCaptures(dir string) error {
	mix := traffic.New(mixSeed).Mix(200)
	for _, p := range mix { // headers are what filters look at; files stay small
		clear(p.Data[min(len(p.Data), 96):])
	}
	snapped := cut(mix, 60, 0)
	raw := cut(only(mix, 0x0800), 80, etherHeader)
	files := []struct {
		name    string
		opts    capture.WriterOptions
		link    capture.LinkType
		packets []traffic.Packet
	}{
		{"ether.pcap", capture.WriterOptions{}, capture.LinkEthernet, cut(mix, 128, 0)},
		{"ether-nano.pcapng", capture.WriterOptions{Format: capture.Pcapng, Nanoseconds: true}, capture.LinkEthernet, snapped},
		{"short.pcap", capture.WriterOptions{}, capture.LinkEthernet, everyLength(mix[0])},
		{"raw.pcap", capture.WriterOptions{}, capture.LinkRaw, raw},
		{"empty.pcap", capture.WriterOptions{}, capture.LinkEthernet, nil},
	}
	for _, f := range files {
		err := create(filepath.Join(dir, f.name), func(w *bufio.Writer) error {
			return writeCapture(w, f.opts, f.link, f.packets)
		})
		if err != nil {
			return err
		}
	}
	return create(filepath.Join(dir, "two-links.pcapng"), func(w *bufio.Writer) error {
		return writeTwoLinks(w, snapped[:50], raw[:50])
	})
}

// writeTwoLinks writes a file whose packets come from two interfaces in turn,
// one of Ethernet and one of raw IP.
func writeTwoLinks(w *bufio.Writer, ether, raw []traffic.Packet) error {
	cw, err := capture.NewWriter(w, capture.WriterOptions{Format: capture.Pcapng})
	if err != nil {
		return err
	}
	for _, link := range []capture.LinkType{capture.LinkEthernet, capture.LinkRaw} {
		if _, err := cw.AddInterface(capture.Interface{LinkType: link, FCSLen: -1}); err != nil {
			return err
		}
	}
	for i := range ether {
		for ifc, p := range []traffic.Packet{ether[i], raw[i]} {
			if err := cw.WritePacket(capture.Meta{TS: int64(i) * 1000, WireLen: uint32(p.WireLen), Interface: ifc}, p.Data); err != nil {
				return err
			}
		}
	}
	return cw.Flush()
}

// cut makes packets start at from and keeps at most snapLen bytes of them.
func cut(packets []traffic.Packet, snapLen, from int) []traffic.Packet {
	var all []traffic.Packet
	for _, p := range packets {
		data := p.Data[from:]
		all = append(all, traffic.Packet{Data: data[:min(len(data), snapLen)], WireLen: p.WireLen - from})
	}
	return all
}

// only keeps the packets of an ethertype.
func only(packets []traffic.Packet, proto uint16) []traffic.Packet {
	var some []traffic.Packet
	for _, p := range packets {
		if binary.BigEndian.Uint16(p.Data[12:]) == proto {
			some = append(some, p)
		}
	}
	return some
}

// everyLength makes packets of a packet's first bytes: none to 80 of them.
func everyLength(p traffic.Packet) []traffic.Packet {
	var all []traffic.Packet
	for n := 0; n <= min(80, len(p.Data)); n++ {
		all = append(all, traffic.Packet{Data: p.Data[:n], WireLen: p.WireLen})
	}
	return all
}
