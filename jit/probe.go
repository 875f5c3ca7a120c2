package jit

import (
	"fmt"

	"github.com/bpfjit/bpfjit/lir"
)

// Available says whether native code is possible here: nil, or the reason why
// not. It asks by trying, memory policies included, and so is no cheaper than
// Load. The answer may become another when the process restricts itself, as
// with PR_SET_MDWE or seccomp.
func Available() error { return available(processArena()) }

func available(a *arena) error {
	const answer = 42
	fn := &lir.Func{
		Name:   "probe",
		NumReg: 1,
		Blocks: []*lir.Block{{Term: lir.Term{Kind: lir.Return, B: lir.I(answer), Pos: lir.NoPos}}},
	}
	l, err := Load(fn, func(c *config) { c.arena = a })
	if err != nil {
		return err
	}
	if got := l.Call(); got != answer {
		return fmt.Errorf("jit: code that returns %d returned %d", answer, got)
	}
	return nil
}
