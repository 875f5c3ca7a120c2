package bpfc

import (
	"fmt"

	"golang.org/x/net/bpf"
)

// exactOpcode tells the opcodes that some bpf_filter executes: the list of
// Linux' bpf_check_classic (net/core/filter.c) and of libpcap since August 2026,
// and NetBSD's coprocessor calls.
func exactOpcode(op uint16) bool {
	switch op {
	case LdImm, LdMem, LdLen, LdAbsW, LdAbsH, LdAbsB, LdIndW, LdIndH, LdIndB,
		LdxImm, LdxMem, LdxLen, LdxMsh, St, Stx, Neg, Ja, RetK, RetA, Tax, Txa, Cop, Copx:
		return true
	}
	if op > 0xff {
		return false
	}
	switch Class(op) {
	case ClassALU:
		return AluOp(op) <= AluXOR && AluOp(op) != AluNEG
	case ClassJMP:
		return AluOp(op) >= JmpJEQ && AluOp(op) <= JmpJSET
	}
	return false
}

// looseOpcode is the test of NetBSD's bpf_validate: the class, and the mode or
// operation within it. What passes here but is not exact rejects the packet
// when it is reached.
func looseOpcode(op uint16) bool {
	switch Class(op) {
	case ClassLD, ClassLDX:
		return Mode(op) <= ModeMSH
	case ClassALU:
		return AluOp(op) <= AluXOR
	case ClassJMP:
		return AluOp(op) <= JmpJSET
	}
	return true
}

// seccompOpcode is the list of seccomp_check_filter (kernel/seccomp.c).
func seccompOpcode(op uint16) bool {
	switch Class(op) {
	case ClassLD:
		return op == LdImm || op == LdMem || op == LdLen || op == LdAbsW
	case ClassLDX:
		return op == LdxImm || op == LdxMem || op == LdxLen
	case ClassALU:
		return AluOp(op) != AluMOD
	}
	return true
}

func (p *Program) validate() error {
	n := len(p.insns)
	fail := func(i int, rule string, args ...any) error {
		e := &Error{Index: i, Rule: fmt.Sprintf(rule, args...)}
		if i >= 0 {
			e.Text = text(p.insns[i])
		}
		return e
	}
	if p.ctx != nil {
		if !p.rules.coprocessor {
			return fail(-1, "a coprocessor context goes with the netbsd dialect only")
		}
		if w := p.ctx.ExtWords; w < 0 || w > MaxExtWords {
			return fail(-1, "external memory of %d words: 0 to %d are possible", w, MaxExtWords)
		}
	}
	if n == 0 {
		return fail(-1, "empty program: it needs at least a ret")
	}
	if n > p.rules.maxInsns {
		return fail(-1, "program of %d instructions: the %v dialect allows %d", n, p.dialect, p.rules.maxInsns)
	}
	for i, ins := range p.insns {
		if rule := p.breach(i, ins); rule != "" {
			return fail(i, "%s", rule)
		}
	}
	if last := p.insns[n-1].Op; last != RetK && last != RetA {
		return fail(n-1, "the last instruction must be a ret")
	}
	if p.rules.memWritten {
		if i := p.unwrittenRead(); i >= 0 {
			return fail(i, "M[%d] is read on a path that never wrote it", p.insns[i].K)
		}
	}
	return nil
}

// breach is the rule that the i-th instruction breaks by itself, "" if none.
func (p *Program) breach(i int, ins bpf.RawInstruction) string {
	r, op, k := p.rules, ins.Op, ins.K
	known := looseOpcode(op)
	if r.exactOps {
		known = exactOpcode(op) && op != Cop && op != Copx
	}
	switch {
	case !known:
		return fmt.Sprintf("the %v dialect has no such opcode", p.dialect)
	case r.seccomp && !seccompOpcode(op):
		return "seccomp filters may not use it"
	}

	switch Class(op) {
	case ClassLD, ClassLDX:
		return p.loadBreach(ins)
	case ClassST, ClassSTX:
		if uint64(k) >= uint64(p.memWords()) {
			return fmt.Sprintf("scratch memory has words 0 to %d", p.memWords()-1)
		}
	case ClassALU:
		if Src(op) != SrcK {
			break
		}
		switch AluOp(op) {
		case AluDIV, AluMOD:
			if k == 0 {
				return "division by the constant 0"
			}
		case AluLSH, AluRSH:
			if k >= 32 && r.shiftKMax {
				return "shift by a constant above 31"
			}
		}
	case ClassJMP:
		return p.jumpBreach(i, ins)
	case ClassMISC:
		if op != Cop && op != Copx {
			break
		}
		switch {
		case p.ctx == nil || len(p.ctx.Funcs) == 0:
			return "there are no coprocessor functions to call"
		case op == Cop && uint64(k) >= uint64(len(p.ctx.Funcs)):
			return fmt.Sprintf("there are coprocessor functions 0 to %d", len(p.ctx.Funcs)-1)
		}
	}
	return ""
}

func (p *Program) loadBreach(ins bpf.RawInstruction) string {
	r, op, k := p.rules, ins.Op, ins.K
	switch {
	case Mode(op) == ModeMEM:
		if uint64(k) >= uint64(p.memWords()) {
			return fmt.Sprintf("scratch memory has words 0 to %d", p.memWords()-1)
		}
	case r.seccomp && op == LdAbsW:
		if k >= seccompDataSize || k%4 != 0 {
			return fmt.Sprintf("struct seccomp_data has words at 0, 4, ... %d", seccompDataSize-4)
		}
	case r.negative && isAbs(op) && k >= skfADOff:
		anc, ok := ancillaries[k-skfADOff]
		if !ok {
			return "no metadata lies at this SKF_AD_OFF offset"
		}
		if anc.field&^p.aux != 0 {
			return fmt.Sprintf("needs the packet's metadata %q, which is not declared to be supplied", anc.name)
		}
	case r.negative && (isAbs(op) || op == LdxMsh) && k >= skfNetOff:
		if p.aux&AuxNetOffset == 0 {
			return "SKF_NET_OFF needs the network header's offset, which is not declared to be supplied"
		}
	}
	return ""
}

func (p *Program) jumpBreach(i int, ins bpf.RawInstruction) string {
	n, next := len(p.insns), i+1
	if AluOp(ins.Op) != JmpJA {
		for _, way := range []struct {
			name string
			off  uint8
		}{{"jump-true", ins.Jt}, {"jump-false", ins.Jf}} {
			if to := next + int(way.off); to >= n {
				return fmt.Sprintf("%s leads to instruction %d, the last is %d", way.name, to, n-1)
			}
		}
		return ""
	}
	to := int64(next) + int64(ins.K)
	if p.rules.backwardJA {
		to = int64(next) + int64(int32(ins.K))
	}
	switch {
	case !p.rules.backwardJA && int32(ins.K) < 0:
		return fmt.Sprintf("jumps backward, or too far: the %v dialect has only jumps forward", p.dialect)
	case to < 0:
		return fmt.Sprintf("leads to instruction %d, before the first", to)
	case to >= int64(n):
		return fmt.Sprintf("leads to instruction %d, the last is %d", to, n-1)
	case to == int64(i):
		return "jumps to itself"
	}
	return ""
}

// unwrittenRead finds an instruction that reads a word of M[] which some path
// to it has not written, -1 if there is none. Jumps lead forward here, so one
// walk sees all predecessors of an instruction before the instruction. As in
// Linux' check_load_and_stores, code after a jump that nothing reaches counts as
// having everything written, but code after a ret as reached from it.
func (p *Program) unwrittenRead() int {
	const all = ^uint32(0)
	written := make([]uint32, len(p.insns)) // on every jump to the instruction
	for i := range written {
		written[i] = all
	}
	now := uint32(0)
	if p.ctx != nil {
		now = p.ctx.PreInited
	}
	for i, ins := range p.insns {
		now &= written[i]
		switch Class(ins.Op) {
		case ClassST, ClassSTX:
			now |= 1 << ins.K
		case ClassLD, ClassLDX:
			if Mode(ins.Op) == ModeMEM && now&(1<<ins.K) == 0 {
				return i
			}
		case ClassJMP:
			if AluOp(ins.Op) == JmpJA {
				written[i+1+int(ins.K)] &= now
				now = all
				break
			}
			written[i+1+int(ins.Jt)] &= now
			written[i+1+int(ins.Jf)] &= now
			now = all
		}
	}
	return -1
}
