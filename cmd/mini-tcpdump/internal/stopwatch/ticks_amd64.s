#include "textflag.h"

// func Ticks() uint64
//
// The first LFENCE waits for the instructions before, the second keeps those
// behind from beginning (Intel SDM volume 2, RDTSC).
TEXT ·Ticks(SB), NOSPLIT, $0-8
	LFENCE
	RDTSC
	LFENCE
	SHLQ $32, DX
	ORQ  DX, AX
	MOVQ AX, ret+0(FP)
	RET
