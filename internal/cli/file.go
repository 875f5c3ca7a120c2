package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/bpfjit/bpfjit/bpfc/pcapfilter"
)

// What messages call the files that have no name.
const (
	Stdin  = "standard input"
	Stdout = "standard output"
)

// maxFilterSize is the largest filter that is read, in bytes. It is what the
// longest program takes in its longest form, several times over, and keeps
// /dev/zero from filling memory.
const maxFilterSize = 256 << 20

// ReadFilter reads the file of a filter, or standard input if its name is "-".
// Messages about the filter begin with place.
func ReadFilter(name string, stdin io.Reader) (place string, data []byte, err error) {
	in := stdin
	if name == "-" {
		name = Stdin
	} else {
		f, err := os.Open(name)
		if err != nil {
			return "", nil, FileError(name, err)
		}
		defer f.Close() // it was only read
		in = f
	}
	data, err = io.ReadAll(io.LimitReader(in, maxFilterSize+1))
	if err != nil {
		return "", nil, FileError(name, err)
	}
	if len(data) > maxFilterSize {
		return "", nil, fmt.Errorf("%s: more than %d bytes: no filter is that long", name, maxFilterSize)
	}
	return name + ": ", data, nil
}

// ProgramError is err, with which the filter at place could not be read as a
// program. If it is an expression instead, it names the flag for these.
func ProgramError(place string, data []byte, err error, flag string) error {
	const long = 64 << 10 // no expression in a file by mistake
	if len(data) <= long && len(bytes.TrimSpace(data)) > 0 {
		if _, exprErr := pcapfilter.Compile(string(data), pcapfilter.Options{}); exprErr == nil {
			return fmt.Errorf("%s%w (%s is for expressions)", place, err, flag)
		}
	}
	return fmt.Errorf("%s%w", place, err)
}

// Create opens the file that -w names and empties it, unless it is one of the
// inputs, which may have any name, or none. Pipes and devices are written to as
// they are.
func Create(name string, inputs ...string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return nil, FileError(name, err)
	}
	if err := truncate(f, inputs); err != nil {
		f.Close() // nothing was written
		return nil, err
	}
	return f, nil
}

func truncate(f *os.File, inputs []string) error {
	info, err := f.Stat()
	if err != nil {
		return FileError(f.Name(), err)
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	for _, name := range inputs {
		if other, err := os.Stat(name); err == nil && os.SameFile(info, other) {
			return Usagef("-w %s: the same file as the input %s", f.Name(), name)
		}
	}
	if info.Size() == 0 {
		// Truncating even an empty file makes ext4 start writing it to the disk
		// when it is closed, and closing wait for that (auto_da_alloc, ext4(5)).
		return nil
	}
	if err := f.Truncate(0); err != nil {
		return FileError(f.Name(), err)
	}
	return nil
}

// FileError is an error about a file: its name and what is wrong, without the
// name of the system call.
func FileError(name string, err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	if s, ok := err.(*os.SyscallError); ok {
		err = s.Err
	}
	return fmt.Errorf("%s: %w", name, err)
}
