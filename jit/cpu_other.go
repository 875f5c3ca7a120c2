//go:build !amd64

package jit

import (
	"fmt"
	"runtime"

	"github.com/bpfjit/bpfjit/lir"
)

// generate: there is no backend for the machine this runs on.
func generate(*lir.Func) (*lir.Code, error) {
	return nil, fmt.Errorf("no code generator for %s", runtime.GOARCH)
}
