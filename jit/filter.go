package jit

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/lir"
)

// Filter is a program ready to run. It is safe for concurrent use, Close
// included.
type Filter struct {
	code     atomic.Pointer[code] // nil: closed
	batch    batch
	records  func(bpfc.Records) (*code, error)
	usesAux  bool
	fallback error
}

// errAskedFor is the reason of those who chose the interpreter.
var errAskedFor = errors.New("the interpreter was asked for")

// Compile makes a filter of a program. The program is checked by the rules of
// its dialect; a refusal is a *bpfc.Error and names the instruction.
//
// The filter runs as native code if it can, else it is interpreted, with the
// same verdicts: where the platform has no code generator or does not allow
// new code in memory, and for the few programs that have no native form (see
// bpfc.ErrNotTranslatable). Native and Fallback tell which, WithNativeOnly
// insists.
func Compile(prog []bpf.RawInstruction, opts ...Option) (*Filter, error) {
	cfg, err := configure(opts)
	if err != nil {
		return nil, err
	}
	p, err := bpfc.Check(prog, cfg.dialect, cfg.program...)
	if err != nil {
		return nil, err
	}
	f := new(Filter)
	c, usesAux, err := cfg.filter(p)
	f.usesAux = usesAux
	if err != nil {
		if cfg.nativeOnly {
			return nil, fmt.Errorf("jit: no native code: %w", err)
		}
		f.fallback, f.usesAux = err, true // perhaps
		f.code.Store(&code{interp: p.Interpreter()})
		return f, nil
	}
	if cfg.name == "" {
		cfg.name = "bpf_filter"
	}
	if err := cfg.announce(c); err != nil {
		return nil, fmt.Errorf("jit: %w", err)
	}
	f.code.Store(c)
	f.batch.generate = func() (*code, error) {
		fn, err := bpfc.TranslateBatch(p, cfg.level)
		if err != nil {
			return nil, err
		}
		return cfg.loop(fn, "_batch")
	}
	f.records = func(layout bpfc.Records) (*code, error) {
		fn, err := bpfc.TranslateRecords(p, cfg.level, layout)
		if err != nil {
			return nil, err
		}
		return cfg.loop(fn, "_records")
	}
	return f, nil
}

// filter makes native code of a program.
func (c *config) filter(p *bpfc.Program) (code *code, usesAux bool, err error) {
	if c.interpret {
		return nil, false, errAskedFor
	}
	fn, err := bpfc.Translate(p, c.level)
	if err != nil {
		return nil, false, err
	}
	if code, err = c.native(fn); err != nil {
		return nil, false, err
	}
	code.noAux = c.noAux()
	return code, bpfc.UsesAux(fn), nil
}

// noAux is what a filter is given for no Aux. In the Libpcap dialect a program
// can tell whether there is metadata; everywhere else none means zeros.
func (c *config) noAux() *bpfc.Aux {
	if c.dialect == bpfc.Libpcap {
		return nil
	}
	return new(bpfc.Aux)
}

// Run gives the verdict on a packet: how many bytes of it to keep, 0 to reject
// it. The number is what the program returned and may exceed the packet.
//
// The captured bytes are pkt; they must not change meanwhile (the race
// detector watches). wireLen is the packet's length on the wire, of which the
// program sees the low 32 bits; it is not compared with len(pkt). Of a packet
// longer than 2^32-1 bytes it sees that many.
//
// After Close, the verdict is 0.
func (f *Filter) Run(pkt []byte, wireLen int) uint32 {
	// As in code.verdict, which would make this too large to be inlined.
	announceRead(pkt)
	return enter(f.code.Load(), unsafe.SliceData(pkt), len(pkt), wireLen)
}

// RunAux is Run for a packet of which more is known than its bytes. A nil aux
// is that of Run: all metadata is 0, or, in the Libpcap dialect, absent, so
// that a load of it rejects.
func (f *Filter) RunAux(pkt []byte, wireLen int, aux *bpfc.Aux) uint32 {
	c := f.code.Load()
	switch {
	case c == nil:
		return 0
	case c.interp != nil:
		return interpret(c, pkt, wireLen, aux) // coprocessor functions may keep aux.Mem: it has to escape
	}
	announceRead(pkt)
	return c.verdictAux(unsafe.SliceData(pkt), len(pkt), wireLen, aux)
}

// UsesAux says whether verdicts can depend on the Aux: if not, RunAux gives
// what Run gives. Of an interpreted filter it is not known, and so said. Close
// does not change it.
func (f *Filter) UsesAux() bool { return f.usesAux }

// Native says whether native code answers. If not, the interpreter does.
// Close does not change it.
func (f *Filter) Native() bool { return f.fallback == nil }

// Fallback is the reason why the interpreter answers; nil if native code does.
func (f *Filter) Fallback() error { return f.fallback }

// Code is a copy of the machine code; nil if there is none, and after Close.
func (f *Filter) Code() []byte { return f.code.Load().bytes() }

// Lines says which machine code came from which instruction of the program;
// nil if there is none, and after Close.
func (f *Filter) Lines() []lir.Line { return f.code.Load().lineTable() }

// Close ends the use of the filter: from now on its verdict is 0. Calls that
// are under way finish; the memory of the code is given back when they have
// and the garbage collector has seen it. A Filter that is dropped needs no
// Close. The error is always nil.
func (f *Filter) Close() error {
	f.code.Store(nil)
	f.batch.code.Store(nil)
	return nil
}
