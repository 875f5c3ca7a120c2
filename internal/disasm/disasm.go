// Package disasm decodes machine instructions for listings.
package disasm

// Inst is a machine instruction.
type Inst struct {
	Off, Size int    // where it begins in the code, and its length, in bytes
	Text      string // in the syntax of the architecture's manual
	Target    int    // where a branch goes, as an offset into the code; -1: it is none
	OK        bool   // false: a byte that begins no known instruction, as Text says
}
