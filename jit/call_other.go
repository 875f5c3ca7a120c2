//go:build !amd64

package jit

import (
	"unsafe"

	"github.com/bpfjit/bpfjit/bpfc"
)

// Without a backend nothing is ever installed: filters are interpreted, and
// nothing else is ever entered.

func enter(c *code, pkt *byte, n, wireLen int) uint32 { return slow(c, pkt, n, wireLen) }

const noBackend = "jit: entered generated code on an architecture without any"

func enterSmall(*code, *byte, int, int, *bpfc.Aux) uint32 { panic(noBackend) }
func enterLarge(*code, *byte, int, int, *bpfc.Aux) uint32 { panic(noBackend) }

func batchSmall(*code, unsafe.Pointer, int, *uint32, *bpfc.Aux) uintptr { panic(noBackend) }
func batchLarge(*code, unsafe.Pointer, int, *uint32, *bpfc.Aux) uintptr { panic(noBackend) }

func callSmall(*code, uintptr, uintptr, uintptr, uintptr) uint64 { panic(noBackend) }
func callLarge(*code, uintptr, uintptr, uintptr, uintptr) uint64 { panic(noBackend) }
