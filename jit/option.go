package jit

import (
	"errors"
	"fmt"
	"strings"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/lir"
)

// Option says how Compile or Load are to work.
type Option func(*config)

type config struct {
	dialect    bpfc.Dialect
	level      int
	interpret  bool
	nativeOnly bool
	program    []bpfc.Option
	name       string
	perfMap    bool
	jitdump    *Jitdump
	arena      *arena
}

// WithDialect says whose classic BPF the program is written in. The default is
// bpfc.Libpcap.
func WithDialect(d bpfc.Dialect) Option { return func(c *config) { c.dialect = d } }

// WithAux declares the fields of bpfc.Aux that every RunAux will fill; a
// program that loads another is refused.
func WithAux(fields bpfc.AuxFields) Option {
	return func(c *config) { c.program = append(c.program, bpfc.WithAux(fields)) }
}

// WithContext gives a program of the NetBSD dialect its coprocessor functions
// and its external memory. The functions must be safe for concurrent use if
// the filter is used concurrently.
func WithContext(ctx *bpfc.Context) Option {
	return func(c *config) { c.program = append(c.program, bpfc.WithContext(ctx)) }
}

// WithInterpreter has the interpreter answer, never native code.
func WithInterpreter() Option { return func(c *config) { c.interpret = true } }

// WithNativeOnly makes it an error if native code is not possible, where
// otherwise the interpreter would answer.
func WithNativeOnly() Option { return func(c *config) { c.nativeOnly = true } }

// WithOptLevel sets how much is done to make the code better: 0 is nothing.
// The default is everything there is.
func WithOptLevel(level int) Option { return func(c *config) { c.level = level } }

// WithName names the code for profilers. The default is "bpf_filter", or the
// name of a loaded function.
func WithName(name string) Option { return func(c *config) { c.name = name } }

// WithPerfMap tells Linux perf where the code is and its name, by a line in
// /tmp/perf-PID.map. Such code is not packed but has a mapping of its own,
// unless that is refused, because perf looks nothing up in the map for the
// mappings that packed programs share. The file is only ever appended to. Its
// format knows no end of code, so that a filter dropped and another in its
// place both have a line. WithJitdump has neither limit.
func WithPerfMap() Option { return func(c *config) { c.perfMap = true } }

// WithJitdump writes the code to a jitdump file, for perf inject.
func WithJitdump(d *Jitdump) Option { return func(c *config) { c.jitdump = d } }

// optAll is the level at which every pass runs.
const optAll = 1 << 10

func configure(opts []Option) (*config, error) {
	c := &config{level: optAll}
	for _, o := range opts {
		if o != nil {
			o(c)
		}
	}
	if c.level < 0 {
		return nil, fmt.Errorf("jit: optimisation level %d: the lowest is 0", c.level)
	}
	if c.interpret && c.nativeOnly {
		return nil, errors.New("jit: WithInterpreter and WithNativeOnly exclude each other")
	}
	if c.arena == nil {
		c.arena = processArena()
	}
	return c, nil
}

// native compiles and installs a function.
func (c *config) native(fn *lir.Func) (*code, error) {
	lc, err := generate(fn)
	if err != nil {
		return nil, err
	}
	place := c.arena.place
	if c.perfMap {
		place = c.arena.placeApart // perf asks its map of anonymous memory only
	}
	return install(lc, place)
}

// announce tells the profilers that were asked for of new code.
func (c *config) announce(code *code) error {
	name := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '_' // a line of the perf map, a C string in the jitdump
		}
		return r
	}, c.name)
	if c.perfMap {
		if err := appendPerfMap(perfMapPath(), name, code.text); err != nil {
			return fmt.Errorf("perf map: %w", err)
		}
	}
	if c.jitdump != nil {
		if err := c.jitdump.load(name, code.text); err != nil {
			return fmt.Errorf("jitdump: %w", err)
		}
	}
	return nil
}
