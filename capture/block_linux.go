package capture

import (
	"encoding/binary"
	"iter"
	"sync/atomic"
	"unsafe"

	"github.com/bpfjit/bpfjit/bpfc"
	"golang.org/x/sys/unix"
)

const (
	sll2Header = 20 // LINKTYPE_LINUX_SLL2
	vlanTag    = 4

	// Where struct sockaddr_ll follows a packet's header: at
	// TPACKET_ALIGN(sizeof(struct tpacket3_hdr)), linux/if_packet.h.
	sockaddrOffset = (int(unsafe.Sizeof(unix.Tpacket3Hdr{})) + unix.TPACKET_ALIGNMENT - 1) &^ (unix.TPACKET_ALIGNMENT - 1)
)

// RingAux is what LivePacket.Aux fills in.
const RingAux = bpfc.AuxProtocol | bpfc.AuxPktType | bpfc.AuxIfIndex | bpfc.AuxHaType | bpfc.AuxRxHash |
	bpfc.AuxVLANTag | bpfc.AuxVLANPresent | bpfc.AuxVLANProto | bpfc.AuxNetOffset

// Block is a block of packets in a ring. It is good until Release or until the
// ring's next Next, and so are its packets.
type Block struct {
	ring *Ring
	hdr  *unix.TpacketHdrV1 // nil: released
	mem  []byte
	left uint32 // packets not yet looked at
	at   int    // offset of the first of these
	pkt  LivePacket

	filter        *blockFilter // nil: all packets are given
	passed, bytes int64        // of packets that were looked at
}

// LivePacket is a packet in a ring.
type LivePacket struct {
	Packet
	Verdict uint32 // of Block.Filter's filter: not 0; undefined without

	hdr *unix.Tpacket3Hdr
	ll  *unix.RawSockaddrLinklayer
	mem []byte // the block from hdr on
	at  int    // where in mem Data starts
	max int    // most bytes kept
}

func (b *Block) take(h *unix.TpacketHdrV1, mem []byte) {
	b.hdr, b.mem = h, mem
	b.left, b.at = h.Num_pkts, int(h.Offset_to_first_pkt)
	b.filter, b.passed, b.bytes = nil, 0, 0
}

// Len returns how many packets the block has, before Direction and a filter are
// looked at.
func (b *Block) Len() int {
	if b.hdr == nil {
		return 0
	}
	return int(b.hdr.Num_pkts)
}

// Passed returns how many packets of the direction asked for Next has looked at,
// whether they matched or not, and how many bytes the ring has of them.
func (b *Block) Passed() (packets, bytes int64) { return b.passed, b.bytes }

// Next returns the next packet of the block, nil after the last. It is the
// Block's own, and the next call overwrites it.
func (b *Block) Next() *LivePacket {
	for b.left > 0 {
		p := &b.pkt
		p.mem = b.mem[b.at:]
		p.hdr = (*unix.Tpacket3Hdr)(unsafe.Pointer(&p.mem[0]))
		p.ll = (*unix.RawSockaddrLinklayer)(unsafe.Pointer(&p.mem[sockaddrOffset]))
		left := b.left
		b.left--
		b.at += int(p.hdr.Next_offset) // 0 in the last
		if b.ring.check && !b.ring.wants(p.ll) {
			continue
		}
		b.passed++
		if b.filter != nil && b.filter.rejected(left) {
			b.bytes += int64(min(p.hdr.Snaplen, uint32(b.ring.opts.SnapLen)))
			continue
		}
		p.TS = int64(p.hdr.Sec)*1e9 + int64(p.hdr.Nsec)
		p.LinkType = b.ring.link
		p.max = b.ring.opts.SnapLen
		if p.LinkType == LinkLinuxSLL2 {
			p.cook(b.ring.opts.VLAN)
		} else {
			p.setData(int(p.hdr.Mac))
			if b.ring.opts.VLAN == VLANWire {
				p.InsertTag()
			}
		}
		b.bytes += int64(len(p.Data))
		if b.filter != nil {
			if p.Verdict = b.filter.verdict(p, left); p.Verdict == 0 {
				continue
			}
		}
		return p
	}
	return nil
}

// All gives the packets of the block that Next has not given.
func (b *Block) All() iter.Seq[*LivePacket] {
	return func(yield func(*LivePacket) bool) {
		for p := b.Next(); p != nil; p = b.Next() {
			if !yield(p) {
				return
			}
		}
	}
}

// Release gives the block back to the kernel, which is about to overwrite it.
func (b *Block) Release() {
	if b.hdr != nil {
		atomic.StoreUint32(&b.hdr.Block_status, unix.TP_STATUS_KERNEL)
		b.hdr, b.mem, b.left = nil, nil, 0
		b.pkt = LivePacket{}
	}
}

// wants says whether the packet's direction is the one asked for.
func (r *Ring) wants(ll *unix.RawSockaddrLinklayer) bool {
	outgoing := ll.Pkttype == unix.PACKET_OUTGOING
	switch r.opts.Direction {
	case In:
		return !outgoing
	case Out:
		return outgoing
	}
	return !outgoing || ll.Hatype != unix.ARPHRD_LOOPBACK
}

// setData makes Data what the ring has of the packet, from at on.
func (p *LivePacket) setData(at int) {
	skip := at - int(p.hdr.Mac) // negative: Data starts before the packet
	n := min(max(int(p.hdr.Snaplen)-skip, 0), p.max)
	p.at = at
	p.Data = p.mem[at : at+n : at+n]
	p.WireLen = p.hdr.Len - uint32(skip)
}

// Outgoing says whether the host sent the packet.
func (p *LivePacket) Outgoing() bool { return p.ll.Pkttype == unix.PACKET_OUTGOING }

// IfIndex returns the index of the interface, which on "any" varies.
func (p *LivePacket) IfIndex() int { return int(p.ll.Ifindex) }

// VLAN returns the tag that is not in the packet's bytes: its control
// information and its protocol, 0x8100 or 0x88a8. A tag whose control
// information is 0 (priority tagged, VLAN 0) is a tag.
func (p *LivePacket) VLAN() (tci, tpid uint16, ok bool) {
	inBytes := p.LinkType == LinkLinuxSLL2 && p.at < p.untagged()
	if p.hdr.Status&unix.TP_STATUS_VLAN_VALID == 0 || inBytes {
		return 0, 0, false
	}
	tpid = unix.ETH_P_8021Q
	if p.hdr.Status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		tpid = p.hdr.Hv1.Vlan_tpid
	}
	return uint16(p.hdr.Hv1.Vlan_tci), tpid, true
}

// InsertTag puts the VLAN tag back between addresses and ethertype, as it was on
// the wire, and leaves no tag for VLAN and Aux. Without a tag, and in packets that
// are neither Ethernet nor LINUX_SLL2, it does nothing. It moves 12 bytes and no
// more, since the ring has room before the packet.
func (p *LivePacket) InsertTag() {
	const addresses = 12
	tci, tpid, ok := p.VLAN()
	if ok && p.LinkType == LinkLinuxSLL2 {
		p.cook(VLANWire)
	}
	if !ok || p.LinkType != LinkEthernet || p.hdr.Snaplen < addresses {
		return
	}
	// The header is changed with the packet, so that whoever goes over the block
	// again finds the packet as it now is.
	p.hdr.Status &^= unix.TP_STATUS_VLAN_VALID | unix.TP_STATUS_VLAN_TPID_VALID
	p.hdr.Mac -= vlanTag
	p.hdr.Snaplen += vlanTag
	p.hdr.Len += vlanTag
	b := p.mem[p.hdr.Mac:]
	copy(b, b[vlanTag:vlanTag+addresses])
	binary.BigEndian.PutUint16(b[addresses:], tpid)
	binary.BigEndian.PutUint16(b[addresses+2:], tci)
	p.setData(int(p.hdr.Mac))
}

// cook puts a LINUX_SLL2 header in the place of the packet's link-layer header,
// whatever that is: it ends where the network header starts.
func (p *LivePacket) cook(mode VLANMode) {
	protocol, room := p.protocol(), sll2Header
	p.at = p.untagged()
	tci, tpid, tagged := p.VLAN()
	if tagged = tagged && mode == VLANWire; tagged {
		room += vlanTag
	}
	p.setData(int(p.hdr.Net) - room)
	h, order := p.mem[p.at:], binary.BigEndian
	if tagged {
		order.PutUint16(h[sll2Header:], tci)
		order.PutUint16(h[sll2Header+2:], protocol)
		protocol = tpid
	}
	order.PutUint16(h, protocol)
	order.PutUint16(h[2:], 0)
	order.PutUint32(h[4:], uint32(p.ll.Ifindex))
	order.PutUint16(h[8:], p.ll.Hatype)
	h[10], h[11] = p.ll.Pkttype, min(p.ll.Halen, 8)
	copy(h[12:sll2Header], p.ll.Addr[:])
}

// untagged is where in mem a LINUX_SLL2 packet without a tag starts.
func (p *LivePacket) untagged() int { return int(p.hdr.Net) - sll2Header }

func (p *LivePacket) protocol() uint16 { return htons(p.ll.Protocol) }

// Aux fills in what the ring knows of the packet, the fields in RingAux, as a
// kernel filter would find it; others are left as they are. RxHash is the flow
// hash that the kernel has computed by now, where a kernel filter may find 0.
//
// Of a tag that is in the packet's bytes (VLANWire, InsertTag) nothing is told:
// Protocol and NetOffset are those of what it tags.
func (p *LivePacket) Aux(a *bpfc.Aux) {
	a.Protocol = uint32(p.protocol())
	a.PktType = uint32(p.ll.Pkttype)
	a.IfIndex = uint32(p.ll.Ifindex)
	a.HaType = uint32(p.ll.Hatype)
	a.RxHash = p.hdr.Hv1.Rxhash
	a.NetOffset = uint32(int(p.hdr.Net) - p.at)
	a.VLANTag, a.VLANPresent, a.VLANProto = 0, 0, 0
	if tci, tpid, ok := p.VLAN(); ok {
		a.VLANTag, a.VLANPresent, a.VLANProto = uint32(tci), 1, uint32(tpid)
	}
}

// htons turns a 16-bit number between host and network order.
func htons(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}
