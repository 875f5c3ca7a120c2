//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris

package jit

import "golang.org/x/sys/unix"

// hostSystem is the memory of the machine this runs on.
func hostSystem() system {
	return system{
		mapDouble: mapDouble,
		mapAnon:   mapAnon,
		protect:   protect,
		unmap:     unix.Munmap,
		syncCores: newCoreSync(),
		pageSize:  unix.Getpagesize(),
	}
}

func mapAnon(size int) ([]byte, error) {
	return unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
}

func protect(b []byte, p protection) error {
	switch p {
	case protWrite:
		return unix.Mprotect(b, unix.PROT_READ|unix.PROT_WRITE)
	case protExecute:
		return unix.Mprotect(b, unix.PROT_READ|unix.PROT_EXEC)
	}
	return unix.Mprotect(b, unix.PROT_NONE)
}
