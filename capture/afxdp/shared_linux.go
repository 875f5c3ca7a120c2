package afxdp

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// indices are the ends of a ring that this program shares with the kernel. Both
// count entries since the ring was made and wrap around at 2^32; an entry's place
// is its number modulo the ring's size, a power of two.
//
// Who advances an end does so after it has written or read the entries before it
// (release), and who sees it advanced looks at them after that (acquire):
// sync/atomic's loads and stores are both, on every architecture.
type indices struct {
	producer, consumer *uint32
	mask               uint32
}

// rxRing says which frames the kernel has put packets in: it produces, we
// consume.
type rxRing struct {
	indices
	descs []unix.XDPDesc
}

// fillRing says which frames the kernel may put packets in: we produce.
type fillRing struct {
	indices
	addrs []uint64 // offsets into the frames' memory
}

func newIndices(mem []byte, at unix.XDPRingOffset, size int) indices {
	return indices{
		producer: (*uint32)(unsafe.Pointer(&mem[at.Producer])),
		consumer: (*uint32)(unsafe.Pointer(&mem[at.Consumer])),
		mask:     uint32(size - 1),
	}
}

func newRxRing(mem []byte, at unix.XDPRingOffset, size int) rxRing {
	descs := unsafe.Slice((*unix.XDPDesc)(unsafe.Pointer(&mem[at.Desc])), size)
	return rxRing{newIndices(mem, at, size), descs}
}

func newFillRing(mem []byte, at unix.XDPRingOffset, size int) fillRing {
	addrs := unsafe.Slice((*uint64)(unsafe.Pointer(&mem[at.Desc])), size)
	return fillRing{newIndices(mem, at, size), addrs}
}

// produced returns how many packets have come in, of which taken were known.
// The kernel is never 2^32 ahead: it needs the frames of the packets taken.
func (r *rxRing) produced(taken uint64) uint64 {
	return taken + uint64(atomic.LoadUint32(r.producer)-uint32(taken))
}

// desc returns the descriptor of packet i, which has come in and is not yet
// given back.
func (r *rxRing) desc(i uint64) *unix.XDPDesc { return &r.descs[uint32(i)&r.mask] }

// consume gives the descriptors before packet i back.
func (r *rxRing) consume(i uint64) { atomic.StoreUint32(r.consumer, uint32(i)) }

// put has frames in the ring from the i-th on, for publish to show.
func (f *fillRing) put(i uint64, addr uint64) { f.addrs[uint32(i)&f.mask] = addr }

// publish shows the kernel the frames before the i-th.
func (f *fillRing) publish(i uint64) { atomic.StoreUint32(f.producer, uint32(i)) }
