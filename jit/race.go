//go:build race

package jit

import (
	"runtime"
	"unsafe"
)

const raceEnabled = true

// announceRead tells the race detector, which does not see into generated
// code, that a packet is about to be read.
func announceRead(pkt []byte) {
	if len(pkt) > 0 {
		runtime.RaceReadRange(unsafe.Pointer(&pkt[0]), len(pkt))
	}
}
