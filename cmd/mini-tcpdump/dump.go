package main

import (
	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/internal/disasm"
	"github.com/bpfjit/bpfjit/internal/listing"
	"github.com/bpfjit/bpfjit/jit"
)

// dumpCode prints the program's machine code as it runs on this machine.
func (t *tool) dumpCode(p *bpfc.Program) error {
	fn, err := bpfc.Translate(p, 1)
	if err != nil {
		return err
	}
	code, err := jit.Generate(fn)
	if err != nil {
		return err
	}
	return listing.Write(t.stdout, p.Instructions(), fn, code, disasm.AMD64)
}
