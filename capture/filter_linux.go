package capture

import (
	"slices"
	"unsafe"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/jit"
	"golang.org/x/sys/unix"
)

// blockFilter is the filter of a ring's blocks.
type blockFilter struct {
	filter   *jit.Filter
	loop     *jit.Records // nil: packets are filtered one by one
	verdicts []uint32
	aux      bpfc.Aux
}

// Filter leaves only those packets of the block that f matches: Next and All give
// these, with their Verdict. It comes before the first of them; packets that were
// given already are not looked at.
//
// Generated code goes over the whole block at once. Filters that use metadata, or
// are interpreted, and packets that get their LINUX_SLL2 header in the ring are
// taken one by one, in Next.
func (b *Block) Filter(f *jit.Filter) {
	if b.hdr == nil {
		return
	}
	if b.ring.filter.filter != f {
		b.ring.filter = b.ring.newFilter(f)
	}
	b.filter = &b.ring.filter
	if b.filter.loop == nil || b.left == 0 {
		return
	}
	if b.ring.opts.VLAN == VLANWire {
		b.insertTags()
	}
	b.filter.verdicts = slices.Grow(b.filter.verdicts[:0], int(b.left))[:b.left]
	b.filter.loop.Run(unsafe.Pointer(&b.mem[b.at]), int(b.left), b.filter.verdicts)
}

// newFilter prepares the ring for a filter.
func (r *Ring) newFilter(f *jit.Filter) blockFilter {
	if r.link == LinkLinuxSLL2 {
		return blockFilter{filter: f}
	}
	var h unix.Tpacket3Hdr
	loop, err := f.Records(bpfc.Records{
		Next:    int32(unsafe.Offsetof(h.Next_offset)),
		Data:    int32(unsafe.Offsetof(h.Mac)),
		CapLen:  int32(unsafe.Offsetof(h.Snaplen)),
		WireLen: int32(unsafe.Offsetof(h.Len)),
		Limit:   uint32(r.opts.SnapLen),
	})
	if err != nil {
		loop = nil // one by one is as right
	}
	return blockFilter{filter: f, loop: loop}
}

// insertTags inserts the tags of all packets that Next has not given.
func (b *Block) insertTags() {
	for left, at, p := b.left, b.at, (LivePacket{max: b.ring.opts.SnapLen}); left > 0; left-- {
		p.mem = b.mem[at:]
		p.hdr = (*unix.Tpacket3Hdr)(unsafe.Pointer(&p.mem[0]))
		p.LinkType = b.ring.link
		p.InsertTag()
		at += int(p.hdr.Next_offset)
	}
}

// rejected says that the loop has found that a packet does not match: the first
// of those left, which is left no more.
func (f *blockFilter) rejected(left uint32) bool {
	return f.loop != nil && f.verdicts[len(f.verdicts)-int(left)] == 0
}

// verdict is the filter's verdict on a packet, the first of those left.
func (f *blockFilter) verdict(p *LivePacket, left uint32) uint32 {
	switch {
	case f.loop != nil:
		return f.verdicts[len(f.verdicts)-int(left)]
	case f.filter.UsesAux():
		p.Aux(&f.aux)
		return f.filter.RunAux(p.Data, int(p.WireLen), &f.aux)
	}
	return f.filter.Run(p.Data, int(p.WireLen))
}
