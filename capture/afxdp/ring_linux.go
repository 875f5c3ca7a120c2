package afxdp

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/bpfjit/bpfjit/capture"
	"golang.org/x/sys/unix"
)

// Ring has the packets of one receive queue: an AF_XDP socket, memory for its
// packets, and the rings through which it and the kernel hand each other parts of
// that memory. Nothing is allocated per packet.
//
// Next and the Block it returns belong to one goroutine at a time; Stop, Stats
// and Close may be called from any. Opening needs CAP_NET_RAW, CAP_NET_ADMIN and
// CAP_BPF (and CAP_IPC_LOCK, or a limit on locked memory that allows for the
// frames); nothing later does, but for Stop before Linux 5.19, which needs
// CAP_BPF.
type Ring struct {
	opts    Options
	ifindex int
	hatype  uint16
	att     *attachment

	// The frames: the kernel has each in the fill ring, in the receive ring or in
	// its hands, or the block has it. Both rings are as large as there are frames,
	// so neither is ever too full.
	frames []byte
	rx     rxRing
	fill   fillRing
	mapped [2][]byte // the memory of rx and fill
	filled uint64    // frames put into fill so far

	block Block
	clock clock
	ended error // why no more packets come

	wake     int // eventfd(2) that ends a wait
	watch    int // rtnetlink(7) socket that tells of changes of interfaces
	promisc  int // packet socket that has the interface promiscuous
	stopping atomic.Bool
	closing  atomic.Bool
	taken    atomic.Uint64 // packets given back

	reading sync.Mutex // held by Next
	mu      sync.Mutex // of what follows, and of the end of the rings' memory
	fd      int        // -1: closed
	stats   RingStats
}

// Open starts to capture from one receive queue of an interface.
func Open(opts Options) (*Ring, error) {
	rings, err := openRings(opts, false)
	if err != nil {
		return nil, err
	}
	return rings[0], nil
}

// OpenAll starts to capture from all receive queues of an interface. Each Ring
// has the frames that opts says, and is to be read by a goroutine of its own, best
// one that called capture.Pin. They are in the queues' order. If the interface
// has fewer queues to receive than to send, the last Rings stay empty.
func OpenAll(opts Options) ([]*Ring, error) {
	if opts.Queue != 0 {
		return nil, fmt.Errorf("capture on %s: queue %d is one, not all", opts.Interface, opts.Queue)
	}
	return openRings(opts, true)
}

// errNoQueue: the interface has no queue of that number.
var errNoQueue = errors.New("the interface has no such queue")

// openRings opens Rings for the queues from opts.Queue on: all or one. No packet
// gets into any before all stand.
func openRings(opts Options, all bool) (rings []*Ring, err error) {
	defer func() {
		if err == nil {
			return
		}
		for _, r := range rings {
			err = errors.Join(err, r.Close())
		}
		rings, err = nil, fmt.Errorf("capture on %s: %w", opts.Interface, err)
	}()
	if err := opts.setDefaults(); err != nil {
		return nil, err
	}
	for queue := opts.Queue; all || queue == opts.Queue; queue++ {
		r := &Ring{opts: opts, fd: -1, wake: -1, watch: -1, promisc: -1}
		r.opts.Queue = queue
		r.block.ring = r
		err := r.open()
		// How many queues are in use only some drivers tell, but no socket can be
		// bound to one behind the last.
		if errors.Is(err, errNoQueue) && queue > 0 && all {
			if err := r.Close(); err != nil {
				return rings, err
			}
			break
		}
		rings = append(rings, r)
		if err != nil {
			return rings, err
		}
	}
	att, err := attach(rings[0].ifindex, opts.Attach)
	if err != nil {
		return rings, err
	}
	for _, r := range rings {
		r.att = att
		att.users.Add(1)
	}
	for _, r := range rings {
		if err := att.add(r.opts.Queue, r.fd); err != nil {
			return rings, err
		}
	}
	return rings, nil
}

// open makes the socket, its memory and its rings, and binds it.
func (r *Ring) open() (err error) {
	if err := r.lookUp(); err != nil {
		return err
	}
	if r.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	r.fd, err = unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	switch err {
	case nil:
	case unix.EPERM:
		return fmt.Errorf("no right to open an AF_XDP socket (CAP_NET_RAW): %w", err)
	case unix.EAFNOSUPPORT:
		return fmt.Errorf("the kernel has no AF_XDP (CONFIG_XDP_SOCKETS): %w", err)
	default:
		return os.NewSyscallError("socket", err)
	}
	if err := r.mapFrames(); err != nil {
		return err
	}
	if err := r.mapRings(); err != nil {
		return err
	}
	for i := range r.opts.Frames {
		r.fill.put(uint64(i), uint64(i*r.opts.FrameSize))
	}
	r.filled = uint64(r.opts.Frames)
	r.fill.publish(r.filled)
	if err := r.bind(); err != nil {
		return err
	}
	if r.opts.Promiscuous {
		return r.setPromiscuous()
	}
	return nil
}

// lookUp finds the interface, and opens the socket that tells when it goes down.
func (r *Ring) lookUp() (err error) {
	r.watch, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	if err := unix.Bind(r.watch, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	ifr, err := unix.NewIfreq(r.opts.Interface)
	if err != nil {
		return errors.New("no such interface")
	}
	if err := unix.IoctlIfreq(r.watch, unix.SIOCGIFINDEX, ifr); err == unix.ENODEV {
		return errors.New("no such interface")
	} else if err != nil {
		return os.NewSyscallError("look up the interface", err)
	}
	r.ifindex = int(ifr.Uint32())
	if err := unix.IoctlIfreq(r.watch, unix.SIOCGIFHWADDR, ifr); err != nil {
		return os.NewSyscallError("look up the interface's type", err)
	}
	r.hatype = ifr.Uint16()
	if r.hatype != unix.ARPHRD_ETHER && r.hatype != unix.ARPHRD_LOOPBACK {
		return fmt.Errorf("its packets have no Ethernet header (ARPHRD type %d)", r.hatype)
	}
	if !r.up() {
		return errors.New("the interface is down")
	}
	return nil
}

// up says whether the interface is there and up. Its name may have changed.
func (r *Ring) up() bool {
	ifr, _ := unix.NewIfreq("")
	ifr.SetUint32(uint32(r.ifindex))
	return unix.IoctlIfreq(r.watch, unix.SIOCGIFNAME, ifr) == nil &&
		unix.IoctlIfreq(r.watch, unix.SIOCGIFFLAGS, ifr) == nil &&
		ifr.Uint16()&unix.IFF_UP != 0
}

// mapFrames gets the memory for packets and registers it with the socket.
func (r *Ring) mapFrames() (err error) {
	size := r.opts.Frames * r.opts.FrameSize
	r.frames, err = unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE)
	if err != nil {
		return os.NewSyscallError(fmt.Sprintf("get %d frames of %d bytes", r.opts.Frames, r.opts.FrameSize), err)
	}
	reg := unix.XDPUmemReg{
		Addr: uint64(uintptr(unsafe.Pointer(&r.frames[0]))),
		Len:  uint64(size),
		Size: uint32(r.opts.FrameSize),
	}
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(r.fd), unix.SOL_XDP, unix.XDP_UMEM_REG,
		uintptr(unsafe.Pointer(&reg)), unsafe.Sizeof(reg), 0)
	switch errno {
	case 0:
		return nil
	case unix.ENOBUFS:
		return fmt.Errorf("lock %d bytes in memory: above the limit (ulimit -l), and no CAP_IPC_LOCK: %w", size, errno)
	}
	return os.NewSyscallError(fmt.Sprintf("register %d frames of %d bytes", r.opts.Frames, r.opts.FrameSize), errno)
}

// mapRings makes the rings and maps those that are used.
func (r *Ring) mapRings() error {
	for _, ring := range []struct {
		name      string
		opt, size int
	}{
		{"XDP_RX_RING", unix.XDP_RX_RING, r.opts.Frames},
		{"XDP_UMEM_FILL_RING", unix.XDP_UMEM_FILL_RING, r.opts.Frames},
		{"XDP_UMEM_COMPLETION_RING", unix.XDP_UMEM_COMPLETION_RING, 1}, // bind wants one, though nothing is sent
	} {
		if err := unix.SetsockoptInt(r.fd, unix.SOL_XDP, ring.opt, ring.size); err != nil {
			return os.NewSyscallError(fmt.Sprintf("make %s of %d entries", ring.name, ring.size), err)
		}
	}
	var off unix.XDPMmapOffsets
	if err := r.getsockopt(unix.XDP_MMAP_OFFSETS, unsafe.Pointer(&off), unsafe.Sizeof(off)); err != nil {
		return os.NewSyscallError("get XDP_MMAP_OFFSETS", err)
	}
	size := func(off unix.XDPRingOffset, entry uintptr) int { return int(off.Desc) + r.opts.Frames*int(entry) }
	for i, ring := range []struct {
		pgoff int64
		size  int
	}{
		{unix.XDP_PGOFF_RX_RING, size(off.Rx, unsafe.Sizeof(unix.XDPDesc{}))},
		{unix.XDP_UMEM_PGOFF_FILL_RING, size(off.Fr, 8)},
	} {
		mem, err := unix.Mmap(r.fd, ring.pgoff, ring.size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
		if err != nil {
			return os.NewSyscallError("map the rings", err)
		}
		r.mapped[i] = mem
	}
	r.rx = newRxRing(r.mapped[0], off.Rx, r.opts.Frames)
	r.fill = newFillRing(r.mapped[1], off.Fr, r.opts.Frames)
	return nil
}

// getsockopt gets an option of SOL_XDP that is a struct of the given size.
func (r *Ring) getsockopt(opt uintptr, value unsafe.Pointer, size uintptr) error {
	n := uint32(size) // socklen_t
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(r.fd), unix.SOL_XDP, opt, uintptr(value), uintptr(unsafe.Pointer(&n)), 0)
	if errno != 0 {
		return errno
	}
	if uintptr(n) != size {
		return fmt.Errorf("%d bytes of %d: the kernel is older than Linux 5.9", n, size)
	}
	return nil
}

func (r *Ring) bind() error {
	flags := uint16(unix.XDP_COPY)
	if r.opts.ZeroCopy {
		// With NEED_WAKEUP a driver that ran out of frames sleeps until somebody
		// polls, which Next does once the receive ring is empty.
		flags = unix.XDP_ZEROCOPY | unix.XDP_USE_NEED_WAKEUP
	}
	to := &unix.SockaddrXDP{Flags: flags, Ifindex: uint32(r.ifindex), QueueID: uint32(r.opts.Queue)}
	err := unix.Bind(r.fd, to)
	// The kernel frees the queue of a socket that was closed a while later, by a
	// work queue.
	for end := time.Now().Add(time.Second); err == unix.EBUSY && time.Now().Before(end); err = unix.Bind(r.fd, to) {
		time.Sleep(5 * time.Millisecond)
	}
	switch err {
	case nil:
		return nil
	case unix.EBUSY:
		return fmt.Errorf("queue %d has an AF_XDP socket already: %w", r.opts.Queue, err)
	case unix.EINVAL:
		if r.opts.Queue == 0 {
			break // there is always one
		}
		return fmt.Errorf("queue %d: %w", r.opts.Queue, errNoQueue)
	case unix.EOPNOTSUPP:
		if r.opts.ZeroCopy {
			return fmt.Errorf("the driver has no zero copy: %w", err)
		}
	}
	return os.NewSyscallError(fmt.Sprintf("bind to queue %d", r.opts.Queue), err)
}

// setPromiscuous has the interface promiscuous as long as a packet socket lives
// that nothing comes into, having no protocol.
func (r *Ring) setPromiscuous() (err error) {
	r.promisc, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	mreq := unix.PacketMreq{Ifindex: int32(r.ifindex), Type: unix.PACKET_MR_PROMISC}
	return os.NewSyscallError("set promiscuous mode",
		unix.SetsockoptPacketMreq(r.promisc, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &mreq))
}

// LinkType returns the link type of the Ring's packets: Ethernet.
func (r *Ring) LinkType() capture.LinkType { return capture.LinkEthernet }

// Queue returns the receive queue that the Ring is on.
func (r *Ring) Queue() int { return r.opts.Queue }

// Interface describes the interface as a capture file does.
func (r *Ring) Interface() capture.Interface {
	return capture.Interface{LinkType: r.LinkType(), SnapLen: uint32(r.opts.MaxPacket()), FCSLen: -1, Name: r.opts.Interface}
}

// Stop has the interface's packets go to the host again and no more into the
// Ring. Next then gives what is in it, and io.EOF after that: nothing that was
// counted is lost. If Stop fails the capture goes on.
func (r *Ring) Stop() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fd < 0 {
		return nil
	}
	if err := r.att.remove(r.opts.Queue); err != nil {
		return fmt.Errorf("capture on %s: %w", r.opts.Interface, err)
	}
	r.stopping.Store(true)
	r.signal()
	return nil
}

// Stats returns the counters. They stay after Close.
func (r *Ring) Stats() (RingStats, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.count()
	return r.stats, err
}

func (r *Ring) count() error {
	if r.fd < 0 {
		return nil
	}
	var s unix.XDPStatistics
	if err := r.getsockopt(unix.XDP_STATISTICS, unsafe.Pointer(&s), unsafe.Sizeof(s)); err != nil {
		return os.NewSyscallError("get XDP_STATISTICS", err)
	}
	r.stats.Received = r.rx.produced(r.taken.Load())
	r.stats.Dropped = s.Rx_dropped + s.Rx_ring_full
	r.stats.NoFrame = s.Rx_fill_ring_empty_descs
	return nil
}

// signal has a wait end. The caller holds mu.
func (r *Ring) signal() {
	if r.wake >= 0 {
		one := [8]byte{1} // any 64-bit number but 0 will do
		_, _ = unix.Write(r.wake, one[:])
	}
}

// Close ends the capture; a Next that waits returns os.ErrClosed. The memory of
// all packets is gone with it: no Block of the Ring may be in use. When the last
// Ring of an interface is closed, the XDP program is taken off.
func (r *Ring) Close() error {
	r.closing.Store(true)
	r.mu.Lock()
	r.signal()
	r.mu.Unlock()
	r.reading.Lock()
	defer r.reading.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	if r.att != nil && !r.stopping.Load() {
		// Before the counters' last word: nothing comes in after it.
		_ = r.att.remove(r.opts.Queue)
	}
	if r.rx.descs != nil {
		errs = append(errs, r.count())
	}
	r.block.n = 0
	for _, fd := range []*int{&r.fd, &r.wake, &r.watch, &r.promisc} {
		if *fd >= 0 {
			errs = append(errs, os.NewSyscallError("close", unix.Close(*fd)))
			*fd = -1
		}
	}
	r.rx, r.fill = rxRing{}, fillRing{}
	for _, mem := range []*[]byte{&r.mapped[0], &r.mapped[1], &r.frames} {
		if *mem != nil {
			errs = append(errs, os.NewSyscallError("unmap", unix.Munmap(*mem)))
			*mem = nil
		}
	}
	if r.att != nil {
		errs = append(errs, r.att.release())
		r.att = nil
	}
	return errors.Join(errs...)
}

// waitForCPUs returns when every CPU has finished the packets that it was at
// when called. The XDP program runs inside an RCU read-side section that lasts
// until the packets of a poll are all in their sockets' rings; membarrier(2)
// waits for these.
func waitForCPUs() {
	const global = 1 // MEMBARRIER_CMD_GLOBAL, linux/membarrier.h
	if _, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, global, 0, 0); errno != 0 {
		time.Sleep(20 * time.Millisecond) // forbidden by a sandbox: many times what a poll takes
	}
}
