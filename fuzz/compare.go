package fuzz

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"unsafe"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/jit"
	"github.com/bpfjit/bpfjit/lir"
)

// Subject is a program and what it is told about its surroundings.
type Subject struct {
	Prog    []bpf.RawInstruction
	Dialect bpfc.Dialect
	Aux     bpfc.AuxFields
	Context *bpfc.Context
}

func (s Subject) options() []bpfc.Option {
	opts := []bpfc.Option{bpfc.WithAux(s.Aux)}
	if s.Context != nil {
		opts = append(opts, bpfc.WithContext(s.Context))
	}
	return opts
}

// Engine is one way to run a program.
type Engine struct {
	Name string
	// Run gives the verdict; false if the engine does not take this packet.
	Run func(p Packet) (verdict uint32, ok bool, err error)
	// Bare engines run generated code on the packet where it lies.
	Bare bool

	filter *jit.Filter
	close  func()
}

// Close frees what the engine holds.
func (e Engine) Close() {
	if e.close != nil {
		e.close()
	}
}

// Engines makes every engine that can run the subject. The first is the
// reference interpreter.
func (s Subject) Engines() ([]Engine, error) {
	p, err := bpfc.Check(s.Prog, s.Dialect, s.options()...)
	if err != nil {
		return nil, err
	}
	in := p.Interpreter()
	engines := []Engine{{Name: "interp", Run: func(p Packet) (uint32, bool, error) {
		return in.Run(p.Data, p.WireLen, p.Aux), true, nil
	}}}
	if e, ok := s.xnet(); ok {
		engines = append(engines, e)
	}
	for _, level := range []struct {
		name string
		n    int
	}{{"O0", 0}, {"full", 1}} {
		fn, err := bpfc.Translate(p, level.n)
		if errors.Is(err, bpfc.ErrNotTranslatable) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", level.name, err)
		}
		e, err := s.lirEngine("lir "+level.name, fn)
		if err != nil {
			return nil, err
		}
		engines = append(engines, e)
		e, err = s.nativeEngine("native "+level.name, level.n)
		if err != nil {
			return nil, err
		}
		engines = append(engines, e)
		if level.n > 0 {
			engines = append(engines, batchEngine(e))
			if e, ok := recordsEngine(e); ok {
				engines = append(engines, e)
			}
		}
	}
	return engines, nil
}

// xnet is x/net/bpf's VM: a second opinion on what it implements. It has
// neither NEG nor the length on the wire nor metadata, and refuses some of what
// the dialect allows.
func (s Subject) xnet() (Engine, bool) {
	if s.Dialect != bpfc.Libpcap || bits.UintSize < 64 { // golang/go#80214
		return Engine{}, false
	}
	insns := make([]bpf.Instruction, len(s.Prog))
	readsLen := false
	for i, raw := range s.Prog {
		insns[i] = raw.Disassemble()
		switch ins := insns[i].(type) {
		case bpf.RawInstruction, bpf.NegateA:
			return Engine{}, false
		case bpf.LoadExtension:
			readsLen = true
			if ins.Num != bpf.ExtLen {
				return Engine{}, false
			}
		case bpf.Jump:
			if int32(ins.Skip) < 0 {
				return Engine{}, false
			}
		}
		if raw.Op == bpfc.LdxLen {
			return Engine{}, false
		}
	}
	vm, err := bpf.NewVM(insns)
	if err != nil {
		return Engine{}, false
	}
	return Engine{Name: "xnet", Run: func(p Packet) (uint32, bool, error) {
		if readsLen && p.WireLen != len(p.Data) {
			return 0, false, nil
		}
		n, err := vm.Run(p.Data)
		return uint32(n), true, err
	}}, true
}

// lirEngine interprets a translation. It sees the packet's bytes and the Aux
// and nothing else, so that a read outside them is an error.
func (s Subject) lirEngine(name string, fn *lir.Func) (Engine, error) {
	in, err := lir.NewInterpreter(fn)
	if err != nil {
		return Engine{}, fmt.Errorf("%s: %w", name, err)
	}
	const pktAddr, auxAddr = 0x7fff_ffff_f000, 0x1000
	return Engine{Name: name, Run: func(p Packet) (uint32, bool, error) {
		mem := []lir.Region{{Addr: pktAddr, Data: p.Data}}
		aux := uint64(0)
		if a := s.auxFor(p); a != nil {
			aux = auxAddr
			mem = append(mem, lir.Region{Addr: auxAddr, Data: unsafe.Slice((*byte)(unsafe.Pointer(a)), unsafe.Offsetof(a.Mem))})
		}
		v, err := in.Run(mem, pktAddr, uint64(len(p.Data)), uint64(p.WireLen), aux)
		return uint32(v), true, err
	}}, nil
}

// auxFor is the Aux that generated code is to see: zeros stand for none,
// except in the Libpcap dialect.
func (s Subject) auxFor(p Packet) *bpfc.Aux {
	if p.Aux == nil && s.Dialect != bpfc.Libpcap {
		return &bpfc.Aux{}
	}
	return p.Aux
}

func (s Subject) nativeEngine(name string, level int) (Engine, error) {
	opts := []jit.Option{jit.WithDialect(s.Dialect), jit.WithAux(s.Aux), jit.WithOptLevel(level)}
	if s.Context != nil {
		opts = append(opts, jit.WithContext(s.Context))
	}
	if jit.Available() == nil {
		opts = append(opts, jit.WithNativeOnly())
	}
	f, err := jit.Compile(s.Prog, opts...)
	if err != nil {
		return Engine{}, fmt.Errorf("%s: %w", name, err)
	}
	return Engine{
		Name:   name,
		Bare:   true,
		filter: f,
		Run: func(p Packet) (uint32, bool, error) {
			return f.RunAux(p.Data, p.WireLen, p.Aux), true, nil
		},
		close: func() { f.Close() },
	}, nil
}

// batchEngine runs the filter of a native engine on batches: each packet twice,
// with an empty one between. In a batch there is no metadata, and a packet's
// length is its length on the wire.
func batchEngine(native Engine) Engine {
	f := native.filter
	return Engine{Name: "batch", Bare: true, Run: func(p Packet) (uint32, bool, error) {
		if p.WireLen != len(p.Data) || p.Aux != nil {
			return 0, false, nil
		}
		var v [3]uint32
		f.RunBatch([][]byte{p.Data, nil, p.Data}, v[:])
		if v[0] != v[2] {
			return v[2], true, fmt.Errorf("%d and %d in one batch", v[0], v[2])
		}
		return v[0], true, nil
	}}
}

// records is a layout of headers unlike any real one.
var records = bpfc.Records{Next: 2, Data: 12, CapLen: 14, WireLen: 7, Limit: 1 << 20}

const recordHeader = 18

// recordsEngine runs the filter of a native engine on packets behind headers:
// each packet twice, with an empty one between. There is no metadata, which may
// make no difference to a filter that can be run so.
func recordsEngine(native Engine) (Engine, bool) {
	loop, err := native.filter.Records(records)
	if err != nil {
		return Engine{}, false
	}
	return Engine{Name: "records", Run: func(p Packet) (uint32, bool, error) {
		const room = 5 // between header and packet
		var mem []byte
		for _, data := range [][]byte{p.Data, nil, p.Data} {
			h := make([]byte, recordHeader+room, recordHeader+room+len(data))
			binary.NativeEndian.PutUint32(h[records.Next:], uint32(cap(h)))
			binary.NativeEndian.PutUint16(h[records.Data:], uint16(len(h)))
			binary.NativeEndian.PutUint32(h[records.CapLen:], uint32(len(data)))
			binary.NativeEndian.PutUint32(h[records.WireLen:], uint32(p.WireLen))
			mem = append(mem, append(h, data...)...)
		}
		var v [3]uint32
		loop.Run(unsafe.Pointer(&mem[0]), len(v), v[:])
		if v[0] != v[2] {
			return v[2], true, fmt.Errorf("%d and %d in one loop", v[0], v[2])
		}
		return v[0], true, nil
	}}, true
}

// Compare runs the subject on the packets in every engine. Engines of generated
// code get each packet twice in the fence, if there is one: right before an
// unmapped page and right after one. A disagreement is a *Difference.
func (s Subject) Compare(packets []Packet, fence *Fence) error {
	engines, err := s.Engines()
	if err != nil {
		return &Difference{Subject: s, Err: err}
	}
	defer func() {
		for _, e := range engines {
			e.Close()
		}
	}()
	for _, p := range packets {
		want, _, _ := engines[0].Run(p)
		for _, e := range engines[1:] {
			places := [][]byte{p.Data}
			if e.Bare && fence != nil {
				places = fence.Place(p.Data)
			}
			for _, data := range places {
				got, ok, err := e.Run(Packet{data, p.WireLen, p.Aux})
				if err != nil || ok && got != want {
					return &Difference{Subject: s, Packet: p, Engine: e.Name, Want: want, Got: got, Err: err}
				}
			}
		}
	}
	return nil
}

// Difference is a find: an engine that does not agree with the reference
// interpreter, or could not be made.
type Difference struct {
	Subject   Subject
	Packet    Packet
	Engine    string
	Want, Got uint32
	Err       error
}

func (d *Difference) Unwrap() error { return d.Err }

// Error has a reproducer: a program that bpfc reads, and the packet in hex.
func (d *Difference) Error() string {
	var w strings.Builder
	if d.Engine == "" {
		fmt.Fprintf(&w, "no engine: %v\n", d.Err)
	} else {
		fmt.Fprintf(&w, "%s gives %d, the interpreter %d", d.Engine, d.Got, d.Want)
		if d.Err != nil {
			fmt.Fprintf(&w, " (%v)", d.Err)
		}
		fmt.Fprintf(&w, "\npacket of %d bytes, %d on the wire: %x\n", len(d.Packet.Data), d.Packet.WireLen, d.Packet.Data)
		if d.Packet.Aux != nil {
			fmt.Fprintf(&w, "metadata %+v\n", *d.Packet.Aux)
		}
	}
	fmt.Fprintf(&w, "bpfc -dialect %v -dump '%d", d.Subject.Dialect, len(d.Subject.Prog))
	for _, ins := range d.Subject.Prog {
		fmt.Fprintf(&w, ",%d %d %d %d", ins.Op, ins.Jt, ins.Jf, ins.K)
	}
	w.WriteString("'")
	return w.String()
}
