package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/bpfjit/bpfjit/capture"
	"github.com/bpfjit/bpfjit/internal/cli"
)

// output is the capture that -w names, being written: by a Copier where packets
// are those of a file, as they stand in it, else by a Writer. A nil one takes
// packets and does nothing with them.
type output struct {
	name   string
	file   *os.File // nil: standard output
	copier *capture.Copier
	writer *capture.Writer
	ifs    int  // interfaces that writer has
	moves  bool // packets do not stay where they are until flush
}

// createOutput opens what -w names.
func (t *tool) createOutput(inputs ...string) (*output, io.Writer, error) {
	if t.write == "-" {
		return &output{name: cli.Stdout}, t.rawOut, nil
	}
	f, err := cli.Create(t.write, inputs...)
	if err != nil {
		return nil, nil, err
	}
	return &output{name: t.write, file: f}, f, nil
}

// copyOutput is -w for packets of a file. They are copied as they are, unless
// they are to be cut.
func (t *tool) copyOutput(r *capture.Reader, inputs ...string) (*output, error) {
	if t.write == "" {
		return nil, nil
	}
	o, w, err := t.createOutput(inputs...)
	if err != nil {
		return nil, err
	}
	if t.snapLen == 0 {
		o.copier, err = capture.NewCopier(w, r)
	} else if err = o.newWriter(w, r.Format(), true); err == nil {
		o.moves = true
		err = o.addInterfaces(r.Interfaces(), uint32(t.snapLen))
	}
	if err != nil {
		o.close()
		return nil, o.error(err)
	}
	return o, nil
}

// liveOutput is -w for captured packets of an interface.
func (t *tool) liveOutput(ifc capture.Interface, inputs ...string) (*output, error) {
	if t.write == "" {
		return nil, nil
	}
	o, w, err := t.createOutput(inputs...)
	if err != nil {
		return nil, err
	}
	format := capture.Pcap
	if strings.HasSuffix(t.write, ".pcapng") {
		format = capture.Pcapng
	}
	ifc.Filter = t.filter.expr
	if err = o.newWriter(w, format, t.line.Nanos || format == capture.Pcapng); err == nil {
		err = o.addInterfaces([]capture.Interface{ifc}, 0)
	}
	// Whoever reads along, and whoever finds a file without packets, needs the
	// header.
	if err == nil {
		err = o.writer.Flush()
	}
	if err != nil {
		o.close()
		return nil, o.error(err)
	}
	return o, nil
}

func (o *output) newWriter(w io.Writer, format capture.Format, nanos bool) (err error) {
	o.writer, err = capture.NewWriter(w, capture.WriterOptions{Format: format, Nanoseconds: nanos, Application: "mini-tcpdump"})
	return err
}

// addInterfaces describes interfaces that the file does not have yet.
func (o *output) addInterfaces(ifs []capture.Interface, snapLen uint32) error {
	for _, ifc := range ifs[o.ifs:] {
		if snapLen > 0 {
			ifc.SnapLen = snapLen
		}
		if _, err := o.writer.AddInterface(ifc); err != nil {
			return err
		}
		o.ifs++
	}
	return nil
}

// put takes a packet. One of a ring has to stay where it is until flush.
func (o *output) put(p *capture.Packet) (err error) {
	if o == nil {
		return nil
	}
	switch {
	case o.copier != nil:
		err = o.copier.Write(p)
	case o.moves:
		err = o.writer.WritePacket(p.Meta, p.Data)
	default:
		err = o.writer.GatherPacket(p.Meta, p.Data)
	}
	if err != nil {
		return o.error(err)
	}
	return nil
}

// stats puts the counters of a capture that ends. Only pcapng has room for them.
func (o *output) stats(s capture.Stats) error {
	if o == nil {
		return nil
	}
	if err := o.writer.WriteStats(0, time.Now().UnixNano(), s); err != nil {
		return o.error(err)
	}
	return nil
}

// flush writes what was put.
func (o *output) flush() error {
	if o == nil {
		return nil
	}
	var err error
	if o.copier != nil {
		err = o.copier.Flush()
	} else {
		err = o.writer.Flush()
	}
	if err != nil {
		return o.error(err)
	}
	return nil
}

// finish ends the file. What is in it stays, whatever err ended the capture:
// half a capture is of use.
func (o *output) finish(err error) error {
	if o == nil {
		return err
	}
	if flushErr := o.flush(); err == nil {
		err = flushErr
	}
	if closeErr := o.close(); err == nil && closeErr != nil {
		err = cli.FileError(o.name, closeErr)
	}
	return err
}

func (o *output) close() error {
	if o.file == nil {
		return nil
	}
	return o.file.Close()
}

// outputError is an error in writing the capture.
type outputError struct{ error }

func (e outputError) Unwrap() error { return e.error }

// error is an error in writing, once: after the first, writing is over.
func (o *output) error(err error) error {
	if _, ok := errors.AsType[outputError](err); ok {
		return err
	}
	if o.copier == nil && o.writer == nil {
		return cli.FileError(o.name, err)
	}
	return outputError{fmt.Errorf("%w, after %d bytes", cli.FileError(o.name, err), o.bytes())}
}

func (o *output) bytes() int64 {
	if o.copier != nil {
		return o.copier.Bytes()
	}
	return o.writer.Bytes()
}
