package jit

import "github.com/bpfjit/bpfjit/bpfc"

// smallFrame is the frame that nearly all code makes do with, in bytes. For
// more, there is lir.MaxFrame, for which a fresh goroutine's stack has to grow.
const smallFrame = 512

// enter gives a filter's verdict: it enters native code (arguments in RDI, RSI,
// RDX, RCX, verdict in EAX) or calls interpret, and rejects if c is nil. Of the
// packet the filter sees the first maxPacket bytes, and a nil aux is c's
// noAux. Pointers are pointers all the way, so that they follow a stack that
// moves; generated code keeps none of them, and neither does interpret.
//
//go:noescape
func enter(c *code, pkt []byte, wireLen int, aux *bpfc.Aux) uint32

// enterBatch enters the code of a filter's loop over n packets.
//
//go:noescape
func enterBatch(c *code, pkts *[]byte, n uintptr, verdicts *uint32, aux *bpfc.Aux)

// call enters any code with integer arguments and returns its result (RAX).
//
//go:noescape
func call(c *code, a0, a1, a2, a3 uintptr) uint64

// enterLarge, enterBatchLarge and callLarge have the large frame; the others
// pass calls on to them. They are declared for their argument maps: a stack may
// grow in their prologue.
//
//lint:ignore U1000 called from call_amd64.s
//go:noescape
func enterLarge(c *code, pkt []byte, wireLen int, aux *bpfc.Aux) uint32

// enterBatchLarge: see enterLarge.
//
//lint:ignore U1000 called from call_amd64.s
//go:noescape
func enterBatchLarge(c *code, pkts *[]byte, n uintptr, verdicts *uint32, aux *bpfc.Aux)

// callLarge: see enterLarge.
//
//lint:ignore U1000 called from call_amd64.s
//go:noescape
func callLarge(c *code, a0, a1, a2, a3 uintptr) uint64
