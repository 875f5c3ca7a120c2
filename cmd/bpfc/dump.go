package main

import (
	"fmt"
	"strings"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/internal/cli"
	"github.com/bpfjit/bpfjit/internal/listing"
	"github.com/bpfjit/bpfjit/jit"
)

// dump lists the machine code of a program, or its decision graph after a pass.
func (t *tool) dump() error {
	p, err := t.listed()
	if err != nil {
		return err
	}
	if t.pass != "" {
		return t.dumpPass(p)
	}
	fn, err := bpfc.Translate(p, t.optLevel)
	if err != nil {
		return err
	}
	compile := t.arch.compile
	if t.arch.native() {
		compile = jit.Generate // what this very machine would run
	}
	code, err := compile(fn)
	if err != nil {
		return err
	}
	return listing.Write(t.stdout, p.Instructions(), fn, code, t.arch.decode)
}

// lir prints the translation.
func (t *tool) lir() error {
	p, err := t.listed()
	if err != nil {
		return err
	}
	fn, err := bpfc.Translate(p, t.optLevel)
	if err != nil {
		return err
	}
	_, err = t.stdout.WriteString(fn.String())
	return err
}

// dumpPass prints the graph after the pass of that name, or after each of them.
func (t *tool) dumpPass(p *bpfc.Program) error {
	var names []string
	found := false
	_, err := bpfc.TranslateTraced(p, t.optLevel, func(pass string, g *bpfc.Graph) {
		names = append(names, pass)
		switch t.pass {
		case pass:
			t.stdout.WriteString(g.String())
			found = true
		case "all":
			fmt.Fprintf(t.stdout, "%s:\n%v\n", pass, g)
			found = true
		}
	})
	if err == nil && !found {
		return cli.Usagef("-dump=%s: no such pass at -O %d: one of %s, all", t.pass, t.optLevel, strings.Join(names, ", "))
	}
	return err
}
