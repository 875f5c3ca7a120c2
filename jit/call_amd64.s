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
// at 0(SP) and the frame's first byte at 8(SP). Code that wants more than the
// small frame is passed on to a trampoline with the large one.
//
// The code is an argument, and so reachable until its trampoline returns.

// func enter(c *code, pkt []byte, wireLen int, aux *bpfc.Aux) uint32
//
// This is on every packet's way: one test sorts out what is not native code
// with a small frame.
TEXT ·enter(SB), 0, $512-52
	NO_LOCAL_POINTERS
	MOVQ  c+0(FP), AX
	MOVQ  pkt_base+8(FP), DI
	MOVQ  pkt_len+16(FP), SI
	MOVQ  wireLen+32(FP), DX
	MOVQ  aux+40(FP), CX
	TESTQ AX, AX
	JZ    closed
	MOVQ  code_direct(AX), R8
	TESTQ R8, R8
	JZ    indirect
	MOVL  $0xffffffff, R9 // maxPacket
	CMPQ  SI, R9
	CMOVQHI R9, SI
	TESTQ CX, CX
	CMOVQEQ code_noAux(AX), CX
	CALL  R8
	MOVL  AX, ret+48(FP)
	RET

closed:
	MOVL $0, ret+48(FP)
	RET

indirect:
	MOVQ AX, 0(SP)
	MOVQ DI, 8(SP)
	MOVQ SI, 16(SP)
	MOVQ SI, 24(SP)
	MOVQ DX, 32(SP)
	MOVQ CX, 40(SP)
	CMPQ code_entry(AX), $0
	JE   interpreted
	CALL ·enterLarge(SB)
	MOVL 48(SP), AX
	MOVL AX, ret+48(FP)
	RET

interpreted:
	CALL ·interpret(SB)
	MOVL 48(SP), AX
	MOVL AX, ret+48(FP)
	RET

// func enterLarge(c *code, pkt []byte, wireLen int, aux *bpfc.Aux) uint32
TEXT ·enterLarge(SB), 0, $4096-52
	NO_LOCAL_POINTERS
	MOVQ c+0(FP), AX
	MOVQ pkt_base+8(FP), DI
	MOVQ pkt_len+16(FP), SI
	MOVQ wireLen+32(FP), DX
	MOVQ aux+40(FP), CX
	MOVL $0xffffffff, R9
	CMPQ SI, R9
	CMOVQHI R9, SI
	TESTQ CX, CX
	CMOVQEQ code_noAux(AX), CX
	MOVQ code_entry(AX), R8
	CALL R8
	MOVL AX, ret+48(FP)
	RET

// func enterBatch(c *code, pkts *[]byte, n uintptr, verdicts *uint32, aux *bpfc.Aux)
TEXT ·enterBatch(SB), 0, $512-40
	NO_LOCAL_POINTERS
	MOVQ c+0(FP), AX
	MOVQ pkts+8(FP), DI
	MOVQ n+16(FP), SI
	MOVQ verdicts+24(FP), DX
	MOVQ aux+32(FP), CX
	MOVQ code_direct(AX), R8
	TESTQ R8, R8
	JZ   large
	CALL R8
	RET

large:
	MOVQ AX, 0(SP)
	MOVQ DI, 8(SP)
	MOVQ SI, 16(SP)
	MOVQ DX, 24(SP)
	MOVQ CX, 32(SP)
	CALL ·enterBatchLarge(SB)
	RET

// func enterBatchLarge(c *code, pkts *[]byte, n uintptr, verdicts *uint32, aux *bpfc.Aux)
TEXT ·enterBatchLarge(SB), 0, $4096-40
	NO_LOCAL_POINTERS
	MOVQ c+0(FP), AX
	MOVQ pkts+8(FP), DI
	MOVQ n+16(FP), SI
	MOVQ verdicts+24(FP), DX
	MOVQ aux+32(FP), CX
	MOVQ code_entry(AX), AX
	CALL AX
	RET

// func call(c *code, a0, a1, a2, a3 uintptr) uint64
TEXT ·call(SB), 0, $512-48
	NO_LOCAL_POINTERS
	MOVQ c+0(FP), AX
	MOVQ a0+8(FP), DI
	MOVQ a1+16(FP), SI
	MOVQ a2+24(FP), DX
	MOVQ a3+32(FP), CX
	MOVQ code_direct(AX), R8
	TESTQ R8, R8
	JZ   large
	CALL R8
	MOVQ AX, ret+40(FP)
	RET

large:
	MOVQ AX, 0(SP)
	MOVQ DI, 8(SP)
	MOVQ SI, 16(SP)
	MOVQ DX, 24(SP)
	MOVQ CX, 32(SP)
	CALL ·callLarge(SB)
	MOVQ 40(SP), AX
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
	MOVQ code_entry(AX), AX
	CALL AX
	MOVQ AX, ret+40(FP)
	RET
