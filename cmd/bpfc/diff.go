package main

import (
	"fmt"

	"github.com/bpfjit/bpfjit/capture"
	"github.com/bpfjit/bpfjit/jit"
)

// sources reads the two filters of -diff.
func (t *tool) sources() (s [2]*source, err error) {
	names := [2]string{"first filter: ", "second filter: "}
	args := t.args
	for i := range s {
		if i == 0 && t.file != "" {
			s[i], err = t.fileSource()
		} else {
			s[i], err = t.argument(names[i], args[0])
			args = args[1:]
		}
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

// diff runs two filters over a capture and shows where their verdicts differ.
func (t *tool) diff() error {
	s, err := t.sources()
	if err != nil {
		return err
	}
	p, err := t.openPackets()
	if err != nil {
		return err
	}
	defer p.close()
	var first, second, both int64 // only one matches; both do, and keep more or less
	err = overPackets(t, p, func(link capture.LinkType) (pair [2]*jit.Filter, err error) {
		for i := range s {
			if pair[i], err = t.compile(s[i], p.name, link); err != nil {
				return pair, err
			}
		}
		return pair, nil
	}, func(f [2]*jit.Filter, pkt *capture.Packet) (bool, error) {
		a, b := f[0].Run(pkt.Data, int(pkt.WireLen)), f[1].Run(pkt.Data, int(pkt.WireLen))
		switch {
		case a == b:
			return false, nil
		case b == 0:
			first++
		case a == 0:
			second++
		default:
			both++
		}
		fmt.Fprintf(t.words(), "packet %d, %d bytes: %d and %d\n", p.Packets(), len(pkt.Data), a, b)
		return true, nil
	})
	if err == nil || isReadError(err) {
		fmt.Fprintf(t.words(), "%d packets, %d differ: %d match the first filter only, %d the second, %d both with another verdict\n",
			p.Packets(), first+second+both, first, second, both)
	}
	return err
}
