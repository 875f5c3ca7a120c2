package pcapfilter

import "github.com/bpfjit/bpfjit/bpfc"

// vlan tests for a VLAN tag, with a number if one is said, and moves behind it
// for the rest of the expression.
func (g *gen) vlan(n *plain) *cond {
	if g.mplsDepth > 0 {
		g.fail("no VLAN match after MPLS")
	}
	if !g.lt.vlan {
		g.fail("no VLAN support for %s", g.linkName())
	}
	if n.hasNum {
		g.checkMax("VLAN tag", n.num, 0xfff)
	}
	if g.opts.LiveVLAN && g.vlanDepth == 0 && g.dlt == dltEther && !g.linkPay.variable {
		return g.vlanLive(n)
	}
	c := g.vlanInPacket(n)
	g.linkPay = g.linkPay.plus(4)
	g.linkType = g.linkType.plus(4)
	g.vlanDepth++
	return c
}

func (g *gen) vlanInPacket(n *plain) *cond {
	c := g.linktype(etherVLAN)
	c = or(c, g.linktype(etherQinQ))
	c = or(c, g.linktype(etherOldQinQ))
	if n.hasNum {
		c = and(c, g.cmpMask(g.net(0), 2, n.num, 0xfff))
	}
	return c
}

// vlanLive is the form for packets whose outer tag the Linux kernel has taken
// out: the tag is in the metadata, or, of interfaces that do not do that, still
// in the packet. How far the payload moves is only known then.
func (g *gen) vlanLive(n *plain) *cond {
	typ, pay := g.newSlot(g.linkType.k+4), g.newSlot(g.linkPay.k+4)
	move := func(by uint32) *cond {
		return &cond{kind: condAssign, sets: []assign{
			{typ, g.constant(g.linkType.k + by)}, {pay, g.constant(g.linkPay.k + by)}}}
	}
	// Both words are written before the test, so that whatever stands to the
	// right of a failed "vlan" finds the offsets of an untagged packet.
	c := and(move(0), g.test(bpfc.JmpJEQ, g.load(offset{k: skfAdOff + skfAdVLANTagPresent}, 1), g.constant(1)))
	if n.hasNum {
		c = and(c, g.test(bpfc.JmpJEQ, g.and(g.load(offset{k: skfAdOff + skfAdVLANTag}, 1), 0xfff), g.constant(n.num)))
	}
	c = or(c, and(g.vlanInPacket(n), move(4)))
	g.linkType = offset{variable: true, slot: typ}
	g.linkPay = offset{variable: true, slot: pay}
	g.vlanDepth++
	return c
}

// mpls tests for a label, with a number if one is said, and moves behind it.
func (g *gen) mpls(n *plain) *cond {
	var c *cond
	if g.mplsDepth > 0 {
		// The bottom-of-stack bit of the label before must be clear.
		c = g.cmpMask(g.beforeNet(2), 1, 0, 1)
	} else {
		if !g.lt.mpls {
			g.fail("no MPLS support for %s", g.linkName())
		}
		et := uint32(etherMPLS)
		if g.lt.mplsType != 0 {
			et = g.lt.mplsType
		}
		c = g.linktype(et)
	}
	if n.hasNum {
		g.checkMax("MPLS label", n.num, 0xfffff)
		c = and(c, g.cmpMask(g.net(0), 4, n.num<<12, 0xfffff000))
	}
	g.netOff += 4
	g.llcOff += 4
	g.mplsDepth++
	return c
}

// beforeNet is k bytes before the network layer.
func (g *gen) beforeNet(k uint32) offset { return g.payload().plus(g.netOff - k) }

// mplsPayload tells IP and IPv6 behind the last label by their first byte: a
// label stack does not say what it carries.
func (g *gen) mplsPayload(proto uint32) *cond {
	if proto != etherIP && proto != etherIP6 {
		g.fail("unsupported protocol over mpls")
	}
	bottom := g.cmpMask(g.beforeNet(2), 1, 1, 1)
	return and(bottom, g.version(g.net(0), proto))
}

// pppoes tests for a PPP-over-Ethernet session and moves to the PPP packet in it.
func (g *gen) pppoes(n *plain) *cond {
	if n.hasNum {
		g.checkMax("PPPoE session number", n.num, 0xffff)
	}
	c := g.linktype(etherPPPoES)
	if n.hasNum {
		c = and(c, g.cmpMask(g.net(0), 4, n.num, 0xffff))
	}
	// The PPPoE header has six bytes; the PPP packet in it begins with the
	// protocol.
	at := g.net(6)
	g.enter(dltPPP, at, at, at.plus(2))
	return c
}

// enter makes an encapsulated link layer the current one.
func (g *gen) enter(dlt int, hdr, typ, pay offset) {
	g.dlt, g.lt = dlt, findLink(dlt)
	g.linkHdr, g.linkType, g.linkPay = hdr, typ, pay
	g.netOff, g.llcOff = 0, 0
}

const (
	portGeneve = 6081
	portVXLAN  = 4789
	udpLen     = 8
	etherLen   = 14
)

// geneve tests for Geneve (RFC 8926) and moves to what it carries: Ethernet, or
// anything with an Ethernet type. Where that is depends on header lengths, so it
// is found out at run time.
func (g *gen) geneve(n *plain) *cond {
	if n.hasNum {
		g.checkMax("Geneve VNI", n.num, 0xffffff)
	}
	pay, typ, hdr := g.newTunnelSlots()
	c := g.inUDP(portGeneve, pay, func(at func(k uint32, size int) *value) *cond {
		c := g.test(bpfc.JmpJEQ, g.and(at(0, 1), 0xc0), g.constant(0)) // version 0
		if n.hasNum {
			c = and(c, g.test(bpfc.JmpJEQ, g.and(at(4, 4), 0xffffff00), g.constant(n.num<<8)))
		}
		return c
	})
	base := offset{variable: true, slot: pay}
	options := g.alu(bpfc.AluMUL, g.and(g.load(base, 1), 0x3f), g.constant(4))
	inner := g.alu(bpfc.AluADD, g.alu(bpfc.AluADD, options, g.constant(8)), g.slot(pay))
	plus := func(slot int, k uint32) *value { return g.alu(bpfc.AluADD, g.slot(slot), g.constant(k)) }
	c = and(c, assigns(assign{typ, plus(pay, 2)}, assign{hdr, inner}))
	ether := and(g.cmp(base.plus(2), 2, etherBridge), assigns(assign{typ, plus(hdr, etherLen-2)}, assign{pay, plus(hdr, etherLen)}))
	c = and(c, or(ether, assigns(assign{pay, g.slot(hdr)})))
	g.enterTunnel(pay, typ, hdr)
	return c
}

// vxlan tests for VXLAN (RFC 7348) and moves to the Ethernet frame in it.
func (g *gen) vxlan(n *plain) *cond {
	if n.hasNum {
		g.checkMax("VXLAN VNI", n.num, 0xffffff)
	}
	pay, typ, hdr := g.newTunnelSlots()
	c := g.inUDP(portVXLAN, pay, func(at func(k uint32, size int) *value) *cond {
		c := g.test(bpfc.JmpJEQ, g.and(at(0, 1), 0x08), g.constant(0x08)) // the VNI is valid
		if n.hasNum {
			c = and(c, g.test(bpfc.JmpJEQ, g.and(at(4, 4), 0xffffff00), g.constant(n.num<<8)))
		}
		return c
	})
	plus := func(slot int, k uint32) *value { return g.alu(bpfc.AluADD, g.slot(slot), g.constant(k)) }
	c = and(c, assigns(assign{hdr, plus(pay, 8)}, assign{typ, plus(hdr, etherLen-2)}, assign{pay, plus(hdr, etherLen)}))
	g.enterTunnel(pay, typ, hdr)
	return c
}

func assigns(sets ...assign) *cond { return &cond{kind: condAssign, sets: sets} }

// newTunnelSlots takes scratch words for the places in a tunnel: behind headers
// of IP and UDP, up to 260 bytes of Geneve, and Ethernet.
func (g *gen) newTunnelSlots() (pay, typ, hdr int) {
	const most = 60 + udpLen + 260 + etherLen
	at := g.sum(g.constant(0), g.net(most))
	return g.newSlot(at.max), g.newSlot(at.max), g.newSlot(at.max)
}

func (g *gen) enterTunnel(pay, typ, hdr int) {
	in := func(slot int) offset { return offset{variable: true, slot: slot} }
	g.enter(dltEther, in(hdr), in(typ), in(pay))
	g.vlanDepth = 0
	g.tunnel = true
}

// inUDP tests for a destination port over IPv4 and over IPv6, then what more
// tests of the UDP payload, and puts the payload's place into a slot.
func (g *gen) inUDP(port uint32, slot int, more func(at func(k uint32, size int) *value) *cond) *cond {
	ip := g.linktype(etherIP)
	ip = and(ip, g.cmp(g.net(9), 1, ipUDP), g.unfragmented(),
		g.test(bpfc.JmpJEQ, g.transport(nil, 2, 2), g.constant(port)),
		more(func(k uint32, size int) *value { return g.transport(nil, udpLen+k, size) }),
		assigns(assign{slot, g.sum(g.headerLen(), g.net(udpLen))}))

	ip6 := g.linktype(etherIP6)
	ip6 = and(ip6, g.cmp(g.net(6), 1, ipUDP), g.cmp(g.net(ip6HeaderLen+2), 2, port),
		more(func(k uint32, size int) *value { return g.load(g.net(ip6HeaderLen+udpLen+k), size) }),
		assigns(assign{slot, g.sum(g.constant(0), g.net(ip6HeaderLen+udpLen))}))
	return or(ip, ip6)
}

// sum is a value plus an offset.
func (g *gen) sum(v *value, o offset) *value {
	if o.variable {
		v = g.alu(bpfc.AluADD, v, g.slot(o.slot))
	}
	return g.alu(bpfc.AluADD, v, g.constant(o.k))
}
