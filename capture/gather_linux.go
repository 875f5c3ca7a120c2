package capture

import (
	"io"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxVector is how many pieces go into one system call: IOV_MAX of Linux, which is
// UIO_MAXIOV (uio.h).
const maxVector = 1024

// vectorWriter writes pieces with writev(2) to an *os.File, else as stage does.
type vectorWriter struct {
	conn syscall.RawConn // nil: no file
	iov  []unix.Iovec    // reused
	stage
}

func newVectorWriter(w io.Writer) vectorWriter {
	v := vectorWriter{stage: stage{w: w}}
	if f, ok := w.(*os.File); ok {
		if conn, err := f.SyscallConn(); err == nil {
			v.conn = conn
		}
	}
	return v
}

func (v *vectorWriter) write(pieces [][]byte) (written int64, err error) {
	if v.conn == nil {
		return v.stage.write(pieces)
	}
	v.iov = v.iov[:0]
	for _, p := range pieces {
		e := unix.Iovec{Base: unsafe.SliceData(p)}
		e.SetLen(len(p))
		v.iov = append(v.iov, e)
	}
	defer clear(v.iov) // keeps nothing alive
	// unix.Writev would do, but makes a new vector for each call.
	for iov := v.iov; len(iov) > 0; {
		var n uintptr
		var errno syscall.Errno
		err := v.conn.Write(func(fd uintptr) bool {
			n, _, errno = unix.Syscall(unix.SYS_WRITEV, fd, uintptr(unsafe.Pointer(&iov[0])), uintptr(min(len(iov), maxVector)))
			return errno != unix.EAGAIN // false: wait until it can be written to
		})
		runtime.KeepAlive(pieces)
		switch {
		case err != nil:
			return written, err
		case errno == unix.EINTR:
			continue
		case errno != 0:
			return written, os.NewSyscallError("write", errno)
		case n == 0:
			return written, io.ErrShortWrite
		}
		written += int64(n)
		iov = advance(iov, int(n))
	}
	return written, nil
}

// advance drops the first n bytes of iov.
func advance(iov []unix.Iovec, n int) []unix.Iovec {
	for len(iov) > 0 && n >= int(iov[0].Len) {
		n -= int(iov[0].Len)
		iov = iov[1:]
	}
	if n > 0 {
		iov[0].Base = (*byte)(unsafe.Add(unsafe.Pointer(iov[0].Base), n))
		iov[0].SetLen(int(iov[0].Len) - n)
	}
	return iov
}
