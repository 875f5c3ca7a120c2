package bpfc_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/bpfjit/bpfjit/bpfc"
)

func TestInterpreter(t *testing.T) {
	packet := make([]byte, 64)
	for i := range packet {
		packet[i] = byte(i) + 1
	}
	const all = "libpcap linux netbsd"
	for _, test := range []struct {
		dialects, src string
		want          uint32
	}{
		{all, "ld [0]\nret a", 0x01020304},
		{"seccomp", "ld [0]\nret a", binary.NativeEndian.Uint32(packet)},
		{all, "ldh [1]\nret a", 0x0203},
		{all, "ldb [63]\nret a", 64},
		{all, "ldb [64]\nret #7", 0},
		{all, "ldh [63]\nret #7", 0},
		{all, "ld [60]\nret a", 0x3d3e3f40},
		{all, "ld [61]\nret #7", 0},
		{all, "ld [0x7fffffff]\nret #7", 0},
		{all, "ldx #2\nldb [x + 1]\nret a", 4},
		{"libpcap netbsd", "ldx #0xffffffff\nldb [x + 3]\nret a", 0}, // X+k past 2^32
		{"linux", "ldx #0xffffffff\nldb [x + 3]\nret a", 3},          // wraps
		{"linux", "ldx #0xffe00000\nldb [x + 3]\nret a", 4},          // into SKF_LL_OFF
		{"libpcap netbsd", "ld [0xffffffff]\nret #7", 0},
		{all, "ldx 4*([14]&0xf)\ntxa\nret a", 60},
		{all, "ldx 4*([64]&0xf)\nret #7", 0},
		{all, "ld len\nret a", 1000},
		{"seccomp", "ld len\nret a", 64},
		{all, "ldx len\ntxa\nret a", 1000},
		{all + " seccomp", "ret a", 0},
		{all + " seccomp", "txa\nret a", 0},
		{"libpcap", "ld M[7]\nret a", 0},
		{all + " seccomp", "ld #5\nst M[3]\nld #0\nldx M[3]\ntxa\nret a", 5},
		{all + " seccomp", "ld #1\nneg\nret a", 0xffffffff},
		{all + " seccomp", "ld #7\nldx #0\ndiv x\nret #1", 0},
		{all, "ld #7\nldx #0\nmod x\nret #1", 0},
		{all, "ld #0xffffffff\nmod #10\nret a", 5},
		{all + " seccomp", "ld #0xffffffff\ndiv #10\nret a", 429496729},
		{all + " seccomp", "ld #0x80000000\nmul #3\nret a", 0x80000000},
		{all + " seccomp", "ld #1\nsub #2\nret a", 0xffffffff},
		{all + " seccomp", "ld #0xff\nxor #0x0f\nret a", 0xf0},
		{all + " seccomp", "ld #6\njset #1, y, n\ny: ret #1\nn: ret #2", 2},
		{all + " seccomp", "ld #0x80000000\njgt #1, y, n\ny: ret #1\nn: ret #2", 1},
		{all + " seccomp", "ld #5\nldx #5\njge x, y, n\ny: ret #1\nn: ret #2", 1},
		{"netbsd", "ld #1\nlsh #32\nret a", 0},
		{"netbsd", "ld #1\nrsh #0xffffffff\nret a", 0},
		{"netbsd", "ld #1\n.insn 8, 0, 0, 0\nret #1", 0}, // no such opcode
		{"libpcap", "ldb [0xfffff02c]\nret #1", 0},       // no Aux
		{"libpcap", "ldb [0xfffff02c]\nret #1", 0},
		{"linux", "ld #6\nldx #5\n.insn 0x20, 0, 0, 0xfffff028\nret a", 3}, // A ^= X
		// 64 backward jumps are followed, the 65th rejects.
		{"libpcap", "ldx #0\nl: txa\nadd #1\ntax\njeq #65, e, g\ng: ja l\ne: ret a", 65},
		{"libpcap", "ldx #0\nl: txa\nadd #1\ntax\njeq #66, e, g\ng: ja l\ne: ret a", 0},
	} {
		for _, name := range strings.Fields(test.dialects) {
			d, _ := bpfc.ParseDialect(name)
			in, err := bpfc.NewInterpreter(assemble(t, test.src), d)
			if err != nil {
				t.Errorf("%s: %q: %v", name, test.src, err)
				continue
			}
			if got := in.Run(packet, 1000, nil); got != test.want {
				t.Errorf("%s: %q: got %#x, want %#x", name, test.src, got, test.want)
			}
		}
	}
}

// Shift counts at which C, x86, ARM and the dialects part.
func TestInterpreterShifts(t *testing.T) {
	for _, count := range []uint32{0, 1, 31, 32, 33, 63, 64, 65, 0x80000000, 0xffffffff} {
		zero, masked := uint64(0xdeadbeef)<<min(count, 63), uint32(0xdeadbeef)<<(count&31)
		for _, test := range []struct {
			d    bpfc.Dialect
			want uint32
		}{{bpfc.Libpcap, uint32(zero)}, {bpfc.NetBSD, uint32(zero)}, {bpfc.Linux, masked}, {bpfc.Seccomp, masked}} {
			src := fmt.Sprintf("ldx #%d\nld #0xdeadbeef\nlsh x\nret a", count)
			in, err := bpfc.NewInterpreter(assemble(t, src), test.d)
			if err != nil {
				t.Fatal(err)
			}
			if got := in.Run(nil, 0, nil); got != test.want {
				t.Errorf("%v: lsh by %d: got %#x, want %#x", test.d, count, got, test.want)
			}
		}
	}
}

func TestInterpreterAux(t *testing.T) {
	aux := &bpfc.Aux{
		Protocol: 1, PktType: 2, IfIndex: 3, Mark: 4, Queue: 5, HaType: 6, RxHash: 7, CPU: 8,
		VLANTag: 9, VLANPresent: 10, PayOffset: 11, Random: 12, VLANProto: 13, NetOffset: 2,
	}
	packet := []byte{0, 1, 2, 3, 4, 5, 6, 7}
	for name, want := range map[string]uint32{
		"proto": 1, "type": 2, "ifidx": 3, "mark": 4, "queue": 5, "hatype": 6, "rxhash": 7, "cpu": 8,
		"vlan_tci": 9, "vlan_avail": 10, "poff": 11, "rand": 12, "vlan_tpid": 13,
		"[0xfff00001]": 0x03040506, "[0xffe00001]": 0x01020304, "[0xfff00003]": 0,
	} {
		in, err := bpfc.NewInterpreter(assemble(t, "ld "+name+"\nret a"), bpfc.Linux, bpfc.WithAux(bpfc.AuxAll))
		if err != nil {
			t.Fatal(err)
		}
		if got := in.Run(packet, 8, aux); got != want {
			t.Errorf("ld %s: got %#x, want %#x", name, got, want)
		}
	}
	in, err := bpfc.NewInterpreter(assemble(t, "ldb [0xfffff02c]\nret a"), bpfc.Libpcap)
	if err != nil {
		t.Fatal(err)
	}
	if got := in.Run(packet, 8, aux); got != 9 {
		t.Errorf("libpcap's vlan_tci: got %d, want 9", got)
	}
}

// Attributes as lib/nlattr.c walks them: type 7 with 5 bytes, padded; type 9
// that holds a type 3.
func TestInterpreterNetlink(t *testing.T) {
	native := func(v uint16) []byte { return binary.NativeEndian.AppendUint16(nil, v) }
	attr := func(kind uint16, payload ...byte) []byte {
		b := append(native(uint16(4+len(payload))), native(kind)...)
		b = append(b, payload...)
		return append(b, make([]byte, -len(b)&3)...)
	}
	packet := append(attr(7, 1, 2, 3, 4, 5), attr(9, attr(3, 8, 8, 8, 8)...)...)
	for _, test := range []struct {
		op         string
		start, typ uint32
		want       uint32
	}{
		{"nla", 0, 7, 0}, // found at 0, which looks like not found
		{"nla", 0, 9, 12},
		{"nla", 12, 9, 12},
		{"nla", 0, 8, 0},
		{"nla", 13, 9, 0},
		{"nla", 0xffffffff, 9, 0},
		{"nlan", 12, 3, 16},
		{"nlan", 12, 4, 0},
		{"nlan", 0, 7, 0},
		{"nlan", 0xfffffffc, 7, 0},
	} {
		src := fmt.Sprintf("ldx #%d\nld #%d\nld %s\nret a", test.typ, test.start, test.op)
		in, err := bpfc.NewInterpreter(assemble(t, src), bpfc.Linux)
		if err != nil {
			t.Fatal(err)
		}
		if got := in.Run(packet, len(packet), nil); got != test.want {
			t.Errorf("%s from %d of type %d: got %d, want %d (%s)", test.op, test.start, test.typ, got, test.want, hex.EncodeToString(packet))
		}
	}
}

func TestInterpreterCoprocessor(t *testing.T) {
	ctx := &bpfc.Context{
		Funcs: []bpfc.CopFunc{
			func(a uint32, pkt []byte, wireLen int, aux *bpfc.Aux) uint32 { return a + uint32(len(pkt)) },
			func(a uint32, pkt []byte, wireLen int, aux *bpfc.Aux) uint32 { return uint32(wireLen) },
		},
		ExtWords: 20, PreInited: 1 << 19,
	}
	for _, test := range []struct {
		src  string
		want uint32
	}{
		{"ld #5\ncop #0\nret a", 8},
		{"ldx #1\ncopx\nret a", 99},
		{"ldx #2\ncopx\nret #1", 0}, // no such function
		{"ld #5\nldx #7\ncop #0\ntxa\nret a", 7},
		{"ld M[19]\nst M[0]\nret a", 42},
	} {
		in, err := bpfc.NewInterpreter(assemble(t, test.src), bpfc.NetBSD, bpfc.WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		aux := &bpfc.Aux{Mem: make([]uint32, 20)}
		aux.Mem[19] = 42
		if got := in.Run([]byte{1, 2, 3}, 99, aux); got != test.want {
			t.Errorf("%q: got %d, want %d", test.src, got, test.want)
		}
		if strings.Contains(test.src, "st M[0]") && aux.Mem[0] != 42 {
			t.Errorf("%q: external memory not written", test.src)
		}
		if got := in.Run([]byte{1, 2, 3}, 99, nil); got != 0 {
			t.Errorf("%q without its external memory: got %d, want 0", test.src, got)
		}
	}
}

func TestInterpreterAllocates(t *testing.T) {
	in, err := bpfc.NewInterpreter(assemble(t, "ldh [12]\nst M[1]\njeq #0x800, y, n\ny: ret #96\nn: ret #0"), bpfc.Libpcap)
	if err != nil {
		t.Fatal(err)
	}
	packet := make([]byte, 60)
	if n := testing.AllocsPerRun(100, func() { in.Run(packet, 60, nil) }); n != 0 {
		t.Errorf("%v allocations a run", n)
	}
}
