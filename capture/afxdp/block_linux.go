package afxdp

import (
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"time"
	"unsafe"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/capture"
	"github.com/bpfjit/bpfjit/jit"
	"golang.org/x/sys/unix"
)

// maxBlock is the most packets in a Block. While it has them the kernel has so
// many frames less, so it is no more than a quarter of all.
const maxBlock = 512

// Block is some packets of a Ring. It is good until Release or until the Ring's
// next Next, and so are its packets.
type Block struct {
	ring  *Ring
	start uint64 // the first packet's number
	n     int    // packets; 0: released
	given int    // of these, by Next
	data  [][]byte
	pkt   Packet

	filter        *jit.Filter // nil: all packets are given
	verdicts      []uint32    // of all packets; empty: not known yet
	aux           bpfc.Aux
	passed, bytes int64 // of packets that Next has looked at
}

// Packet is a packet in a Ring. Its Raw is nil; it is uncut, so WireLen is
// len(Data).
type Packet struct {
	capture.Packet
	Verdict uint32 // of Block.Filter's filter: not 0; undefined without
	ring    *Ring
}

// Next waits for packets. The Block before goes back to the kernel, if it has
// not yet been released. The error is ctx's if that ends the wait, io.EOF after
// Stop, capture.ErrInterfaceDown, os.ErrClosed, or one of the system.
func (r *Ring) Next(ctx context.Context) (*Block, error) {
	r.reading.Lock()
	defer r.reading.Unlock()
	b := &r.block
	b.Release()
	for {
		if r.closing.Load() {
			return nil, os.ErrClosed
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		// Asked first: nothing comes in after it is set.
		stopping := r.stopping.Load()
		b.start = r.taken.Load()
		if n := r.rx.produced(b.start) - b.start; n > 0 {
			b.n, b.given = int(min(n, maxBlock, uint64(max(r.opts.Frames/4, 1)))), 0
			b.filter, b.verdicts, b.passed, b.bytes = nil, b.verdicts[:0], 0, 0
			r.clock.set(r.stamp(r.rx.desc(b.start)))
			return b, nil
		}
		if stopping {
			return nil, io.EOF
		}
		if r.ended != nil {
			return nil, r.ended
		}
		if err := r.wait(ctx); err != nil {
			return nil, err
		}
	}
}

// wait returns when there may be news: of the kernel, of ctx, of Stop and Close.
func (r *Ring) wait(ctx context.Context) error {
	if ctx.Done() != nil {
		defer context.AfterFunc(ctx, func() {
			r.mu.Lock()
			r.signal()
			r.mu.Unlock()
		})()
	}
	fds := [3]unix.PollFd{
		{Fd: int32(r.fd), Events: unix.POLLIN},
		{Fd: int32(r.wake), Events: unix.POLLIN},
		{Fd: int32(r.watch), Events: unix.POLLIN},
	}
	if _, err := unix.Poll(fds[:], -1); err == unix.EINTR {
		return nil
	} else if err != nil {
		return os.NewSyscallError("poll", err)
	}
	if fds[1].Revents != 0 {
		var count [8]byte
		_, _ = unix.Read(r.wake, count[:]) // sets it back; what it says is looked up by Next
	}
	if fds[2].Revents != 0 {
		// That there are messages is enough, and that there were more than the
		// socket holds (ENOBUFS) as well: the interface is asked.
		var msg [4096]byte
		for err := error(nil); err == nil || err == unix.ENOBUFS || err == unix.EINTR; {
			_, err = unix.Read(r.watch, msg[:])
		}
	}
	if fds[2].Revents != 0 || fds[0].Revents&^unix.POLLIN != 0 {
		if !r.up() {
			r.ended = fmt.Errorf("capture on %s: %w", r.opts.Interface, capture.ErrInterfaceDown)
		} else if fds[0].Revents&^unix.POLLIN != 0 {
			errno, _ := unix.GetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_ERROR)
			r.ended = fmt.Errorf("capture on %s: %w", r.opts.Interface, os.NewSyscallError("receive", unix.Errno(errno)))
		}
	}
	return nil
}

// Len returns how many packets the Block has.
func (b *Block) Len() int { return b.n }

// Filter leaves only those packets of the Block that f matches: Next and All give
// these, with their Verdict. It comes before the first of them; packets that were
// given already are not looked at.
//
// Generated code goes over the whole Block at once, but filters that use metadata
// are run packet by packet, in Next.
func (b *Block) Filter(f *jit.Filter) {
	b.filter, b.verdicts = f, b.verdicts[:0]
	if f != nil && !f.UsesAux() {
		b.verdicts = slices.Grow(b.verdicts, b.n)[:b.n]
		f.RunBatch(b.Data(), b.verdicts)
	}
}

// Passed returns how many packets Next has looked at, whether they matched or not,
// and how many bytes these have.
func (b *Block) Passed() (packets, bytes int64) { return b.passed, b.bytes }

// Next returns the next packet of the Block, nil after the last. It is the
// Block's own, and the next call overwrites it.
func (b *Block) Next() *Packet {
	for b.given < b.n {
		r, p, i := b.ring, &b.pkt, b.given
		d := r.rx.desc(b.start + uint64(i))
		b.given++
		b.passed++
		b.bytes += int64(d.Len)
		looped := len(b.verdicts) > 0
		if looped {
			if p.Verdict = b.verdicts[i]; p.Verdict == 0 {
				continue
			}
		}
		p.ring = r
		p.Data = r.frames[d.Addr : d.Addr+uint64(d.Len) : d.Addr+uint64(d.Len)]
		p.TS = r.clock.wall(r.stamp(d))
		p.WireLen = d.Len
		p.LinkType = capture.LinkEthernet
		if b.filter != nil && !looped {
			p.Aux(&b.aux)
			if p.Verdict = b.filter.RunAux(p.Data, int(d.Len), &b.aux); p.Verdict == 0 {
				continue
			}
		}
		return p
	}
	return nil
}

// All gives the packets of the Block that Next has not given.
func (b *Block) All() iter.Seq[*Packet] {
	return func(yield func(*Packet) bool) {
		for p := b.Next(); p != nil; p = b.Next() {
			if !yield(p) {
				return
			}
		}
	}
}

// Data returns the bytes of all packets of the Block, as jit.Filter's RunBatch
// takes them. It is good as long as the Block; the slice is used again for the
// next one.
func (b *Block) Data() [][]byte {
	b.data = b.data[:0]
	for i := range b.n {
		d := b.ring.rx.desc(b.start + uint64(i))
		b.data = append(b.data, b.ring.frames[d.Addr:d.Addr+uint64(d.Len):d.Addr+uint64(d.Len)])
	}
	return b.data
}

// Release gives the Block's frames back to the kernel, which is about to
// overwrite them.
func (b *Block) Release() {
	if b.n == 0 {
		return
	}
	r := b.ring
	end := b.start + uint64(b.n)
	for i := b.start; i < end; i++ {
		d := r.rx.desc(i)
		*r.stampOf(d) = 0 // the next packet may come without
		r.fill.put(r.filled, d.Addr&^uint64(r.opts.FrameSize-1))
		r.filled++
	}
	b.n, b.given = 0, 0
	// In this order there is room in the receive ring for every frame that the
	// kernel has.
	r.rx.consume(end)
	r.fill.publish(r.filled)
	r.taken.Store(end)
}

// Aux fills in what the Ring knows of the packet, the fields in RingAux; others
// are left as they are. A VLAN tag is in the packet's bytes.
func (p *Packet) Aux(a *bpfc.Aux) {
	a.IfIndex = uint32(p.ring.ifindex)
	a.Queue = uint32(p.ring.opts.Queue)
	a.HaType = uint32(p.ring.hatype)
}

// IfIndex returns the index of the interface.
func (p *Packet) IfIndex() int { return p.ring.ifindex }

// stampOf returns where the XDP program leaves a packet's time: right before the
// packet, in the headroom that every frame has.
func (r *Ring) stampOf(d *unix.XDPDesc) *uint64 {
	return (*uint64)(unsafe.Pointer(&r.frames[d.Addr-stampSize]))
}

func (r *Ring) stamp(d *unix.XDPDesc) uint64 { return *r.stampOf(d) }

// clock turns the XDP program's times into times of day. The two clocks run
// alike, but for when somebody sets the time of day.
type clock struct {
	offset int64 // from CLOCK_MONOTONIC to CLOCK_REALTIME
	at     int64 // when that was found, by CLOCK_MONOTONIC; 0: never
	now    int64 // time of day of the Block, for packets without a time
}

// set prepares for a Block whose first packet has the given time: 0 for none.
// The clocks are compared anew if a second has passed.
func (c *clock) set(stamp uint64) {
	c.now = time.Now().UnixNano()
	if c.at != 0 && int64(stamp)-c.at < 1e9 {
		return
	}
	var wall, mono unix.Timespec
	if unix.ClockGettime(unix.CLOCK_REALTIME, &wall) == nil && unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono) == nil {
		c.offset, c.at = wall.Nano()-mono.Nano(), mono.Nano()
	}
}

func (c *clock) wall(stamp uint64) int64 {
	if stamp == 0 {
		return c.now
	}
	return int64(stamp) + c.offset
}
