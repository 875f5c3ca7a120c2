//go:build !amd64

package jit

import "github.com/bpfjit/bpfjit/bpfc"

const smallFrame = 512

// Without a backend nothing is ever installed, and so nothing ever entered.

func enter(*code, *byte, uintptr, uint32, *bpfc.Aux) uint32 {
	panic("jit: entered generated code on an architecture without any")
}

func enterBatch(*code, *[]byte, uintptr, *uint32, *bpfc.Aux) {
	panic("jit: entered generated code on an architecture without any")
}

func call(*code, uintptr, uintptr, uintptr, uintptr) uint64 {
	panic("jit: entered generated code on an architecture without any")
}
