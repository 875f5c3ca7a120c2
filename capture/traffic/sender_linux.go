package traffic

import (
	"net"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sender sends frames on an interface, up to 256 in a system call
// (sendmmsg(2)): 0.6 to 1 million small frames a second.
type Sender struct {
	fd   int
	msgs []mmsghdr
	iovs []unix.Iovec
}

// mmsghdr is struct mmsghdr, whose end is padded to the alignment of a pointer.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// NewSender opens a socket on the interface. With bypass, frames go straight to
// the driver: faster, but captures on the same interface do not see them go out.
func NewSender(name string, bypass bool) (*Sender, error) {
	ifc, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	err = unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: ifc.Index})
	if err == nil && bypass {
		err = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1)
	}
	if err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("bind", err)
	}
	return &Sender{fd: fd, msgs: make([]mmsghdr, 256), iovs: make([]unix.Iovec, 256)}, nil
}

// Send sends all frames, none of them empty, and returns how many the kernel
// has taken.
func (s *Sender) Send(frames ...[]byte) (sent int, err error) {
	for len(frames) > 0 {
		n := min(len(frames), len(s.msgs))
		for i, f := range frames[:n] {
			s.iovs[i].Base = &f[0]
			s.iovs[i].SetLen(len(f))
			s.msgs[i].hdr.Iov = &s.iovs[i]
			s.msgs[i].hdr.SetIovlen(1)
		}
		took, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.msgs[0])), uintptr(n), 0, 0, 0)
		runtime.KeepAlive(frames)
		switch errno {
		case 0:
			sent += int(took)
			frames = frames[took:]
		case unix.EINTR, unix.EAGAIN, unix.ENOBUFS:
		default:
			return sent, os.NewSyscallError("sendmmsg", errno)
		}
	}
	return sent, nil
}

// Close closes the socket.
func (s *Sender) Close() error { return unix.Close(s.fd) }
