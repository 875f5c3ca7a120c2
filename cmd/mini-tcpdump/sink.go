package main

import (
	"errors"
	"sync"

	"github.com/bpfjit/bpfjit/capture"
	"github.com/bpfjit/bpfjit/cmd/mini-tcpdump/internal/flows"
	"github.com/bpfjit/bpfjit/cmd/mini-tcpdump/internal/packetline"
	"github.com/bpfjit/bpfjit/internal/cli"
)

// errEnough ends a capture after -c packets. It is no failure.
var errEnough = errors.New("enough packets")

// sink is where packets go that match: to the screen, into a file, into the
// table of flows. Its mutex is for captures with several threads.
type sink struct {
	*tool
	mu      sync.Mutex
	out     *output
	printer *packetline.Printer // nil: nothing is printed
	line    []byte
	watch   *flows.Watch // nil: flows are not watched
	matched int64
	failed  error // of the first failure; nothing is taken after it
}

// newSink makes the sink for what the flags say, but for the file.
func (t *tool) newSink(names []string) *sink {
	s := &sink{tool: t}
	if (t.write == "" && t.flows == 0) || t.print {
		opts := t.line
		if !t.numbers {
			opts.Names = packetline.ReadNames("/etc")
		}
		s.printer = packetline.New(opts)
		s.printer.Interfaces(names)
	}
	if t.flows > 0 {
		s.watch = flows.New(flows.Options{Interval: t.flows, Alarm: t.alarm, Report: t.printFlows})
	}
	return s
}

// take takes a packet that matches. One of a ring has to stay where it is until
// flush.
func (s *sink) take(p *capture.Packet) error {
	if s.failed != nil {
		return s.failed
	}
	if err := s.handle(p); err != nil {
		s.failed = err
		return err
	}
	s.matched++
	if s.matched == s.count {
		s.failed = errEnough
		return errEnough
	}
	return nil
}

func (s *sink) handle(p *capture.Packet) error {
	if err := s.out.put(p); err != nil {
		return err
	}
	if s.watch != nil {
		s.watch.Add(p)
	}
	if s.printer != nil {
		s.line = s.printer.Append(s.line[:0], p)
		if _, err := s.stdout.Write(s.line); err != nil {
			return cli.FileError(cli.Stdout, err)
		}
	}
	if s.unbuffered {
		return s.flush()
	}
	return nil
}

// takeAll takes packets of one block of a ring: after it, the block may go.
func (s *sink) takeAll(pkts []capture.Packet) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range pkts {
		if err := s.take(&pkts[i]); err != nil {
			if flushErr := s.flush(); err == errEnough && flushErr != nil {
				err = flushErr
			}
			return err
		}
	}
	return s.flush()
}

// flush writes what was taken.
func (s *sink) flush() error {
	err := s.out.flush()
	if flushErr := s.tool.flush(); err == nil {
		err = flushErr
	}
	if err != nil && s.failed == nil {
		s.failed = err
	}
	return err
}

// finish ends everything: the interval of flows, what is printed, the file. It
// returns err, why the capture ended, or what failed after that; errEnough is no
// failure.
func (s *sink) finish(err error) error {
	if errors.Is(err, errEnough) {
		err = nil
	}
	if s.watch != nil {
		s.watch.Finish()
	}
	if flushErr := s.tool.flush(); err == nil {
		err = flushErr
	}
	return s.out.finish(err)
}
