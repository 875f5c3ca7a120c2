// Package packetsource gives the packets of package capture to programs written
// for gopacket, and filters to those that use pcap.BPF. It is a module of its own
// so that nobody else gets gopacket.
package packetsource

import (
	"time"

	"github.com/bpfjit/bpfjit/capture"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// Source is a gopacket.PacketDataSource and gopacket.ZeroCopyPacketDataSource
// over a capture file. One goroutine may use it at a time.
type Source struct {
	r *capture.Reader
}

// New makes a Source of what r has still to give.
func New(r *capture.Reader) *Source { return &Source{r} }

// LinkType returns the first interface's link type, as gopacket numbers it: as
// files do.
func (s *Source) LinkType() layers.LinkType { return layers.LinkType(s.r.LinkType()) }

// ReadPacketData returns the next packet in memory of its own.
func (s *Source) ReadPacketData() ([]byte, gopacket.CaptureInfo, error) {
	data, ci, err := s.ZeroCopyReadPacketData()
	if err == nil {
		data = append([]byte(nil), data...)
	}
	return data, ci, err
}

// ZeroCopyReadPacketData returns the next packet in the Reader's memory: it is
// good until the next call. AncillaryData has one element, the packet's
// capture.LinkType, if it is not that of the first interface.
func (s *Source) ZeroCopyReadPacketData() ([]byte, gopacket.CaptureInfo, error) {
	p, err := s.r.Next()
	if err != nil {
		return nil, gopacket.CaptureInfo{}, err
	}
	ci := gopacket.CaptureInfo{
		Timestamp:      time.Unix(0, p.TS).UTC(),
		CaptureLength:  len(p.Data),
		Length:         int(p.WireLen),
		InterfaceIndex: p.Interface,
	}
	if p.LinkType != s.r.LinkType() {
		ci.AncillaryData = []any{p.LinkType}
	}
	return p.Data, ci, nil
}

// Filter is what Matches needs of a filter; *jit.Filter is one.
type Filter interface {
	// Run returns how many bytes of the packet to keep, 0 to reject it.
	Run(pkt []byte, wireLen int) uint32
}

// Matcher has the method of gopacket's pcap.BPF for a Filter.
type Matcher struct{ Filter }

// Matches says whether the filter accepts the packet.
func (m Matcher) Matches(ci gopacket.CaptureInfo, data []byte) bool {
	return m.Run(data, ci.Length) != 0
}

var (
	_ gopacket.PacketDataSource         = (*Source)(nil)
	_ gopacket.ZeroCopyPacketDataSource = (*Source)(nil)
)
