package main

import (
	"fmt"
	"strings"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/bpfc/bpfasm"
	"github.com/bpfjit/bpfjit/capture"
	"github.com/bpfjit/bpfjit/fuzz"
	"github.com/bpfjit/bpfjit/jit"
)

// fenceSize is how much memory packets get between two unmapped pages. Larger
// packets run where they are.
const fenceSize = 1 << 20

// engines is every way to run a filter. The first is the reference.
type engines []fuzz.Engine

// makeEngines makes the engines for a program.
func makeEngines(p *bpfc.Program) (engines, error) {
	// Without native code there is nothing to verify: say so rather than "no
	// difference".
	if err := jit.Available(); err != nil {
		return nil, fmt.Errorf("nothing to verify: %w", err)
	}
	if _, err := bpfc.Translate(p, 0); err != nil {
		return nil, fmt.Errorf("nothing to verify: %w", err)
	}
	return fuzz.Subject{Prog: p.Instructions(), Dialect: p.Dialect()}.Engines()
}

// verify runs each packet through every engine and compares the verdicts.
func (t *tool) verify() error { return t.verifyEngines(makeEngines) }

// verifyEngines is verify with other engines.
func (t *tool) verifyEngines(makeEngines func(*bpfc.Program) (engines, error)) error {
	s, err := t.source()
	if err != nil {
		return err
	}
	p, err := t.openPackets()
	if err != nil {
		return err
	}
	defer p.close()
	fence, err := fuzz.NewFence(fenceSize)
	if err != nil {
		return fmt.Errorf("memory between unmapped pages: %w", err)
	}
	defer fence.Close()

	type subject struct {
		prog    []bpf.RawInstruction
		engines engines
	}
	var made engines
	defer func() {
		for _, e := range made {
			e.Close()
		}
	}()
	var matched int64
	err = overPackets(t, p, func(link capture.LinkType) (subject, error) {
		prog, err := t.program(s, p.name, link)
		if err != nil {
			return subject{}, err
		}
		e, err := makeEngines(prog)
		made = append(made, e...)
		return subject{prog.Instructions(), e}, err
	}, func(f subject, pkt *capture.Packet) (bool, error) {
		verdict, difference := f.engines.compare(pkt, fence)
		if difference != "" {
			t.report(f.prog, pkt, difference)
			return true, &differenceError{fmt.Sprintf("%s: packet %d: %s", p.name, p.Packets(), difference)}
		}
		if verdict != 0 {
			matched++
		}
		return false, nil
	})
	if err == nil || isReadError(err) {
		t.summary(p.Packets(), matched)
	}
	return err
}

// differenceError is what -verify is there to find.
type differenceError struct{ msg string }

func (e *differenceError) Error() string { return e.msg }

// compare runs a packet through the engines. It returns the reference's verdict
// and in what the first engine that disagrees does. Generated code gets the
// packet right behind an unmapped page and right before one.
func (es engines) compare(pkt *capture.Packet, fence *fuzz.Fence) (verdict uint32, difference string) {
	in := fuzz.Packet{Data: pkt.Data, WireLen: int(pkt.WireLen)}
	verdict, _, err := es[0].Run(in)
	if err != nil {
		return 0, fmt.Sprintf("%s: %v", es[0].Name, err)
	}
	for _, e := range es[1:] {
		places := [][]byte{pkt.Data}
		if e.Bare {
			places = fence.Place(pkt.Data)
		}
		for _, in.Data = range places {
			got, ran, err := e.Run(in)
			switch {
			case err != nil:
				return verdict, fmt.Sprintf("%s: %v", e.Name, err)
			case ran && got != verdict:
				return verdict, fmt.Sprintf("%s gives %d, %s %d", e.Name, got, es[0].Name, verdict)
			}
		}
	}
	return verdict, ""
}

// report writes what it takes to see a difference again.
func (t *tool) report(prog []bpf.RawInstruction, pkt *capture.Packet, difference string) {
	var xt strings.Builder
	if err := bpfasm.Write(&xt, bpfasm.XT, prog); err != nil {
		return // an empty program does not come this far
	}
	fmt.Fprintf(t.words(), "%s\npacket: %d bytes, %d on the wire, link type %v: %x\nprogram: bpfc -dialect %v -dump '%s'\n",
		difference, len(pkt.Data), pkt.WireLen, linkTypeOf(pkt.LinkType), pkt.Data, t.dialect, strings.TrimSpace(xt.String()))
}
