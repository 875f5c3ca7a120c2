// Package afxdp captures from a network interface with AF_XDP sockets: the
// kernel puts frames into memory shared with the program before its own network
// stack has touched them (Linux 5.9 or later). It is a module of its own so that
// nobody else gets cilium/ebpf.
//
// # The frames are taken away
//
// What a [Ring] receives nobody else does: not the host's TCP, not its firewall,
// not another capture on the interface, tcpdump included. A Ring on the
// interface by which one is logged in ends the session. Watching traffic that
// the host needs is capture.Ring's work; this package is for interfaces that get
// copies of it (a mirror port, a tap) or whose traffic this program alone handles.
// Frames of queues that no Ring is on go on to the stack, and all do again once
// the program has ended, killed or not.
//
// # Use
//
// A Ring is used as capture's is: [Ring.Next] hands out blocks of packets, which
// are used where they are and given back. It has one receive queue of the
// interface. Interfaces spread their traffic over several, so either open a Ring
// for each, with [OpenAll], or steer what is wanted to one (ethtool -N, -X, -L).
//
// Packets are what the driver hands to XDP: frames that came in, Ethernet header
// first, uncut, VLAN tags in place unless the card takes them off (ethtool -K
// rxvlan off), not merged with others unless the card merges (ethtool -K lro off;
// with AttachGeneric gro off as well).
//
// # Sources
//
// Documentation/networking/af_xdp.rst of Linux, linux/if_xdp.h, net/xdp/xsk.c
// for what the counters count.
package afxdp

import (
	"errors"
	"fmt"
	"math"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/capture"
)

// Options says how to capture. Only Interface has to be set.
type Options struct {
	Interface string // its name; there is no "any"

	// Queue is the receive queue, counted from 0, that Open takes. OpenAll takes
	// all.
	Queue int

	Frames    int // room for so many packets, a power of two; 0: 32768
	FrameSize int // bytes for each, 2048 or 4096; 0: 2048. See MaxPacket

	Attach Attach // where the XDP program runs

	// ZeroCopy has the card write into the Ring's memory instead of the kernel
	// copying there. It fails where the driver cannot.
	ZeroCopy bool

	Promiscuous bool // ask the interface for all packets it sees
}

// Attach says where in the kernel packets are taken.
type Attach uint8

const (
	AttachAuto    Attach = iota // in the driver if it can, else as AttachGeneric
	AttachGeneric               // behind the driver: any interface, slower
	AttachNative                // in the driver
)

var attachNames = []string{"auto", "generic", "native"}

func (a Attach) String() string {
	if int(a) < len(attachNames) {
		return attachNames[a]
	}
	return fmt.Sprintf("Attach(%d)", uint8(a))
}

// ParseAttach is the inverse of String.
func ParseAttach(s string) (Attach, error) {
	for i, name := range attachNames {
		if s == name {
			return Attach(i), nil
		}
	}
	return 0, fmt.Errorf("unknown way to attach %q: one of %v", s, attachNames)
}

const (
	// frameHeadroom is what the kernel keeps free at the start of each frame:
	// XDP_PACKET_HEADROOM, linux/bpf.h.
	frameHeadroom = 256

	maxFrames = 1 << 20
	maxQueues = 1 << 12
)

// MaxPacket returns the size in bytes of the largest packet that a Ring of these
// options takes. Longer ones are dropped, and counted.
func (o Options) MaxPacket() int {
	if o.FrameSize == 0 {
		o.FrameSize = 2048
	}
	return max(o.FrameSize-frameHeadroom, 0)
}

func (o *Options) setDefaults() error {
	if o.Frames == 0 {
		o.Frames = 1 << 15
	}
	if o.FrameSize == 0 {
		o.FrameSize = 2048
	}
	switch {
	case o.Interface == "" || o.Interface == "any":
		return errors.New("an interface has to be named: AF_XDP has no any")
	case o.Frames < 2 || o.Frames > maxFrames || o.Frames&(o.Frames-1) != 0:
		return fmt.Errorf("%d frames is not a power of two between 2 and %d", o.Frames, maxFrames)
	case o.FrameSize != 2048 && o.FrameSize != 4096:
		return fmt.Errorf("frame size %d is neither 2048 nor 4096", o.FrameSize)
	case int64(o.Frames)*int64(o.FrameSize) > math.MaxInt:
		return fmt.Errorf("%d frames of %d bytes are more than there are addresses", o.Frames, o.FrameSize)
	case o.Queue < 0 || o.Queue >= maxQueues:
		return fmt.Errorf("queue %d is not between 0 and %d", o.Queue, maxQueues-1)
	case o.Attach > AttachNative:
		return fmt.Errorf("unknown way to attach %d", o.Attach)
	case o.ZeroCopy && o.Attach == AttachGeneric:
		return errors.New("zero copy needs the driver: not with generic XDP")
	}
	return nil
}

// RingAux is what Packet.Aux fills in.
const RingAux = bpfc.AuxIfIndex | bpfc.AuxQueue | bpfc.AuxHaType

// RingStats counts since a Ring was opened. Every packet that the XDP program
// gave to the Ring is either in Received or in Dropped.
//
// Of the kernel's counters (XDP_STATISTICS), Dropped is rx_dropped, packets for
// which no frame was free or which no frame can hold, and rx_ring_full, which
// stays 0, as a Ring has room for a descriptor of every frame. NoFrame is
// rx_fill_ring_empty_descs: the kernel counts the same packets in rx_dropped, so
// the two are not to be added up.
//
// With ZeroCopy it is the card that finds no frame. The packets that it then
// drops are in its own counters (ethtool -S) and not in Dropped.
type RingStats struct {
	Received uint64 // packets put into the Ring
	Dropped  uint64 // packets lost
	NoFrame  uint64 // times that no frame was free, of which Dropped has as many packets
}

// Stats returns the counters as a capture file has them.
func (s RingStats) Stats() capture.Stats {
	return capture.RingStats{Received: s.Received, Dropped: s.Dropped}.Stats()
}
