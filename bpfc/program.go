package bpfc

import (
	"fmt"
	"slices"

	"golang.org/x/net/bpf"
)

// Program is a program that was found valid in its dialect. It never changes
// and may be used by any number of goroutines.
type Program struct {
	insns   []bpf.RawInstruction
	dialect Dialect
	rules   *rules
	aux     AuxFields
	ctx     *Context
}

// Option says more about what a program may use.
type Option func(*Program)

// WithAux declares the fields of Aux that every call will fill. A program that
// loads a field that is not declared is refused: user space does not know it.
func WithAux(fields AuxFields) Option { return func(p *Program) { p.aux |= fields } }

// WithContext gives a program of the NetBSD dialect its coprocessor functions
// and its external memory.
func WithContext(ctx *Context) Option { return func(p *Program) { p.ctx = ctx } }

// MaxExtWords is the most external memory a context may have, in 32-bit words
// (BPF_MAX_MEMWORDS in NetBSD's net/bpf.h).
const MaxExtWords = 30

// CopFunc is a coprocessor function: it gets the accumulator, and copies of the
// packet and the Aux, whose Mem is the external memory itself, and returns the
// new accumulator. It may be called concurrently.
type CopFunc func(a uint32, pkt []byte, wireLen int, aux *Aux) uint32

// Context is NetBSD's bpf_ctx_t: what programs may call and share.
type Context struct {
	Funcs     []CopFunc // COP k calls Funcs[k], COPX calls Funcs[X]
	ExtWords  int       // if not 0, M[] is Aux.Mem[:ExtWords] instead of 16 zeroed words
	PreInited uint32    // bit i: the caller sets M[i] before each run, so it may be read first
}

// Check is Validate for those who want to keep the answer: it returns the
// program with all that interpreting or translating it needs.
func Check(prog []bpf.RawInstruction, d Dialect, opts ...Option) (*Program, error) {
	if d >= numDialects {
		return nil, fmt.Errorf("unknown dialect %v", d)
	}
	p := &Program{insns: slices.Clone(prog), dialect: d, rules: &dialects[d]}
	for _, opt := range opts {
		opt(p)
	}
	if err := p.validate(); err != nil {
		return nil, err
	}
	return p, nil
}

// Validate says whether prog may run in the dialect. A refusal is an *Error
// that names the instruction and the rule it breaks.
func Validate(prog []bpf.RawInstruction, d Dialect, opts ...Option) error {
	_, err := Check(prog, d, opts...)
	return err
}

// Instructions is a copy of the program.
func (p *Program) Instructions() []bpf.RawInstruction { return slices.Clone(p.insns) }

// Dialect is the dialect the program is valid in.
func (p *Program) Dialect() Dialect { return p.dialect }

// memWords is how many words of scratch memory the program has.
func (p *Program) memWords() int {
	if p.ctx != nil && p.ctx.ExtWords > 0 {
		return p.ctx.ExtWords
	}
	return MemWords
}

// Error is a program's breach of its dialect's rules.
type Error struct {
	Index int    // of the instruction, from 0; -1: the program as a whole
	Text  string // the instruction
	Rule  string // what is wrong with it
}

func (e *Error) Error() string {
	if e.Index < 0 {
		return e.Rule
	}
	return fmt.Sprintf("instruction %d: %s: %s", e.Index, e.Text, e.Rule)
}
