//go:build unix

package fuzz

import (
	"os"

	"golang.org/x/sys/unix"
)

// Fence is memory with an unmapped page before it and one after it: code that
// reads outside a packet placed there dies of it.
type Fence struct {
	mem []byte // what lies between the unmapped pages
	all []byte
}

// NewFence makes a fence for packets of up to size bytes.
func NewFence(size int) (*Fence, error) {
	page := os.Getpagesize()
	inner := (size + page - 1) / page * page
	all, err := unix.Mmap(-1, 0, inner+2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	for _, edge := range [][]byte{all[:page], all[page+inner:]} {
		if err := unix.Mprotect(edge, unix.PROT_NONE); err != nil {
			unix.Munmap(all)
			return nil, err
		}
	}
	return &Fence{mem: all[page : page+inner], all: all}, nil
}

// Place copies a packet to both ends of the fence. A packet that is too long
// stays where it is.
func (f *Fence) Place(data []byte) [][]byte {
	n, size := len(data), len(f.mem)
	if 2*n > size {
		return [][]byte{data}
	}
	head, tail := f.mem[:n:n], f.mem[size-n:size:size]
	copy(head, data)
	copy(tail, data)
	return [][]byte{head, tail}
}

// Close unmaps the fence.
func (f *Fence) Close() error { return unix.Munmap(f.all) }
