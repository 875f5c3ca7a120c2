package lir_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/bpfjit/bpfjit/lir"
)

// good is a function that Verify accepts, for tests to spoil:
//
//	func f(%1, %2) locals 16 regs 6 {
//	b0:
//		%3 = add32 %1, 7
//		%4 = load16.be [%1 + %2*4 + 12]
//		store8 [frame + 15], %4
//		%5 = select64.ltu %3, %4, 1, %2
//		prefetch [%1]
//		br32.eq %4, 80, b1, b2
//	b1:
//		switch32 %3 {1: b2, 2: b3, else: b2}
//	b2:
//		ret %5
//	b3:
//		jump b2
//	}
func good() *lir.Func {
	return &lir.Func{
		Name: "f", Params: []lir.Reg{1, 2}, NumReg: 6, Locals: 16,
		Blocks: []*lir.Block{
			{
				Insts: []lir.Inst{
					{Op: lir.Add, W: lir.W32, Dst: 3, A: 1, B: lir.I(7)},
					{Op: lir.Load, W: lir.W16, Order: lir.BigEndian, Dst: 4, Mem: lir.Indexed(1, 2, 4, 12)},
					{Op: lir.Store, W: lir.W8, B: lir.R(4), Mem: lir.At(lir.Frame, 15)},
					{Op: lir.Select, W: lir.W64, Cond: lir.LTU, Dst: 5, A: 3, B: lir.R(4), T: lir.I(1), F: lir.R(2)},
					{Op: lir.Prefetch, Mem: lir.At(1, 0), Pos: lir.NoPos},
				},
				Term: lir.Term{Kind: lir.Branch, W: lir.W32, Cond: lir.EQ, A: 4, B: lir.I(80), Then: 1, Else: 2},
			},
			{Term: lir.Term{Kind: lir.Switch, W: lir.W32, A: 3, Cases: []lir.Case{{1, 2}, {2, 3}}, Else: 2}},
			{Term: lir.Term{Kind: lir.Return, B: lir.R(5)}},
			{Term: lir.Term{Kind: lir.Jump, Then: 2}},
		},
	}
}

func TestVerify(t *testing.T) {
	if err := lir.Verify(good()); err != nil {
		t.Fatal(err)
	}
	if err := lir.Verify(nil); err == nil {
		t.Error("nil passes")
	}
	add := func(f *lir.Func) *lir.Inst { return &f.Blocks[0].Insts[0] }
	load := func(f *lir.Func) *lir.Inst { return &f.Blocks[0].Insts[1] }
	store := func(f *lir.Func) *lir.Inst { return &f.Blocks[0].Insts[2] }
	sel := func(f *lir.Func) *lir.Inst { return &f.Blocks[0].Insts[3] }
	pre := func(f *lir.Func) *lir.Inst { return &f.Blocks[0].Insts[4] }
	br := func(f *lir.Func) *lir.Term { return &f.Blocks[0].Term }
	sw := func(f *lir.Func) *lir.Term { return &f.Blocks[1].Term }
	ret := func(f *lir.Func) *lir.Term { return &f.Blocks[2].Term }
	jump := func(f *lir.Func) *lir.Term { return &f.Blocks[3].Term }
	for _, test := range []struct {
		spoil func(f *lir.Func)
		want  string // what the error is; "" if there is none
	}{
		{func(f *lir.Func) { f.Name = "x\ny" }, ""},
		{func(f *lir.Func) { f.Name = "x\ny"; f.Blocks = nil }, `func "x\ny": no block`},
		{func(f *lir.Func) { f.Blocks = []*lir.Block{} }, "func f: no block"},
		{func(f *lir.Func) { f.Blocks[2] = nil }, "func f: b2: no block"},
		{func(f *lir.Func) { f.NumReg = 5 }, "func f: b0, instruction 3: %5 = select64.ltu %3, %4, 1, %2: result: register %5 is not below NumReg, 5"},
		{func(f *lir.Func) { f.NumReg = lir.MaxRegs }, ""},
		{func(f *lir.Func) { f.NumReg = lir.MaxRegs + 1 }, "NumReg is 1048577, more than 1048576"},
		{func(f *lir.Func) { f.NumReg = lir.Frame }, "NumReg is 4294967295, more than 1048576"},
		{func(f *lir.Func) { f.Locals = -1 }, "local stack of -1 bytes: it has 0 to 1024"},
		{func(f *lir.Func) { f.Locals = 1025 }, "local stack of 1025 bytes: it has 0 to 1024"},
		{func(f *lir.Func) { f.Params = append(f.Params, 3, 4) }, ""},
		{func(f *lir.Func) { f.Params = append(f.Params, 3, 4, 5) }, "5 parameters, more than 4"},
		{func(f *lir.Func) { f.Params[1] = 1 }, "parameters 0 and 1 are both %1"},
		{func(f *lir.Func) { f.Params[1] = 0 }, "parameter 1: register missing"},
		{func(f *lir.Func) { f.Params[1] = 6 }, "parameter 1: register %6 is not below NumReg, 6"},
		{func(f *lir.Func) { f.Params[1] = lir.Frame }, "parameter 1: frame is only the base of a memory operand"},

		{func(f *lir.Func) { add(f).Op = lir.OpInvalid }, "b0, instruction 0: invalid32: no such operation: 0"},
		{func(f *lir.Func) { add(f).Op = 200 }, "no such operation: 200"},
		{func(f *lir.Func) { add(f).W = 0 }, "no such width: 0 bytes"},
		{func(f *lir.Func) { add(f).W = lir.W8 }, "b0, instruction 0: %3 = add8 %1, 7: no such width: 1 bytes"},
		{func(f *lir.Func) { add(f).W = lir.W32 | lir.W64 }, "no such width: 12 bytes"},
		{func(f *lir.Func) { add(f).W = lir.W32 | 128 }, "no such width: 132 bytes"},
		{func(f *lir.Func) { load(f).W = 3 }, "no such width: 3 bytes"},
		{func(f *lir.Func) { pre(f).W = lir.W64 }, "no such width: 8 bytes"},
		{func(f *lir.Func) { add(f).Op, add(f).B = lir.Neg, lir.Arg{} }, ""},
		{func(f *lir.Func) { add(f).Op = lir.Neg }, "neg does not use B, which is set"},
		{func(f *lir.Func) { add(f).Op = lir.Mov }, "mov does not use A, which is set"},
		{func(f *lir.Func) { add(f).Cond = lir.EQ }, "add does not use Cond, which is set"},
		{func(f *lir.Func) { add(f).Order = lir.BigEndian }, "add does not use Order, which is set"},
		{func(f *lir.Func) { add(f).T = lir.I(1) }, "add does not use T, which is set"},
		{func(f *lir.Func) { add(f).F = lir.R(1) }, "add does not use F, which is set"},
		{func(f *lir.Func) { add(f).Mem.Off = 1 }, "add does not use Mem, which is set"},
		{func(f *lir.Func) { store(f).Dst = 1 }, "store does not use Dst, which is set"},
		{func(f *lir.Func) { add(f).Dst = 0 }, "result: register missing"},
		{func(f *lir.Func) { add(f).Dst = lir.Frame }, "result: frame is only the base of a memory operand"},
		{func(f *lir.Func) { add(f).A = 0 }, "register missing"},
		{func(f *lir.Func) { add(f).A = lir.Frame }, "frame is only the base of a memory operand"},
		{func(f *lir.Func) { add(f).A = 6 }, "register %6 is not below NumReg, 6"},
		{func(f *lir.Func) { add(f).B = lir.R(6) }, "register %6 is not below NumReg, 6"},
		{func(f *lir.Func) { add(f).B = lir.R(lir.Frame) }, "frame is only the base of a memory operand"},
		{func(f *lir.Func) { add(f).B = lir.Arg{Reg: 1, Imm: 5} }, "operand %1 has an immediate too, 5"},
		{func(f *lir.Func) { add(f).B = lir.I(1<<32 - 1) }, ""},
		{func(f *lir.Func) { add(f).B = lir.I(1 << 32) }, "0x100000000 does not fit 32 bits"},
		{func(f *lir.Func) { add(f).B = lir.I(-1 << 31) }, ""},
		{func(f *lir.Func) { add(f).B = lir.I(-1<<31 - 1) }, "-0x80000001 does not fit 32 bits"},
		{func(f *lir.Func) { add(f).W, add(f).B = lir.W64, lir.I(-1<<63) }, ""},
		{func(f *lir.Func) { store(f).B = lir.I(-128) }, ""},
		{func(f *lir.Func) { store(f).B = lir.I(-129) }, "-129 does not fit 8 bits"},
		{func(f *lir.Func) { store(f).B = lir.I(256) }, "256 does not fit 8 bits"},
		{func(f *lir.Func) { sel(f).W, sel(f).T = lir.W32, lir.I(1<<40) }, "0x10000000000 does not fit 32 bits"},
		{func(f *lir.Func) { sel(f).F = lir.R(99) }, "register %99 is not below NumReg, 6"},
		{func(f *lir.Func) { sel(f).Cond = 0 }, "no such condition: 0"},
		{func(f *lir.Func) { sel(f).Cond = lir.NONE + 1 }, "no such condition: 13"},
		{func(f *lir.Func) { load(f).Order = 2 }, "no such byte order: 2"},
		{func(f *lir.Func) { load(f).Mem.Base = 0 }, "base: register missing"},
		{func(f *lir.Func) { load(f).Mem.Base = 6 }, "base: register %6 is not below NumReg, 6"},
		{func(f *lir.Func) { load(f).Mem.Index = 6 }, "index: register %6 is not below NumReg, 6"},
		{func(f *lir.Func) { load(f).Mem.Index = lir.Frame }, "index: frame is only the base of a memory operand"},
		{func(f *lir.Func) { load(f).Mem.Scale = 0 }, "scale 0 is not 1, 2, 4 or 8"},
		{func(f *lir.Func) { load(f).Mem.Scale = 3 }, "scale 3 is not 1, 2, 4 or 8"},
		{func(f *lir.Func) { load(f).Mem.Scale = 16 }, "scale 16 is not 1, 2, 4 or 8"},
		{func(f *lir.Func) { load(f).Mem.Index = 0 }, "scale 4 without an index"},
		{func(f *lir.Func) { load(f).Mem = lir.Mem{Base: 1, Scale: 1} }, ""},
		{func(f *lir.Func) { load(f).Mem.Base = lir.Frame }, "frame takes no index"},
		{func(f *lir.Func) { store(f).Mem.Off = 16 }, "outside the local stack of 16 bytes"},
		{func(f *lir.Func) { store(f).Mem.Off = -1 }, "outside the local stack of 16 bytes"},
		{func(f *lir.Func) { store(f).Mem.Off = 1<<31 - 1 }, "outside the local stack of 16 bytes"},
		{func(f *lir.Func) { store(f).Mem.Off = -1 << 31 }, "outside the local stack of 16 bytes"},
		{func(f *lir.Func) { store(f).W = lir.W16 }, "outside the local stack of 16 bytes"},
		{func(f *lir.Func) { store(f).W, store(f).Mem.Off = lir.W64, 8 }, ""},
		{func(f *lir.Func) { pre(f).Mem = lir.At(lir.Frame, 16) }, "outside the local stack of 16 bytes"},
		{func(f *lir.Func) { pre(f).Pos = -2 }, "position -2 is negative"},
		{func(f *lir.Func) { ret(f).Pos = -1 << 31 }, "b2, end: ret %5: position -2147483648 is negative"},

		{func(f *lir.Func) { ret(f).Kind = 0 }, "b2, end: invalid: no such terminator: 0"},
		{func(f *lir.Func) { *ret(f) = lir.Term{} }, "no such terminator: 0"},
		{func(f *lir.Func) { *ret(f) = lir.Term{Kind: 9} }, "no such terminator: 9"},
		{func(f *lir.Func) { jump(f).Then = 0 }, "b3, end: jump b0: the entry block cannot be a target"},
		{func(f *lir.Func) { jump(f).Then = 4 }, "target 4: there are 4 blocks"},
		{func(f *lir.Func) { jump(f).Then = -1 }, "target -1: there are 4 blocks"},
		{func(f *lir.Func) { jump(f).Else = 1 }, "the terminator does not use Else, which is set"},
		{func(f *lir.Func) { jump(f).W = lir.W64 }, "the terminator does not use W, which is set"},
		{func(f *lir.Func) { ret(f).A = 1 }, "the terminator does not use A, which is set"},
		{func(f *lir.Func) { ret(f).Then = 1 }, "the terminator does not use Then, which is set"},
		{func(f *lir.Func) { ret(f).B = lir.R(lir.Frame) }, "frame is only the base of a memory operand"},
		{func(f *lir.Func) { ret(f).B = lir.I(-1 << 63) }, ""},
		{func(f *lir.Func) { br(f).W = lir.W16 }, "no such width: 2 bytes"},
		{func(f *lir.Func) { br(f).W = 0 }, "no such width: 0 bytes"},
		{func(f *lir.Func) { br(f).Cond = 0 }, "no such condition: 0"},
		{func(f *lir.Func) { br(f).A = 0 }, "register missing"},
		{func(f *lir.Func) { br(f).B = lir.I(1 << 32) }, "0x100000000 does not fit 32 bits"},
		{func(f *lir.Func) { br(f).Else = 0 }, "the entry block cannot be a target"},
		{func(f *lir.Func) { br(f).Then = 99 }, "target 99: there are 4 blocks"},
		{func(f *lir.Func) { br(f).Cases = sw(f).Cases }, "the terminator does not use Cases, which is set"},
		{func(f *lir.Func) { sw(f).Cond = lir.EQ }, "the terminator does not use Cond, which is set"},
		{func(f *lir.Func) { sw(f).B = lir.I(1) }, "the terminator does not use B, which is set"},
		{func(f *lir.Func) { sw(f).W = lir.W8 }, "no such width: 1 bytes"},
		{func(f *lir.Func) { sw(f).Else = 0 }, "the entry block cannot be a target"},
		{func(f *lir.Func) { sw(f).Cases[0].Target = 0 }, "case 1: the entry block cannot be a target"},
		{func(f *lir.Func) { sw(f).Cases[0].Value = 2 }, "case 2 does not come after the one before it, 2"},
		{func(f *lir.Func) { sw(f).Cases[0].Value = 3 }, "case 2 does not come after the one before it, 3"},
		{func(f *lir.Func) { sw(f).Cases[1].Value = 1 << 32 }, "case 0x100000000 does not fit 32 bits"},
		{func(f *lir.Func) { sw(f).W, sw(f).Cases[1].Value = lir.W64, 1<<64-1 }, ""},
		{func(f *lir.Func) { sw(f).Cases = nil }, ""},

		{func(f *lir.Func) { sel(f).Dst = 3 }, "b2, end: ret %5: %5 may be read before it is written"},
		{func(f *lir.Func) { add(f).A = 3 }, "b0, instruction 0: %3 = add32 %3, 7: %3 may be read before it is written"},
		{func(f *lir.Func) { load(f).Mem.Index = 5 }, "b0, instruction 1: %4 = load16.be [%1 + %5*4 + 12]: %5 may be read before it is written"},
		{func(f *lir.Func) { f.Params = f.Params[:1] }, "instruction 1: %4 = load16.be [%1 + %2*4 + 12]: %2 may be read before it is written"},
		// Written on one path only, and where the join is.
		{func(f *lir.Func) {
			f.Blocks[3].Insts, f.Blocks[0].Insts = f.Blocks[0].Insts[3:4], f.Blocks[0].Insts[:3]
		},
			"b2, end: ret %5: %5 may be read before it is written"},
		// What cannot be reached may read anything.
		{func(f *lir.Func) {
			sw(f).Cases[1].Target = 2
			f.Blocks[3].Insts = []lir.Inst{{Op: lir.Mov, W: lir.W64, Dst: 5, B: lir.R(5)}}
			f.NumReg++
			f.Blocks = append(f.Blocks, &lir.Block{Term: lir.Term{Kind: lir.Return, B: lir.R(6)}})
		}, ""},
		// A loop that writes it too late.
		{func(f *lir.Func) {
			jump(f).Then = 3
			f.NumReg++
			f.Blocks[3].Insts = []lir.Inst{
				{Op: lir.Mov, W: lir.W64, Dst: 5, B: lir.R(6)},
				{Op: lir.Mov, W: lir.W64, Dst: 6, B: lir.I(0)},
			}
		}, "b3, instruction 0: %5 = mov64 %6: %6 may be read before it is written"},
		{func(f *lir.Func) {
			for range 2000 {
				sw(f).Cases = append(sw(f).Cases, lir.Case{Value: uint64(len(sw(f).Cases)) + 1, Target: 3})
			}
			sw(f).Cases[1999].Target = 9
		}, "b1, end: switch32 %3 {1: b2, 2: b3, 3: b3, 4: b3, else: b2} ...: case 0x7d0: target 9: there are 4 blocks"},
	} {
		f := good()
		test.spoil(f)
		err := lir.Verify(f)
		if (err == nil) != (test.want == "") || err != nil && !strings.HasSuffix(err.Error(), test.want) {
			t.Errorf("got  %v\nwant %s\n%s", err, test.want, f)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("error of several lines: %q", err)
		}
	}
}

func TestVerifyLimits(t *testing.T) {
	// More live registers than any frame has slots.
	live := func(n int) error {
		b := lir.NewBuilder("live")
		p := b.Param()
		next := b.Block()
		var regs []lir.Reg
		for range n - 1 {
			regs = append(regs, b.Mov(lir.W64, lir.R(p)))
		}
		b.Jump(next)
		b.SetBlock(next)
		for _, r := range regs {
			b.OpTo(p, lir.Add, lir.W64, p, lir.R(r))
		}
		b.Return(lir.R(p))
		_, err := b.Func()
		return err
	}
	if err := live(lir.MaxLive); err != nil {
		t.Error(err)
	}
	if err := live(lir.MaxLive + 1); err == nil || err.Error() != "func live: b1: too large: more than 384 registers are in use at once" || !errors.Is(err, lir.ErrTooLarge) {
		t.Error(err)
	}
	// In one block, or each only for a while but all across the function.
	inUse := func(n int, blocks bool) error {
		b := lir.NewBuilder("inuse")
		p := b.Param()
		sum, regs := b.Mov(lir.W64, lir.I(0)), []lir.Reg{}
		for range n - 2 {
			r := b.Mov(lir.W64, lir.R(p))
			if blocks {
				next := b.Block()
				b.Jump(next)
				b.SetBlock(next)
			}
			regs = append(regs, r)
		}
		for _, r := range regs {
			if blocks {
				b.OpTo(r, lir.Mov, lir.W64, lir.NoReg, lir.R(p)) // it was not live
			}
			b.OpTo(sum, lir.Add, lir.W64, sum, lir.R(r))
		}
		b.OpTo(sum, lir.Add, lir.W64, sum, lir.R(p))
		b.Return(lir.R(sum))
		f, err := b.Func()
		if err == nil {
			_, err = lir.Allocate(f, lir.Pool{}) // as on a machine without registers
		}
		return err
	}
	for _, blocks := range []bool{false, true} {
		if err := inUse(lir.MaxLive, blocks); err != nil {
			t.Error(err)
		}
		if err := inUse(lir.MaxLive+1, blocks); err == nil || !strings.HasPrefix(err.Error(), "func inuse: b") || !errors.Is(err, lir.ErrTooLarge) {
			t.Error(err)
		}
	}
	// One block many times over: little memory, but many instructions.
	block := &lir.Block{Insts: make([]lir.Inst, 1<<20), Term: lir.Term{Kind: lir.Jump, Then: 1}}
	for i := range block.Insts {
		block.Insts[i] = lir.Inst{Op: lir.Prefetch, Mem: lir.At(1, 0)}
	}
	f := &lir.Func{Name: "long", Params: []lir.Reg{1}, NumReg: 2}
	for range 17 {
		f.Blocks = append(f.Blocks, block)
	}
	if err := lir.Verify(f); err == nil || err.Error() != "func long: b15: too large: more than 16777216 instructions" {
		t.Error(err)
	}
	// Likewise with many cases.
	block = &lir.Block{Term: lir.Term{Kind: lir.Switch, W: lir.W32, A: 1, Cases: make([]lir.Case, 1<<20), Else: 1}}
	for i := range block.Term.Cases {
		block.Term.Cases[i] = lir.Case{Value: uint64(i), Target: 1}
	}
	for i := range f.Blocks {
		f.Blocks[i] = block
	}
	if err := lir.Verify(f); err == nil || err.Error() != "func long: b15: too large: more than 16777216 instructions" {
		t.Error(err)
	}
}
