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

	"github.com/bpfjit/bpfjit/internal/cli"
)

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
	if cli.IsClosedPipe(err) {
		// Where SIGPIPE has its usual effect the process is gone before it comes
		// to this, and says nothing either.
		return cli.Failed
	}
	return cli.End(stderr, "bpfc", err)
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

// errOutput marks an error in writing standard output.
var errOutput = errors.New(cli.Stdout)

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
