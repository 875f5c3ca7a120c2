//go:build darwin || dragonfly || freebsd || netbsd || openbsd || solaris

package jit

// mapDouble: there is no memfd here; each program gets a mapping of its own.
func mapDouble(int) (w, x []byte, err error) { return nil, nil, errNoMapping }

// newCoreSync: a mapping of its own is written before anyone can have fetched
// from it, and the system call that made it executable serializes.
func newCoreSync() func() { return func() {} }
