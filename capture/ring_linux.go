package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Ring is memory shared with the kernel (packet(7), PACKET_RX_RING, version
// TPACKET_V3): the kernel writes packets into blocks, and hands a block over
// when it is full or its time is up. Nothing is copied after that, and nothing
// is allocated per packet.
//
// Next and the Block it returns belong to one goroutine at a time; Stop and
// Stats may be called from any. Opening needs CAP_NET_RAW; nothing later does.
type Ring struct {
	opts  RingOptions
	link  LinkType
	mem   []byte
	cur   int // the block that the kernel hands over next
	block Block

	filter blockFilter // the last one that a block was given

	// check says that packets have to be looked at one by one for direction.
	check bool

	ended     error     // why no more packets come
	endedAt   time.Time // when that was noticed
	delivered uint64    // packets in the blocks given out

	wake     int // eventfd(2) that ends a wait
	stopping atomic.Bool
	statTime uint32 // second of the last block after which stats were taken

	mu    sync.Mutex // of what follows
	fd    int        // -1: closed
	stats RingStats
}

const (
	// headroom is kept free before each packet: for a LINUX_SLL2 header and a
	// VLAN tag.
	headroom = sll2Header + vlanTag

	fillRxHash = 1 // TP_FT_REQ_FILL_RXHASH, linux/if_packet.h
)

// OpenRing starts to capture.
func OpenRing(opts RingOptions) (*Ring, error) {
	rings, err := openRings(opts, 1, func(*Ring) error { return nil })
	if err != nil {
		return nil, err
	}
	return rings[0], nil
}

// OpenFanout opens n rings that share an interface's packets. Each is to be
// read by a goroutine of its own, best one that called Pin.
func OpenFanout(opts RingOptions, n int, mode FanoutMode) ([]*Ring, error) {
	if n < 1 || n > 256 { // PACKET_FANOUT_MAX before Linux 5.11
		return nil, fmt.Errorf("fanout to %d rings: 1 to 256 are possible", n)
	}
	types := []int{unix.PACKET_FANOUT_HASH, unix.PACKET_FANOUT_LB, unix.PACKET_FANOUT_CPU,
		unix.PACKET_FANOUT_ROLLOVER, unix.PACKET_FANOUT_RND, unix.PACKET_FANOUT_QM}
	if int(mode) >= len(types) {
		return nil, fmt.Errorf("unknown fanout mode %d", mode)
	}
	group := -1
	return openRings(opts, n, func(r *Ring) error {
		arg := types[mode] << 16
		if group >= 0 {
			return unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_FANOUT, arg|group)
		}
		// The kernel chooses a group that nobody has.
		if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_FANOUT, arg|unix.PACKET_FANOUT_FLAG_UNIQUEID<<16); err != nil {
			return err
		}
		got, err := unix.GetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_FANOUT)
		group = got & 0xffff
		return err
	})
}

// openRings opens n rings and has join called for each once it is bound. No
// packet gets into any before all stand.
func openRings(opts RingOptions, n int, join func(*Ring) error) (rings []*Ring, err error) {
	name := opts.Interface
	if name == "" {
		name = "any"
	}
	defer func() {
		if err != nil {
			for _, r := range rings {
				r.Close()
			}
			rings, err = nil, fmt.Errorf("capture on %s: %w", name, err)
		}
	}()
	if err := opts.setDefaults(); err != nil {
		return nil, err
	}
	for range n {
		r := &Ring{opts: opts, fd: -1, wake: -1}
		rings = append(rings, r)
		if err := r.open(); err != nil {
			return rings, err
		}
		if err := join(r); err != nil {
			return rings, os.NewSyscallError("join the fanout group", err)
		}
	}
	for _, r := range rings {
		if err := r.accept(); err != nil {
			return rings, err
		}
	}
	return rings, nil
}

// open makes the socket and its ring and binds it, with a filter that rejects
// everything.
func (r *Ring) open() error {
	index, hatype, err := r.lookUp()
	if err != nil {
		return err
	}
	switch hatype {
	case unix.ARPHRD_ETHER, unix.ARPHRD_LOOPBACK:
		r.link = LinkEthernet
	case unix.ARPHRD_NONE, unix.ARPHRD_RAWIP:
		r.link = LinkRaw
	case unix.ARPHRD_IEEE80211:
		r.link = LinkIEEE80211
	case unix.ARPHRD_IEEE80211_RADIOTAP:
		r.link = LinkRadiotap
	default:
		// "any", and every kind of header that is not known well enough:
		// Block.Next puts a LINUX_SLL2 header in its place. A SOCK_DGRAM socket
		// leaves the header out as well, but then names the protocol behind
		// inner VLAN tags and not the tags.
		r.link = LinkLinuxSLL2
		if len(r.opts.Filter) > 0 {
			return errors.New("a kernel filter does not see the LINUX_SLL2 header of these packets: filter after the ring")
		}
	}
	// Protocol 0: nothing comes in before bind.
	r.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		if err == unix.EPERM {
			return fmt.Errorf("no right to open a packet socket (CAP_NET_RAW): %w", err)
		}
		return os.NewSyscallError("socket", err)
	}
	if r.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	if err := r.attach(rejectAll); err != nil {
		return err
	}
	// VERSION and RESERVE have to come before the ring.
	set := func(name string, opt, value int) error {
		return os.NewSyscallError("set "+name, unix.SetsockoptInt(r.fd, unix.SOL_PACKET, opt, value))
	}
	if err := errors.Join(
		set("PACKET_VERSION", unix.PACKET_VERSION, unix.TPACKET_V3),
		set("PACKET_RESERVE", unix.PACKET_RESERVE, headroom)); err != nil {
		return err
	}
	if err := r.mapRing(); err != nil {
		return err
	}
	loopback := hatype == unix.ARPHRD_LOOPBACK
	if r.opts.Direction == In || loopback && r.opts.Direction == InOut {
		// Since Linux 4.20; the check covers older ones.
		_ = unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
		r.check = true
	}
	r.check = r.check || r.opts.Direction == Out || index == 0
	if r.opts.HardwareTime {
		if err := r.hardwareTime(); err != nil {
			return err
		}
	}
	if err := unix.Bind(r.fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: index}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	// That the interface is down is no error of bind but one waiting.
	if errno, err := unix.GetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil {
		return os.NewSyscallError("getsockopt", err)
	} else if errno == int(unix.ENETDOWN) {
		return errors.New("the interface is down")
	} else if errno != 0 {
		return os.NewSyscallError("bind", unix.Errno(errno))
	}
	if r.opts.Promiscuous && index != 0 {
		mreq := unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_PROMISC}
		if err := unix.SetsockoptPacketMreq(r.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &mreq); err != nil {
			return os.NewSyscallError("set promiscuous mode", err)
		}
	}
	r.block.ring = r
	return nil
}

// lookUp returns the interface's index and ARPHRD_ type; 0 and an unused type for any.
func (r *Ring) lookUp() (index int, hatype uint16, err error) {
	if r.opts.Interface == "" {
		return 0, math.MaxUint16, nil
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, 0, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq(r.opts.Interface)
	if err != nil {
		return 0, 0, errors.New("no such interface")
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ifr); err == unix.ENODEV {
		return 0, 0, errors.New("no such interface")
	} else if err != nil {
		return 0, 0, os.NewSyscallError("look up the interface", err)
	}
	index = int(ifr.Uint32())
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFHWADDR, ifr); err != nil {
		return 0, 0, os.NewSyscallError("look up the interface's type", err)
	}
	return index, ifr.Uint16(), nil
}

func (r *Ring) mapRing() error {
	const frame = 2048 // counts for nothing but the arithmetic that the kernel checks
	req := unix.TpacketReq3{
		Block_size:       uint32(r.opts.BlockSize),
		Block_nr:         uint32(r.opts.Blocks),
		Frame_size:       frame,
		Frame_nr:         uint32(r.opts.BlockSize / frame * r.opts.Blocks),
		Retire_blk_tov:   uint32(r.opts.Retire.Milliseconds()),
		Feature_req_word: fillRxHash,
	}
	if err := unix.SetsockoptTpacketReq3(r.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return os.NewSyscallError(fmt.Sprintf("make a ring of %d blocks of %d bytes", r.opts.Blocks, r.opts.BlockSize), err)
	}
	mem, err := unix.Mmap(r.fd, 0, r.opts.BlockSize*r.opts.Blocks, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return os.NewSyscallError("map the ring", err)
	}
	r.mem = mem
	return nil
}

func (r *Ring) hardwareTime() error {
	cfg := unix.HwTstampConfig{Rx_filter: unix.HWTSTAMP_FILTER_ALL}
	if err := unix.IoctlSetHwTstamp(r.fd, r.opts.Interface, &cfg); err != nil {
		return fmt.Errorf("the interface has no time stamps of its own: %w", err)
	}
	return os.NewSyscallError("set PACKET_TIMESTAMP",
		unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_TIMESTAMP, unix.SOF_TIMESTAMPING_RAW_HARDWARE))
}

var rejectAll = []bpf.RawInstruction{{Op: unix.BPF_RET | unix.BPF_K}}

// accept lets packets in: with the caller's filter, or one that does nothing but
// cut packets to the snapshot length.
func (r *Ring) accept() error {
	if len(r.opts.Filter) > 0 {
		return r.attach(r.opts.Filter)
	}
	return r.attach([]bpf.RawInstruction{{Op: unix.BPF_RET | unix.BPF_K, K: uint32(r.opts.SnapLen)}})
}

func (r *Ring) attach(prog []bpf.RawInstruction) error {
	filter := make([]unix.SockFilter, len(prog))
	for i, ins := range prog {
		filter[i] = unix.SockFilter{Code: ins.Op, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
	}
	fprog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	return os.NewSyscallError("attach the kernel filter",
		unix.SetsockoptSockFprog(r.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &fprog))
}

// LinkType returns the link type of the ring's packets.
func (r *Ring) LinkType() LinkType { return r.link }

// Interface describes the interface as a capture file does.
func (r *Ring) Interface() Interface {
	name := r.opts.Interface
	if name == "" {
		name = "any"
	}
	return Interface{LinkType: r.link, SnapLen: uint32(r.opts.SnapLen), FCSLen: -1, Name: name}
}

// header returns the header of block i, at which the two sides hand it over.
func (r *Ring) header(i int) *unix.TpacketHdrV1 {
	// A block begins with version and the offset of private data, 4 bytes each.
	return (*unix.TpacketHdrV1)(unsafe.Pointer(&r.mem[i*r.opts.BlockSize+8]))
}

// Next waits for the next block. The one before goes back to the kernel, if it
// has not yet been released. The error is ctx's if that ends the wait, io.EOF
// after Stop, ErrInterfaceDown, or one of the system.
func (r *Ring) Next(ctx context.Context) (*Block, error) {
	r.block.Release()
	for {
		if r.mem == nil {
			return nil, os.ErrClosed
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		h := r.header(r.cur)
		// The load is ordered before those of the block's contents, which the
		// kernel wrote before the status (the same holds of Release's store).
		if atomic.LoadUint32(&h.Block_status)&unix.TP_STATUS_USER != 0 {
			start := r.cur * r.opts.BlockSize
			r.block.take(h, r.mem[start:start+r.opts.BlockSize:start+r.opts.BlockSize])
			r.cur = (r.cur + 1) % r.opts.Blocks
			r.delivered += uint64(h.Num_pkts)
			r.countNow(h.Ts_last_pkt.Sec)
			return &r.block, nil
		}
		if r.ended == nil && r.stopping.Load() {
			r.ended, r.endedAt = io.EOF, time.Now()
		}
		if r.ended != nil && r.drained() {
			return nil, r.ended
		}
		if err := r.wait(ctx); err != nil {
			return nil, err
		}
	}
}

// drained says, once no more packets come, whether all that came are given out.
// The kernel still holds the last block, until its timer has expired twice at
// most; how many packets are in it the counters tell.
func (r *Ring) drained() bool {
	const (
		settle  = 5 * time.Millisecond // for packets on their way past the filter
		atWorst = time.Second          // for a timer on a busy machine
	)
	since := time.Since(r.endedAt)
	if since < settle {
		return false
	}
	st, err := r.Stats()
	return err != nil || r.delivered >= st.Received || since > 2*r.opts.Retire+atWorst
}

// wait returns when there may be news: of the kernel, of ctx, of Stop or of
// time.
func (r *Ring) wait(ctx context.Context) error {
	if ctx.Done() != nil {
		defer context.AfterFunc(ctx, r.wakeUp)()
	}
	timeout := -1
	if r.ended != nil {
		timeout = 1
	}
	fds := [2]unix.PollFd{{Fd: int32(r.fd), Events: unix.POLLIN | unix.POLLERR}, {Fd: int32(r.wake), Events: unix.POLLIN}}
	if _, err := unix.Poll(fds[:], timeout); err != nil && err != unix.EINTR {
		return os.NewSyscallError("poll", err)
	}
	if fds[1].Revents != 0 {
		var count [8]byte
		_, _ = unix.Read(r.wake, count[:]) // sets it back; what it says is looked up by Next
	}
	if fds[0].Revents&unix.POLLERR == 0 {
		return nil
	}
	errno, err := unix.GetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	switch {
	case err != nil:
		return os.NewSyscallError("getsockopt", err)
	case errno == int(unix.ENETDOWN):
		if r.ended == nil {
			r.ended, r.endedAt = fmt.Errorf("capture on %s: %w", r.opts.Interface, ErrInterfaceDown), time.Now()
		}
	case errno != 0:
		return os.NewSyscallError("receive", unix.Errno(errno))
	}
	return nil
}

func (r *Ring) wakeUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fd >= 0 {
		one := [8]byte{1} // any 64-bit number but 0 will do
		_, _ = unix.Write(r.wake, one[:])
	}
}

// Stop lets no more packets in. Next then gives what is in the ring, and io.EOF
// after that: nothing that was counted is lost.
func (r *Ring) Stop() error {
	r.mu.Lock()
	var err error
	if r.fd >= 0 {
		err = r.attach(rejectAll)
	}
	r.mu.Unlock()
	r.stopping.Store(true)
	r.wakeUp()
	return err
}

// Stats returns the counters. They stay after Close.
func (r *Ring) Stats() (RingStats, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.count() // first: the order of a return's operands is not given
	return r.stats, err
}

// count adds what the kernel counted since it was last asked: asking sets its
// counters, of 32 bits, to 0.
func (r *Ring) count() error {
	if r.fd < 0 {
		return nil
	}
	s, err := unix.GetsockoptTpacketStatsV3(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return os.NewSyscallError("get PACKET_STATISTICS", err)
	}
	r.stats.Received += uint64(s.Packets - s.Drops) // the kernel's number includes the drops
	r.stats.Dropped += uint64(s.Drops)
	r.stats.Frozen += uint64(s.Freeze_q_cnt)
	return nil
}

// countNow asks once a minute, so that the kernel's counters do not overflow.
func (r *Ring) countNow(second uint32) {
	if second-r.statTime >= 60 {
		r.statTime = second
		r.mu.Lock()
		_ = r.count()
		r.mu.Unlock()
	}
}

// Close ends the capture. The memory of all packets is gone with it: no Block of
// the ring may be in use, nor may another goroutine be in Next. Stop is for that.
func (r *Ring) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.count()
	var err error
	if r.mem != nil {
		err = os.NewSyscallError("unmap the ring", unix.Munmap(r.mem))
		r.mem = nil
	}
	r.block = Block{}
	for _, fd := range []*int{&r.fd, &r.wake} {
		if *fd >= 0 {
			err = errors.Join(err, os.NewSyscallError("close", unix.Close(*fd)))
			*fd = -1
		}
	}
	return err
}

// Pin binds the calling goroutine to one CPU: to its thread, and that to the
// CPU. There is no way back but the goroutine's end.
func Pin(cpu int) error {
	runtime.LockOSThread()
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("bind to CPU %d: %w", cpu, err)
	}
	return nil
}
