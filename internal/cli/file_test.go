package cli

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

// write makes a file.
func write(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestReadFilter(t *testing.T) {
	file := write(t, "tcp")
	for _, test := range []struct{ name, place, data string }{
		{file, file + ": ", "tcp"},
		{"-", "standard input: ", "udp"},
	} {
		place, data, err := ReadFilter(test.name, strings.NewReader("udp"))
		if place != test.place || string(data) != test.data || err != nil {
			t.Errorf("%s: %q, %q, %v", test.name, place, data, err)
		}
	}
	for _, test := range []struct {
		name  string
		stdin io.Reader
		want  string
	}{
		{file + "0", nil, file + "0: no such file or directory"},
		{filepath.Dir(file), nil, filepath.Dir(file) + ": is a directory"},
		{"-", iotest.ErrReader(&fs.PathError{Op: "read", Path: "/dev/stdin", Err: errors.New("input/output error")}), "standard input: input/output error"},
		{"-", zeros{}, "standard input: more than 268435456 bytes: no filter is that long"},
	} {
		if _, _, err := ReadFilter(test.name, test.stdin); err == nil || err.Error() != test.want {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
		}
	}
}

// TestProgramError: only an expression gets the advice.
func TestProgramError(t *testing.T) {
	broken := errors.New("broken")
	for data, want := range map[string]string{
		"tcp port 80\n":                     "file: broken (-F is for expressions)",
		"":                                  "file: broken",
		" \n":                               "file: broken",
		"ldh [12":                           "file: broken",
		"tcp port":                          "file: broken",
		strings.Repeat("tcp or ", 1<<16):    "file: broken",
		strings.Repeat("\x00\xff", 100_000): "file: broken",
	} {
		if err := ProgramError("file: ", []byte(data), broken, "-F"); err.Error() != want || !errors.Is(err, broken) {
			t.Errorf("%.20q: %v, want %s", data, err, want)
		}
	}
}

// zeros is /dev/zero.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

// TestCreate: an old file is emptied, an input is not, by whatever name.
func TestCreate(t *testing.T) {
	input, old := write(t, "input"), write(t, strings.Repeat("old ", 1000))
	t.Chdir(filepath.Dir(input))
	if err := os.Symlink(input, "link"); err != nil {
		t.Skip(err)
	}
	for _, name := range []string{input, "file", "./link"} {
		_, err := Create(name, "", "-", input)
		if want := "-w " + name + ": the same file as the input " + input; err == nil || err.Error() != want || End(io.Discard, "", err) != Usage {
			t.Errorf("%s: %v", name, err)
		}
		if b, err := os.ReadFile(input); err != nil || string(b) != "input" {
			t.Fatalf("%s: the input is %q now, %v", name, b, err)
		}
	}
	for _, name := range []string{old, "new"} {
		f, err := Create(name, "", "-", input)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("x"); err != nil {
			t.Fatal(err)
		}
		f.Close()
		if b, err := os.ReadFile(name); err != nil || string(b) != "x" {
			t.Errorf("%s is %q, %v", name, b, err)
		}
	}
	if f, err := Create(os.DevNull, os.DevNull); err != nil { // read and written, as a device may be
		t.Error(err)
	} else {
		f.Close()
	}
	if _, err := Create("none/x"); err == nil || err.Error() != "none/x: no such file or directory" {
		t.Error(err)
	}
	if _, err := Create("."); err == nil || err.Error() != ".: is a directory" {
		t.Error(err)
	}
}

func TestFileError(t *testing.T) {
	cause := errors.New("input/output error")
	for _, err := range []error{
		cause,
		&fs.PathError{Op: "read", Path: "x", Err: cause},
		os.NewSyscallError("poll", cause),
		&fs.PathError{Op: "read", Path: "x", Err: os.NewSyscallError("poll", cause)},
	} {
		if got := FileError("name", err); got.Error() != "name: input/output error" || !errors.Is(got, cause) {
			t.Errorf("%v: %v", err, got)
		}
	}
}
