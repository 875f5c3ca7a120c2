//go:build linux

// Package run executes generated code for the tests of the backend, on any
// features and next to unmapped memory. It trusts the code it is given; package
// jit is what programs use.
package run

import (
	"fmt"
	"runtime/debug"
	"unsafe"

	"golang.org/x/sys/unix"
)

// call enters code with the convention of package lir/amd64 and a frame of
// lir.MaxFrame bytes.
//
//go:noescape
func call(code unsafe.Pointer, a0, a1, a2, a3 uintptr) uint64

// Code is a place for machine code.
type Code struct{ pages []byte }

// NewCode makes a place for up to size bytes.
func NewCode(size int) (*Code, error) {
	pages, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	return &Code{pages}, err
}

// Set replaces the code.
func (c *Code) Set(code []byte) error {
	if len(code) > len(c.pages) {
		return fmt.Errorf("code of %d bytes, there is place for %d", len(code), len(c.pages))
	}
	if err := unix.Mprotect(c.pages, unix.PROT_READ|unix.PROT_WRITE); err != nil {
		return err
	}
	n := copy(c.pages, code)
	for i := n; i < min(n+64, len(c.pages)); i++ {
		c.pages[i] = 0xcc
	}
	return unix.Mprotect(c.pages, unix.PROT_READ|unix.PROT_EXEC)
}

// Call runs the code. A fault is an error.
func (c *Code) Call(args [4]uint64) (result uint64, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("fault: %v", r)
		}
	}()
	return call(unsafe.Pointer(&c.pages[0]), uintptr(args[0]), uintptr(args[1]), uintptr(args[2]), uintptr(args[3])), nil
}

// Guarded is memory between two pages that cannot be accessed.
type Guarded struct{ page []byte }

// NewGuarded makes a page.
func NewGuarded() (*Guarded, error) {
	size := unix.Getpagesize()
	all, err := unix.Mmap(-1, 0, 3*size, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, err
	}
	page := all[size : 2*size : 2*size]
	return &Guarded{page}, unix.Mprotect(page, unix.PROT_READ|unix.PROT_WRITE)
}

// Place copies data to the start or the end of the page and returns the copy.
func (g *Guarded) Place(data []byte, atEnd bool) []byte {
	to := g.page[:len(data)]
	if atEnd {
		to = g.page[len(g.page)-len(data):]
	}
	copy(to, data)
	return to
}

// Address is where a slice of a Guarded is.
func Address(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }
