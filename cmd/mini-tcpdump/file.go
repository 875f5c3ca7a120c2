package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/bpfjit/bpfjit/capture"
	"github.com/bpfjit/bpfjit/capture/zstdread"
	"github.com/bpfjit/bpfjit/internal/cli"
	"github.com/bpfjit/bpfjit/jit"
)

// reading is a capture file being read.
type reading struct {
	*tool
	*capture.Reader
	where
	file   *os.File // nil: standard input
	size   int64    // of a regular file; else 0
	judges map[capture.LinkType]*judge

	filtered bool // the Reader gives only packets that match

	sink   *sink
	timing *timing // nil: nothing is measured

	rates *rates
	every time.Duration // between lines of rates; 0: none
}

// readFile filters a capture file.
func (t *tool) readFile(ctx context.Context) error {
	r := &reading{tool: t, judges: map[capture.LinkType]*judge{}}
	in, err := r.openInput(ctx)
	if err != nil {
		return err
	}
	defer r.closeInput()
	if r.Reader, err = capture.NewReader(in, zstdread.Option(), capture.WithReadAhead()); err != nil {
		if ctx.Err() != nil {
			err = nil // before anything was there to be read
		}
		return r.readError(err)
	}
	// What is wrong with the filter is said before a file is made.
	if r.filtered = t.engine != engineBoth; r.filtered {
		err = r.Filter(func(link capture.LinkType) (*jit.Filter, error) {
			j, err := r.judge(link)
			if err != nil {
				return nil, err
			}
			return j.filter, nil
		})
	} else if link, ok := r.FirstLinkType(); ok {
		_, err = r.judge(link)
	}
	if err != nil {
		return err
	}
	inputs := []string{t.program, t.exprFile}
	if r.file != nil {
		inputs = append(inputs, t.read)
	}
	out, err := t.copyOutput(r.Reader, inputs...)
	if err != nil {
		return err
	}
	r.sink = t.newSink(nil)
	r.sink.out = out
	if t.engine == engineBoth {
		r.timing = newTiming()
	}
	err = r.sink.finish(r.filter(ctx))
	r.summary()
	return err
}

// openInput opens the file, or standard input.
func (r *reading) openInput(ctx context.Context) (io.Reader, error) {
	in := r.stdin
	r.name = cli.Stdin
	if r.read != "-" {
		f, err := os.Open(r.read)
		if err != nil {
			return nil, cli.FileError(r.read, err)
		}
		r.file, r.name, in = f, r.read, f
	}
	f, ok := in.(*os.File)
	if !ok {
		return in, nil
	}
	info, err := f.Stat()
	if err != nil {
		return nil, cli.FileError(r.name, err)
	}
	if info.Mode().IsRegular() {
		r.size = info.Size()
		return in, nil
	}
	// Packets of a pipe may be long in coming: show those that came, and let
	// waiting end when ctx does.
	w, err := waitFor(ctx, f)
	if err != nil {
		return nil, err
	}
	return readerFunc(func(b []byte) (int, error) {
		if r.sink != nil {
			if err := r.sink.flush(); err != nil {
				return 0, err
			}
		}
		return w.Read(b)
	}), nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

func (r *reading) closeInput() {
	if r.Reader != nil {
		r.Reader.Close()
	}
	if r.file != nil {
		r.file.Close() // it was only read
	}
}

// readError adds the file's name to an error in reading it, and nothing to one in
// making a filter.
func (r *reading) readError(err error) error {
	if _, ok := errors.AsType[*capture.Error](err); ok {
		return cli.FileError(r.name, err)
	}
	return err
}

// judge is the filter for a link type.
func (r *reading) judge(link capture.LinkType) (*judge, error) {
	if j := r.judges[link]; j != nil {
		return j, nil
	}
	j, err := r.compile(link, r.where)
	if err == nil {
		r.judges[link] = j
	}
	return j, err
}

// filter goes over all packets.
func (r *reading) filter(ctx context.Context) error {
	r.rates = newRates(r.stderr, r.progress)
	defer r.rates.clear()
	if r.every = r.stats; r.progress {
		r.every = 200 * time.Millisecond
	}
	r.OnFill(func() error {
		if r.every > 0 {
			r.look()
		}
		return ctx.Err()
	})
	var j *judge
	for ctx.Err() == nil {
		p, err := r.Next()
		if err != nil {
			if err == io.EOF || errors.Is(err, context.Canceled) {
				return nil
			}
			return r.readError(err)
		}
		if !r.filtered {
			if j == nil || j.link != p.LinkType {
				if j, err = r.judge(p.LinkType); err != nil {
					return err
				}
			}
			v, err := j.verdict(p.Data, p.WireLen, nil)
			r.timing.addCopy(j, p.Data, p.WireLen)
			if err != nil {
				return r.different(err, p)
			}
			if v == 0 {
				continue
			}
		}
		if err := r.match(p); err != nil {
			return err
		}
	}
	return nil // interrupted, which is no failure
}

// match hands on a packet that matches. Verdicts of files say whether, not how
// much, as with every other program that filters files; -s says how much.
func (r *reading) match(p *capture.Packet) error {
	if r.snapLen == 0 {
		return r.sink.take(p)
	}
	if r.sink.out != nil {
		if err := r.sink.out.addInterfaces(r.Interfaces(), uint32(r.snapLen)); err != nil {
			return err
		}
	}
	cut := *p
	cut.Data = p.Data[:min(len(p.Data), r.snapLen)]
	return r.sink.take(&cut)
}

// different saves a packet on which engines differ.
func (r *reading) different(err error, p *capture.Packet) error {
	d, ok := errors.AsType[*difference](err)
	if !ok {
		return err
	}
	return cli.FileError(r.name, d.save(p.Meta, r.Packets()))
}

func (r *reading) counts() counts {
	return counts{packets: r.Packets(), matched: r.sink.matched, bytes: r.PassedBytes()}
}

// look prints rates if it is time for them.
func (r *reading) look() {
	if time.Since(r.rates.last) < r.every {
		return
	}
	done := -1.0
	if r.size > 0 && r.file != nil {
		at := r.Offset()
		if r.Compressed() {
			at, _ = r.file.Seek(0, io.SeekCurrent) // not what it becomes
		}
		done = float64(at) / float64(r.size)
	}
	r.rates.line(r.counts(), done)
	if r.timing != nil && !r.progress {
		r.timing.report(r.stderr)
	}
}

func (r *reading) summary() {
	w := r.stderr
	if r.timing != nil {
		r.timing.flush()
		r.timing.report(w)
	}
	fmt.Fprintf(w, "%d packets read\n%d packets matched\n", r.Packets(), r.sink.matched)
}
