//go:build unix

package cli

import (
	"os/signal"
	"syscall"
)

// errPipe is the error of writing to a pipe that nobody reads any more.
const errPipe = syscall.EPIPE

// KeepClosedPipes makes a closed pipe an error of writing to standard output,
// and not the end of the process.
func KeepClosedPipes() { signal.Ignore(syscall.SIGPIPE) }
