//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd && !solaris

package jit

// hostSystem: nothing can be mapped here, so the interpreter answers.
func hostSystem() system {
	return system{
		mapDouble: func(int) (w, x []byte, err error) { return nil, nil, errNoMapping },
		mapAnon:   func(int) ([]byte, error) { return nil, errNoMapping },
		protect:   func([]byte, protection) error { return errNoMapping },
		unmap:     func([]byte) error { return errNoMapping },
		syncCores: func() {},
		pageSize:  4096,
	}
}
