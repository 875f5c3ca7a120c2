package pcapfilter

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Error is what is wrong with an expression, and where.
type Error struct {
	Line   int    // from 1
	Column int    // from 1, in bytes
	Length int    // how many bytes of the line are meant; at least 1
	Msg    string // one line, as libpcap words it
	Hint   string // what to write instead, or empty
	source string // the line the error is in
}

// Error gives one line: "1:7: message (hint)".
func (e *Error) Error() string {
	s := fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Msg)
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Caret gives two lines: the line of the expression the error is in, and marks
// under the place. Of a long line it shows the surroundings.
func (e *Error) Caret() string {
	const width, before = 72, 40
	src, col := e.source, e.Column-1
	if len(src) > width {
		start := max(0, col-before)
		end := min(len(src), start+width)
		cut := src[start:end]
		col -= start
		if start > 0 {
			cut, col = "..."+cut, col+3
		}
		if end < len(src) {
			cut += "..."
		}
		src = cut
	}
	end := min(col+max(e.Length, 1), len(src))
	blanks, marks := shown(src[:col]), shown(src[col:end])
	return shown(src) + "\n" + strings.Repeat(" ", utf8.RuneCountInString(blanks)) + strings.Repeat("^", max(1, utf8.RuneCountInString(marks)))
}

// shown is text of which each character takes one column. A tab would move the
// caret away from its place.
func shown(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// span is a piece of the expression: byte offsets, end exclusive.
type span struct{ pos, end int }

func (s span) to(t span) span { return span{s.pos, t.end} }

// fault is an error inside the compiler, before the text is at hand to make an
// Error of it.
type fault struct {
	at   span
	msg  string
	hint string
}

func (f *fault) Error() string { return f.msg }

func faultf(at span, format string, args ...any) *fault {
	return &fault{at: at, msg: fmt.Sprintf(format, args...)}
}

func (f *fault) withHint(format string, args ...any) *fault {
	f.hint = fmt.Sprintf(format, args...)
	return f
}

// locate turns a fault into the Error callers see.
func locate(src string, f *fault) *Error {
	pos := min(max(f.at.pos, 0), len(src))
	lineStart := strings.LastIndexByte(src[:pos], '\n') + 1
	lineEnd := len(src)
	if i := strings.IndexByte(src[lineStart:], '\n'); i >= 0 {
		lineEnd = lineStart + i
	}
	return &Error{
		Line:   1 + strings.Count(src[:lineStart], "\n"),
		Column: pos - lineStart + 1,
		Length: max(1, min(f.at.end, lineEnd)-pos),
		Msg:    oneLine(f.msg),
		Hint:   oneLine(f.hint),
		source: src[lineStart:lineEnd],
	}
}

// oneLine keeps messages that quote the expression on one line.
func oneLine(s string) string {
	s = strings.ToValidUTF8(s, "?")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}

// quote names a piece of the expression in a message, shortened when long.
func quote(s string) string {
	if len(s) > 60 {
		s = s[:57] + "..."
	}
	return "'" + s + "'"
}
