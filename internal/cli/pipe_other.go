//go:build !unix

package cli

import "io"

// errPipe is the error of writing to a pipe that nobody reads any more.
var errPipe = io.ErrClosedPipe

// KeepClosedPipes has nothing to do: there is no SIGPIPE here.
func KeepClosedPipes() {}
