package jit

import (
	"errors"
	"io/fs"
)

// trap fills every byte of executable memory that holds no program: INT3 on
// amd64 (Intel SDM volume 2, "INT n/INTO/INT3/INT1"). Whatever jumps astray
// stops there instead of running on.
const trap = 0xCC

// protection is what may be done with a mapping.
type protection uint8

const (
	protNone    protection = iota // nothing
	protWrite                     // read and write
	protExecute                   // read and execute
)

// system is how executable memory is had from the operating system. It is a
// value so that tests can refuse any part of it.
type system struct {
	// mapDouble maps the same fresh memory twice: w may be written, x executed.
	mapDouble func(size int) (w, x []byte, err error)
	// mapAnon maps fresh memory that may be written.
	mapAnon func(size int) ([]byte, error)
	protect func(b []byte, p protection) error
	unmap   func(b []byte) error
	// syncCores makes every core that runs this process see code that was put
	// where other code had been, before it runs anything that was told of it.
	syncCores func()
	pageSize  int
}

// errNoMapping is what a platform says that has no way to map executable
// memory here, or not this way.
var errNoMapping = errors.ErrUnsupported

// isRefusal tells a policy, which will say no again, from a want of memory or
// of descriptors, which may pass.
func isRefusal(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, errNoMapping)
}
