package lir

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
)

// Region is a stretch of memory that an interpreted function may read, and
// write if Writable: Data[0] is at Addr. The part of it that would lie past the
// end of the address space does not exist.
type Region struct {
	Addr     uint64
	Data     []byte
	Writable bool
}

// AccessError is a load or a store of an interpreted function that is not all
// inside one region, or writes one that is not writable.
type AccessError struct {
	Func  string
	Block int
	Inst  int // the instruction's index in the block
	Text  string
	Addr  uint64
	Size  int // in bytes
}

func (e *AccessError) Error() string {
	return fmt.Sprintf("func %s: %s, instruction %d: %s: no access to %d bytes at %#x",
		clip(formatName(e.Func)), blockName(e.Block), e.Inst, e.Text, e.Size, e.Addr)
}

// DefaultSteps is the number of instructions that an Interpreter runs before it
// gives up.
const DefaultSteps = 10_000_000

// Interpreter runs a function, slowly and plainly: it says what the function
// means. It is not for use by several goroutines at once.
type Interpreter struct {
	// MaxSteps is the number of instructions and terminators that a run may
	// take. NewInterpreter sets it to DefaultSteps.
	MaxSteps int

	f      *Func
	regs   []uint64
	locals []byte
	inited []bool // which of locals have been written
	mem    []Region
}

// NewInterpreter verifies f, which must then stay as it is.
func NewInterpreter(f *Func) (*Interpreter, error) {
	if err := Verify(f); err != nil {
		return nil, err
	}
	return &Interpreter{
		MaxSteps: DefaultSteps,
		f:        f,
		regs:     make([]uint64, f.NumReg),
		locals:   make([]byte, f.Locals),
		inited:   make([]bool, f.Locals),
	}, nil
}

// Interpret verifies f and runs it once; see Interpreter.Run.
func (f *Func) Interpret(mem []Region, args ...uint64) (uint64, error) {
	in, err := NewInterpreter(f)
	if err != nil {
		return 0, err
	}
	return in.Run(mem, args...)
}

// Run calls the function with an argument for each parameter and returns its
// result. It is an error, with the instruction named, to access memory outside
// the regions (an *AccessError), to read a part of the local stack that was not
// written in this run, and to run for more than MaxSteps.
func (in *Interpreter) Run(mem []Region, args ...uint64) (uint64, error) {
	f := in.f
	if len(args) != len(f.Params) {
		return 0, fmt.Errorf("func %s: %d arguments for %d parameters", clip(formatName(f.Name)), len(args), len(f.Params))
	}
	for i, r := range f.Params {
		in.regs[r] = args[i]
	}
	clear(in.inited)
	in.mem = mem
	block, steps := 0, in.MaxSteps
	for {
		b := f.Blocks[block]
		if steps -= len(b.Insts) + 1; steps < 0 {
			return 0, fmt.Errorf("func %s: %s: more than %d steps", clip(formatName(f.Name)), blockName(block), in.MaxSteps)
		}
		for i := range b.Insts {
			if err := in.step(block, i, &b.Insts[i]); err != nil {
				return 0, err
			}
		}
		switch t := &b.Term; t.Kind {
		case Jump:
			block = t.Then
		case Branch:
			if t.Cond.Holds(t.W, in.regs[t.A], in.arg(t.B)) {
				block = t.Then
			} else {
				block = t.Else
			}
		case Switch:
			block = t.Else
			i, found := slices.BinarySearchFunc(t.Cases, t.W.trunc(in.regs[t.A]), func(c Case, a uint64) int {
				return cmp.Compare(c.Value, a)
			})
			if found {
				block = t.Cases[i].Target
			}
		case Return:
			return in.arg(t.B), nil
		}
	}
}

func (in *Interpreter) arg(a Arg) uint64 {
	if a.IsImm() {
		return uint64(a.Imm)
	}
	return in.regs[a.Reg]
}

func (in *Interpreter) step(block, i int, x *Inst) error {
	switch x.Op {
	case Load, Store:
		return in.access(block, i, x)
	case Prefetch:
		return nil
	}
	var a, b uint64
	if x.Op.Info().Operands&UsesA != 0 {
		a = in.regs[x.A]
	}
	b = in.arg(x.B)
	switch x.Op {
	case Set:
		in.regs[x.Dst] = 0
		if x.Cond.Holds(x.W, a, b) {
			in.regs[x.Dst] = 1
		}
	case Select:
		v := in.arg(x.F)
		if x.Cond.Holds(x.W, a, b) {
			v = in.arg(x.T)
		}
		in.regs[x.Dst] = x.W.trunc(v)
	default:
		in.regs[x.Dst] = Eval(x.Op, x.W, a, b)
	}
	return nil
}

// Eval is the result of an operation on operands alone: of all but Load, Store,
// Set, Select and Prefetch. For these, and for a width in which op does not
// come, it returns 0. An operation without A or without B ignores it.
func Eval(op Op, w Width, a, b uint64) uint64 {
	if checkWidth(w, op.Info().Widths) != nil || w == 0 {
		return 0
	}
	a, b = w.trunc(a), w.trunc(b)
	n := uint64(w.Bits())
	var v uint64
	switch op {
	case Mov:
		v = b
	case Add:
		v = a + b
	case Sub:
		v = a - b
	case Mul:
		v = a * b
	case MulHU:
		hi, lo := bits.Mul64(a, b)
		if w == W64 {
			v = hi
		} else {
			v = lo >> n
		}
	case DivU:
		if b != 0 {
			v = a / b
		}
	case ModU:
		v = a
		if b != 0 {
			v = a % b
		}
	case And:
		v = a & b
	case Or:
		v = a | b
	case Xor:
		v = a ^ b
	case Neg:
		v = -a
	case Not:
		v = ^a
	case ShlZ:
		if b < n {
			v = a << b
		}
	case ShrZ:
		if b < n {
			v = a >> b
		}
	case SarZ:
		v = uint64(w.signed(a) >> min(b, n-1))
	case ShlM:
		v = a << (b % n)
	case ShrM:
		v = a >> (b % n)
	case SarM:
		v = uint64(w.signed(a) >> (b % n))
	case Bswap:
		v = bits.ReverseBytes64(a) >> (64 - n)
	}
	return w.trunc(v)
}

func (in *Interpreter) access(block, i int, x *Inst) error {
	size := uint64(x.W)
	var data []byte
	if x.Mem.Base == Frame {
		off := int(x.Mem.Off)
		data = in.locals[off : off+int(size)]
		for j := off; j < off+int(size); j++ {
			if x.Op == Load && !in.inited[j] {
				return fmt.Errorf("func %s: %w", clip(formatName(in.f.Name)),
					instError(block, i, x, fmt.Errorf("byte %d of the local stack has not been written", j)))
			}
			in.inited[j] = true
		}
	} else {
		addr := in.regs[x.Mem.Base] + uint64(int64(x.Mem.Off))
		if x.Mem.Index != NoReg {
			addr += in.regs[x.Mem.Index] * uint64(x.Mem.Scale)
		}
		data = in.find(addr, size, x.Op == Store)
		if data == nil {
			return &AccessError{Func: in.f.Name, Block: block, Inst: i, Text: x.String(), Addr: addr, Size: int(size)}
		}
	}
	if x.Op == Load {
		in.regs[x.Dst] = get(data, x.Order)
	} else {
		put(data, x.Order, in.arg(x.B))
	}
	return nil
}

// find is the memory from addr on, size bytes of it, if one region has it all;
// the regions may overlap, and then the first that has it answers.
func (in *Interpreter) find(addr, size uint64, write bool) []byte {
	for i := range in.mem {
		r := &in.mem[i]
		off := addr - r.Addr
		if addr < r.Addr || off > uint64(len(r.Data)) || uint64(len(r.Data))-off < size || addr+size-1 < addr {
			continue
		}
		if write && !r.Writable {
			continue
		}
		return r.Data[off : off+size]
	}
	return nil
}

func get(data []byte, o Order) uint64 {
	var v uint64
	for i, c := range data {
		if o == BigEndian {
			v = v<<8 | uint64(c)
		} else {
			v |= uint64(c) << (8 * i)
		}
	}
	return v
}

func put(data []byte, o Order, v uint64) {
	for i := range data {
		j := i
		if o == BigEndian {
			j = len(data) - 1 - i
		}
		data[j] = byte(v >> (8 * i))
	}
}
