#include "textflag.h"
#include "funcdata.h"
#include "go_asm.h"

// The way from Go into generated code.
//
// Each trampoline is an ordinary ABI0 function: its arguments are described to
// the garbage collector by its Go declaration, its prologue checks that the
// stack has room for the frame, and grows (moves) it if not, before any
// argument is loaded. Generated code then runs without touching SP or storing
// below it, so that a fault unwinds to here, a profiler finds its way, and no
// red zone is asked for. In ABI0 no register but SP and BP is kept over a call
// (g is in thread-local storage on amd64).
//
// The frame belongs to the generated code: at its entry, the return address is
// at 0(SP) and the frame's first byte at 8(SP). There is one size of frame for
// nearly all code and one for the rest; Go chooses. Code without a frame needs
// neither one nor the check, and goes by enter.
//
// The code is an argument, and so reachable until its trampoline returns.

// func enter(c *code, pkt *byte, n, wireLen int) uint32
//
// This is on every packet's way. What is not native code without a frame, and
// what has not got a packet of at most maxPacket bytes, goes on to slow.
TEXT ·enter(SB), NOSPLIT|NOFRAME, $0-36
	MOVQ  c+0(FP), AX
	TESTQ AX, AX
	JZ    slow
	MOVQ  code_direct(AX), R8
	TESTQ R8, R8
	JZ    slow
	MOVQ  n+16(FP), SI
	MOVQ  SI, R9
	SHRQ  $32, R9
	JNZ   slow
	MOVQ  pkt+8(FP), DI
	MOVQ  wireLen+24(FP), DX
	MOVQ  code_noAux(AX), CX
	CALL  R8
	MOVL  AX, ret+32(FP)
	RET

slow:
	JMP ·slow(SB)

// func enterSmall(c *code, pkt *byte, n, wireLen int, aux *bpfc.Aux) uint32
TEXT ·enterSmall(SB), 0, $512-44
	NO_LOCAL_POINTERS
	MOVQ c+0(FP), AX
	MOVQ pkt+8(FP), DI
	MOVQ n+16(FP), SI
	MOVQ wireLen+24(FP), DX
	MOVQ aux+32(FP), CX
	MOVQ code_entry(AX), R8
	CALL R8
	MOVL AX, ret+40(FP)
	RET

// func enterLarge(c *code, pkt *byte, n, wireLen int, aux *bpfc.Aux) uint32
TEXT ·enterLarge(SB), 0, $4096-44
	NO_LOCAL_POINTERS
	MOVQ c+0(FP), AX
	MOVQ pkt+8(FP), DI
	MOVQ n+16(FP), SI
	MOVQ wireLen+24(FP), DX
	MOVQ aux+32(FP), CX
	MOVQ code_entry(AX), R8
	CALL R8
	MOVL AX, ret+40(FP)
	RET

// func batchSmall(c *code, pkts unsafe.Pointer, n int, verdicts *uint32, aux *bpfc.Aux) uintptr
TEXT ·batchSmall(SB), 0, $512-48
	NO_LOCAL_POINTERS
	MOVQ c+0(FP), AX
	MOVQ pkts+8(FP), DI
	MOVQ n+16(FP), SI
	MOVQ verdicts+24(FP), DX
	MOVQ aux+32(FP), CX
	MOVQ code_entry(AX), R8
	CALL R8
	MOVQ AX, ret+40(FP)
	RET

// func batchLarge(c *code, pkts unsafe.Pointer, n int, verdicts *uint32, aux *bpfc.Aux) uintptr
TEXT ·batchLarge(SB), 0, $4096-48
	NO_LOCAL_POINTERS
	MOVQ c+0(FP), AX
	MOVQ pkts+8(FP), DI
	MOVQ n+16(FP), SI
	MOVQ verdicts+24(FP), DX
	MOVQ aux+32(FP), CX
	MOVQ code_entry(AX), R8
	CALL R8
	MOVQ AX, ret+40(FP)
	RET

// func callSmall(c *code, a0, a1, a2, a3 uintptr) uint64
TEXT ·callSmall(SB), 0, $512-48
	NO_LOCAL_POINTERS
	MOVQ c+0(FP), AX
	MOVQ a0+8(FP), DI
	MOVQ a1+16(FP), SI
	MOVQ a2+24(FP), DX
	MOVQ a3+32(FP), CX
	MOVQ code_entry(AX), R8
	CALL R8
	MOVQ AX, ret+40(FP)
	RET

// func callLarge(c *code, a0, a1, a2, a3 uintptr) uint64
TEXT ·callLarge(SB), 0, $4096-48
	NO_LOCAL_POINTERS
	MOVQ c+0(FP), AX
	MOVQ a0+8(FP), DI
	MOVQ a1+16(FP), SI
	MOVQ a2+24(FP), DX
	MOVQ a3+32(FP), CX
	MOVQ code_entry(AX), R8
	CALL R8
	MOVQ AX, ret+40(FP)
	RET
