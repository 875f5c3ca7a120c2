package jit

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// mapDouble maps an anonymous file (memfd_create(2)) twice. The file needs no
// name in any file system, its descriptor is closed again before this returns,
// and the two views are all that is left of it.
func mapDouble(size int) (w, x []byte, err error) {
	fd, err := memfd()
	if err != nil {
		return nil, nil, fmt.Errorf("memfd_create: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		return nil, nil, fmt.Errorf("ftruncate: %w", err)
	}
	w, err = unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, fmt.Errorf("mmap for writing: %w", err)
	}
	// After this seal (Linux 5.1, fcntl(2)) no new view can be writable, so
	// the view for execution can never be turned into one that is, by
	// mprotect(2) neither. Older kernels refuse the seal; the mapping is as
	// good without.
	_, _ = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS,
		unix.F_SEAL_FUTURE_WRITE|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW)
	x, err = unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_SHARED)
	if err != nil {
		_ = unix.Munmap(w)
		return nil, nil, fmt.Errorf("mmap for execution: %w", err)
	}
	return w, x, nil
}

// memfd makes the file. MFD_NOEXEC_SEAL is what vm.memfd_noexec=2 asks of
// every memfd (it is about execve(2), not about mapping for execution);
// kernels before 6.3 do not know it and say EINVAL.
func memfd() (int, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("bpfjit", flags|unix.MFD_NOEXEC_SEAL)
	if err == unix.EINVAL {
		fd, err = unix.MemfdCreate("bpfjit", flags)
	}
	return fd, err
}

// Commands of membarrier(2), from linux/membarrier.h.
const (
	membarrierSyncCore         = 1 << 5 // PRIVATE_EXPEDITED_SYNC_CORE
	membarrierRegisterSyncCore = 1 << 6 // REGISTER_PRIVATE_EXPEDITED_SYNC_CORE
)

// newCoreSync returns the barrier of membarrier(2).
//
// Code is written through one address and run from another, and addresses are
// used again. For that the Intel SDM (volume 3, "Handling Self- and
// Cross-Modifying Code") wants a serializing instruction on the core that
// executes; the barrier runs one on each core that is in this process. Kernels
// before 4.16 and policies that forbid the call leave us with what x86 does by
// itself, namely snoop the instruction caches by physical address.
//
// The process is registered when the barrier is first needed: in one of several
// threads that waits for a grace period of RCU, ten milliseconds and more, which
// a command that makes one filter does not have to spend.
func newCoreSync() func() {
	registered := sync.OnceValue(func() bool {
		_, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, membarrierRegisterSyncCore, 0, 0)
		return errno == 0
	})
	return func() {
		if registered() {
			unix.Syscall(unix.SYS_MEMBARRIER, membarrierSyncCore, 0, 0)
		}
	}
}
