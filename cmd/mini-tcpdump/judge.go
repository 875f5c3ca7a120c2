package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/bpfc/bpfasm"
	"github.com/bpfjit/bpfjit/capture"
	"github.com/bpfjit/bpfjit/internal/cli"
	"github.com/bpfjit/bpfjit/jit"
)

// judge decides which packets of a link type match. It is safe for concurrent
// use.
type judge struct {
	prog      *bpfc.Program
	link      capture.LinkType
	filter    *jit.Filter // nil: everything matches
	reference *jit.Filter // nil: nothing to compare with
}

// keepAll is a verdict that keeps any packet whole.
const keepAll = 1<<32 - 1

// verdict is how many bytes of a packet to keep, 0 if it does not match. The
// error is a *difference.
func (j *judge) verdict(data []byte, wireLen uint32, aux *bpfc.Aux) (v uint32, err error) {
	switch {
	case j.filter == nil:
		return keepAll, nil
	case aux == nil:
		v = j.filter.Run(data, int(wireLen))
	default:
		v = j.filter.RunAux(data, int(wireLen), aux)
	}
	if j.reference == nil {
		return v, nil
	}
	if want := j.reference.RunAux(data, int(wireLen), aux); want != v {
		return want, &difference{judge: j, want: want, got: v, data: data, aux: aux}
	}
	return v, nil
}

// difference is what -engine both is there to find.
type difference struct {
	*judge
	want, got uint32 // of the interpreter and of native code
	data      []byte
	aux       *bpfc.Aux
}

func (d *difference) Error() string {
	return fmt.Sprintf("the interpreter's verdict is %d, native code's %d", d.want, d.got)
}

// save writes the packet and the program into the current directory, as files
// that there are not yet, and returns what tells of them.
func (d *difference) save(m capture.Meta, packet int64) error {
	base, program, err := createNew("mini-tcpdump-difference", ".ddd")
	if err != nil {
		return err
	}
	err = bpfasm.Write(program, bpfasm.DDD, d.prog.Instructions())
	if err := errors.Join(err, program.Close()); err != nil {
		return cli.FileError(program.Name(), err)
	}
	file, err := os.OpenFile(base+".pcap", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return cli.FileError(base+".pcap", err)
	}
	err = d.writePacket(file, m)
	if err := errors.Join(err, file.Close()); err != nil {
		return cli.FileError(file.Name(), err)
	}
	aux := ""
	if d.aux != nil {
		aux = fmt.Sprintf(" with %+v", *d.aux)
	}
	return fmt.Errorf("packet %d: %w; it is in %s, the program, of dialect %v%s, in %s",
		packet, d, file.Name(), d.prog.Dialect(), aux, program.Name())
}

func (d *difference) writePacket(f *os.File, m capture.Meta) error {
	w, err := capture.NewWriter(f, capture.WriterOptions{Nanoseconds: true})
	if err != nil {
		return err
	}
	if _, err := w.AddInterface(capture.Interface{LinkType: d.link, FCSLen: -1}); err != nil {
		return err
	}
	m.Interface = 0
	return errors.Join(w.WritePacket(m, d.data), w.Flush())
}

// createNew creates a file that does not exist: base and ending, with a number
// between them if it has to be.
func createNew(base, ending string) (string, *os.File, error) {
	for n := range 1000 {
		name := base
		if n > 0 {
			name = fmt.Sprintf("%s-%d", base, n)
		}
		f, err := os.OpenFile(name+ending, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil {
			return name, f, nil
		}
		if !errors.Is(err, os.ErrExist) {
			return "", nil, cli.FileError(name+ending, err)
		}
	}
	return "", nil, fmt.Errorf("%s: there are a thousand files of that name", filepath.Clean(base+ending))
}
