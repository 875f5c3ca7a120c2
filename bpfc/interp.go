package bpfc

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/net/bpf"
)

// Interpreter is the reference: what it answers is what a program means. It
// never changes and may be used by any number of goroutines.
type Interpreter struct {
	p *Program
}

// NewInterpreter validates prog and prepares it to run.
func NewInterpreter(prog []bpf.RawInstruction, d Dialect, opts ...Option) (*Interpreter, error) {
	p, err := Check(prog, d, opts...)
	if err != nil {
		return nil, err
	}
	return p.Interpreter(), nil
}

// Interpreter makes an interpreter of a program.
func (p *Program) Interpreter() *Interpreter { return &Interpreter{p} }

// reject is the verdict of a packet that is not to be kept.
const reject = 0

// Run gives the program's verdict: how many bytes of the packet to keep, 0 to
// reject it. The packet's captured bytes are pkt; wireLen is how long it was
// on the wire, of which the program sees the low 32 bits. aux may be nil: all
// metadata is then 0 (in the Libpcap dialect, a load of it rejects). The NetBSD
// dialect rejects if a context's external memory is longer than aux.Mem.
func (in *Interpreter) Run(pkt []byte, wireLen int, aux *Aux) uint32 {
	var (
		p       = in.p
		r       = p.rules
		a, x    uint32
		scratch [MemWords]uint32
		mem     = scratch[:]
		back    = 0
		noAux   = aux == nil
	)
	if noAux {
		aux = &zeroAux
	}
	if p.ctx != nil && p.ctx.ExtWords > 0 {
		if len(aux.Mem) < p.ctx.ExtWords {
			return reject
		}
		mem = aux.Mem[:p.ctx.ExtWords]
	}

	for pc := 0; ; pc++ {
		ins := p.insns[pc]
		k := ins.K
		switch ins.Op {
		case LdImm:
			a = k
		case LdMem:
			a = mem[k]
		case LdLen:
			a = p.length(wireLen)
		case LdAbsW, LdAbsH, LdAbsB:
			if off, ok := r.ancillaryOf(ins); ok {
				if noAux && r.vlanLoads {
					return reject
				}
				a = ancillaryLoad(off, a, x, pkt, aux)
				break
			}
			v, ok := p.load(pkt, aux, k, Size(ins.Op))
			if !ok {
				return reject
			}
			a = v
		case LdIndW, LdIndH, LdIndB:
			off := x + k
			if off < x && !r.indexWraps {
				return reject
			}
			v, ok := p.load(pkt, aux, off, Size(ins.Op))
			if !ok {
				return reject
			}
			a = v

		case LdxImm:
			x = k
		case LdxMem:
			x = mem[k]
		case LdxLen:
			x = p.length(wireLen)
		case LdxMsh:
			v, ok := p.load(pkt, aux, k, 1)
			if !ok {
				return reject
			}
			x = 4 * (v & 0x0f)

		case St:
			mem[k] = a
		case Stx:
			mem[k] = x

		case ClassALU | AluADD | SrcK:
			a += k
		case ClassALU | AluADD | SrcX:
			a += x
		case ClassALU | AluSUB | SrcK:
			a -= k
		case ClassALU | AluSUB | SrcX:
			a -= x
		case ClassALU | AluMUL | SrcK:
			a *= k
		case ClassALU | AluMUL | SrcX:
			a *= x
		case ClassALU | AluDIV | SrcK:
			a /= k
		case ClassALU | AluDIV | SrcX:
			if x == 0 {
				return reject
			}
			a /= x
		case ClassALU | AluMOD | SrcK:
			a %= k
		case ClassALU | AluMOD | SrcX:
			if x == 0 {
				return reject
			}
			a %= x
		case ClassALU | AluAND | SrcK:
			a &= k
		case ClassALU | AluAND | SrcX:
			a &= x
		case ClassALU | AluOR | SrcK:
			a |= k
		case ClassALU | AluOR | SrcX:
			a |= x
		case ClassALU | AluXOR | SrcK:
			a ^= k
		case ClassALU | AluXOR | SrcX:
			a ^= x
		case ClassALU | AluLSH | SrcK:
			a <<= r.shiftCount(k)
		case ClassALU | AluLSH | SrcX:
			a <<= r.shiftCount(x)
		case ClassALU | AluRSH | SrcK:
			a >>= r.shiftCount(k)
		case ClassALU | AluRSH | SrcX:
			a >>= r.shiftCount(x)
		case Neg:
			a = -a

		case Ja:
			if r.backwardJA && int32(k) < 0 {
				if back++; back > MaxBackward {
					return reject
				}
			}
			pc += int(int32(k))
		case ClassJMP | JmpJEQ | SrcK:
			pc += branch(a == k, ins)
		case ClassJMP | JmpJEQ | SrcX:
			pc += branch(a == x, ins)
		case ClassJMP | JmpJGT | SrcK:
			pc += branch(a > k, ins)
		case ClassJMP | JmpJGT | SrcX:
			pc += branch(a > x, ins)
		case ClassJMP | JmpJGE | SrcK:
			pc += branch(a >= k, ins)
		case ClassJMP | JmpJGE | SrcX:
			pc += branch(a >= x, ins)
		case ClassJMP | JmpJSET | SrcK:
			pc += branch(a&k != 0, ins)
		case ClassJMP | JmpJSET | SrcX:
			pc += branch(a&x != 0, ins)

		case RetK:
			return k
		case RetA:
			return a

		case Tax:
			x = a
		case Txa:
			a = x
		case Cop:
			a = p.ctx.call(k, a, pkt, wireLen, aux)
		case Copx:
			if uint64(x) >= uint64(len(p.ctx.Funcs)) {
				return reject
			}
			a = p.ctx.call(x, a, pkt, wireLen, aux)

		default: // the NetBSD dialect's validator lets some such opcodes pass
			return reject
		}
	}
}

// call calls a coprocessor function. It gets copies: what is passed to an
// unknown function may be kept, and the packets of all programs would have to
// be on the heap for that.
func (c *Context) call(i, a uint32, pkt []byte, wireLen int, aux *Aux) uint32 {
	auxCopy := *aux
	return c.Funcs[i](a, bytes.Clone(pkt), wireLen, &auxCopy)
}

var zeroAux Aux // never written

func branch(taken bool, ins bpf.RawInstruction) int {
	if taken {
		return int(ins.Jt)
	}
	return int(ins.Jf)
}

// shiftCount is the count that a shift by n shifts by; Go's shifts by 32 and
// more give 0.
func (r *rules) shiftCount(n uint32) uint32 {
	if r.shiftMasks {
		return n & 31
	}
	return n
}

// length is what LEN loads.
func (p *Program) length(wireLen int) uint32 {
	if p.rules.lenConstant != 0 {
		return p.rules.lenConstant
	}
	return uint32(wireLen)
}

// load reads size bytes at an offset as the dialect understands it.
func (p *Program) load(pkt []byte, aux *Aux, off uint32, size int) (v uint32, ok bool) {
	at := uint64(off)
	if p.rules.negative {
		if at, ok = p.linuxOffset(off, aux); !ok {
			return 0, false
		}
	}
	if at+uint64(size) > uint64(len(pkt)) {
		return 0, false
	}
	field := pkt[at:]
	switch {
	case p.rules.seccomp:
		return binary.NativeEndian.Uint32(field), true
	case size == 1:
		return uint32(field[0]), true
	case size == 2:
		return uint32(binary.BigEndian.Uint16(field)), true
	}
	return binary.BigEndian.Uint32(field), true
}

// ancillaryLoad is the metadata load at SKF_AD_OFF + off: the new accumulator.
func ancillaryLoad(off, a, x uint32, pkt []byte, aux *Aux) uint32 {
	switch off {
	case adNlattr:
		return nlattr(pkt, a, x)
	case adNlattrNest:
		return nlattrNest(pkt, a, x)
	case adAluXorX:
		return a ^ x
	}
	return ancillaries[off].get(aux)
}
