package main

import (
	"runtime/debug"

	"github.com/bpfjit/bpfjit/bpfc/bpfasm"
)

// list writes the program in one of the forms that programs have.
func (t *tool) list() error {
	p, err := t.listed()
	if err != nil {
		return err
	}
	return bpfasm.Write(t.stdout, t.emit, p.Instructions())
}

// version writes what was built.
func (t *tool) version() error {
	version := "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	_, err := t.stdout.WriteString("bpfc " + version + "\n")
	return err
}
