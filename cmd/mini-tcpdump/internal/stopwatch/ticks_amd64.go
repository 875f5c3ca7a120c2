package stopwatch

// Ticks reads the time-stamp counter, after all that stands before the call and
// before all that stands behind it. Its rate is constant on processors of this
// century (Intel SDM volume 3, 19.17.1).
//
//go:noescape
func Ticks() uint64
