//go:build !linux

package jit

import "fmt"

func perfMapPath() string { return "" }

func appendPerfMap(string, string, []byte) error {
	return fmt.Errorf("perf is a tool of Linux: %w", errNoMapping)
}

// Jitdump is a file that holds generated code for Linux perf. There is none on
// other systems.
type Jitdump struct{}

// CreateJitdump fails: perf is a tool of Linux.
func CreateJitdump(dir string) (*Jitdump, error) {
	return nil, fmt.Errorf("jit: jitdump: perf is a tool of Linux: %w", errNoMapping)
}

// Path is the name of the file.
func (d *Jitdump) Path() string { return "" }

// Close completes the file.
func (d *Jitdump) Close() error { return nil }

func (d *Jitdump) load(string, []byte) error { return errNoMapping }
