package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/bpfjit/bpfjit/bpfc/pcapfilter"
)

// TestEnd: the status tells errors in the call from failures, through whatever
// wraps them; the message is a line.
func TestEnd(t *testing.T) {
	_, expression := pcapfilter.Compile("tcp port", pcapfilter.Options{})
	for _, test := range []struct {
		err    error
		status int
		want   string
	}{
		{nil, Done, ""},
		{errors.New("no packets"), Failed, "name: no packets\n"},
		{Usagef("-O %d: no", 7), Usage, "name: -O 7: no\n"},
		{fmt.Errorf("first filter: %w", Usagef("no")), Usage, "name: first filter: no\n"},
		{errors.Join(errors.New("a"), errors.New("b")), Failed, "name: a b\n"},
		{expression, Failed, "name: " + OneLine(fmt.Sprint(expression)) + "\n"}, // no mark: a reader that is no person
	} {
		var b bytes.Buffer
		if status := End(&b, "name", test.err); status != test.status || b.String() != test.want {
			t.Errorf("%v: status %d, want %d; %q, want %q", test.err, status, test.status, b.String(), test.want)
		}
	}
	if _, ok := errors.AsType[careted](expression); !ok {
		t.Errorf("%T has no mark to print", expression)
	}
	if err := Usagef("%w", io.EOF); !errors.Is(err, io.EOF) {
		t.Error("a usage error hides what it wraps")
	}
}

// TestOneLine: no character gets through that moves a terminal's cursor, and
// each that is printed does.
func TestOneLine(t *testing.T) {
	for r := range rune(0x20000) { // beyond, there are ideographs and tags
		got := OneLine("a" + string(r) + "b")
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			if got != "a b" {
				t.Errorf("%U: %q", r, got)
			}
		} else if unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) && got != "a"+string(r)+"b" {
			t.Errorf("%U: %q", r, got)
		}
	}
	if got := OneLine("\xff\x9b2J"); !utf8.ValidString(got) || !strings.HasSuffix(got, "2J") {
		t.Errorf("bytes that are no UTF-8: %q", got)
	}
}

// TestIsTerminal: what is certainly none; a pseudo-terminal's end is one.
func TestIsTerminal(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	for _, none := range []any{nil, &bytes.Buffer{}, (*os.File)(nil), file, null, w} {
		if IsTerminal(none) {
			t.Errorf("%v is said to be a terminal", none)
		}
	}
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals: %v", err)
	}
	defer pty.Close()
	if !IsTerminal(pty) {
		t.Error("a pseudo-terminal is said to be none")
	}
}

func TestNumber(t *testing.T) {
	for _, s := range []string{"3", "7", "05", "+4"} {
		if n, err := Number(s, 3, 7); err != nil || n < 3 || n > 7 {
			t.Errorf("%s: %d, %v", s, n, err)
		}
	}
	for _, s := range []string{"", " 5", "5 ", "2", "8", "-5", "5.0", "0x5", "five", "99999999999999999999"} {
		_, err := Number(s, 3, 7)
		if want := fmt.Sprintf("%q is not a number from 3 to 7", s); err == nil || err.Error() != want {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// TestClosedPipe: who reads the output has gone, as the system says it and as
// io.Pipe does.
func TestClosedPipe(t *testing.T) {
	r, w := io.Pipe()
	r.Close()
	_, err := w.Write([]byte("x"))
	if !IsClosedPipe(fmt.Errorf("standard output: %w", err)) {
		t.Errorf("io.Pipe: %v", err)
	}
	if !IsClosedPipe(&fs.PathError{Op: "write", Path: "|1", Err: errPipe}) {
		t.Errorf("the system's %v", errPipe)
	}
	for _, other := range []error{nil, io.EOF, fs.ErrClosed} {
		if IsClosedPipe(other) {
			t.Errorf("%v", other)
		}
	}
}
