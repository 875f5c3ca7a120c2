package jit

import (
	"bytes"
	"errors"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
)

// assembleBPF is the program of some instructions.
func assembleBPF(t testing.TB, insns ...bpf.Instruction) []bpf.RawInstruction {
	t.Helper()
	prog, err := bpf.Assemble(insns)
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

// tcpPort80 is "tcp dst port 80" over Ethernet and IPv4, fragments aside.
func tcpPort80(t testing.TB) []bpf.RawInstruction {
	return assembleBPF(t,
		bpf.LoadAbsolute{Off: 12, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0x0800, SkipTrue: 5},
		bpf.LoadAbsolute{Off: 23, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 6, SkipTrue: 3},
		bpf.LoadMemShift{Off: 14},
		bpf.LoadIndirect{Off: 16, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 80, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.RetConstant{Val: 65535},
	)
}

// tcpPacket is a packet with a destination port, its IP header 4*ihl bytes long.
func tcpPacket(ihl int, port uint16) []byte {
	pkt := make([]byte, 14+4*ihl+20)
	pkt[12] = 0x08
	pkt[14] = 0x40 | byte(ihl)
	pkt[23] = 6
	pkt[14+4*ihl+2], pkt[14+4*ihl+3] = byte(port>>8), byte(port)
	return pkt
}

func TestFilterVerdicts(t *testing.T) {
	for _, opts := range [][]Option{nil, {WithOptLevel(0)}, {WithInterpreter()}} {
		f, err := Compile(tcpPort80(t), opts...)
		if err != nil {
			t.Fatal(err)
		}
		for ihl := range 16 {
			for _, port := range []uint16{79, 80, 81, 0x5000} {
				pkt := tcpPacket(ihl, port)
				for n := range len(pkt) + 1 {
					want := uint32(0)
					// A header shorter than 20 bytes puts other fields where
					// the port is looked for; bytes then decide, as ever.
					at := 16 + 4*ihl
					if n >= at+2 && n >= 24 && pkt[at] == 0 && pkt[at+1] == 80 {
						want = 65535
					}
					if got := f.Run(pkt[:n:n], n); got != want {
						t.Fatalf("native %v, header of %d words, port %d, %d bytes: verdict %d, want %d", f.Native(), ihl, port, n, got, want)
					}
				}
			}
		}
	}
}

func TestFilterWireLength(t *testing.T) {
	retLen := assembleBPF(t, bpf.LoadExtension{Num: bpf.ExtLen}, bpf.RetA{})
	retLen[0] = bpf.RawInstruction{Op: bpfc.LdLen} // x/net's "len" is the Linux extension
	for _, opts := range [][]Option{nil, {WithInterpreter()}} {
		f, err := Compile(retLen, opts...)
		if err != nil {
			t.Fatal(err)
		}
		for _, wire := range []int{0, 1, 60, math.MaxInt32, -1, math.MinInt32} {
			if got := f.Run([]byte{1, 2, 3}, wire); got != uint32(wire) {
				t.Errorf("native %v: length %d is seen as %d", f.Native(), wire, got)
			}
		}
		if wide := uint64(1<<32 + 5); wide <= math.MaxInt {
			if got := f.Run(nil, int(wide)); got != 5 {
				t.Errorf("native %v: length 2^32+5 is seen as %d", f.Native(), got)
			}
		}
		verdicts := make([]uint32, 3)
		f.RunBatch([][]byte{nil, make([]byte, 60), make([]byte, 1514)}, verdicts)
		if verdicts[0] != 0 || verdicts[1] != 60 || verdicts[2] != 1514 {
			t.Errorf("native %v: batch sees lengths %d", f.Native(), verdicts)
		}
	}
}

func TestRunBatch(t *testing.T) {
	for _, opts := range [][]Option{nil, {WithInterpreter()}} {
		f, err := Compile(tcpPort80(t), opts...)
		if err != nil {
			t.Fatal(err)
		}
		pkts := [][]byte{tcpPacket(5, 80), nil, tcpPacket(6, 80), tcpPacket(5, 81), {}}
		want := []uint32{65535, 0, 65535, 0, 0}
		got := []uint32{9, 9, 9, 9, 9, 9, 9}
		f.RunBatch(pkts, got)
		for i, v := range append(want, 9, 9) {
			if got[i] != v {
				t.Errorf("native %v: verdicts %d", f.Native(), got)
				break
			}
		}
		f.RunBatch(nil, nil)

		// Too few verdicts, even if there is room behind them.
		got = []uint32{9, 9, 9, 9, 9}
		func() {
			defer func() {
				if s, _ := recover().(string); !strings.Contains(s, "5 packets with room for 4 verdicts") {
					t.Errorf("panic %q", s)
				}
			}()
			f.RunBatch(pkts, got[:4])
		}()
		if got[0] != 9 {
			t.Error("a verdict was given before the panic")
		}

		f.Close()
		f.RunBatch(pkts, got)
		for _, v := range got {
			if v != 0 {
				t.Errorf("native %v: verdicts %d after Close", f.Native(), got)
			}
		}
	}
}

// Metadata reaches the program field by field; none is zeros in the Linux
// dialect and a rejection in the Libpcap dialect.
func TestRunAux(t *testing.T) {
	const skfAdOff = 0xfffff000 // linux/filter.h
	load := func(off uint32) []bpf.RawInstruction {
		return []bpf.RawInstruction{{Op: bpfc.LdAbsW, K: skfAdOff + off}, {Op: bpfc.ClassALU | bpfc.AluADD, K: 7}, {Op: bpfc.RetA}}
	}
	aux := &bpfc.Aux{IfIndex: 100, Mark: 200, RxHash: 300, VLANTag: 400, VLANPresent: 1}
	pkt := make([]byte, 60)
	for _, mode := range [][]Option{nil, {WithOptLevel(0)}, {WithInterpreter()}} {
		for _, test := range []struct {
			off  uint32
			want uint32
		}{{8, 100}, {20, 200}, {32, 300}, {44, 400}} {
			f, err := Compile(load(test.off), append(mode, WithDialect(bpfc.Linux), WithAux(bpfc.AuxAll))...)
			if err != nil {
				t.Fatal(err)
			}
			if got := f.RunAux(pkt, 60, aux); got != test.want+7 {
				t.Errorf("native %v, offset %d: %d, want %d", f.Native(), test.off, got, test.want+7)
			}
			if a, b := f.RunAux(pkt, 60, nil), f.Run(pkt, 60); a != 7 || b != 7 {
				t.Errorf("native %v, offset %d: %d and %d without metadata, want 7", f.Native(), test.off, a, b)
			}
		}
		vlan := load(44)
		vlan[0].Op = bpfc.LdAbsB // as libpcap generates it
		f, err := Compile(vlan, mode...)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := f.RunAux(pkt, 60, aux), f.Run(pkt, 60); a != 407 || b != 0 {
			t.Errorf("native %v, libpcap: %d with metadata, %d without", f.Native(), a, b)
		}
	}
	if _, err := Compile(load(20), WithDialect(bpfc.Linux)); err == nil {
		t.Error("a load of what nobody supplies was accepted")
	}
}

// Programs without a native form are interpreted, and say so.
func TestFallback(t *testing.T) {
	loop := []bpf.RawInstruction{ // A counts to 5 by jumping back
		{Op: bpfc.ClassALU | bpfc.AluADD, K: 1},
		{Op: bpfc.ClassJMP | bpfc.JmpJGE, K: 5, Jt: 1},
		{Op: bpfc.Ja, K: 0xfffffffd},
		{Op: bpfc.RetA},
	}
	f, err := Compile(loop)
	if err != nil {
		t.Fatal(err)
	}
	if f.Native() || !errors.Is(f.Fallback(), bpfc.ErrNotTranslatable) || f.Code() != nil || f.Lines() != nil {
		t.Errorf("native %v, fallback %v", f.Native(), f.Fallback())
	}
	if got := f.Run(nil, 0); got != 5 {
		t.Errorf("verdict %d, want 5", got)
	}
	if _, err := Compile(loop, WithNativeOnly()); !errors.Is(err, bpfc.ErrNotTranslatable) {
		t.Errorf("WithNativeOnly: %v", err)
	}

	double := func(a uint32, pkt []byte, wireLen int, aux *bpfc.Aux) uint32 { return 2*a + uint32(len(pkt)) }
	ctx := &bpfc.Context{Funcs: []bpfc.CopFunc{double}}
	cop := []bpf.RawInstruction{{Op: bpfc.LdImm, K: 20}, {Op: bpfc.Cop}, {Op: bpfc.RetA}}
	f, err = Compile(cop, WithDialect(bpfc.NetBSD), WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Run([]byte{1, 2}, 2); got != 42 || f.Native() {
		t.Errorf("coprocessor: verdict %d, native %v", got, f.Native())
	}

	f, err = Compile(keepEverything, WithInterpreter())
	if err != nil {
		t.Fatal(err)
	}
	if f.Native() || f.Fallback() != errAskedFor {
		t.Errorf("WithInterpreter: native %v, %v", f.Native(), f.Fallback())
	}
}

// keepEverything is the program "ret #262144".
var keepEverything = []bpf.RawInstruction{{Op: bpfc.RetK, K: 0x40000}}

func TestCompileRefusals(t *testing.T) {
	for _, test := range []struct {
		name string
		prog []bpf.RawInstruction
		opts []Option
		want string
	}{
		{"nothing", nil, nil, ""},
		{"unknown opcode", []bpf.RawInstruction{{Op: 0xffff}, {Op: bpfc.RetK}}, nil, "instruction 0"},
		{"no ret", []bpf.RawInstruction{{Op: bpfc.LdLen}}, nil, ""},
		{"dialect", keepEverything, []Option{WithDialect(99)}, "dialect"},
		{"level", keepEverything, []Option{WithOptLevel(-1)}, "optimisation level -1"},
		{"both ways", keepEverything, []Option{WithInterpreter(), WithNativeOnly()}, "exclude each other"},
	} {
		f, err := Compile(test.prog, test.opts...)
		if err == nil || f != nil {
			t.Errorf("%s: accepted", test.name)
			continue
		}
		if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q", test.name, err)
		}
	}
	if _, err := Compile(keepEverything, nil); err != nil {
		t.Errorf("a nil option: %v", err)
	}
}

func TestFilterClose(t *testing.T) {
	for _, opts := range [][]Option{nil, {WithInterpreter()}} {
		f, err := Compile(keepEverything, opts...)
		if err != nil {
			t.Fatal(err)
		}
		native := f.Native()
		if got := f.Run(nil, 0); got != 0x40000 {
			t.Errorf("verdict %#x", got)
		}
		for range 2 {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
		if a, b := f.Run(nil, 0), f.RunAux(nil, 0, new(bpfc.Aux)); a != 0 || b != 0 {
			t.Errorf("native %v: verdicts %d and %d after Close", native, a, b)
		}
		if f.Code() != nil || f.Lines() != nil || f.Native() != native {
			t.Errorf("native %v: code after Close, or changed its mind", native)
		}
	}
	var zero Filter
	if zero.Run([]byte{1}, 1) != 0 {
		t.Error("a Filter that nobody compiled keeps packets")
	}
}

func TestFilterCode(t *testing.T) {
	needNative(t)
	f, err := Compile(tcpPort80(t), WithNativeOnly())
	if err != nil {
		t.Fatal(err)
	}
	code := f.Code()
	if len(code) == 0 {
		t.Fatal("no code")
	}
	saved := bytes.Clone(code)
	for i := range code {
		code[i] = trap // a copy: the filter does not mind
	}
	if !bytes.Equal(f.Code(), saved) || f.Run(tcpPacket(5, 80), 54) != 65535 {
		t.Error("Code is no copy")
	}
	lines := f.Lines()
	for i, l := range lines {
		if l.Off < 0 || l.Off >= len(code) || i > 0 && l.Off <= lines[i-1].Off {
			t.Errorf("line %d at offset %d of %d bytes", i, l.Off, len(code))
		}
	}
	if len(lines) == 0 || lines[0].Off != 0 {
		t.Errorf("lines %v", lines)
	}
	lines[0].Off = 99
	if f.Lines()[0].Off != 0 {
		t.Error("Lines is no copy")
	}
}

// One filter, many goroutines, native and not, closed in the end while all run.
func TestFilterConcurrently(t *testing.T) {
	for _, opts := range [][]Option{nil, {WithInterpreter()}} {
		f, err := Compile(tcpPort80(t), opts...)
		if err != nil {
			t.Fatal(err)
		}
		var wg, running sync.WaitGroup
		for g := range 4 {
			running.Add(1)
			wg.Go(func() {
				yes, no := tcpPacket(5+g, 80), tcpPacket(5+g, 8080)
				for i := 0; ; i++ {
					got := f.Run(yes, len(yes))
					if f.Run(no, len(no)) != 0 || got != 65535 && got != 0 {
						t.Error("wrong verdict")
						got = 0
					}
					if i == 100 {
						running.Done()
					}
					if got == 0 { // closed
						if i < 100 {
							t.Error("closed too early")
							running.Done()
						}
						return
					}
				}
			})
		}
		running.Wait()
		f.Close()
		wg.Wait()
	}
}

// A program so large that its code has a chunk to itself.
func TestLargeFilter(t *testing.T) {
	var insns []bpf.RawInstruction
	n := 8000
	if testing.Short() || raceEnabled {
		n = 2000
	}
	insns = append(insns, bpf.RawInstruction{Op: bpfc.LdAbsW, K: 26})
	for i := range n {
		insns = append(insns,
			bpf.RawInstruction{Op: bpfc.ClassALU | bpfc.AluXOR, K: uint32(i) * 2654435761},
			bpf.RawInstruction{Op: bpfc.ClassALU | bpfc.AluMUL, K: 2*uint32(i) + 3})
	}
	insns = append(insns, bpf.RawInstruction{Op: bpfc.RetA})
	native, err := Compile(insns)
	if err != nil {
		t.Fatal(err)
	}
	interp, err := Compile(insns, WithInterpreter())
	if err != nil {
		t.Fatal(err)
	}
	pkt := make([]byte, 60)
	for i := range 20 {
		pkt[26+i%4] += byte(37*i + 1)
		if a, b := native.Run(pkt, 60), interp.Run(pkt, 60); a != b {
			t.Fatalf("native %#x, interpreter %#x", a, b)
		}
	}
	if native.Native() {
		t.Logf("%d instructions, %d bytes of code", len(insns), len(native.Code()))
	}
	runtime.KeepAlive(native)
}
