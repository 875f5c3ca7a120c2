package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/bpfjit/bpfjit/capture"
	"github.com/bpfjit/bpfjit/capture/zstdread"
	"github.com/bpfjit/bpfjit/internal/cli"
)

// packets is the capture that -r names, being read.
type packets struct {
	*capture.Reader
	name string
	file *os.File // nil: standard input
}

// openPackets opens the capture.
func (t *tool) openPackets() (*packets, error) {
	p := &packets{name: t.read}
	in := t.stdin
	if t.read == "-" {
		p.name = cli.Stdin
	} else {
		f, err := os.Open(t.read)
		if err != nil {
			return nil, cli.FileError(t.read, err)
		}
		p.file, in = f, f
	}
	r, err := capture.NewReader(in, zstdread.Option(), capture.WithReadAhead())
	if err != nil {
		p.close()
		return nil, p.error(err)
	}
	p.Reader = r
	return p, nil
}

func (p *packets) close() {
	if p.Reader != nil {
		p.Reader.Close()
	}
	if p.file != nil {
		p.file.Close() // it was only read
	}
}

// error adds the capture's name to an error in reading it.
func (p *packets) error(err error) error {
	return cli.FileError(p.name, err)
}

// perLinkType makes filters: one for each link type that turns up.
type perLinkType[F any] struct {
	last F // for most captures the only one
	link capture.LinkType
	made map[capture.LinkType]F
	make func(capture.LinkType) (F, error)
}

func newPerLinkType[F any](make func(capture.LinkType) (F, error)) *perLinkType[F] {
	return &perLinkType[F]{made: map[capture.LinkType]F{}, make: make}
}

func (p *perLinkType[F]) get(link capture.LinkType) (F, error) {
	if link == p.link && len(p.made) > 0 {
		return p.last, nil
	}
	f, ok := p.made[link]
	if !ok {
		var err error
		if f, err = p.make(link); err != nil {
			return f, err
		}
		p.made[link] = f
	}
	p.last, p.link = f, link
	return f, nil
}

// prepare makes the filter for the first packet, so that what is wrong with it is
// said before a file is made.
func (p *perLinkType[F]) prepare(from *packets) error {
	link, ok := from.FirstLinkType()
	if !ok {
		return nil
	}
	_, err := p.get(link)
	return err
}

// overPackets calls do for every packet, with the filter for its link type that
// make made, and writes those that do keeps where -w says. It ends at the first
// error; a packet that do returns one for may still be kept.
func overPackets[F any](t *tool, p *packets, make func(capture.LinkType) (F, error), do func(F, *capture.Packet) (keep bool, err error)) error {
	filters := newPerLinkType(make)
	if err := filters.prepare(p); err != nil {
		return err
	}
	out, err := t.openMatches(p)
	if err != nil {
		return err
	}
	return out.finish(each(p, func(pkt *capture.Packet) error {
		f, err := filters.get(pkt.LinkType)
		if err != nil {
			return err
		}
		keep, err := do(f, pkt)
		if keep {
			if writeErr := out.write(pkt); writeErr != nil {
				return writeErr
			}
		}
		return err
	}))
}

// each calls do for every packet, up to the first error.
func each(p *packets, do func(*capture.Packet) error) error {
	for {
		pkt, err := p.Next()
		if err == io.EOF {
			return nil
		}
		if isReadError(err) {
			return p.error(err)
		}
		if err != nil {
			return err // in making a filter
		}
		if err := do(pkt); err != nil {
			return err
		}
	}
}

// isReadError tells errors in the capture, everything before which is good,
// from others.
func isReadError(err error) bool {
	_, ok := errors.AsType[*capture.Error](err)
	return ok
}

// linkTypeFits tells whether the filter can be used on packets of a link type:
// a program or an expression with -y is for one link type only.
func (t *tool) linkTypeFits(s *source, name string, link capture.LinkType) error {
	if s.isExpr() && !t.hasLink || link == t.linkType {
		return nil
	}
	what := "the program"
	if s.isExpr() {
		what = "the expression"
	}
	return fmt.Errorf("%s: packets of link type %v, %s is for %v (-y says for which)",
		name, linkTypeOf(link), what, linkTypeOf(t.linkType))
}
