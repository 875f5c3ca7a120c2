package amd64

import (
	"errors"
	"fmt"
	"math/rand"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bpfjit/bpfjit/lir"
	"github.com/bpfjit/bpfjit/lir/lirtest"

	"golang.org/x/arch/x86/x86asm"
)

var allFeatures = []Features{{}, {BMI2: true}, {MOVBE: true}, {BMI2: true, MOVBE: true}}

// Whatever the function, its code keeps the rules of the frame: no instruction
// changes RSP or RBP, calls, pushes or pops; what is at RSP lies in the frame;
// control leaves only by RET; instructions of absent features do not occur; all
// of it but the tables at the end decodes.
func TestRules(t *testing.T) {
	n := int64(1500)
	if testing.Short() {
		n = 200
	}
	for seed := range n {
		r := rand.New(rand.NewSource(-seed))
		f := lirtest.Random(r, lirtest.Config{Vars: []int{0, 3, 20, 60}[seed%4]})
		feat := allFeatures[seed/4%4]
		code, err := Compile(f, feat)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if err := checkRules(code, feat); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, listing(f, feat))
		}
	}
	f, err := manyCases(1000)
	if err != nil {
		t.Fatal(err)
	}
	code, err := Compile(f, Features{})
	if err != nil {
		t.Fatal(err)
	}
	if err := checkRules(code, Features{}); err != nil {
		t.Error(err)
	}
	if code.Data == 0 {
		t.Error("a set of 1000 values makes no table")
	}
}

func checkRules(code *lir.Code, feat Features) error {
	text := instructions(code)
	insts, err := decode(text)
	if err != nil {
		return err
	}
	starts := map[int]bool{}
	off := 0
	for _, inst := range insts {
		starts[off] = true
		off += inst.Len
	}
	off = 0
	for _, inst := range insts {
		if err := checkInst(inst, code.Frame, feat); err != nil {
			return fmt.Errorf("offset %#x: %v: %v", off, inst, err)
		}
		off += inst.Len
		if m, ok := inst.Args[1].(x86asm.Mem); ok && m.Base == x86asm.RIP {
			if at := int64(off) + int64(int32(m.Disp)); inst.Op != x86asm.LEA || at < int64(len(text)) || at >= int64(len(code.Bytes)) {
				return fmt.Errorf("offset %#x: %v is not the address of a table", off-inst.Len, inst)
			}
		}
		if rel, ok := inst.Args[0].(x86asm.Rel); ok && !starts[off+int(rel)] {
			return fmt.Errorf("offset %#x: %v goes to no instruction", off-inst.Len, inst)
		}
	}
	if last := insts[len(insts)-1].Op; last != x86asm.RET && last != x86asm.JMP {
		return fmt.Errorf("execution runs off the end, after %v", last)
	}
	return nil
}

func checkInst(inst x86asm.Inst, frame int, feat Features) error {
	switch inst.Op {
	case x86asm.CALL, x86asm.PUSH, x86asm.POP, x86asm.LEAVE, x86asm.ENTER, x86asm.SYSCALL, x86asm.INT, x86asm.UD2:
		return fmt.Errorf("not allowed")
	case x86asm.SHLX, x86asm.SHRX, x86asm.SARX, x86asm.MULX, x86asm.RORX:
		if !feat.BMI2 {
			return fmt.Errorf("needs BMI2")
		}
	case x86asm.MOVBE:
		if !feat.MOVBE {
			return fmt.Errorf("needs MOVBE")
		}
	}
	for _, arg := range inst.Args {
		switch a := arg.(type) {
		case x86asm.Reg:
			switch a {
			case x86asm.RSP, x86asm.ESP, x86asm.SP, x86asm.SPB, x86asm.RBP, x86asm.EBP, x86asm.BP, x86asm.BPB:
				return fmt.Errorf("uses a register that belongs to the caller")
			}
		case x86asm.Mem:
			if a.Base == x86asm.RBP || a.Index == x86asm.RBP {
				return fmt.Errorf("no such address")
			}
			// Disp is not sign-extended.
			if d := int64(int32(a.Disp)); a.Base == x86asm.RSP && (a.Index != 0 || d < FrameOffset || d+int64(max(inst.MemBytes, 1)) > FrameOffset+(int64(frame)+7)&^7) {
				return fmt.Errorf("outside the frame of %d bytes", frame)
			}
		}
	}
	return nil
}

// pattern is a function and what must and must not be in its code.
type pattern struct {
	name string
	feat Features
	src  string // of func f(%p, %n, %k), but for blocks yes and no
	want []string
	not  []string
}

var patterns = []pattern{{
	name: "a big-endian load is compared in memory with the constant's bytes reversed",
	src:  "%v = load32.be [%p + 26]\n br32.eq %v, 0xa9fe0004, yes, no",
	want: []string{"cmp dword ptr [rdi+0x1a], 0x400fea9"},
	not:  []string{"bswap", "movbe", "r10"},
}, {
	name: "a byte is compared in memory",
	src:  "%v = load8 [%p + 23]\n br32.eq %v, 6, yes, no",
	want: []string{"cmp byte ptr [rdi+0x17], 0x6"},
	not:  []string{"movzx"},
}, {
	name: "16 bits are not compared in memory with an immediate of 16 bits, at which predecoders stall",
	src:  "%v = load16.be [%p + 12]\n br32.eq %v, 0x800, yes, no",
	want: []string{"cmp word ptr [rdi+0xc], 0x8"},
}, {
	name: "the same, where the immediate does not fit a byte",
	src:  "%v = load16.be [%p + 12]\n br32.eq %v, 0x86dd, yes, no",
	want: []string{"movzx r10d, word ptr [rdi+0xc]", "cmp r10d, 0xdd86"},
	not:  []string{"rol", "cmp word"},
}, {
	name: "a bit test whose mask is in one byte reads that byte",
	src:  "%v = load16.be [%p + 20]\n %m = and32 %v, 0x1f00\n br32.ne %m, 0, yes, no",
	want: []string{"test byte ptr [rdi+0x14], 0x1f"},
	not:  []string{"and "},
}, {
	name: "a load used twice is done once",
	src:  "%v = load32.be [%p]\n br32.eq %v, 7, yes, mid\nmid:\n br32.eq %v, 8, yes, no",
	want: []string{"bswap"},
	not:  []string{"cmp dword"},
}, {
	name: "a load before a store stays there",
	src:  "%v = load32.le [%p]\n store32.le [%p], %k\n br32.eq %v, 7, yes, no",
	not:  []string{"cmp dword"},
}, {
	name: "MOVBE where there is MOVBE",
	feat: Features{MOVBE: true},
	src:  "%v = load32.be [%p + 26]\n store64.be [%p], %v\n ret %v",
	want: []string{"movbe eax, dword ptr [rdi+0x1a]", "movbe qword ptr [rdi], rax"},
	not:  []string{"bswap"},
}, {
	name: "arithmetic takes its operand from memory",
	src:  "%v = load32.le [%p + %n*4]\n %r = add32 %k, %v\n ret %r",
	want: []string{"add eax, dword ptr [rdi+4*rsi]"},
}, {
	name: "three operands are LEA",
	src:  "%r = add64 %n, %k\n %s = add32 %r, -5\n %r = mul64 %r, %s\n %r = add64 %r, %n\n %r = add64 %r, %k\n ret %r",
	want: []string{"lea rax, ptr [rsi+rdx]", "-0x5]"},
}, {
	name: "small factors are LEA and shifts",
	src:  "%r = mul64 %n, 9\n %s = mul32 %k, 32\n %r = xor64 %r, %s\n ret %r",
	want: []string{"lea rax, ptr [rsi+8*rsi]", "shl "},
	not:  []string{"imul"},
}, {
	name: "BMI2 shifts by any register",
	feat: Features{BMI2: true},
	src:  "%r = shlm64 %n, %k\n ret %r",
	want: []string{"shlx rax, rsi, rdx"},
	not:  []string{"cl", "rcx"},
}, {
	name: "division by a constant does not divide",
	src:  "%r = divu32 %n, 10\n %s = modu64 %k, 1000000007\n %r = add64 %r, %s\n ret %r",
	want: []string{"imul", "mul "},
	not:  []string{"div "},
}, {
	name: "division by a power of two is a shift, its remainder a mask",
	src:  "%r = divu64 %n, 4096\n %s = modu32 %k, 16\n %r = add64 %r, %s\n ret %r",
	want: []string{"shr ", ", 0xc", "and ", ", 0xf"},
	not:  []string{"mul", "div"},
}, {
	name: "a divisor that was just compared with 0 is not tested again",
	src:  "br32.eq %k, 0, no, div\ndiv:\n %n = add32 %n, 5\n %r = divu32 %n, %k\n ret %r\nx:\n br32.eq %n, 0, yes, no",
	want: []string{"div "},
	not:  []string{"cmov"},
}, {
	name: "a divisor of which nothing is known is",
	src:  "%r = divu32 %n, %k\n ret %r\nx:\n br32.eq %n, 0, yes, no",
	want: []string{"test ", "cmovz eax", "div "},
}, {
	name: "a comparison with 0 is a test",
	src:  "br64.lts %n, 0, yes, no",
	want: []string{"test rsi, rsi", "jnl"},
	not:  []string{"cmp"},
}, {
	name: "Set clears its register before the comparison",
	src:  "%r = set32.ltu %n, %k\n ret %r",
	want: []string{"xor eax, eax\ncmp esi, edx\nsetb al\nret"},
	not:  []string{"movzx"},
}, {
	name: "Select is a conditional move, minimum above all",
	src:  "%r = select64.ltu %n, %k, %n, %k\n ret %r",
	want: []string{"cmp rsi, rdx", "cmov"},
	not:  []string{"j"},
}, {
	name: "a move of 32 bits that were made of 32 bits is none",
	src:  "%m = add32 %n, 1\n %m = mov32 %m\n %k = mov32 %k\n %z = xor64 %m, %k\n store64.le [%p], %z\n ret 0",
	want: []string{"mov edx, edx"},
	not:  []string{"mov esi", "mov eax"},
}, {
	name: "what nobody reads is not made",
	src:  "%v = load32.be [%p]\n %w = mul32 %v, 77\n %x = divu32 %w, %n\n ret 1",
	not:  []string{"mul", "div", "[rdi]"},
}, {
	name: "the next block costs no jump",
	src:  "br64.ltu %n, 20, no, next\nnext:\n jump yes",
	want: []string{"cmp rsi, 0x14\njb"},
	not:  []string{"jmp"},
}, {
	name: "near values of a switch are one bit test",
	src:  "switch32 %n {22: yes, 25: yes, 53: yes, 80: yes, else: no}",
	want: []string{"lea r11d, ptr [rsi-0x16]\ncmp r11d, 0x3a\n", "mov r10, 0x400000080000009\nbt r10, r11\nj"},
}, {
	name: "neighbours are a range",
	src:  "switch64 %n {100: yes, 101: yes, 102: yes, 103: yes, else: no}",
	want: []string{"lea r11, ptr [rsi-0x64]\ncmp r11, 0x3\njbe"},
}, {
	name: "64-bit constants below 2^32 need no 64-bit immediate",
	src:  "%r = and64 %n, 0xf0000000\n %r = xor64 %r, %k\n ret %r",
	want: []string{"and eax, -0x10000000"},
	not:  []string{"r11"},
}}

func TestPatterns(t *testing.T) {
	for _, p := range patterns {
		t.Run(p.name, func(t *testing.T) {
			src := "func f(%p, %n, %k) {\nstart:\n" + p.src + "\nyes:\n ret 1\nno:\n ret 0\n}"
			f, err := lir.Parse(src)
			if err != nil {
				t.Fatal(err)
			}
			code, err := Compile(f, p.feat)
			if err != nil {
				t.Fatal(err)
			}
			got, err := text(instructions(code))
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range p.want {
				if !strings.Contains(got, s) {
					t.Errorf("%q is missing in\n%s", s, got)
				}
			}
			for _, s := range p.not {
				if strings.Contains(got, s) {
					t.Errorf("%q is in\n%s", s, got)
				}
			}
		})
	}
}

// Lines ascend, start at 0, and name the position of the instruction that the
// code is of.
func TestLines(t *testing.T) {
	f, err := lir.Parse(`func lines(%p, %n) {
start:
	%v = load32.be [%p] @10
	%w = add32 %v, 3 @11
	%x = load8 [%p + 4] @12
	%y = mul32 %v, 7 @13
	br32.eq %x, 1, yes, no @14
yes:
	ret %w @15
no:
	ret 0
}`)
	if err != nil {
		t.Fatal(err)
	}
	code, err := Compile(f, Features{})
	if err != nil {
		t.Fatal(err)
	}
	insts, _ := decode(instructions(code))
	var got []string
	off, line := 0, 0
	for _, inst := range insts {
		for line+1 < len(code.Lines) && code.Lines[line+1].Off <= off {
			line++
		}
		got = append(got, fmt.Sprintf("%v@%d", inst.Op, code.Lines[line].Pos))
		off += inst.Len
	}
	// The load of line 12 is part of the comparison; nobody reads 13's result.
	const want = "MOV@10 BSWAP@10 ADD@11 CMP@14 JNE@14 RET@15 XOR@-1 RET@-1"
	if s := strings.Join(got, " "); s != want {
		t.Errorf("lines %v: %s, want %s", code.Lines, s, want)
	}
	for seed := range int64(200) {
		f := lirtest.Random(rand.New(rand.NewSource(seed)), lirtest.Config{})
		code, err := Compile(f, Features{})
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range code.Lines {
			if i == 0 && l.Off != 0 || i > 0 && l.Off <= code.Lines[i-1].Off || l.Off >= len(code.Bytes) {
				t.Fatalf("seed %d: lines %v of %d bytes", seed, code.Lines, len(code.Bytes))
			}
		}
	}
}

func TestCompileErrors(t *testing.T) {
	if _, err := Compile(nil, Features{}); err == nil {
		t.Error("no function is accepted")
	}
	bad := &lir.Func{Name: "bad", NumReg: 2, Blocks: []*lir.Block{{Term: lir.Term{Kind: lir.Return, B: lir.R(1)}}}}
	if _, err := Compile(bad, Features{}); err == nil || !strings.Contains(err.Error(), "%1 may be read before it is written") {
		t.Errorf("a register that was not written: %v", err)
	}
}

// Whatever has at most lir.MaxLive registers in use and a full local stack
// fits the frame.
func TestCompileLargest(t *testing.T) {
	large := func(n int) *lir.Func {
		f := &lir.Func{Name: "large", Locals: lir.MaxLocals, Params: []lir.Reg{1}, NumReg: lir.Reg(n + 1), Blocks: []*lir.Block{{}}}
		b := f.Blocks[0]
		for r := lir.Reg(2); r < f.NumReg; r++ {
			b.Insts = append(b.Insts, lir.Inst{Op: lir.Not, W: lir.W64, Dst: r, A: 1})
		}
		for r := lir.Reg(2); r < f.NumReg; r++ {
			b.Insts = append(b.Insts, lir.Inst{Op: lir.Xor, W: lir.W64, Dst: 1, A: 1, B: lir.R(r)})
		}
		b.Term = lir.Term{Kind: lir.Return, B: lir.R(1)}
		return f
	}
	c, err := Compile(large(lir.MaxLive), Features{})
	if err != nil {
		t.Fatal(err)
	}
	if c.Frame > lir.MaxFrame || c.Frame < lir.MaxLocals+8*(lir.MaxLive-16) {
		t.Errorf("a frame of %d bytes", c.Frame)
	}
	if _, err := Compile(large(lir.MaxLive+1), Features{}); !errors.Is(err, lir.ErrTooLarge) {
		t.Errorf("one register more: %v", err)
	}
}

// Compile neither changes its function nor minds others compiling it.
func TestCompileIsPure(t *testing.T) {
	for seed := range int64(50) {
		f := lirtest.Random(rand.New(rand.NewSource(seed)), lirtest.Config{})
		before := f.String()
		var codes [4]*lir.Code
		var wg sync.WaitGroup
		for i := range codes {
			wg.Go(func() { codes[i], _ = Compile(f, Features{}) })
		}
		wg.Wait()
		if f.String() != before {
			t.Fatalf("seed %d: the function changed from\n%s to\n%s", seed, before, f)
		}
		for _, c := range codes {
			if c == nil || string(c.Bytes) != string(codes[0].Bytes) {
				t.Fatalf("seed %d: the code differs from run to run", seed)
			}
		}
	}
}

// Large functions compile; how long that takes is logged, and grows no faster
// than n log n.
func TestBig(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(n int) (*lir.Func, error)
		n    int
	}{
		{"blocks", manyBlocks, 100_000},
		{"cases", manyCases, 100_000},
		{"values alive", manyLive, 30_000},
		{"divisions", manyDivisions, 50_000},
	} {
		if testing.Short() {
			c.n /= 10
		}
		f, err := c.make(c.n)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		code, err := Compile(f, Features{})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d %s: %d bytes in %v", c.n, c.name, len(code.Bytes), time.Since(start))
	}
}

// manyBlocks is a filter's shape: tests, each with its way out.
func manyBlocks(n int) (*lir.Func, error) {
	b := lir.NewBuilder("blocks")
	p, l := b.Param(), b.Param()
	yes, no := b.Block(), b.Block()
	for i := range n {
		next := b.Block()
		if i%3 == 0 {
			b.Branch(lir.W64, lir.LTU, l, lir.I(int64(i%1000)), no, next)
		} else {
			b.Branch(lir.W32, lir.EQ, b.Load(lir.W32, lir.BigEndian, lir.At(p, int32(i%1000))), lir.I(int64(i)), yes, next)
		}
		b.SetBlock(next)
	}
	b.Jump(no)
	b.SetBlock(yes)
	b.Return(lir.I(1))
	b.SetBlock(no)
	b.Return(lir.I(0))
	return b.Func()
}

func manyCases(n int) (*lir.Func, error) {
	b := lir.NewBuilder("cases")
	x := b.Param()
	yes, no := b.Block(), b.Block()
	var cases []lir.Case
	for i := range n {
		cases = append(cases, lir.Case{Value: uint64(i) * 2654435761 % (1 << 32), Target: yes})
	}
	b.Switch(lir.W32, x, cases, no)
	b.SetBlock(yes)
	b.Return(lir.I(1))
	b.SetBlock(no)
	b.Return(lir.I(0))
	return b.Func()
}

// manyLive has many registers with long lives, many of them spilled.
func manyLive(n int) (*lir.Func, error) {
	b := lir.NewBuilder("live")
	x := b.Param()
	ring := make([]lir.Reg, 300)
	for i := range ring {
		ring[i] = b.Op(lir.Add, lir.W64, x, lir.I(int64(i)))
	}
	for i := range n {
		next := b.Block()
		b.Jump(next)
		b.SetBlock(next)
		ring[i%len(ring)] = b.Op(lir.Mul, lir.W64, ring[(i+1)%len(ring)], lir.R(ring[(i*7)%len(ring)]))
	}
	for _, r := range ring {
		b.OpTo(x, lir.Xor, lir.W64, x, lir.R(r))
	}
	b.Return(lir.R(x))
	return b.Func()
}

// manyDivisions divides by one tested register in a long chain of blocks.
func manyDivisions(n int) (*lir.Func, error) {
	b := lir.NewBuilder("divisions")
	x, y := b.Param(), b.Param()
	div, no := b.Block(), b.Block()
	b.Branch(lir.W64, lir.EQ, y, lir.I(0), no, div)
	b.SetBlock(div)
	for range n {
		next := b.Block()
		b.OpTo(x, lir.DivU, lir.W64, x, lir.R(y))
		b.Branch(lir.W64, lir.LTU, x, lir.R(y), no, next)
		b.SetBlock(next)
	}
	b.Return(lir.R(x))
	b.SetBlock(no)
	b.Return(lir.I(0))
	return b.Func()
}
