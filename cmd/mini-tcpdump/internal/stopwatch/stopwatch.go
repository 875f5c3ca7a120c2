// Package stopwatch measures intervals of a few nanoseconds, which reading the
// system's clock takes many times longer than. It counts processor ticks where
// that is possible and knows what reading the counter costs.
package stopwatch

import (
	"slices"
	"time"
)

// Stopwatch converts ticks to time. It compares both clocks from New on, so it
// is more exact the older it is.
type Stopwatch struct {
	ticks uint64
	time  time.Time
	empty uint64
}

// New makes a stopwatch and measures what measuring nothing takes.
func New() *Stopwatch {
	s := &Stopwatch{ticks: Ticks(), time: time.Now()}
	intervals := make([]uint64, 1001)
	for i := range intervals {
		start := Ticks()
		intervals[i] = Ticks() - start
	}
	slices.Sort(intervals)
	s.empty = intervals[len(intervals)/2]
	return s
}

// Empty is how many ticks lie between two readings of the counter with nothing
// between them: what to subtract from an interval.
func (s *Stopwatch) Empty() uint64 { return s.empty }

// Nanoseconds is how long a number of ticks, also of many intervals together,
// takes.
func (s *Stopwatch) Nanoseconds(ticks float64) float64 {
	passed := Ticks() - s.ticks
	if passed == 0 {
		return 0
	}
	return ticks * float64(time.Since(s.time)) / float64(passed)
}
