//go:build race

package capture

import (
	"runtime"
	"unsafe"
)

// announceReads tells the race detector, which does not see what a system call
// does, that pieces are about to be read.
func announceReads(pieces [][]byte) {
	for _, p := range pieces {
		runtime.RaceReadRange(unsafe.Pointer(unsafe.SliceData(p)), len(p))
	}
}
