package capture

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/net/bpf"
)

// RingOptions says how to capture from an interface. The zero value captures
// all traffic of all interfaces.
type RingOptions struct {
	// Interface is the interface's name. Empty or "any": all of them, and then
	// packets begin with a LINUX_SLL2 header.
	Interface string

	SnapLen   int // most bytes kept of a packet; 0: 262144
	BlockSize int // bytes, a multiple of the page size; 0: 1 MiB
	Blocks    int // how many; 0: 64

	// Retire is how long a block that is not full waits for packets before the
	// kernel hands it over: the longest a packet is held back. 0: 10 ms.
	Retire time.Duration

	Promiscuous bool // ask the interface for all packets it sees; not for "any"
	Direction   Direction
	VLAN        VLANMode

	// HardwareTime asks the interface for its own time stamps. It fails if the
	// interface has none, and changes the interface's configuration.
	HardwareTime bool

	// Filter is a program of the Linux dialect that the kernel runs before a
	// packet gets into the ring. What it returns limits the bytes kept, as
	// SnapLen does without it. It sees packets as VLANKernel gives them; it is
	// refused for "any", whose packets get their header in the ring.
	Filter []bpf.RawInstruction
}

// maxSnapLen is the largest packet of a link type that the ring has, as files
// have it.
const maxSnapLen = 256 << 10

// Direction selects packets by whether the host received or sent them. Packets
// on the loopback interface are both, and come as received ones only.
type Direction uint8

const (
	InOut Direction = iota
	In
	Out
)

// VLANMode says where the outermost VLAN tag of a packet is. Linux takes it off
// before packet sockets see the packet.
type VLANMode uint8

const (
	// VLANKernel: the tag is not in the packet's bytes but in its Aux, as the
	// kernel's own filters see it.
	VLANKernel VLANMode = iota
	// VLANWire: the tag is in the packet's bytes, as in a capture file, and the
	// Aux has none.
	VLANWire
)

// FanoutMode says by what packets are spread over rings (packet(7), PACKET_FANOUT).
type FanoutMode uint8

const (
	FanoutHash     FanoutMode = iota // by flow: each flow stays with one ring
	FanoutBalance                    // in turns
	FanoutCPU                        // by the CPU that the packet came in on
	FanoutRollover                   // to the first ring that has room
	FanoutRandom
	FanoutQueue // by the interface's receive queue
)

var fanoutNames = []string{"hash", "lb", "cpu", "rollover", "rnd", "qm"}

func (m FanoutMode) String() string {
	if int(m) < len(fanoutNames) {
		return fanoutNames[m]
	}
	return fmt.Sprintf("FanoutMode(%d)", uint8(m))
}

// ParseFanoutMode is the inverse of String.
func ParseFanoutMode(s string) (FanoutMode, error) {
	for i, name := range fanoutNames {
		if s == name {
			return FanoutMode(i), nil
		}
	}
	return 0, fmt.Errorf("unknown fanout mode %q: one of %s", s, strings.Join(fanoutNames, ", "))
}

// RingStats counts since a ring was opened. Every packet that passed the kernel
// filter is either in Received or in Dropped.
type RingStats struct {
	Received uint64 // packets put into the ring
	Dropped  uint64 // packets lost because the ring was full
	Frozen   uint64 // times that the ring became full
}

// Stats returns the counters as a capture file has them.
func (s RingStats) Stats() Stats {
	return Stats{Received: s.Received + s.Dropped, Dropped: s.Dropped, Accepted: s.Received, Has: HasReceived | HasDropped | HasAccepted}
}

// ErrInterfaceDown: the interface was taken down or is gone. What was captured
// before has been delivered.
var ErrInterfaceDown = errors.New("the interface went down")

func (o *RingOptions) setDefaults() error {
	if o.Interface == "any" {
		o.Interface = ""
	}
	if o.SnapLen == 0 {
		o.SnapLen = maxSnapLen
	}
	if o.BlockSize == 0 {
		o.BlockSize = 1 << 20
	}
	if o.Blocks == 0 {
		o.Blocks = 64
	}
	if o.Retire == 0 {
		o.Retire = 10 * time.Millisecond
	}
	switch {
	case o.SnapLen < 0 || o.SnapLen > maxSnapLen:
		return fmt.Errorf("snapshot length %d is not between 1 and %d", o.SnapLen, maxSnapLen)
	case o.Blocks < 2:
		return fmt.Errorf("%d blocks: one is read while another is filled", o.Blocks)
	case o.BlockSize < 0 || o.BlockSize > 1<<30 || int64(o.BlockSize)*int64(o.Blocks) > 1<<40:
		return fmt.Errorf("%d blocks of %d bytes is out of range", o.Blocks, o.BlockSize)
	case o.Retire < time.Millisecond || o.Retire > time.Minute:
		return fmt.Errorf("retire time %v is not between 1ms and 1m", o.Retire)
	case o.Direction > Out:
		return fmt.Errorf("unknown direction %d", o.Direction)
	case o.VLAN > VLANWire:
		return fmt.Errorf("unknown VLAN mode %d", o.VLAN)
	case o.Interface == "" && len(o.Filter) > 0:
		return errors.New("a kernel filter needs an interface: on any, packets get their header after it")
	case o.Interface == "" && o.HardwareTime:
		return errors.New("hardware time stamps need an interface")
	case len(o.Filter) > 4096:
		return fmt.Errorf("kernel filter of %d instructions: the kernel takes 4096", len(o.Filter))
	}
	return nil
}
