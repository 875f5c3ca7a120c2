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

// announceBatch does so for a batch, and tells that verdicts are written.
func announceBatch(pkts [][]byte, verdicts []uint32) {
	for _, pkt := range pkts {
		announceRead(pkt)
	}
	if len(verdicts) > 0 {
		runtime.RaceWriteRange(unsafe.Pointer(&verdicts[0]), len(verdicts)*int(unsafe.Sizeof(verdicts[0])))
	}
}
