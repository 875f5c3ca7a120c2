//go:build !amd64

package jit

import "github.com/bpfjit/bpfjit/bpfc"

const smallFrame = 512

// Without a backend nothing is ever installed: filters are interpreted, and
// nothing else is ever entered.

func enter(c *code, pkt []byte, wireLen int, aux *bpfc.Aux) uint32 {
	if c == nil {
		return 0
	}
	return interpret(c, pkt, wireLen, aux)
}

func enterBatch(*code, *[]byte, uintptr, *uint32, *bpfc.Aux) {
	panic("jit: entered generated code on an architecture without any")
}

func call(*code, uintptr, uintptr, uintptr, uintptr) uint64 {
	panic("jit: entered generated code on an architecture without any")
}
