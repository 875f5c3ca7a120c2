// Package bpfasm reads and writes every form in which a classic BPF program is
// passed around: what tcpdump -d, -dd and -ddd print, assembler text, the
// strings of xt_bpf, raw struct sock_filter, C arrays, Go literals.
//
// Reading says what a program is, not whether it is valid: numeric forms keep
// unknown opcodes and jumps to nowhere, which bpfc.Validate reports.
//
// All functions are safe for concurrent use.
//
// # Assembler text
//
// The syntax is the union of those of bpf_asm (Linux, tools/bpf, described in
// Documentation/networking/filter.rst) and bpfc (netsniff-ng, bpfc(8)):
//
//	program     = { { label ":" } instruction } .
//	instruction = mnemonic [ operand ]
//	            | ( "ja" | "jmp" ) label
//	            | ( "jeq" | "jgt" | "jge" | "jset" ) operand "," label [ "," label ]
//	            | ( "jneq" | "jne" | "jlt" | "jle" ) operand "," label
//	            | ".insn" op "," jt "," jf "," k .
//	operand     = "#" number | "[" number "]" | "[" x "+" number "]"
//	            | "M" "[" number "]" | "4" "*" "(" "[" number "]" "&" "0xf" ")"
//	            | x | a | [ "#" ] extension .
//	x           = [ "%" ] "x" .
//	a           = [ "%" ] "a" .
//	number      = [ "-" ] ( decimal | "0x" hex | "0b" binary | "0" octal ) .
//
// Line breaks are blanks. Letters may be of either case, except in labels.
// Comments are /* */, from ; or // to the end of the line, and lines that begin
// with #.
//
// The first label of a jump is where it goes if its condition holds, the second
// where it goes otherwise; without it, to the next instruction. jneq, jne, jlt
// and jle are jeq, jeq, jge and jgt with their only label second.
//
// A conditional jump reaches 255 instructions. To one further away it goes by
// way of a ja that is inserted behind it. It cannot go backward; ja can, which
// only some dialects accept.
//
// The directive .insn, which no other assembler has, gives an instruction by
// its fields.
//
// # Arrays
//
// An array of instructions in C or Go may have any text around it that has no
// other such array:
//
//	source      = [ text "{" ] elements [ "}" [ text ] ] .
//	elements    = element { "," element } [ "," ] .
//	element     = "{" fields "}"
//	            | "BPF_STMT" "(" op "," k ")" | "BPF_JUMP" "(" op "," k "," jt "," jf ")" .
//	fields      = op "," jt "," jf "," k | field { "," field } [ "," ] .
//	field       = ( "." name "=" | name ":" ) expression .
//	expression  = term { ( "+" | "|" ) term } .
//	term        = [ "-" ] ( number | constant | "(" expression ")" ) .
//
// The constants are BPF_* of bpf(4) and SKF_* of linux/filter.h.
package bpfasm
