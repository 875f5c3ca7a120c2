package lir

// MaxFrame is the largest frame, local stack and spills together, that the
// entry trampolines provide, in bytes.
const MaxFrame = 4096

// Line says that the code from byte Off on, up to the next Line's, came from
// source line Pos.
type Line struct {
	Off int
	Pos int32
}

// Code is a function compiled for some architecture: position-independent,
// entered at its first byte.
//
// Parameters arrive in the backend's argument registers and the result leaves
// in its result register. Locals and spills live in the caller's frame, at the
// backend's FrameOffset above the stack pointer: generated code never moves
// the stack pointer, never calls, and keeps what Go's stable assembly ABI
// wants kept.
type Code struct {
	Bytes []byte
	Data  int    // how many of them, at the end, are tables and not instructions
	Frame int    // bytes of frame used, at most MaxFrame
	Lines []Line // ascending by Off; the first has Off 0
}
