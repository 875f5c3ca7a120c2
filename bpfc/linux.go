package bpfc

import (
	"encoding/binary"

	"golang.org/x/net/bpf"
)

// Offsets with a meaning of their own, from linux/filter.h. All are negative
// numbers; a load's k is unsigned, so here they are large.
const (
	skfADOff  uint32 = 0xfffff000 // SKF_AD_OFF, -0x1000: packet metadata
	skfNetOff uint32 = 0xfff00000 // SKF_NET_OFF, -0x100000: from the network header
	skfLLOff  uint32 = 0xffe00000 // SKF_LL_OFF, -0x200000: from the link-layer header
)

// What lies at SKF_AD_OFF.
const (
	adProtocol    uint32 = 0
	adPktType     uint32 = 4
	adIfIndex     uint32 = 8
	adNlattr      uint32 = 12
	adNlattrNest  uint32 = 16
	adMark        uint32 = 20
	adQueue       uint32 = 24
	adHaType      uint32 = 28
	adRxHash      uint32 = 32
	adCPU         uint32 = 36
	adAluXorX     uint32 = 40
	adVLANTag     uint32 = 44
	adVLANPresent uint32 = 48
	adPayOffset   uint32 = 52
	adRandom      uint32 = 56
	adVLANProto   uint32 = 60
)

// ancillary is one metadata load.
type ancillary struct {
	name  string    // as bpf_asm spells it
	field AuxFields // the field of Aux it reads; 0 if it computes from A, X and the packet
	get   func(*Aux) uint32
}

// ancillaries has the loads at SKF_AD_OFF, by their distance from there.
var ancillaries = map[uint32]ancillary{
	adProtocol:    {"proto", AuxProtocol, func(a *Aux) uint32 { return a.Protocol }},
	adPktType:     {"type", AuxPktType, func(a *Aux) uint32 { return a.PktType }},
	adIfIndex:     {"ifidx", AuxIfIndex, func(a *Aux) uint32 { return a.IfIndex }},
	adNlattr:      {name: "nla"},
	adNlattrNest:  {name: "nlan"},
	adMark:        {"mark", AuxMark, func(a *Aux) uint32 { return a.Mark }},
	adQueue:       {"queue", AuxQueue, func(a *Aux) uint32 { return a.Queue }},
	adHaType:      {"hatype", AuxHaType, func(a *Aux) uint32 { return a.HaType }},
	adRxHash:      {"rxhash", AuxRxHash, func(a *Aux) uint32 { return a.RxHash }},
	adCPU:         {"cpu", AuxCPU, func(a *Aux) uint32 { return a.CPU }},
	adAluXorX:     {name: "xor_x"},
	adVLANTag:     {"vlan_tci", AuxVLANTag, func(a *Aux) uint32 { return a.VLANTag }},
	adVLANPresent: {"vlan_avail", AuxVLANPresent, func(a *Aux) uint32 { return a.VLANPresent }},
	adPayOffset:   {"poff", AuxPayOffset, func(a *Aux) uint32 { return a.PayOffset }},
	adRandom:      {"rand", AuxRandom, func(a *Aux) uint32 { return a.Random }},
	adVLANProto:   {"vlan_tpid", AuxVLANProto, func(a *Aux) uint32 { return a.VLANProto }},
}

// isAbs tells the three absolute loads, which are the ones with metadata.
func isAbs(op uint16) bool {
	return op == LdAbsW || op == LdAbsH || op == LdAbsB
}

// ancillaryOf is the metadata load that ins is in the dialect, if it is one.
// Linux takes any access size for one (net/core/filter.c, bpf_anc_helper);
// libpcap has the two VLAN loads, and only as bytes.
func (r *rules) ancillaryOf(ins bpf.RawInstruction) (off uint32, ok bool) {
	off = ins.K - skfADOff
	switch {
	case r.negative && isAbs(ins.Op) && ins.K >= skfADOff:
		_, ok = ancillaries[off]
	case r.vlanLoads && ins.Op == LdAbsB:
		ok = off == adVLANTag || off == adVLANPresent
	}
	return off, ok
}

// linuxOffset turns the offset of a load into a distance from the packet's
// first byte, as bpf_internal_load_pointer_neg_helper does. Our packets start
// with their link-layer header, so SKF_LL_OFF addresses their first byte.
func (p *Program) linuxOffset(off uint32, aux *Aux) (uint64, bool) {
	switch {
	case int32(off) >= 0:
		return uint64(off), true
	case off >= skfNetOff:
		return uint64(aux.NetOffset) + uint64(off-skfNetOff), p.aux&AuxNetOffset != 0
	case off >= skfLLOff:
		return uint64(off - skfLLOff), true
	}
	return 0, false
}

const nlattrHeader = 4 // struct nlattr: u16 length, header included, and u16 type, host order

// findNlattr gives the offset in pkt of the first netlink attribute of type
// kind among those in pkt[from:to], 0 if there is none (lib/nlattr.c, nla_find).
func findNlattr(pkt []byte, from, to int, kind uint32) uint32 {
	for to-from >= nlattrHeader {
		size := int(binary.NativeEndian.Uint16(pkt[from:]))
		if size < nlattrHeader || size > to-from {
			return 0
		}
		if uint32(binary.NativeEndian.Uint16(pkt[from+2:])&0x3fff) == kind {
			return uint32(from)
		}
		from += (size + 3) &^ 3
	}
	return 0
}

// nlattr is SKF_AD_NLATTR: the attribute of type x in the list at offset a.
func nlattr(pkt []byte, a, x uint32) uint32 {
	if len(pkt) < nlattrHeader || uint64(a) > uint64(len(pkt)-nlattrHeader) {
		return 0
	}
	return findNlattr(pkt, int(a), len(pkt), x)
}

// nlattrNest is SKF_AD_NLATTR_NEST: the attribute of type x in the list that
// the attribute at offset a holds.
func nlattrNest(pkt []byte, a, x uint32) uint32 {
	if len(pkt) < nlattrHeader || uint64(a) > uint64(len(pkt)-nlattrHeader) {
		return 0
	}
	size := int(binary.NativeEndian.Uint16(pkt[a:]))
	if size > len(pkt)-int(a) {
		return 0
	}
	return findNlattr(pkt, int(a)+nlattrHeader, int(a)+size, x)
}
