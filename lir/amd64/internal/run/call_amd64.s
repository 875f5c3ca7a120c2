//go:build linux

#include "textflag.h"
#include "funcdata.h"

// func call(code unsafe.Pointer, a0, a1, a2, a3 uintptr) uint64
TEXT ·call(SB), 0, $4096-48
	NO_LOCAL_POINTERS
	MOVQ code+0(FP), AX
	MOVQ a0+8(FP), DI
	MOVQ a1+16(FP), SI
	MOVQ a2+24(FP), DX
	MOVQ a3+32(FP), CX
	CALL AX
	MOVQ AX, ret+40(FP)
	RET
