package bpfasm

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// tokenKind is the byte itself for punctuation, and one of these letters, which
// are never a token's first byte, for everything longer.
type tokenKind byte

const (
	tokEnd    tokenKind = 0
	tokNumber tokenKind = 'n'
	tokIdent  tokenKind = 'i'
	tokOther  tokenKind = 'o' // a character that no form has
)

type token struct {
	kind   tokenKind
	text   string
	offset int
	line   int // from 1
}

// String is the token as an error message shows it.
func (t token) String() string {
	if t.kind == tokEnd {
		return "the end"
	}
	if len(t.text) > 40 {
		return fmt.Sprintf("%.40q...", t.text)
	}
	return strconv.Quote(t.text)
}

// scanner cuts text into tokens, for all textual forms. It skips blanks and
// comments: /* */ and // everywhere, lines that begin with #, and in assembler
// text ; to the end of the line.
type scanner struct {
	form    Form // for errors
	data    string
	pos     int
	line    int
	blank   bool // nothing but blanks in the line so far
	within  bool // an instruction has begun: an indented # is an operand's
	comment error
}

func newScanner(f Form, data []byte) *scanner {
	return &scanner{form: f, data: string(data), line: 1, blank: true}
}

// next is the next token. At the end, and where a comment does not end, it is
// one of kind tokEnd for ever.
func (s *scanner) next() token {
	s.skip()
	t := token{offset: s.pos, line: s.line}
	if s.pos >= len(s.data) {
		return t
	}
	s.blank = false
	rest := s.data[s.pos:]
	n := 1
	switch c := rest[0]; {
	case isDigit(c):
		t.kind, n = tokNumber, wordLen(rest)
	case isWord(c):
		t.kind, n = tokIdent, wordLen(rest)
	case c > ' ' && c < utf8.RuneSelf:
		t.kind = tokenKind(c)
	default:
		t.kind = tokOther
		_, n = utf8.DecodeRuneInString(rest)
	}
	t.text = rest[:n]
	s.pos += n
	return t
}

// skip moves to the next token or the end.
func (s *scanner) skip() {
	for s.pos < len(s.data) {
		rest := s.data[s.pos:]
		switch c := rest[0]; {
		case c == '\n':
			s.pos++
			s.line++
			s.blank = true
		case isSpace(c):
			s.pos++
		case c == ';' && s.form == Asm, c == '#' && s.hashComment(), strings.HasPrefix(rest, "//"):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				end = len(rest)
			}
			s.pos += end
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				s.comment = s.errorAt(s.pos, "comment without end: expected */")
				s.pos = len(s.data)
				return
			}
			comment := rest[:end+4]
			s.line += strings.Count(comment, "\n")
			s.pos += len(comment)
		default:
			return
		}
	}
}

// hashComment tells whether the # here makes its line a comment.
func (s *scanner) hashComment() bool {
	firstColumn := s.pos == 0 || s.data[s.pos-1] == '\n'
	return firstColumn || s.blank && !s.within
}

// place is the line and the column, in bytes and both from 1, of an offset.
func (s *scanner) place(offset int) (line, col int) {
	before := s.data[:offset]
	return strings.Count(before, "\n") + 1, offset - strings.LastIndexByte(before, '\n')
}

// errorAt is an error at an offset. A comment without end explains whatever is
// missing after it, so it goes first.
func (s *scanner) errorAt(offset int, msg string, args ...any) error {
	if s.comment != nil {
		return s.comment
	}
	line, col := s.place(offset)
	return &SyntaxError{Form: s.form, Line: line, Col: col, Offset: offset, Msg: fmt.Sprintf(msg, args...)}
}

// errorf is an error at token t.
func (s *scanner) errorf(t token, msg string, args ...any) error {
	return s.errorAt(t.offset, msg, args...)
}

// expected is an error that t is not what has to stand in its place.
func (s *scanner) expected(t token, what string) error {
	return s.errorf(t, "expected %s, found %v", what, t)
}

// expect takes the next token, which has to be the punctuation c.
func (s *scanner) expect(c tokenKind) error {
	if t := s.next(); t.kind != c {
		return s.expected(t, strconv.Quote(string(rune(c))))
	}
	return nil
}

// peek is the next token, which next will return again.
func (s *scanner) peek() token {
	saved := *s
	t := s.next()
	*s = saved
	return t
}

// tooMany tells that one instruction more is too many.
func (s *scanner) tooMany(n int, t token) error {
	if n >= MaxInstructions {
		return s.errorf(t, "%s", errTooLong)
	}
	return nil
}

// number takes a number with an optional sign. It is what 32 bits can hold,
// either unsigned or in two's complement.
func (s *scanner) number(what string) (uint32, error) {
	t := s.next()
	return s.numberFrom(t, what)
}

// numberFrom is number where the first token has been taken.
func (s *scanner) numberFrom(t token, what string) (uint32, error) {
	v, err := s.wide(t, what)
	if err != nil {
		return 0, err
	}
	if v < -1<<31 || v >= 1<<32 {
		return 0, s.errorf(t, "%d does not fit in 32 bits", v)
	}
	return uint32(v), nil
}

// wide is a number with an optional sign that begins with token t.
func (s *scanner) wide(t token, what string) (int64, error) {
	digits, sign := t, int64(1)
	if t.kind == '-' {
		digits, sign = s.next(), -1
	}
	if digits.kind != tokNumber {
		return 0, s.expected(digits, what)
	}
	v, err := s.literal(digits, what)
	return sign * int64(v), err
}

// literal is the value of a number token: decimal, 0x hexadecimal, 0b binary or
// 0 octal as in all assemblers and C, in the latter with u and l after it.
func (s *scanner) literal(t token, what string) (uint32, error) {
	text, base := strings.ToLower(t.text), 10
	if s.form != Asm && s.form != Listing {
		text = strings.TrimRight(text, "ul")
	}
	switch {
	case strings.HasPrefix(text, "0x"):
		text, base = text[2:], 16
	case strings.HasPrefix(text, "0b"):
		text, base = text[2:], 2
	case len(text) > 1 && text[0] == '0':
		text, base = text[1:], 8
	}
	return s.digits(t, text, base, what)
}

// decimal takes a decimal number of at most limit, as the numeric forms have it.
func (s *scanner) decimal(t token, limit uint32, what string) (uint32, error) {
	if t.kind != tokNumber {
		return 0, s.expected(t, what)
	}
	v, err := s.digits(t, t.text, 10, what)
	if err != nil {
		return 0, err
	}
	return v, s.limit(t, int64(v), limit, what)
}

// limit checks that v, which began at t, is at most limit.
func (s *scanner) limit(t token, v int64, limit uint32, what string) error {
	if v < 0 || v > int64(limit) {
		return s.errorf(t, "%s %d is not in 0..%d", what, v, limit)
	}
	return nil
}

func (s *scanner) digits(t token, text string, base int, what string) (uint32, error) {
	v, err := strconv.ParseUint(text, base, 32)
	if err == nil {
		return uint32(v), nil
	}
	if err.(*strconv.NumError).Err == strconv.ErrRange {
		return 0, s.errorf(t, "%v does not fit in 32 bits", t)
	}
	return 0, s.errorf(t, "expected %s, found %v, which is no number of base %d", what, t, base)
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWord(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '.'
}

func wordLen(b string) int {
	n := 1
	for n < len(b) && isWord(b[n]) {
		n++
	}
	return n
}
