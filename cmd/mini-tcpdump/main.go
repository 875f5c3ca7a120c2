// Command mini-tcpdump captures packets from a Linux network interface or reads
// them from a capture file, filters them with native code made from a
// pcap-filter(7) expression, and prints, writes or counts what matches. It shows
// what packages capture, bpfc and jit are together; mini-tcpdump -h lists the
// flags.
package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/bpfjit/bpfjit/internal/cli"
)

func main() {
	// A closed pipe is to be an error of writing, with a message and a summary.
	cli.KeepClosedPipes()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// Who asks a second time does not want to wait for the first.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the command: everything but the process around it. It ends early, as
// if packets ended, when ctx is done.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return cli.End(stderr, "mini-tcpdump", start(ctx, args, stdin, stdout, stderr))
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
	t.terminal = cli.IsTerminal(stdout)
	printing := o.write == "" || o.print
	t.progress = cli.IsTerminal(stderr) && !(t.terminal && printing) && o.stats == 0 && o.flows == 0
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
		return cli.FileError(cli.Stdout, err)
	}
	return nil
}
