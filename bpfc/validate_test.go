package bpfc_test

import (
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/bpfc/bpfasm"
)

// assemble reads a program in any form.
func assemble(t testing.TB, src string) []bpf.RawInstruction {
	t.Helper()
	prog, _, err := bpfasm.Read([]byte(src))
	if err != nil {
		t.Fatalf("%v in %q", err, src)
	}
	return prog
}

func TestValidate(t *testing.T) {
	long := func(n int) string { return strings.Repeat("ldx #0\n", n-1) + "ret a" }
	const all = "libpcap linux netbsd seccomp"
	for _, test := range []struct {
		name     string
		dialects string
		src      string
		want     string // "" if valid, else the error
	}{
		{"ret", all, "ret #0", ""},
		{"unknown opcode", "libpcap linux seccomp", ".insn 0x8, 0, 0, 0\nret #0",
			"instruction 0: opcode 0x0008: the DIALECT dialect has no such opcode"},
		{"unknown class bits", "netbsd", ".insn 0x8, 0, 0, 0\nret #0", ""},
		{"unknown mode", all, ".insn 0xe0, 0, 0, 0\nret #0",
			"instruction 0: opcode 0x00e0: the DIALECT dialect has no such opcode"},
		{"opcode above 255", "libpcap linux seccomp", ".insn 0x100, 0, 0, 0\nret #0",
			"instruction 0: opcode 0x0100: the DIALECT dialect has no such opcode"},
		{"ret x", all, "ld #0\n.insn 0xe, 0, 0, 0",
			"instruction 1: opcode 0x000e: "},
		{"jump-true out of range", all, ".insn 0x15, 1, 0, 0x800\nret #0",
			"instruction 0: jeq #0x800: jump-true leads to instruction 2, the last is 1"},
		{"jump-false out of range", all, ".insn 0x3d, 0, 255, 0\nret #0",
			"instruction 0: jge x: jump-false leads to instruction 256, the last is 1"},
		{"ja out of range", all, ".insn 5, 0, 0, 1\nret #0",
			"instruction 0: ja +1: leads to instruction 2, the last is 1"},
		{"ja backward", "libpcap", "l: ld #0\nja l\nret #0", ""},
		{"ja backward", "linux netbsd seccomp", "l: ld #0\nja l\nret #0",
			"instruction 1: ja -2: jumps backward, or too far: the DIALECT dialect has only jumps forward"},
		{"ja before the start", "libpcap", ".insn 5, 0, 0, 0xfffffffe\nret #0",
			"instruction 0: ja -2: leads to instruction -1, before the first"},
		{"ja to itself", "libpcap", "l: ja l\nret #0", "instruction 0: ja -1: jumps to itself"},
		{"missing ret", all, "ret #0\nld #0", "instruction 1: ld #0x0: the last instruction must be a ret"},
		{"division by constant 0", all, "div #0\nret a", "instruction 0: div #0x0: division by the constant 0"},
		{"remainder by constant 0", "libpcap linux netbsd", "mod #0\nret a", "instruction 0: mod #0x0: division by the constant 0"},
		{"division by x", all, ".insn 0x3c, 0, 0, 0\nret a", ""},
		{"shift of 31", all, "lsh #31\nret a", ""},
		{"shift of 32", "libpcap linux seccomp", "lsh #32\nret a", "instruction 0: lsh #0x20: shift by a constant above 31"},
		{"shift of 32", "netbsd", "rsh #32\nret a", ""},
		{"shift by x ignores k", all, ".insn 0x6c, 0, 0, 99\nret a", ""},
		{"M[16]", all, "st M[16]\nret a", "instruction 0: st M[16]: scratch memory has words 0 to 15"},
		{"load of M[16]", all, "ld M[16]\nret a", "instruction 0: ld M[16]: scratch memory has words 0 to 15"},
		{"load of M[2^32-1]", all, ".insn 0x61, 0, 0, 0xffffffff\nret a", "instruction 0: ldx M[4294967295]: scratch memory has words 0 to 15"},
		{"M[] unwritten", "libpcap", "ld M[3]\nret a", ""},
		{"M[] unwritten", "linux netbsd seccomp", "ld M[3]\nret a", "instruction 0: ld M[3]: M[3] is read on a path that never wrote it"},
		{"M[] written on one path", "linux netbsd seccomp", "jeq #1, w, r\nw: st M[3]\nr: ld M[3]\nret a",
			"instruction 2: ld M[3]: M[3] is read on a path that never wrote it"},
		{"M[] written on both", "linux netbsd seccomp", "jeq #1, v, w\nv: stx M[3]\nja r\nw: st M[3]\nr: ld M[3]\nret a", ""},
		{"M[] in dead code", "linux", "ja e\nld M[3]\ne: ret a", ""},
		{"4096 instructions", "libpcap linux seccomp", long(4096), ""},
		{"4097 instructions", "linux seccomp", long(4097), "program of 4097 instructions: the DIALECT dialect allows 4096"},
		{"512 instructions", "netbsd", long(512), ""},
		{"513 instructions", "netbsd", long(513), "program of 513 instructions: the DIALECT dialect allows 512"},
		{"packet word in seccomp", "seccomp", "ld [60]\nret a", ""},
		{"past seccomp_data", "seccomp", "ld [64]\nret a", "instruction 0: ld [64]: struct seccomp_data has words at 0, 4, ... 60"},
		{"unaligned in seccomp", "seccomp", "ld [2]\nret a", "instruction 0: ld [2]: struct seccomp_data has words at 0, 4, ... 60"},
		{"half-word in seccomp", "seccomp", "ldh [4]\nret a", "instruction 0: ldh [4]: seccomp filters may not use it"},
		{"indirect in seccomp", "seccomp", "ld [x + 4]\nret a", "instruction 0: ld [x + 4]: seccomp filters may not use it"},
		{"msh in seccomp", "seccomp", "ldx 4*([4]&0xf)\nret a", "instruction 0: ldxb 4*([4]&0xf): seccomp filters may not use it"},
		{"mod in seccomp", "seccomp", "mod #3\nret a", "instruction 0: mod #0x3: seccomp filters may not use it"},
		{"xor in seccomp", "seccomp", "xor #3\nret a", ""},
		{"metadata undeclared", "linux", "ld proto\nret a",
			`instruction 0: ld [4294963200]: needs the packet's metadata "proto", which is not declared to be supplied`},
		{"metadata of ours", "linux", "ld #1\n.insn 0x20, 0, 0, 0xfffff028\nret a", ""},
		{"unknown metadata", "linux", "ld [0xfffff002]\nret a", "instruction 0: ld [4294963202]: no metadata lies at this SKF_AD_OFF offset"},
		{"network header undeclared", "linux", "ldb [0xfff00009]\nret a",
			"instruction 0: ldb [4293918729]: SKF_NET_OFF needs the network header's offset, which is not declared to be supplied"},
		{"link-layer header", "linux", "ldb [0xffe00009]\nret a", ""},
		{"vlan metadata", "libpcap", "ldb [0xfffff02c]\nret a", ""},
		{"far offset", "libpcap netbsd", "ld [0xfffff000]\nret a", ""},
		{"cop without context", "netbsd", "cop #0\nret a", "instruction 0: cop #0: there are no coprocessor functions to call"},
		{"copx without context", "netbsd", "copx\nret a", "instruction 0: copx: there are no coprocessor functions to call"},
		{"cop elsewhere", "libpcap linux seccomp", "cop #0\nret a", "instruction 0: cop #0: the DIALECT dialect has no such opcode"},
	} {
		for _, name := range strings.Fields(test.dialects) {
			d, err := bpfc.ParseDialect(name)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if err := bpfc.Validate(assemble(t, test.src), d); err != nil {
				got = err.Error()
			}
			want := strings.ReplaceAll(test.want, "DIALECT", name)
			if got != want && !(strings.HasSuffix(want, ": ") && strings.HasPrefix(got, want)) {
				t.Errorf("%s, %s:\ngot  %q\nwant %q", test.name, name, got, want)
			}
		}
	}
}

func TestValidateWhole(t *testing.T) {
	ret := []bpf.RawInstruction{{Op: bpfc.RetA}}
	context := func(c *bpfc.Context) []bpfc.Option { return []bpfc.Option{bpfc.WithContext(c)} }
	cop := []bpf.RawInstruction{{Op: bpfc.Cop, K: 1}, {Op: bpfc.RetA}}
	one := []bpfc.CopFunc{func(a uint32, _ []byte, _ int, _ *bpfc.Aux) uint32 { return a }}
	for _, test := range []struct {
		prog []bpf.RawInstruction
		d    bpfc.Dialect
		opts []bpfc.Option
		want string
	}{
		{nil, bpfc.Libpcap, nil, "empty program: it needs at least a ret"},
		{ret, 9, nil, "unknown dialect Dialect(9)"},
		{ret, bpfc.Linux, context(&bpfc.Context{}), "a coprocessor context goes with the netbsd dialect only"},
		{ret, bpfc.NetBSD, context(&bpfc.Context{ExtWords: 31}), "external memory of 31 words: 0 to 30 are possible"},
		{ret, bpfc.NetBSD, context(&bpfc.Context{ExtWords: 30}), ""},
		{cop, bpfc.NetBSD, context(&bpfc.Context{Funcs: one}), "instruction 0: cop #1: there are coprocessor functions 0 to 0"},
		{assemble(t, "ld M[29]\nret a"), bpfc.NetBSD, context(&bpfc.Context{ExtWords: 30, PreInited: 1 << 29}), ""},
		{assemble(t, "ld M[28]\nret a"), bpfc.NetBSD, context(&bpfc.Context{ExtWords: 30, PreInited: 1 << 29}),
			"instruction 0: ld M[28]: M[28] is read on a path that never wrote it"},
	} {
		got := ""
		if err := bpfc.Validate(test.prog, test.d, test.opts...); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
