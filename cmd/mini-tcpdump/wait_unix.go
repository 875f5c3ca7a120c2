//go:build unix

package main

import (
	"context"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// waitFor is a reader of a file that is not regular, whose Read returns ctx's
// error when ctx is done, also while it waits.
func waitFor(ctx context.Context, f *os.File) (io.Reader, error) {
	// Closing one end makes the other readable.
	wake, closeToWake, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { closeToWake.Close() })
	return readerFunc(func(b []byte) (int, error) {
		fds := [2]unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}, {Fd: int32(wake.Fd()), Events: unix.POLLIN}}
		for {
			_, err := unix.Poll(fds[:], -1)
			switch {
			case err == unix.EINTR:
				continue
			case err != nil:
				return 0, os.NewSyscallError("poll", err)
			case fds[1].Revents != 0:
				return 0, ctx.Err()
			}
			return f.Read(b)
		}
	}), nil
}
