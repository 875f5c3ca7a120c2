package jit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/bpfc/bpfasm"
)

// BenchmarkCompile measures making a filter, and its stages, for an everyday
// filter and a list.
func BenchmarkCompile(b *testing.B) {
	needNative(b)
	for _, name := range []string{"tcp80", "hosts10"} {
		files, err := filepath.Glob("../testdata/filters/" + name + ".opt*")
		if err != nil || len(files) == 0 {
			b.Fatal(name, err)
		}
		data, err := os.ReadFile(files[0])
		if err != nil {
			b.Fatal(err)
		}
		prog, _, err := bpfasm.Read(data)
		if err != nil {
			b.Fatal(err)
		}
		p, err := bpfc.Check(prog, bpfc.Libpcap)
		if err != nil {
			b.Fatal(err)
		}
		fn, err := bpfc.Translate(p, 1)
		if err != nil {
			b.Fatal(err)
		}
		stage := func(what string, do func() error) {
			b.Run(strings.Join([]string{name, what}, "/"), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := do(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		stage("check", func() error { _, err := bpfc.Check(prog, bpfc.Libpcap); return err })
		stage("translate", func() error { _, err := bpfc.Translate(p, 1); return err })
		stage("generate", func() error { _, err := generate(fn); return err })
		stage("all", func() error {
			f, err := Compile(prog)
			if err == nil {
				err = f.Close()
			}
			return err
		})
	}
}
