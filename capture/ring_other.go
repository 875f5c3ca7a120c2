//go:build !linux

package capture

import (
	"context"
	"errors"
	"iter"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/jit"
)

// errNoRing is what opening a ring gives where there are none, so that programs
// that capture build everywhere and read files everywhere.
var errNoRing = errors.New("capturing from an interface needs Linux")

// RingAux is what LivePacket.Aux fills in.
const RingAux bpfc.AuxFields = 0

// Ring is a capture from an interface, which only Linux has.
type Ring struct{}

// OpenRing fails.
func OpenRing(RingOptions) (*Ring, error) { return nil, errNoRing }

// OpenFanout fails.
func OpenFanout(RingOptions, int, FanoutMode) ([]*Ring, error) { return nil, errNoRing }

// The methods are there for programs to build: there is no Ring to call them on.

func (*Ring) LinkType() LinkType                   { return 0 }
func (*Ring) Interface() Interface                 { return Interface{} }
func (*Ring) Next(context.Context) (*Block, error) { return nil, errNoRing }
func (*Ring) Stop() error                          { return errNoRing }
func (*Ring) Stats() (RingStats, error)            { return RingStats{}, errNoRing }
func (*Ring) Close() error                         { return errNoRing }

// Block is a block of packets in a ring.
type Block struct{}

func (*Block) Len() int                       { return 0 }
func (*Block) Filter(*jit.Filter)             {}
func (*Block) Passed() (packets, bytes int64) { return 0, 0 }
func (*Block) Next() *LivePacket              { return nil }
func (*Block) All() iter.Seq[*LivePacket]     { return func(func(*LivePacket) bool) {} }
func (*Block) Release()                       {}

// LivePacket is a packet in a ring.
type LivePacket struct {
	Packet
	Verdict uint32
}

func (*LivePacket) Outgoing() bool                    { return false }
func (*LivePacket) IfIndex() int                      { return 0 }
func (*LivePacket) VLAN() (tci, tpid uint16, ok bool) { return 0, 0, false }
func (*LivePacket) InsertTag()                        {}
func (*LivePacket) Aux(*bpfc.Aux)                     {}

// Pin binds the calling goroutine to a CPU, on Linux.
func Pin(int) error { return errors.New("binding to a CPU needs Linux") }
