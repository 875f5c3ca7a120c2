//go:build !linux

package afxdp

import (
	"context"
	"errors"
	"iter"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/capture"
	"github.com/bpfjit/bpfjit/jit"
)

// errNoRing is what opening a Ring gives where there are none, so that programs
// that capture build everywhere.
var errNoRing = errors.New("AF_XDP needs Linux")

// Ring has the packets of one receive queue, which only Linux gives.
type Ring struct{}

// Open fails.
func Open(Options) (*Ring, error) { return nil, errNoRing }

// OpenAll fails.
func OpenAll(Options) ([]*Ring, error) { return nil, errNoRing }

// The methods are there for programs to build: there is no Ring to call them on.

func (*Ring) LinkType() capture.LinkType           { return 0 }
func (*Ring) Queue() int                           { return 0 }
func (*Ring) Interface() capture.Interface         { return capture.Interface{} }
func (*Ring) Next(context.Context) (*Block, error) { return nil, errNoRing }
func (*Ring) Stop() error                          { return errNoRing }
func (*Ring) Stats() (RingStats, error)            { return RingStats{}, errNoRing }
func (*Ring) Close() error                         { return errNoRing }

// Block is some packets of a Ring.
type Block struct{}

func (*Block) Len() int                       { return 0 }
func (*Block) Filter(*jit.Filter)             {}
func (*Block) Passed() (packets, bytes int64) { return 0, 0 }
func (*Block) Next() *Packet                  { return nil }
func (*Block) All() iter.Seq[*Packet]         { return func(func(*Packet) bool) {} }
func (*Block) Data() [][]byte                 { return nil }
func (*Block) Release()                       {}

// Packet is a packet in a Ring.
type Packet struct {
	capture.Packet
	Verdict uint32
}

func (*Packet) Aux(*bpfc.Aux) {}
func (*Packet) IfIndex() int  { return 0 }
