//go:build !amd64

package stopwatch

import "time"

var start = time.Now()

// Ticks is nanoseconds of the monotonic clock.
func Ticks() uint64 { return uint64(time.Since(start)) }
