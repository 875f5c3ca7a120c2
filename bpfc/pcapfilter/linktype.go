package pcapfilter

import "github.com/bpfjit/bpfjit/bpfc"

// linkType is what the compiler knows of a link type: where things are in its
// header, and how it names protocols.
type linkType struct {
	num int

	header uint32 // where the link-layer header starts
	typ    uint32 // its type field
	pay    uint32 // its payload
	net    uint32 // the network layer in the payload, behind LLC and SNAP
	llc    uint32 // what follows LLC, without SNAP
	noType bool   // neither type field nor payload are known

	proto     func(g *gen, proto uint32) *cond // tests for a protocol
	mac       func(g *gen, d dir, mac [6]byte) *cond
	multicast func(g *gen) *cond
	check     func(g *gen) *cond // what must hold for any packet to match
	prepare   func(g *gen)       // sets offsets that vary from packet to packet

	vlan, mpls bool // the primitives of these names work
	mplsType   uint32
	sap        bool // 802.2 service access points are in the payload, for "llc"
	radio      bool // a radio header is before the 802.11 header
}

// linkTypes are the link types this package has. The offsets are of the
// headers' specifications, as collected at tcpdump.org/linktypes.html; those
// behind 802.2 assume SNAP, as libpcap does.
var linkTypes = []linkType{
	{num: 0, pay: 4, proto: protoFamily}, // NULL
	{num: 1, typ: 12, pay: 14, llc: 3, proto: protoEther, mac: macEther, multicast: multicastEther, vlan: true, mpls: true, sap: true}, // EN10MB
	{num: 6, typ: 14, pay: 14, net: 8, llc: 3, proto: protoLLC, mac: macAt(8, 2), multicast: multicastAt(2), sap: true},                // IEEE802
	{num: 8, pay: 16, proto: protoVersion},                                                                               // SLIP
	{num: 9, typ: 2, pay: 4, proto: protoPPP, mpls: true, mplsType: pppMPLS},                                             // PPP
	{num: 10, typ: 13, pay: 13, net: 8, llc: 3, proto: protoLLC, mac: macAt(7, 1), multicast: multicastAt(1), sap: true}, // FDDI
	{num: 11, net: 8, llc: 3, proto: protoLLC, sap: true},                                                                // ATM_RFC1483
	{num: 12, proto: protoVersion},                                                                                       // RAW
	{num: 15, pay: 24, proto: protoVersion},                                                                              // SLIP_BSDOS
	{num: 16, typ: 5, pay: 24, proto: protoPPPBSDOS},                                                                     // PPP_BSDOS
	{num: 19, net: 8, llc: 3, proto: protoLLC},                                                                           // ATM_CLIP
	{num: 50, typ: 2, pay: 4, proto: protoPPP},                                                                           // PPP_SERIAL
	{num: 51, typ: 6, pay: 8, proto: protoPPP},                                                                           // PPP_ETHER
	{num: 104, typ: 2, pay: 4, proto: protoCHDLC, mpls: true},                                                            // C_HDLC
	{num: 105, proto: protoWLAN, mac: macWLAN, multicast: multicastWLAN, prepare: prepareWLAN, vlan: true, sap: true},    // IEEE802_11
	{num: 107, proto: protoFrameRelay},                                                                                   // FRELAY
	{num: 108, pay: 4, proto: protoFamily},                                                                               // LOOP
	{num: 109, pay: 12, proto: protoFamily},                                                                              // ENC
	{num: 113, typ: 14, pay: 16, proto: protoSLL},                                                                        // LINUX_SLL
	{num: 119, proto: protoWLAN, mac: macWLAN, multicast: multicastWLAN, prepare: preparePrism, vlan: true, sap: true, radio: true},
	{num: 122, typ: 16, pay: 16, net: 8, llc: 3, proto: protoLLC, mac: macAt(10, 2), multicast: multicastAt(2)}, // IP_OVER_FC
	{num: 127, proto: protoWLAN, mac: macWLAN, multicast: multicastWLAN, prepare: prepareRadiotap, vlan: true, sap: true, radio: true},
	{num: 138, typ: 16, pay: 18, proto: protoPlain}, // APPLE_IP_OVER_IEEE1394
	{num: 163, proto: protoWLAN, mac: macWLAN, multicast: multicastWLAN, prepare: prepareAVS, vlan: true, sap: true, radio: true},
	{num: 166, typ: 2, pay: 4, proto: protoPPP}, // PPP_PPPD
	{num: 192, proto: protoWLAN, mac: macWLAN, multicast: multicastWLAN, prepare: preparePPI, check: (*gen).ppiCheck, sap: true}, // PPI
	{num: 228, proto: protoOnly(etherIP)},  // IPV4
	{num: 229, proto: protoOnly(etherIP6)}, // IPV6
	{num: 240, header: 4, typ: 16, pay: 18, llc: 3, proto: protoEther, mac: macEther, multicast: multicastEther, vlan: true, mpls: true},
	{num: 241, header: 12, typ: 24, pay: 26, llc: 3, proto: protoEther, mac: macEther, multicast: multicastEther, vlan: true, mpls: true},
	{num: dltDSABroadcom, typ: 16, pay: 18, llc: 3, proto: protoEther, mac: macEther, multicast: multicastEther, vlan: true, mpls: true, sap: true},
	{num: dltDSAMarvell, typ: 16, pay: 18, llc: 3, proto: protoEther, mac: macEther, multicast: multicastEther, vlan: true, mpls: true, sap: true},
	{num: 276, typ: 0, pay: 20, proto: protoPlain}, // LINUX_SLL2
}

const (
	dltEther = 1
	dltPPP   = 9
	dltRaw   = 12

	// Ethernet with four bytes of a switch before the type field.
	dltDSABroadcom = 281
	dltDSAMarvell  = 284
)

// setLink makes the link type numbered dlt the current one, at the packet's
// start.
func (g *gen) setLink(dlt int) {
	g.dlt = dlt
	g.lt = findLink(dlt)
	g.linkHdr = offset{k: g.lt.header}
	g.linkType = offset{k: g.lt.typ, unset: g.lt.noType}
	g.linkPay = offset{k: g.lt.pay, unset: g.lt.noType}
	g.netOff, g.llcOff = g.lt.net, g.lt.llc
}

func findLink(dlt int) *linkType {
	for i := range linkTypes {
		if linkTypes[i].num == dlt {
			return &linkTypes[i]
		}
	}
	return &linkType{num: dlt, noType: true}
}

// linkName is the link type's name for messages.
func (g *gen) linkName() string {
	if d := dltByNumber(g.dlt); d != nil {
		return d.name
	}
	return g.sprintf("%d", g.dlt)
}

// linktype tests that the link layer carries a protocol: an Ethernet type, or
// (up to 1500) a service access point of IEEE 802.2.
func (g *gen) linktype(proto uint32) *cond {
	if g.mplsDepth > 0 {
		return g.mplsPayload(proto)
	}
	if g.lt.noType {
		g.failHint("link[...] and len work on any link type", "link-layer type filtering not implemented for %s", g.linkName())
	}
	g.needLinkHdr()
	return g.lt.proto(g, proto)
}

// needLinkHdr and needPayload see to it that offsets that vary from packet to
// packet are found out before they are used.
func (g *gen) needLinkHdr() {
	if g.lt.prepare != nil && !g.wifi.header {
		g.wifi.header = true
		g.lt.prepare(g)
	}
}

func (g *gen) needPayload() {
	if g.lt.noType {
		g.failHint("link[...] and len work on any link type", "link-layer type filtering not implemented for %s", g.linkName())
	}
	if g.lt.prepare != nil && !g.wifi.payload {
		g.needLinkHdr()
		g.wifi.payload = true
		g.prepareWLANPayload()
	}
}

// protoPlain is for link types with nothing but an Ethernet type field.
func protoPlain(g *gen, p uint32) *cond { return g.cmp(g.linkType, 2, p) }

// protoOnly is for link types that carry one protocol, without any header.
func protoOnly(only uint32) func(*gen, uint32) *cond {
	return func(g *gen, p uint32) *cond {
		if p == only {
			return g.yes()
		}
		return g.no()
	}
}

// protoVersion finds IP and IPv6 by the first byte of their headers.
func protoVersion(g *gen, p uint32) *cond { return g.version(g.linkHdr, p) }

func (g *gen) version(o offset, p uint32) *cond {
	switch p {
	case etherIP:
		return g.cmpMask(o, 1, 0x40, 0xf0)
	case etherIP6:
		return g.cmpMask(o, 1, 0x60, 0xf0)
	}
	return g.no()
}

// addressFamilies are the address families at the start of BSD's loopback headers. All
// systems agree in that of IPv4; IPv6 is 24 on NetBSD and OpenBSD, 28 on FreeBSD,
// 30 on macOS and 10 on Linux, where a capture read now may come from any.
var addressFamilies = map[uint32][]uint32{etherIP: {2}, etherIP6: {24, 28, 30, 10}}

// protoFamily is for LOOP, whose family is big-endian, and for NULL and ENC,
// whose family is in the byte order of the capturing machine: either.
func protoFamily(g *gen, p uint32) *cond {
	var c *cond
	for _, f := range addressFamilies[p] {
		c = or(c, g.cmp(g.linkHdr, 4, f))
		if g.dlt != 108 {
			c = or(c, g.cmp(g.linkHdr, 4, f<<24))
		}
	}
	if c == nil {
		return g.no()
	}
	return c
}

// Protocols of PPP (IANA, "Point-to-Point Protocol Field Assignments").
const (
	pppIP     = 0x0021
	pppOSI    = 0x0023
	pppAtalk  = 0x0029
	pppIPX    = 0x002b
	pppVJC    = 0x002d
	pppVJNC   = 0x002f
	pppDecnet = 0x0027
	pppNS     = 0x0025
	pppBridge = 0x0031
	pppIP6    = 0x0057
	pppMPLS   = 0x0281
)

var pppProtos = map[uint32]uint32{
	etherIP: pppIP, etherIP6: pppIP6, etherDecnet: pppDecnet, etherAtalk: pppAtalk, 0x0600: pppNS,
	sapISO: pppOSI, sapSTP: pppBridge, sapIPX: pppIPX,
}

func pppNumber(p uint32) uint32 {
	if n, ok := pppProtos[p]; ok {
		return n
	}
	return p
}

func protoPPP(g *gen, p uint32) *cond { return g.cmp(g.linkType, 2, pppNumber(p)) }

// protoPPPBSDOS also takes TCP with Van Jacobson's compressed headers for IP.
func protoPPPBSDOS(g *gen, p uint32) *cond {
	if p == etherIP {
		return or(g.cmp(g.linkType, 2, pppIP), g.cmp(g.linkType, 2, pppVJC), g.cmp(g.linkType, 2, pppVJNC))
	}
	return protoPPP(g, p)
}

// protoCHDLC is for Cisco's HDLC, which has an Ethernet type, or twice the
// service access point for OSI.
func protoCHDLC(g *gen, p uint32) *cond {
	if p == sapISO {
		p = sapISO<<8 | sapISO
	}
	return g.cmp(g.linkType, 2, p)
}

// protoFrameRelay finds protocols by control byte and NLPID (RFC 2427), behind
// a two-byte address.
func protoFrameRelay(g *gen, p uint32) *cond {
	const control, nlpidIP, nlpidIP6 = 0x03, 0xcc, 0x8e
	at := g.linkHdr.plus(2)
	switch p {
	case etherIP:
		return g.cmp(at, 2, control<<8|nlpidIP)
	case etherIP6:
		return g.cmp(at, 2, control<<8|nlpidIP6)
	case sapISO:
		return or(g.cmp(at, 2, control<<8|nlpidCLNP), g.cmp(at, 2, control<<8|nlpidESIS), g.cmp(at, 2, control<<8|nlpidISIS))
	}
	return g.no()
}

// isoProto finds an OSI network layer protocol by its identifier.
func (g *gen) isoProto(v uint32) *cond {
	if g.dlt == 107 {
		return g.cmp(g.linkHdr.plus(2), 2, 0x03<<8|v)
	}
	c := g.linktype(sapISO)
	return and(c, g.cmp(g.osi(0), 1, v))
}

// osi is an offset in an OSI network layer header.
func (g *gen) osi(k uint32) offset {
	if g.dlt == 104 {
		k++ // Cisco puts one byte of filling first
	}
	return g.llc(k) // behind 802.2
}

// protoEther is for Ethernet: an Ethernet type, or a length and 802.2 behind it.
func protoEther(g *gen, p uint32) *cond {
	length := func() *cond { return negate(g.cmpGT(g.linkType, 2, maxLength)) }
	switch p {
	case sapISO, sapNetbeui, sapIP:
		return and(length(), g.cmp(g.sap(0), 2, p<<8|p))
	case sapIPX:
		// In an Ethernet frame; with SNAP, 802.2, or nothing behind the length.
		inLength := and(length(), or(g.snap(0, etherIPX), g.cmp(g.sap(0), 1, sapIPX), g.cmp(g.sap(0), 2, 0xffff)))
		return or(g.cmp(g.linkType, 2, etherIPX), inLength)
	case etherAtalk:
		return or(g.cmp(g.linkType, 2, p), and(length(), g.snap(ouiApple, p)))
	case etherAARP:
		return or(g.cmp(g.linkType, 2, p), and(length(), g.snap(0, p)))
	}
	if p <= maxLength {
		g.checkMax(dsap, p, 0xff)
		return and(length(), g.cmp(g.sap(0), 1, p))
	}
	return g.cmp(g.linkType, 2, p)
}

// protoSLL is for Linux's cooked captures, where types 1 and 4 say 802.3 with
// and without 802.2.
func protoSLL(g *gen, p uint32) *cond {
	const novell, llc8022 = 1, 4
	llc := func() *cond { return g.cmp(g.linkType, 2, llc8022) }
	switch p {
	case sapISO, sapNetbeui, sapIP:
		return and(llc(), g.cmp(g.sap(0), 2, p<<8|p))
	case sapIPX:
		inLLC := and(llc(), or(g.cmp(g.sap(0), 1, sapIPX), g.snap(0, etherIPX)))
		return or(g.cmp(g.linkType, 2, etherIPX), g.cmp(g.linkType, 2, novell), inLLC)
	case etherAtalk:
		return or(g.cmp(g.linkType, 2, p), and(llc(), g.snap(ouiApple, p)))
	case etherAARP:
		return or(g.cmp(g.linkType, 2, p), and(llc(), g.snap(0, p)))
	}
	if p <= maxLength {
		g.checkMax(dsap, p, 0xff)
		return and(llc(), g.cmp(g.sap(0), 1, p))
	}
	return g.cmp(g.linkType, 2, p)
}

// protoLLC is for link types whose payload always begins with 802.2.
func protoLLC(g *gen, p uint32) *cond {
	switch p {
	case sapISO, sapNetbeui, sapIP:
		return g.cmp(g.sap(0), 2, p<<8|p)
	case etherAtalk:
		return g.snap(ouiApple, p)
	}
	if p <= maxLength {
		g.checkMax(dsap, p, 0xff)
		return g.cmp(g.sap(0), 1, p)
	}
	// SNAP is taken for granted, whatever the organisation.
	return g.cmp(g.sap(6), 2, p)
}

const (
	ouiApple = 0x080007
	dsap     = "LLC DSAP" // destination service access point: a byte
)

// sap is an offset in the 802.2 header.
func (g *gen) sap(k uint32) offset { return g.payload().plus(k) }

// snap tests for a SNAP header with an organisation and a type.
func (g *gen) snap(oui, p uint32) *cond {
	return and(g.cmp(g.sap(4), 4, oui<<16|p), g.cmp(g.sap(0), 4, sapSNAP<<24|sapSNAP<<16|0x03<<8|oui>>16))
}

// macEther tests Ethernet addresses. In a tunnel there may be no Ethernet header.
func macEther(g *gen, d dir, mac [6]byte) *cond {
	return and(g.hasEther(), macAt(6, 0)(g, d, mac))
}

func (g *gen) hasEther() *cond {
	if !g.tunnel {
		return nil
	}
	return negate(g.test(bpfc.JmpJEQ, g.slot(g.linkHdr.slot), g.slot(g.linkPay.slot)))
}

func macAt(src, dst uint32) func(g *gen, d dir, mac [6]byte) *cond {
	return func(g *gen, d dir, mac [6]byte) *cond {
		return g.either(d, func(source bool) *cond {
			if source {
				return g.bytes6(g.linkHdr.plus(src), mac)
			}
			return g.bytes6(g.linkHdr.plus(dst), mac)
		})
	}
}

func multicastEther(g *gen) *cond { return and(g.hasEther(), multicastAt(0)(g)) }

// multicastAt tests the group bit of the address at dst.
func multicastAt(dst uint32) func(g *gen) *cond {
	return func(g *gen) *cond { return g.anyBits(g.linkHdr.plus(dst), 1, 1) }
}

// Metadata loads of Linux socket filters (linux/filter.h): absolute offsets
// from SKF_AD_OFF on.
const (
	skfAdOff            = 0xfffff000
	skfAdPktType        = 4
	skfAdIfIndex        = 8
	skfAdVLANTag        = 44
	skfAdVLANTagPresent = 48
	packetOutgoing      = 4 // PACKET_OUTGOING of packet(7)
)

// inbound and outbound: where the header says, else what the Linux kernel knows,
// which a program that does not run there takes for out of the packet.
func (g *gen) inbound(in bool) *cond {
	g.needLinkHdr() // as libpcap does, for a radio header to be there
	var out *cond
	switch g.dlt {
	case 8, 166: // SLIP, PPP_PPPD: a byte of direction, 0 received, 1 sent
		if in {
			return g.cmp(g.linkHdr, 1, 0)
		}
		return g.cmp(g.linkHdr, 1, 1)
	case 113:
		out = g.cmp(g.linkHdr, 2, packetOutgoing)
	case dltDSABroadcom: // an operation code: 0 from a port, 1 to one
		if in {
			return g.cmpMask(g.linkHdr.plus(12), 1, 0, 0xe0)
		}
		return g.cmpMask(g.linkHdr.plus(12), 1, 0x20, 0xe0)
	case dltDSAMarvell: // a mode: 0 to the processor, 1 from it, 2 to a sniffer, 3 forwarded
		if in {
			return g.cmpMask(g.linkHdr.plus(12), 1, 0, 0x40)
		}
		return g.cmpMask(g.linkHdr.plus(12), 1, 0x40, 0xc0)
	case 276:
		out = g.cmp(g.linkHdr.plus(10), 1, packetOutgoing)
	default:
		out = g.cmp(offset{k: skfAdOff + skfAdPktType}, 2, packetOutgoing)
	}
	if in {
		return negate(out)
	}
	return out
}

func (g *gen) ifindex(n uint32) *cond {
	g.needLinkHdr()
	if g.dlt == 276 {
		return g.cmp(g.linkHdr.plus(4), 4, n)
	}
	return g.cmp(offset{k: skfAdOff + skfAdIfIndex}, 4, n)
}
