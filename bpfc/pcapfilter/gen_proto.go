package pcapfilter

import "github.com/bpfjit/bpfjit/bpfc"

// IP protocol numbers (IANA, "Assigned Internet Protocol Numbers").
const (
	ipICMP     = 1
	ipIGMP     = 2
	ipTCP      = 6
	ipIGRP     = 9
	ipUDP      = 17
	ipHopOpts  = 0
	ipRouting  = 43
	ipFragment = 44
	ipESP      = 50
	ipAH       = 51
	ipICMP6    = 58
	ipNoNext   = 59
	ipDstOpts  = 60
	ipPIM      = 103
	ipVRRP     = 112
	ipCARP     = 112
	ipSCTP     = 132
)

const ip6HeaderLen = 40

// Ethernet types (IANA, "IEEE 802 Numbers").
const (
	etherIP      = 0x0800
	etherARP     = 0x0806
	etherRARP    = 0x8035
	etherMOPDL   = 0x6001
	etherMOPRC   = 0x6002
	etherDecnet  = 0x6003
	etherLAT     = 0x6004
	etherSCA     = 0x6007
	etherAtalk   = 0x809b
	etherAARP    = 0x80f3
	etherVLAN    = 0x8100
	etherIPX     = 0x8137
	etherIP6     = 0x86dd
	etherMPLS    = 0x8847
	etherPPPoED  = 0x8863
	etherPPPoES  = 0x8864
	etherSlow    = 0x8809 // "slow protocols": LACP and others
	etherQinQ    = 0x88a8
	etherLLDP    = 0x88cc
	etherLoop    = 0x9000
	etherOldQinQ = 0x9100
	etherBridge  = 0x6558 // transparent Ethernet bridging

	maxLength = 1500 // a type field up to here is an IEEE 802.3 length
)

// Service access points of IEEE 802.2.
const (
	sapIP      = 0x06
	sapSTP     = 0x42
	sapSNAP    = 0xaa
	sapIPX     = 0xe0
	sapNetbeui = 0xf0
	sapISO     = 0xfe
)

// Network layer protocol identifiers of ISO/IEC TR 9577.
const (
	nlpidCLNP = 0x81
	nlpidESIS = 0x82
	nlpidISIS = 0x83
)

// PDU types of IS-IS (ISO/IEC 10589).
const (
	isisL1IIH  = 15
	isisL2IIH  = 16
	isisPTPIIH = 17
	isisL1LSP  = 18
	isisL2LSP  = 20
	isisL1CSNP = 24
	isisL2CSNP = 25
	isisL1PSNP = 26
	isisL2PSNP = 27

	isisTypeMask = 0x1f // the bits above the PDU type are reserved
)

// linkProtos are the protocols that the link layer names, by the number
// linktype takes: an Ethernet type, or a service access point.
var linkProtos = map[proto]uint32{
	protoIP: etherIP, protoARP: etherARP, protoRARP: etherRARP, protoIP6: etherIP6,
	protoAtalk: etherAtalk, protoAarp: etherAARP, protoDecnet: etherDecnet, protoSca: etherSCA,
	protoLat: etherLAT, protoMopdl: etherMOPDL, protoMoprc: etherMOPRC,
	protoISO: sapISO, protoSTP: sapSTP, protoIPX: sapIPX, protoNetbeui: sapNetbeui,
}

// netProtos are the protocols above IP: over which of the two, and their number.
var netProtos = map[proto]struct {
	over proto
	num  uint32
}{
	protoSCTP: {protoNone, ipSCTP}, protoTCP: {protoNone, ipTCP}, protoUDP: {protoNone, ipUDP},
	protoPIM: {protoNone, ipPIM}, protoAH: {protoNone, ipAH}, protoESP: {protoNone, ipESP},
	protoICMP: {protoIP, ipICMP}, protoIGMP: {protoIP, ipIGMP}, protoIGRP: {protoIP, ipIGRP},
	protoVRRP: {protoIP, ipVRRP}, protoCARP: {protoIP, ipCARP}, protoICMP6: {protoIP6, ipICMP6},
	protoESIS: {protoISO, nlpidESIS}, protoISIS: {protoISO, nlpidISIS}, protoCLNP: {protoISO, nlpidCLNP},
}

// isisGroups are the IS-IS abbreviations: the PDU types each stands for.
var isisGroups = map[proto][]uint32{
	protoL1:   {isisL1PSNP, isisL1CSNP, isisL1LSP, isisL1IIH, isisPTPIIH},
	protoL2:   {isisL2PSNP, isisL2CSNP, isisL2LSP, isisL2IIH, isisPTPIIH},
	protoIIH:  {isisPTPIIH, isisL1IIH, isisL2IIH},
	protoLSP:  {isisL1LSP, isisL2LSP},
	protoSNP:  {isisL2PSNP, isisL1PSNP, isisL1CSNP, isisL2CSNP},
	protoCSNP: {isisL1CSNP, isisL2CSNP},
	protoPSNP: {isisL1PSNP, isisL2PSNP},
}

// abbrev translates a protocol standing alone.
func (g *gen) abbrev(p proto) *cond {
	if n, ok := linkProtos[p]; ok {
		return g.linktype(n)
	}
	if n, ok := netProtos[p]; ok {
		return g.proto(n.num, n.over)
	}
	if pdus, ok := isisGroups[p]; ok {
		var c *cond
		for _, pdu := range pdus {
			c = or(c, g.proto(pdu, protoISIS))
		}
		return c
	}
	if p == protoLink {
		g.fail("link layer applied in wrong context")
	}
	g.fail("'radio' is not a valid protocol type")
	return nil
}

// proto translates "over proto v".
func (g *gen) proto(v uint32, over proto) *cond {
	switch over {
	case protoNone, protoIP, protoIP6:
		g.checkMax("protocol number", v, 0xff)
	case protoLink:
		g.checkMax("EtherType", v, 0xffff)
	case protoISO:
		g.checkMax("ISO protocol", v, 0xff)
	case protoISIS:
		g.checkMax("IS-IS PDU type", v, isisTypeMask)
	}
	switch over {
	case protoNone:
		c := g.proto(v, protoIP)
		return or(c, g.proto(v, protoIP6))
	case protoLink:
		return g.linktype(v)
	case protoIP:
		c := g.linktype(etherIP)
		return and(c, g.cmp(g.net(9), 1, v))
	case protoIP6:
		// The one extension header looked through is a fragment header.
		c := g.linktype(etherIP6)
		frag := and(g.cmp(g.net(6), 1, ipFragment), g.cmp(g.net(ip6HeaderLen), 1, v))
		return and(c, or(g.cmp(g.net(6), 1, v), frag))
	case protoISO:
		return g.isoProto(v)
	case protoISIS:
		c := g.proto(nlpidISIS, protoISO)
		return and(c, g.cmpMask(g.osi(4), 1, v, isisTypeMask))
	case protoARP, protoRARP, protoAtalk, protoDecnet, protoLat, protoSca, protoMoprc, protoMopdl:
		g.fail("%v does not encapsulate another protocol", over)
	}
	g.fail("'%v proto' is bogus", over)
	return nil
}

// protochain walks the extension headers of IPv6, or the AH headers of either
// IP, until it finds protocol v. The loop is in emit.go.
func (g *gen) protochain(v uint32, over proto) *cond {
	g.checkMax("protocol number", v, 0xff)
	if over == protoNone {
		c := g.protochain(v, protoIP)
		return or(c, g.protochain(v, protoIP6))
	}
	if over != protoIP && over != protoIP6 {
		g.fail("bad protocol applied for 'protochain'")
	}
	if g.payload().variable {
		g.fail("'protochain' not supported with variable length headers")
	}
	ch := &chain{ip6: over == protoIP6, want: v}
	et := uint32(etherIP)
	if ch.ip6 {
		et = etherIP6
	}
	c := g.linktype(et)
	ch.link = g.net(0)
	last := g.intern(value{op: opChain, chain: ch})
	return and(c, g.test(bpfc.JmpJEQ, last, g.constant(v)))
}

// broadcast translates "[ether|ip] broadcast".
func (g *gen) broadcast(p proto) *cond {
	switch p {
	case protoNone, protoLink:
		if g.lt.mac == nil {
			g.fail("not a broadcast link")
		}
		return g.lt.mac(g, dirDst, [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	case protoIP:
		if g.opts.Netmask == NetmaskUnknown {
			g.fail("netmask not known, so 'ip broadcast' not supported")
		}
		c := g.linktype(etherIP)
		host := ^g.opts.Netmask
		dst := g.and(g.load(g.net(16), 4), host)
		return and(c, or(g.test(bpfc.JmpJEQ, dst, g.constant(0)), g.test(bpfc.JmpJEQ, dst, g.constant(host))))
	}
	g.fail("only link-layer/IP broadcast filters supported")
	return nil
}

// multicast translates "[ether|ip|ip6] multicast".
func (g *gen) multicast(p proto) *cond {
	switch p {
	case protoNone, protoLink:
		if g.lt.multicast == nil {
			g.fail("link-layer multicast filters supported only on ethernet/FDDI/token ring/ARCNET/802.11/ATM LANE/Fibre Channel")
		}
		return g.lt.multicast(g)
	case protoIP:
		c := g.linktype(etherIP)
		return and(c, g.cmpMask(g.net(16), 1, 0xe0, 0xf0)) // 224.0.0.0/4
	case protoIP6:
		c := g.linktype(etherIP6)
		return and(c, g.cmp(g.net(24), 1, 255))
	}
	g.fail("only IP multicast filters supported on ethernet/FDDI")
	return nil
}
