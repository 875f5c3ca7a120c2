package main

import (
	"runtime"
	"strings"

	"github.com/bpfjit/bpfjit/internal/disasm"
	"github.com/bpfjit/bpfjit/internal/listing"
	"github.com/bpfjit/bpfjit/lir"
	"github.com/bpfjit/bpfjit/lir/amd64"
)

// arch is an architecture that code can be made for, on any machine.
type arch struct {
	name string
	// compile makes code for the instruction set's baseline.
	compile func(*lir.Func) (*lir.Code, error)
	decode  listing.Decoder
}

var arches = []arch{
	{
		name: "amd64",
		compile: func(f *lir.Func) (*lir.Code, error) {
			return amd64.Compile(f, amd64.Features{})
		},
		decode: disasm.AMD64,
	},
}

// native tells whether this machine runs the code.
func (a *arch) native() bool { return a.name == runtime.GOARCH }

// findArch finds an architecture by name, nil if there is none.
func findArch(name string) *arch {
	for i := range arches {
		if arches[i].name == name {
			return &arches[i]
		}
	}
	return nil
}

// archNames lists the architectures for a message.
func archNames() string {
	var names []string
	for i := range arches {
		names = append(names, arches[i].name)
	}
	return strings.Join(names, ", ")
}
