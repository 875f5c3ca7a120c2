package jit

import (
	"encoding/hex"
	"strings"
	"testing"

	"golang.org/x/arch/x86/x86asm"

	"github.com/bpfjit/bpfjit/lir"
)

// The tests of memory, trampolines and lifetime want machine code that does
// what no compiled filter does: spin, fault, fill its frame. It is written here
// by hand, each instruction as text and bytes, and the decoder of x/arch says
// whether they are the same thing.

type insn struct{ text, hex string }

// assemble is the bytes of hand-written code.
func assemble(t testing.TB, insns ...insn) []byte {
	t.Helper()
	var out []byte
	for _, in := range insns {
		b, err := hex.DecodeString(strings.ReplaceAll(in.hex, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		dec, err := x86asm.Decode(b, 64)
		if err != nil {
			t.Fatalf("%s: % x: %v", in.text, b, err)
		}
		if got := x86asm.IntelSyntax(dec, 0, nil); got != in.text || dec.Len != len(b) {
			t.Fatalf("% x is %q of %d bytes, not %q", b, got, dec.Len, in.text)
		}
		out = append(out, b...)
	}
	return out
}

func imm32(v uint32) string {
	return hex.EncodeToString([]byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)})
}

// constantCode returns v.
func constantCode(v uint32) []byte {
	b, _ := hex.DecodeString("b8" + imm32(v) + "c3") // mov eax, v; ret
	return b
}

// weighCode returns a0 + 2*a1 + 4*a2 + 8*a3.
func weighCode(t testing.TB) []byte {
	return assemble(t,
		insn{"lea rax, ptr [rdi+2*rsi]", "48 8d 04 77"},
		insn{"lea rax, ptr [rax+4*rdx]", "48 8d 04 90"},
		insn{"lea rax, ptr [rax+8*rcx]", "48 8d 04 c8"},
		insn{"ret", "c3"},
	)
}

// sumCode returns the sum of the a1 bytes at a0.
func sumCode(t testing.TB) []byte {
	return assemble(t,
		insn{"xor eax, eax", "31 c0"},
		insn{"test rsi, rsi", "48 85 f6"},
		insn{"jz .+0xc", "74 0c"},
		insn{"movzx ecx, byte ptr [rdi+rsi-0x1]", "0f b6 4c 37 ff"},
		insn{"add eax, ecx", "01 c8"},
		insn{"dec rsi", "48 ff ce"},
		insn{"jnz .-0xc", "75 f4"},
		insn{"ret", "c3"},
	)
}

// spinCode goes round a0 times and returns 1.
func spinCode(t testing.TB) []byte {
	return assemble(t,
		insn{"dec rdi", "48 ff cf"},
		insn{"jnz .-0x5", "75 fb"},
		insn{"mov eax, 0x1", "b8 01000000"},
		insn{"ret", "c3"},
	)
}

// peekCode returns the 32 bits at a0.
func peekCode(t testing.TB) []byte {
	return assemble(t,
		insn{"mov eax, dword ptr [rdi]", "8b 07"},
		insn{"ret", "c3"},
	)
}

// frameCode fills all n bytes of its frame with the low byte of a0 and returns
// the sum of what it then finds there.
func frameCode(t testing.TB, n int) []byte {
	count := insn{"mov ecx, 0x" + strings.TrimLeft(hex.EncodeToString([]byte{byte(n >> 8), byte(n)}), "0"), "b9" + imm32(uint32(n))}
	return assemble(t,
		count,
		insn{"mov byte ptr [rsp+rcx+0x7], dil", "40 88 7c 0c 07"},
		insn{"dec ecx", "ff c9"},
		insn{"jnz .-0x9", "75 f7"},
		insn{"xor eax, eax", "31 c0"},
		count,
		insn{"movzx edx, byte ptr [rsp+rcx+0x7]", "0f b6 54 0c 07"},
		insn{"add eax, edx", "01 d0"},
		insn{"dec ecx", "ff c9"},
		insn{"jnz .-0xb", "75 f5"},
		insn{"ret", "c3"},
	)
}

// installed places hand-written code in an arena.
func installed(t testing.TB, a *arena, frame int, text []byte) *code {
	t.Helper()
	c, err := install(&lir.Code{Bytes: text, Frame: frame}, a.place)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// loaded makes a Code of hand-written code.
func loaded(t testing.TB, params, frame int, text []byte) *Code {
	t.Helper()
	l := &Code{name: t.Name(), params: params}
	l.code.Store(installed(t, processArena(), frame, text))
	return l
}

// filtering makes a Filter of hand-written code.
func filtering(t testing.TB, frame int, text []byte) *Filter {
	t.Helper()
	f := new(Filter)
	f.code.Store(installed(t, processArena(), frame, text))
	return f
}

// needNative skips a test where native code is not to be had.
func needNative(t testing.TB) {
	t.Helper()
	if err := Available(); err != nil {
		t.Skip(err)
	}
}
