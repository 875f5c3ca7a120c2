// Package cli is what both commands have around their work: exit statuses, how
// an error is said, and the files that a call names.
package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"unicode"
)

// Exit statuses.
const (
	Done   = 0
	Failed = 1 // the work failed: a bad filter, a broken capture, a difference
	Usage  = 2 // the call was wrong
)

// usageError is a call that asks for what there is not.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Usagef is fmt.Errorf for an error in the call.
func Usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// End says why a command ended, if it was an error, and returns its exit status.
// The message is one line that begins with the command's name. A person, who
// sees it on a terminal, also gets a mark under the place of an error in an
// expression.
func End(stderr io.Writer, command string, err error) int {
	if err == nil {
		return Done
	}
	fmt.Fprintf(stderr, "%s: %s\n", command, OneLine(err.Error()))
	if where, ok := errors.AsType[careted](err); ok && IsTerminal(stderr) {
		for line := range strings.Lines(where.Caret()) {
			fmt.Fprintln(stderr, OneLine(strings.TrimSuffix(line, "\n")))
		}
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return Usage
	}
	return Failed
}

// IsClosedPipe tells output that failed because whoever read it has seen enough.
func IsClosedPipe(err error) bool {
	return errors.Is(err, errPipe) || errors.Is(err, io.ErrClosedPipe)
}

// careted is an error that can show its place in the text.
type careted interface {
	error
	Caret() string
}

// OneLine keeps names and texts that a message quotes from breaking it up, and
// from telling a terminal what to do: what is not printed becomes a blank.
func OneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

// IsTerminal tells a person's screen from a file, a pipe or nothing.
func IsTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&fs.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// Number reads the value of a flag that takes a number.
func Number(s string, least, most int64) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%q is not a number from %d to %d", s, least, most)
	}
	return n, nil
}
