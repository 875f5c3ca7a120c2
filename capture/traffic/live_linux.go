package traffic

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Live makes frames come in on an interface without anybody sending them: the
// kernel runs an XDP program that passes each on (BPF_PROG_RUN with
// BPF_F_TEST_XDP_LIVE_FRAMES, Linux 5.18). That gives 2 million frames a second
// where a Sender gives one. All frames are the same.
type Live struct {
	prog  int
	index uint32
	frame []byte
}

// NewLive prepares frame to come in on the interface.
func NewLive(name string, frame []byte) (*Live, error) {
	ifc, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	const xdpPass = 2
	// r0 = XDP_PASS; exit: struct bpf_insn is opcode, registers, offset, immediate.
	program := [2]uint64{0xb7 | xdpPass<<32, 0x95}
	license := [4]byte{'B', 'S', 'D'}
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&program)
	pin.Pin(&license)
	attr := struct {
		kind, count    uint32
		insns, license uint64
		level, size    uint32
		buf            uint64
		version, flags uint32
	}{
		kind: unix.BPF_PROG_TYPE_XDP, count: uint32(len(program)),
		insns: address(unsafe.Pointer(&program)), license: address(unsafe.Pointer(&license)),
	}
	fd, err := bpf(unix.BPF_PROG_LOAD, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	if err != nil {
		return nil, fmt.Errorf("load an XDP program: %w", err)
	}
	return &Live{prog: fd, index: uint32(ifc.Index), frame: frame}, nil
}

// Run lets n frames come in. Signals are held back meanwhile, since one would
// end the run without saying where: n should be a matter of tenths of a second (a
// run takes 25 ms to set up and 0.5 µs per frame, or what its receivers take). The
// interface is looked for in the calling goroutine's namespace.
func (l *Live) Run(n int) error {
	if n <= 0 {
		return errors.New("a run of no frames")
	}
	ctx := struct { // struct xdp_md
		data, end, meta, ingress, queue, egress uint32
	}{end: uint32(len(l.frame)), ingress: l.index}
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&ctx)
	pin.Pin(&l.frame[0])
	attr := struct { // the part of union bpf_attr for BPF_PROG_TEST_RUN
		prog, retval, sizeIn, sizeOut uint32
		dataIn, dataOut               uint64
		repeat, duration              uint32
		ctxSizeIn, ctxSizeOut         uint32
		ctxIn, ctxOut                 uint64
		flags, cpu, batch, _          uint32
	}{
		prog: uint32(l.prog), sizeIn: uint32(len(l.frame)), dataIn: address(unsafe.Pointer(&l.frame[0])),
		repeat: uint32(n), ctxSizeIn: uint32(unsafe.Sizeof(ctx)), ctxIn: address(unsafe.Pointer(&ctx)),
		flags: unix.BPF_F_TEST_XDP_LIVE_FRAMES, batch: 64,
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, old unix.Sigset_t
	for i := range all.Val {
		all.Val[i]--
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &old); err != nil {
		return os.NewSyscallError("pthread_sigmask", err)
	}
	_, err := bpf(unix.BPF_PROG_TEST_RUN, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil); err != nil {
		return os.NewSyscallError("pthread_sigmask", err)
	}
	if err != nil {
		return fmt.Errorf("run an XDP program on live frames: %w", err)
	}
	return nil
}

// Close unloads the program.
func (l *Live) Close() error { return unix.Close(l.prog) }

// address is p as bpf(2) wants it. What it points to has to be pinned.
func address(p unsafe.Pointer) uint64 { return uint64(uintptr(p)) }

func bpf(cmd int, attr unsafe.Pointer, size uintptr) (int, error) {
	fd, _, errno := unix.Syscall(unix.SYS_BPF, uintptr(cmd), uintptr(attr), size)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}
