package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/capture"
	"github.com/bpfjit/bpfjit/internal/cli"
	"github.com/bpfjit/bpfjit/jit"
)

// filter runs the filter over a capture, counts what matches and, with -w,
// writes it.
func (t *tool) filter() error {
	s, err := t.source()
	if err != nil {
		return err
	}
	p, err := t.openPackets()
	if err != nil {
		return err
	}
	defer p.close()
	err = p.Filter(func(link capture.LinkType) (*jit.Filter, error) { return t.compile(s, p.name, link) })
	if err != nil {
		return err
	}
	out, err := t.openMatches(p)
	if err != nil {
		return err
	}
	var matched int64
	err = out.finish(each(p, func(pkt *capture.Packet) error {
		matched++
		return out.write(pkt)
	}))
	if err == nil || isReadError(err) {
		t.summary(p.Packets(), matched)
	}
	return err
}

// compile is the filter for packets of a link type, ready to run.
func (t *tool) compile(s *source, from string, link capture.LinkType) (*jit.Filter, error) {
	prog, err := t.program(s, from, link)
	if err != nil {
		return nil, err
	}
	return jit.Compile(prog.Instructions(), jit.WithDialect(t.dialect), jit.WithOptLevel(t.optLevel))
}

// program is the filter for packets of a link type.
func (t *tool) program(s *source, from string, link capture.LinkType) (*bpfc.Program, error) {
	if err := t.linkTypeFits(s, from, link); err != nil {
		return nil, err
	}
	return t.check(s, link)
}

// summary writes the last line of everything that runs filters. It goes to
// standard error where standard output has packets.
func (t *tool) summary(packets, matched int64) {
	fmt.Fprintf(t.words(), "%d packets, %d matched\n", packets, matched)
}

// words is where text goes beside packets.
func (t *tool) words() io.Writer {
	if t.write == "-" {
		return t.stderr
	}
	return t.stdout
}

// matches is the capture that -w names, being written. A nil one takes packets
// and does nothing with them.
type matches struct {
	*capture.Copier
	name string
	file *os.File // nil: standard output
}

// openMatches opens the capture for what matches in p.
func (t *tool) openMatches(p *packets) (*matches, error) {
	if t.write == "" {
		return nil, nil
	}
	m := &matches{name: cli.Stdout}
	out := io.Writer(t.stdout)
	if t.write != "-" {
		inputs := []string{t.file}
		if p.file != nil {
			inputs = append(inputs, p.name)
		}
		f, err := cli.Create(t.write, inputs...)
		if err != nil {
			return nil, err
		}
		m.name, m.file, out = t.write, f, f
	}
	var err error
	m.Copier, err = capture.NewCopier(out, p.Reader) // fails only after a Next
	return m, err
}

func (m *matches) write(p *capture.Packet) error {
	if m == nil {
		return nil
	}
	if err := m.Write(p); err != nil {
		return m.error(err)
	}
	return nil
}

// finish ends the file after what err says. An error in reading leaves what was
// read before it, a difference the packet it is about; after any other error,
// half a file would only look like a whole one.
func (m *matches) finish(err error) error {
	if m == nil {
		return err
	}
	_, found := errors.AsType[*differenceError](err)
	whole := err == nil || found || isReadError(err)
	if whole {
		if flushErr := m.Flush(); flushErr != nil {
			err, whole = m.error(flushErr), false
		}
	}
	if m.file == nil {
		return err
	}
	info, statErr := m.file.Stat()
	if closeErr := m.file.Close(); closeErr != nil && whole {
		err, whole = m.error(closeErr), false
	}
	if !whole && statErr == nil && info.Mode().IsRegular() {
		if rmErr := os.Remove(m.name); rmErr != nil {
			err = fmt.Errorf("%w; half of %w", err, cli.FileError(m.name+" is left", rmErr))
		}
	}
	return err
}

func (m *matches) error(err error) error {
	if m.file == nil {
		return fmt.Errorf("%w: %w", errOutput, err)
	}
	return cli.FileError(m.name, err)
}
