package jit

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"unsafe"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/lir"
)

// code is generated code in executable memory, ready to be entered. Its memory
// lives as long as it does: a cleanup gives it back once no goroutine can
// reach the code any more. Whoever enters it keeps it reachable until the
// generated code has returned.
//
// The code of a filter that is interpreted has no entry.
type code struct {
	direct unsafe.Pointer // the entry of code that wants no frame
	entry  unsafe.Pointer
	large  bool              // wants more than the small frame
	noAux  *bpfc.Aux         // what native code is given for a nil *Aux
	interp *bpfc.Interpreter // what answers where there is no entry
	text   []byte
	lines  []lir.Line
}

// install makes compiled code ready to be entered. place is how it comes into
// executable memory.
func install(lc *lir.Code, place func(code []byte) (block, error)) (*code, error) {
	if lc.Frame < 0 || lc.Frame > lir.MaxFrame {
		return nil, fmt.Errorf("frame of %d bytes: the most is %d", lc.Frame, lir.MaxFrame)
	}
	b, err := place(lc.Bytes)
	if err != nil {
		return nil, err
	}
	c := &code{
		entry: unsafe.Pointer(unsafe.SliceData(b.text)),
		large: lc.Frame > smallFrame,
		text:  b.text,
		lines: slices.Clone(lc.Lines),
	}
	if lc.Frame == 0 {
		c.direct = c.entry
	}
	runtime.AddCleanup(c, func(b block) {
		// Nobody is left to be told of an error; the worst one leaks the block.
		_ = b.arena.free(b)
	}, b)
	return c, nil
}

// maxPacket is how much of a packet a filter sees: lengths and offsets have 32
// bits.
const maxPacket = 1<<32 - 1

// smallFrame is the frame that nearly all code makes do with that wants one, in
// bytes. For more, there is lir.MaxFrame, for which a fresh goroutine's stack
// has to grow.
const smallFrame = 512

// verdict is a filter's verdict; a nil c rejects. It is small enough to be
// inlined, which is worth a nanosecond: enter sorts out all else.
func (c *code) verdict(pkt []byte, wireLen int) uint32 {
	announceRead(pkt)
	return enter(c, unsafe.SliceData(pkt), len(pkt), wireLen)
}

// slow is enter for what enter leaves: closed filters, interpreted ones, code
// with a frame, enormous packets.
//
//lint:ignore U1000 called from call_amd64.s
func slow(c *code, pkt *byte, n, wireLen int) uint32 {
	if c == nil {
		return 0
	}
	if c.interp != nil {
		return interpret(c, unsafe.Slice(pkt, n), wireLen, nil)
	}
	return c.verdictAux(pkt, n, wireLen, nil)
}

// verdictAux is the verdict of native code.
func (c *code) verdictAux(pkt *byte, n, wireLen int, aux *bpfc.Aux) uint32 {
	if aux == nil {
		aux = c.noAux
	}
	n = int(min(uint64(n), maxPacket))
	if c.large {
		return enterLarge(c, pkt, n, wireLen, aux)
	}
	return enterSmall(c, pkt, n, wireLen, aux)
}

// interpret is the interpreter's verdict.
func interpret(c *code, pkt []byte, wireLen int, aux *bpfc.Aux) uint32 {
	return c.interp.Run(pkt[:min(uint64(len(pkt)), maxPacket)], wireLen, aux)
}

// address is where a program's text is, as a number for tools.
func address(text []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(text))) }

// bytes is a copy of the machine code.
func (c *code) bytes() []byte {
	if c == nil {
		return nil
	}
	b := slices.Clone(c.text)
	runtime.KeepAlive(c)
	return b
}

// lineTable is a copy of the line table.
func (c *code) lineTable() []lir.Line {
	if c == nil {
		return nil
	}
	return slices.Clone(c.lines)
}

// Code is a function that Load compiled. It is safe for concurrent use.
type Code struct {
	code   atomic.Pointer[code] // nil once closed
	name   string
	params int
}

// Load compiles any lir function for this machine. Its parameters and its
// result are machine words: integers, or addresses of memory that the function
// reads and writes as it likes. Package lir says what a function can do; there
// is no check that its addresses are good.
//
// Of the options, those about profilers (WithName, WithPerfMap, WithJitdump)
// have a meaning here. Load has no interpreter to fall back to: where native
// code is not possible, it fails, as Available does.
func Load(fn *lir.Func, opts ...Option) (*Code, error) {
	cfg, err := configure(opts)
	if err != nil {
		return nil, err
	}
	if fn == nil {
		return nil, errors.New("jit: no function to load")
	}
	if cfg.name == "" {
		cfg.name = fn.Name
	}
	c, err := cfg.native(fn)
	if err != nil {
		return nil, fmt.Errorf("jit: %w", err)
	}
	if err := cfg.announce(c); err != nil {
		return nil, fmt.Errorf("jit: %w", err)
	}
	l := &Code{name: fn.Name, params: len(fn.Params)}
	l.code.Store(c)
	return l, nil
}

// Call calls the function. There must be an argument for each parameter.
//
// As with the system call functions of package syscall, an argument may be
// the address of a Go variable if the conversion uintptr(unsafe.Pointer(p))
// is written in the call itself: the variable then stays where it is until
// Call returns. The function must not keep the address.
//
// Call panics if the number of arguments is wrong, or after Close. A bad
// address in the function is like one in Go: a run-time panic near address 0,
// else a fatal error unless debug.SetPanicOnFault is on. The time a call takes
// is time that a garbage collection may have to wait for.
//
//go:uintptrescapes
func (l *Code) Call(args ...uintptr) uint64 {
	if len(args) != l.params {
		panic(fmt.Sprintf("jit: %d arguments in call of %s, which has %d parameters", len(args), l.name, l.params))
	}
	var a [lir.MaxParams]uintptr
	copy(a[:], args)
	return l.Call4(a[0], a[1], a[2], a[3])
}

// Call4 is Call without the slice of arguments, and so without allocation.
// Arguments for which the function has no parameter are not looked at.
//
//go:uintptrescapes
func (l *Code) Call4(a0, a1, a2, a3 uintptr) uint64 {
	c := l.code.Load()
	if c == nil {
		panic("jit: call of a closed function")
	}
	if c.large {
		return callLarge(c, a0, a1, a2, a3)
	}
	return callSmall(c, a0, a1, a2, a3)
}

// Bytes is a copy of the machine code; nil after Close.
func (l *Code) Bytes() []byte { return l.code.Load().bytes() }

// Lines says which machine code came from which source line of the function
// (lir.Inst.Pos); nil after Close.
func (l *Code) Lines() []lir.Line { return l.code.Load().lineTable() }

// Close ends the use of the function. Calls that are under way finish; the
// memory is given back when they have and the garbage collector has seen it.
// A Code that is dropped needs no Close. The error is always nil.
func (l *Code) Close() error {
	l.code.Store(nil)
	return nil
}
