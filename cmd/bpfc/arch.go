package main

import (
	"fmt"
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

// findArch finds an architecture by name. Without one it is this machine's,
// or, where there is no code for this machine, the first.
func findArch(name string) (*arch, error) {
	var names []string
	for i := range arches {
		a := &arches[i]
		if a.name == name || name == "" && a.native() {
			return a, nil
		}
		names = append(names, a.name)
	}
	if name == "" {
		return &arches[0], nil
	}
	return nil, fmt.Errorf("-arch %s: unknown architecture: one of %s", name, strings.Join(names, ", "))
}
