package lir

import (
	"fmt"
	"strconv"
	"strings"
)

// tokenKind is the kind of a token of the text form. A punctuation mark is its
// own kind.
type tokenKind rune

const (
	tokEOF    tokenKind = 0
	tokWord   tokenKind = 'w' // func, add32, br64.eq, b0
	tokReg    tokenKind = 'r' // %1, %pkt: text is what follows the %
	tokInt    tokenKind = 'i' // 80, 0x800; without sign
	tokString tokenKind = 's' // "any name": text is the quotation
	// The marks are ( ) [ ] { } , : = + - * @
)

const marks = "()[]{},:=+-*@"

func (k tokenKind) String() string {
	switch k {
	case tokEOF:
		return "end of text"
	case tokWord:
		return "word"
	case tokReg:
		return "register"
	case tokInt:
		return "number"
	case tokString:
		return "string"
	}
	return strconv.Quote(string(rune(k)))
}

type token struct {
	kind      tokenKind
	text      string
	line, col int // from 1; columns are bytes
}

func (t token) String() string {
	switch t.kind {
	case tokWord, tokInt:
		return clip(strconv.Quote(t.text))
	case tokReg:
		return clip(strconv.Quote("%" + t.text))
	}
	return t.kind.String()
}

// lexer cuts the text form into tokens. After its first error it gives only
// tokEOF.
type lexer struct {
	src       string
	off       int
	line      int
	lineStart int
	err       error
}

func (lx *lexer) fail(t token, format string, args ...any) {
	if lx.err == nil {
		lx.err = fmt.Errorf("%d:%d: %s", t.line, t.col, fmt.Sprintf(format, args...))
	}
	lx.off = len(lx.src)
}

func (lx *lexer) next() token {
	lx.skip()
	t := token{line: lx.line, col: lx.off - lx.lineStart + 1}
	if lx.off == len(lx.src) {
		return t
	}
	start := lx.off
	switch c := lx.src[start]; {
	case strings.IndexByte(marks, c) >= 0:
		lx.off++
		t.kind = tokenKind(c)
	case c == '%':
		lx.off++
		t.kind, t.text = tokReg, lx.word()
		if t.text == "" {
			lx.fail(t, "no register after %%")
		}
	case c == '"':
		q, err := strconv.QuotedPrefix(lx.src[start:])
		if err != nil || q[0] != '"' {
			lx.fail(t, "string does not end on its line or has a wrong escape")
		}
		lx.off += len(q)
		t.kind, t.text = tokString, q
	case '0' <= c && c <= '9':
		t.kind, t.text = tokInt, lx.word()
	case isWord(c, false):
		t.kind, t.text = tokWord, lx.word()
	default:
		lx.fail(t, "unexpected character %q", lx.src[start:start+1])
	}
	if lx.err != nil {
		t.kind = tokEOF
	}
	return t
}

// word takes the longest run of word characters.
func (lx *lexer) word() string {
	start := lx.off
	for lx.off < len(lx.src) && isWord(lx.src[lx.off], true) {
		lx.off++
	}
	return lx.src[start:lx.off]
}

// skip passes over white space and comments.
func (lx *lexer) skip() {
	comment := false
	for ; lx.off < len(lx.src); lx.off++ {
		switch c := lx.src[lx.off]; {
		case c == '\n':
			comment = false
			lx.line++
			lx.lineStart = lx.off + 1
		case comment, c == ' ', c == '\t', c == '\r':
		case c == ';':
			comment = true
		default:
			return
		}
	}
}
