package jit

import (
	"errors"
	"fmt"
	"slices"
	"sync"
)

const (
	// blockAlign is where programs start: at multiples of 32 bytes, the unit
	// in which amd64 cores fetch and cache decoded instructions.
	blockAlign = 32
	// chunkMin and chunkMax bound the chunks that programs share. A new chunk
	// is as large as all there are, so that their number stays small.
	chunkMin = 64 << 10
	chunkMax = 1 << 20
	// arenaMax bounds the memory of one arena.
	arenaMax = 1 << 30
)

// arena hands out executable memory.
//
// It packs programs next to each other. With a page each, a program takes up
// 4 KiB and a TLB entry for its few hundred bytes; worse, if all programs start
// at the start of their page, they fight for the same few cache sets, and 64
// filters run on every packet take three to five times as long.
//
// Packing means that new code goes into a page whose other code may be
// running. No address may be writable and executable at once, and none that is
// running can be made unexecutable for a moment, so such memory has to be
// mapped twice. Hence the order:
//
//  1. an anonymous file mapped twice: run through one view, written through
//     the other, which is inaccessible but while a program goes in or out;
//  2. where that is refused (no memfd_create, or a policy against it): a
//     mapping for each program, written first and made executable after, with
//     the starts spread over the page;
//  3. where that is refused too (PR_SET_MDWE, SELinux execmem): an error, and
//     the caller falls back to the interpreter.
//
// Bytes that hold no program are traps, those of freed programs included.
// A chunk that holds no program goes back to the system, but for one that is
// kept for the next.
//
// An arena is safe for concurrent use. Nothing on the way of a call takes its
// lock.
type arena struct {
	sys   system
	limit int // bytes of mappings

	mu      sync.Mutex
	chunks  []*chunk // those with a view for writing
	held    int      // bytes mapped for execution, alone or shared
	placed  int      // programs that ever got memory
	refused error    // why double mappings are not asked for again
}

func newArena(sys system) *arena { return &arena{sys: sys, limit: arenaMax} }

// processArena is the arena of all filters of the process: packing pays only
// if they share one.
var processArena = sync.OnceValue(func() *arena { return newArena(hostSystem()) })

// chunk is one piece of executable memory from the system.
type chunk struct {
	x    []byte // the view for execution
	w    []byte // the view for writing; nil if there is none
	free []span // ascending, no two of them adjacent
	room int    // no free span is longer than this
	used int    // nothing was ever placed from here on
	// sealed says that the view for writing could not be opened again: what
	// is free stays free.
	sealed bool
}

// span is a run of bytes in a chunk.
type span struct{ off, len int }

func (s span) end() int { return s.off + s.len }

// block is the memory of one program. Its text may be run until it is given
// back to free.
type block struct {
	arena *arena
	chunk *chunk
	span  span
	text  []byte // in the view for execution, as long as the program
}

// place copies a program into executable memory, among others if it can.
func (a *arena) place(code []byte) (block, error) {
	return a.first(code, (*arena).placePacked, (*arena).placeAlone)
}

// placeApart is place the other way round: in a mapping of its own if it can.
func (a *arena) placeApart(code []byte) (block, error) {
	return a.first(code, (*arena).placeAlone, (*arena).placePacked)
}

// first places a program in one way or, failing that, in the other.
func (a *arena) first(code []byte, one, other func(*arena, []byte) (block, error)) (block, error) {
	if len(code) == 0 {
		return block{}, errors.New("no code to place")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	b, err := one(a, code)
	if err == nil {
		return b, nil
	}
	b, err2 := other(a, code)
	if err2 != nil {
		return block{}, fmt.Errorf("no executable memory: %w; %w", err, err2)
	}
	return b, nil
}

// placePacked puts a program among others.
func (a *arena) placePacked(code []byte) (block, error) {
	need := roundUp(len(code), blockAlign)
	for _, c := range a.chunks {
		s, ok := c.take(need)
		if !ok {
			continue
		}
		if err := a.write(c, s, code); err == nil {
			return a.block(c, s, len(code)), nil
		}
		c.give(s)
	}
	if a.refused != nil {
		return block{}, a.refused
	}
	c, err := a.newChunk(need)
	if err != nil {
		return block{}, a.noteRefusal(err)
	}
	s, _ := c.take(need)
	if err := a.write(c, s, code); err != nil {
		_ = a.drop(c)
		return block{}, a.noteRefusal(err)
	}
	a.chunks = append(a.chunks, c)
	return a.block(c, s, len(code)), nil
}

// noteRefusal remembers a policy against double mappings.
func (a *arena) noteRefusal(err error) error {
	if isRefusal(err) {
		a.refused = err
	}
	return err
}

// newChunk maps a chunk with room for need bytes, filled with traps.
func (a *arena) newChunk(need int) (*chunk, error) {
	size := max(chunkMin, min(a.held, chunkMax), need)
	size = roundUp(size, max(chunkMin, a.sys.pageSize))
	if err := a.grow(size); err != nil {
		return nil, err
	}
	w, x, err := a.sys.mapDouble(size)
	if err != nil {
		a.held -= size
		return nil, err
	}
	c := &chunk{x: x, w: w, free: []span{{0, size}}, room: size}
	fillTraps(w)
	if err := a.sys.protect(w, protNone); err != nil {
		_ = a.drop(c)
		return nil, fmt.Errorf("mprotect: %w", err)
	}
	return c, nil
}

// placeAlone puts a program into a mapping of its own.
func (a *arena) placeAlone(code []byte) (block, error) {
	size := roundUp(len(code), a.sys.pageSize)
	if err := a.grow(size); err != nil {
		return block{}, err
	}
	m, err := a.sys.mapAnon(size)
	if err != nil {
		a.held -= size
		return block{}, fmt.Errorf("mmap: %w", err)
	}
	// Programs that all start at the start of a page share its cache sets;
	// spread the starts over what the last page leaves.
	s := span{0, roundUp(len(code), blockAlign)}
	if slack := size - s.len; slack > 0 {
		s.off = a.placed * 7 * blockAlign % slack &^ (blockAlign - 1)
	}
	c := &chunk{x: m}
	fillTraps(m)
	copy(m[s.off:], code)
	if err := a.sys.protect(m, protExecute); err != nil {
		_ = a.drop(c)
		return block{}, fmt.Errorf("mprotect: %w", err)
	}
	return a.block(c, s, len(code)), nil
}

// grow books size more bytes.
func (a *arena) grow(size int) error {
	if size > a.limit-a.held {
		return fmt.Errorf("%d bytes of executable memory held, %d more are over the limit of %d", a.held, size, a.limit)
	}
	a.held += size
	return nil
}

func (a *arena) block(c *chunk, s span, n int) block {
	a.placed++
	return block{arena: a, chunk: c, span: s, text: c.x[s.off : s.off+n : s.off+n]}
}

// write puts bytes, or traps for nil, into a span of a chunk, through the view
// for writing, which is open only meanwhile. A chunk whose view does not open
// or close takes no further programs.
//
// Cores are synchronized only for code that goes where other code was: of an
// address from which nothing was ever run, no core can hold what was there
// before, and unmapping a chunk interrupts each core that had it mapped.
func (a *arena) write(c *chunk, s span, code []byte) error {
	if c.sealed {
		return errors.New("chunk of executable memory cannot be written again")
	}
	if err := a.sys.protect(c.w, protWrite); err != nil {
		c.sealed = true
		return fmt.Errorf("mprotect: %w", err)
	}
	n := copy(c.w[s.off:s.end()], code)
	fillTraps(c.w[s.off+n : s.end()])
	if code != nil && s.off < c.used {
		a.sys.syncCores()
	}
	c.used = max(c.used, s.end())
	if err := a.sys.protect(c.w, protNone); err != nil {
		c.sealed = true
		return fmt.Errorf("mprotect: %w", err)
	}
	return nil
}

// free takes a program's memory back. Nobody may run it any more.
func (a *arena) free(b block) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := b.chunk
	if c.w == nil {
		return a.drop(c)
	}
	c.give(b.span)
	if c.empty() && (c.sealed || len(c.x) > chunkMax || slices.ContainsFunc(a.chunks, func(o *chunk) bool { return o != c && o.empty() })) {
		i := slices.Index(a.chunks, c)
		a.chunks = slices.Delete(a.chunks, i, i+1)
		return a.drop(c)
	}
	return a.write(c, b.span, nil)
}

// drop gives a chunk back to the system.
func (a *arena) drop(c *chunk) error {
	a.held -= len(c.x)
	err := a.sys.unmap(c.x)
	if c.w != nil {
		err = errors.Join(err, a.sys.unmap(c.w))
	}
	return err
}

// take finds room for n bytes: the first span that has it.
func (c *chunk) take(n int) (span, bool) {
	if c.sealed || n > c.room {
		return span{}, false
	}
	longest := 0
	for i := range c.free {
		f := &c.free[i]
		if f.len < n {
			longest = max(longest, f.len)
			continue
		}
		s := span{f.off, n}
		if f.len == n {
			c.free = slices.Delete(c.free, i, i+1)
		} else {
			f.off, f.len = f.off+n, f.len-n
		}
		return s, true
	}
	c.room = longest
	return span{}, false
}

// give returns a span, merging it with its neighbours.
func (c *chunk) give(s span) {
	i, _ := slices.BinarySearchFunc(c.free, s.off, func(f span, off int) int { return f.off - off })
	if i < len(c.free) && s.end() == c.free[i].off {
		s.len += c.free[i].len
		c.free = slices.Delete(c.free, i, i+1)
	}
	if i > 0 && c.free[i-1].end() == s.off {
		c.free[i-1].len += s.len
		s = c.free[i-1]
	} else {
		c.free = slices.Insert(c.free, i, s)
	}
	c.room = max(c.room, s.len)
}

// empty says that a chunk holds no program.
func (c *chunk) empty() bool { return len(c.free) == 1 && c.free[0].len == len(c.x) }

// fillTraps fills memory with trap instructions.
func fillTraps(b []byte) {
	if len(b) == 0 {
		return
	}
	b[0] = trap
	for n := 1; n < len(b); n *= 2 {
		copy(b[n:], b[:n])
	}
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }
