// Package lir is a machine-independent assembly for small just-in-time
// compilers: a function on 64-bit registers, of which there are as many as one
// wants, that a backend for some architecture turns into position-independent
// machine code. It knows nothing of packets.
//
// A function can be made with a Builder, by hand, or from text with Parse;
// Verify says whether it is right, an Interpreter runs it, String prints it, and
// Allocate, which backends call, maps its registers to those of a machine.
//
// Functions are plain data. Everything here may be called on different
// functions at once, and on the same one as long as nobody changes it.
//
// # Functions
//
// A function has at most MaxParams parameters, each 64 bits wide, a local stack
// of at most MaxLocals bytes, and blocks. Blocks[0] is the entry, which nothing
// jumps to. A block is a list of instructions and one terminator. Loops are
// allowed, of any shape. The order of the blocks says how they are laid out:
// going on to the next one is free.
//
// Registers are numbered from 1 and hold 64 bits. They may be written any
// number of times: this is an assembly, not an SSA form. On every path from the
// entry, a register is written before it is read; parameters are written by the
// call. The local stack is uninitialised at entry, and what it holds before the
// first store is undefined. Only in blocks that cannot be reached may a register
// be read without having been written.
//
// At most MaxLive registers are in use at any place. One is in use from the
// first to the last place, in the order of the blocks, where it is written,
// read, or live. NumReg is at most MaxRegs, and a function has at most MaxInsts
// instructions, terminators and cases of switches.
//
// # Operands
//
// An operation has a width: 8, 16, 32 or 64 bits. It reads the low bits of its
// operands, that many, and ignores the others. A result of fewer than 64 bits
// is zero-extended: after a 32-bit operation the upper half of its register is
// zero. All operands are read before the result is written, so any of them may
// be the same register.
//
// An immediate must be a number of the operation's width, signed or unsigned:
// at 32 bits, -1 and 0xffffffff are both right and mean the same.
//
// A memory operand is the sum of a base register, an index register times 1, 2,
// 4 or 8, and an offset of 32 bits with sign. The sum has 64 bits and wraps. All
// of both registers count, whatever the width of the access. The base may also
// be frame, the local stack; then there is no index and the whole access is
// inside it. The address of the local stack cannot be had otherwise.
//
// Memory accesses name their byte order and need no alignment. What happens on
// access to memory that is not there is not said: generated code faults, the
// interpreter returns an error. A load whose result is not read may be left out;
// no access is made that is not in the function, none is wider than it says,
// and stores happen all, in order.
//
// # Operations
//
// Widths is what the operation comes in; w is that of the instruction. A, B,
// dst, T and F are the operands in the order of the text form, mem the memory
// operand, n the number of bits.
//
//	name      widths    operands      meaning
//	mov       32 64     B             dst = B
//	add       32 64     A, B          dst = A + B
//	sub       32 64     A, B          dst = A - B
//	mul       32 64     A, B          dst = A * B, the low n bits
//	mulhu     32 64     A, B          dst = A * B, the high n bits of the unsigned product of 2n bits
//	divu      32 64     A, B          dst = A / B, unsigned; 0 if B is 0
//	modu      32 64     A, B          dst = A mod B, unsigned; A if B is 0
//	and       32 64     A, B          dst = A & B
//	or        32 64     A, B          dst = A | B
//	xor       32 64     A, B          dst = A ^ B
//	neg       32 64     A             dst = -A
//	not       32 64     A             dst = ^A
//	shlz      32 64     A, B          dst = A << B; 0 if B >= n
//	shrz      32 64     A, B          dst = A >> B, zeros enter; 0 if B >= n
//	sarz      32 64     A, B          dst = A >> B, copies of the sign enter; n of them if B >= n
//	shlm      32 64     A, B          dst = A << (B mod n)
//	shrm      32 64     A, B          dst = A >> (B mod n), zeros enter
//	sarm      32 64     A, B          dst = A >> (B mod n), copies of the sign enter
//	bswap     16 32 64  A             dst = A with its n/8 bytes reversed
//	load      8 to 64   mem           dst = the n bits at mem
//	store     8 to 64   mem, B        the n bits at mem = B
//	set       32 64     A, B          dst = 1 if the condition holds of A and B, else 0
//	select    32 64     A, B, T, F    dst = T if the condition holds of A and B, else F
//	prefetch  none      mem           hint that mem is read soon; it never faults
//
// Shift counts are unsigned numbers of n bits.
//
//	jump                              on to the block
//	br        32 64     A, B          on to the first block if the condition holds of A and B, else to the second
//	switch    32 64     A             on to the block of the case whose value A is, else to that of "else"
//	ret       none      B             the end; the result is all 64 bits of B
//
// The conditions are
//
//	eq ne                A == B, A != B
//	ltu leu gtu geu      A < B, <=, >, >=, unsigned
//	lts les gts ges      the same, signed
//	any none             A & B != 0, A & B == 0
//
// The values of a switch's cases are unsigned numbers of its width; they ascend,
// and none is there twice.
//
// An instruction and a terminator also have a position: the number of the
// source line it comes from, for listings, or NoPos. It has no meaning
// otherwise. Fields that an operation does not use are zero.
//
// # Text
//
// The text form has all of a function but Source. Here is one that tells
// whether an IPv4 packet goes to one of three ports:
//
//	func ports(%pkt, %len) {
//	start:
//		br64.ltu %len, 34, no, ip	; is there a header?
//	ip:
//		%type = load16.be [%pkt + 12] @0
//		br32.ne %type, 0x800, no, hlen @1
//	hlen:
//		%x = load8 [%pkt + 14] @2
//		%x = and32 %x, 15 @2
//		%x = shlm32 %x, 2 @2
//		%end = add64 %x, 18 @3
//		br64.ltu %len, %end, no, port @3
//	port:
//		%port = load16.be [%pkt + %x + 16] @3
//		switch32 %port {22: yes, 80: yes, 443: yes, else: no} @4
//	yes:
//		ret 0x40000 @5
//	no:
//		ret 0 @6
//	}
//
// In EBNF, where quotation marks hold what stands for itself, braces what may
// be there any number of times, and brackets what may be left out:
//
//	func    = "func" ( word | string ) "(" [ reg { "," reg } [ "," ] ] ")"
//	          [ "locals" int ] [ "regs" int ] "{" { block } "}" .
//	block   = word ":" { inst pos } term pos .
//	inst    = reg "=" ( "mov" w arg | alu w reg "," arg | unary w reg
//	          | "load" w order mem
//	          | "set" w cond reg "," arg
//	          | "select" w cond reg "," arg "," arg "," arg )
//	          | "store" w order mem "," arg
//	          | "prefetch" mem .
//	term    = "jump" word
//	          | "br" w cond reg "," arg "," word "," word
//	          | "switch" w reg "{" { int ":" word "," } "else" ":" word "}"
//	          | "ret" arg .
//	alu     = "add" | "sub" | "mul" | "mulhu" | "divu" | "modu" | "and" | "or" | "xor"
//	          | "shlz" | "shrz" | "sarz" | "shlm" | "shrm" | "sarm" .
//	unary   = "neg" | "not" | "bswap" .
//	w       = "8" | "16" | "32" | "64" .
//	order   = ".be" | ".le" .
//	cond    = ".eq" | ".ne" | ".ltu" | ".leu" | ".gtu" | ".geu"
//	          | ".lts" | ".les" | ".gts" | ".ges" | ".any" | ".none" .
//	mem     = "[" ( "frame" | reg ) [ "+" reg [ "*" int ] ] [ ( "+" | "-" ) int ] "]" .
//	arg     = reg | [ "-" ] int .
//	pos     = [ "@" int ] .
//	reg     = "%" ( number | word ) .
//	word    = letter { letter | digit | "." } .
//	letter  = "a" ... "z" | "A" ... "Z" | "_" .
//
// An operation is written in one piece with its width and suffix: load16.be. An
// int is an integer literal of Go, without a leading zero that would make it
// octal; a number is decimal; a string is one of Go between double quotation
// marks. The order may be left out of an 8-bit access. White space and ends of
// line only separate. A semicolon begins a comment, which ends with the line.
//
// The words that name blocks stand for their indices, in the order in which
// they come in the text; "else" cannot be one. Registers with a name get the
// lowest numbers that the text does not use itself, in the order in which they
// first come. Locals is the size of the local stack, regs is NumReg where that
// is not one more than the highest register. An immediate above 1<<63-1 stands
// for the negative number with the same 64 bits.
//
// String writes a function so that Parse makes the same of it, with registers
// by number and blocks named b0, b1, and so on.
//
// # Calling convention
//
// A backend says where parameters arrive and where the result leaves; these are
// registers of the machine. Local stack and spilled registers are in a frame of
// Code.Frame bytes, at most MaxFrame, that the caller of the code provides at a
// fixed distance from the stack pointer. Generated code never moves the stack
// pointer, never calls, and keeps the registers that Go's stable assembly ABI
// wants kept, so a Go program enters it through one trampoline, written once.
// While it runs, it cannot be preempted: a function should end soon.
package lir
