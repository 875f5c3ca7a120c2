package jit

import "github.com/bpfjit/bpfjit/lir"

// Generate compiles a function for the machine this runs on, as Load does, and
// returns the code instead of loading it: for listings.
func Generate(fn *lir.Func) (*lir.Code, error) { return generate(fn) }
