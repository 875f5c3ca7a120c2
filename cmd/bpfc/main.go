// Command bpfc compiles classic BPF packet filters: it reads a pcap-filter(7)
// expression or a program in any common form, and lists it, translates it to
// machine code, runs it over capture files, checks that machine code and
// interpreter agree, and measures both. bpfc -h lists the flags.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// Exit statuses.
const (
	statusDone   = 0
	statusFailed = 1 // the work failed: a bad filter, a broken capture, a difference
	statusUsage  = 2 // the call was wrong
)

// usageError is a call that asks for what there is not.
type usageError struct{ msg string }

func (e *usageError) Error() string { return e.msg }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// tool is one run of the command.
type tool struct {
	*options
	stdin  io.Reader
	stdout *output
	stderr io.Writer
}

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run is the command: everything but the process around it.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out := newOutput(stdout)
	err := start(args, stdin, out, stderr)
	if flushed := out.flush(); err == nil || errors.Is(err, errOutput) {
		err = flushed
	}
	switch {
	case err == nil:
		return statusDone
	case errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe):
		// Whoever read the output has seen enough. Where SIGPIPE has its usual
		// effect the process is gone before it comes to this.
		return statusFailed
	}
	fmt.Fprintf(stderr, "bpfc: %s\n", oneLine(err.Error()))
	if where, ok := errors.AsType[careted](err); ok && isTerminal(stderr) {
		fmt.Fprintln(stderr, where.Caret())
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return statusUsage
	}
	return statusFailed
}

// careted is an error that can show its place in the text.
type careted interface {
	error
	Caret() string
}

// isTerminal tells a person's screen from a file or pipe, whose reader counts
// on one line for each error.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&fs.ModeCharDevice != 0
}

// start does what the arguments ask for.
func start(args []string, stdin io.Reader, stdout *output, stderr io.Writer) error {
	o, err := parseFlags(args)
	if err != nil {
		return err
	}
	t := &tool{options: o, stdin: stdin, stdout: stdout, stderr: stderr}
	return o.action.run(t)
}

// oneLine keeps names and texts that a message quotes from breaking it up.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// errOutput marks an error in writing standard output.
var errOutput = errors.New("standard output")

// output is buffered standard output. Its errors are kept until flush, so that
// listings need not check each line.
type output struct {
	*bufio.Writer
}

func newOutput(w io.Writer) *output { return &output{bufio.NewWriterSize(w, 64<<10)} }

func (o *output) flush() error {
	if err := o.Flush(); err != nil {
		// The path says nothing that is not said already.
		if p, ok := errors.AsType[*fs.PathError](err); ok {
			err = p.Err
		}
		return fmt.Errorf("%w: %w", errOutput, err)
	}
	return nil
}
