// Command mini-tcpdump captures packets from a Linux network interface or reads
// them from a capture file, filters them with native code made from a
// pcap-filter(7) expression, and prints, writes or counts what matches. It shows
// what packages capture, bpfc and jit are together; mini-tcpdump -h lists the
// flags.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
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

func main() {
	// A closed pipe is to be an error of writing, with a message and a summary,
	// and not the end of the process.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// Who asks a second time does not want to wait for the first.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the command: everything but the process around it. It ends early, as
// if packets ended, when ctx is done.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	err := start(ctx, args, stdin, stdout, stderr)
	if err == nil {
		return statusDone
	}
	fmt.Fprintf(stderr, "mini-tcpdump: %s\n", oneLine(err.Error()))
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

// tool is one run of the command.
type tool struct {
	*options
	stdin  io.Reader
	stdout *bufio.Writer
	stderr io.Writer

	terminal bool // standard output is somebody's screen
	progress bool // and standard error, which has room for a line of progress
	rawOut   io.Writer
	filter   *source
}

func start(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	o, err := parseFlags(args)
	if err != nil {
		return err
	}
	t := &tool{options: o, stdin: stdin, stdout: bufio.NewWriterSize(stdout, 64<<10), stderr: stderr, rawOut: stdout}
	t.terminal = isTerminal(stdout)
	printing := o.write == "" || o.print
	t.progress = isTerminal(stderr) && !(t.terminal && printing) && o.stats == 0 && o.flows == 0
	err = t.do(ctx)
	if flushErr := t.flush(); err == nil {
		err = flushErr
	}
	return err
}

// do does what the flags ask for.
func (t *tool) do(ctx context.Context) (err error) {
	switch {
	case t.help:
		_, err = t.stdout.WriteString(usageText)
		return err
	case t.devices:
		return t.listDevices()
	}
	if t.filter, err = t.readFilter(); err != nil {
		return err
	}
	switch {
	case t.list != 0 || t.dump:
		return t.listFilter()
	case t.read != "":
		return t.readFile(ctx)
	}
	return t.captureLive(ctx)
}

// flush writes what is printed and not yet written.
func (t *tool) flush() error {
	if err := t.stdout.Flush(); err != nil {
		return fileError("standard output", err)
	}
	return nil
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

// isTerminal tells a person's screen from a file or pipe.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&fs.ModeCharDevice != 0 && f.Name() != os.DevNull
}

// fileError is an error about a file: its name and what is wrong, without the
// name of the system call.
func fileError(name string, err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	if s, ok := err.(*os.SyscallError); ok {
		err = s.Err
	}
	return fmt.Errorf("%s: %w", name, err)
}
