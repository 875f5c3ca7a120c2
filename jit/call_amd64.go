package jit

import (
	"unsafe"

	"github.com/bpfjit/bpfjit/bpfc"
)

// enter gives a filter's verdict on the n bytes at pkt. Native code without a
// frame it enters itself (arguments in RDI, RSI, RDX, RCX, verdict in EAX); all
// else it leaves to slow. Pointers are pointers all the way, so that they
// follow a stack that moves; generated code keeps none of them, and neither
// does slow.
//
//go:noescape
func enter(c *code, pkt *byte, n, wireLen int) uint32

// The trampolines that have a frame for the code: enterX for a filter, batchX
// for a loop over n packets, which returns where it ended, callX for any code with integer arguments.

//go:noescape
func enterSmall(c *code, pkt *byte, n, wireLen int, aux *bpfc.Aux) uint32

//go:noescape
func enterLarge(c *code, pkt *byte, n, wireLen int, aux *bpfc.Aux) uint32

//go:noescape
func batchSmall(c *code, pkts unsafe.Pointer, n int, verdicts *uint32, aux *bpfc.Aux) uintptr

//go:noescape
func batchLarge(c *code, pkts unsafe.Pointer, n int, verdicts *uint32, aux *bpfc.Aux) uintptr

//go:noescape
func callSmall(c *code, a0, a1, a2, a3 uintptr) uint64

//go:noescape
func callLarge(c *code, a0, a1, a2, a3 uintptr) uint64
