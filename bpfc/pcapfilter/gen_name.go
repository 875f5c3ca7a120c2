package pcapfilter

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
)

func (g *gen) sprintf(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// etherNames are the names "ether proto" knows.
var etherNames = map[string]uint32{
	"aarp": etherAARP, "arp": etherARP, "atalk": etherAtalk, "decnet": etherDecnet, "ip": etherIP, "ip6": etherIP6,
	"lat": etherLAT, "lldp": etherLLDP, "loopback": etherLoop, "mopdl": etherMOPDL, "moprc": etherMOPRC, "rarp": etherRARP, "sca": etherSCA,
	"slow": etherSlow, "iso": sapISO, "stp": sapSTP, "ipx": sapIPX, "netbeui": sapNetbeui,
}

var isoNames = map[string]uint32{"clnp": nlpidCLNP, "esis": nlpidESIS, "isis": nlpidISIS}

// name is an identifier that has to be looked up.
func (g *gen) name(n *match) *cond {
	name := n.id.text
	switch n.q.typ {
	case typeNone, typeHost:
		return g.hostName(n)
	case typeNet:
		prefix, ok := g.res.Net(name)
		if !ok {
			g.fail("unknown network '%s'", shorten(name))
		}
		b := prefix.Addr().As4()
		mask := ^uint32(0) << (32 - prefix.Bits())
		return g.host(n.q, binary.BigEndian.Uint32(b[:])&mask, mask)
	case typePort, typePortrange:
		return g.portName(n)
	case typeGateway:
		return g.gateway(n)
	case typeProto:
		return g.proto(g.protocolNumber(n), n.q.proto)
	}
	return g.protochain(g.protocolNumber(n), n.q.proto)
}

func (g *gen) protocolNumber(n *match) uint32 {
	name := n.id.text
	switch n.q.proto {
	case protoNone, protoIP, protoIP6:
		if v, ok := g.res.Protocol(name); ok {
			return uint32(v)
		}
		g.fail("unknown ip proto '%s'", shorten(name))
	case protoISO:
		if v, ok := isoNames[name]; ok {
			return v
		}
		g.fail("unknown osi proto '%s'", shorten(name))
	case protoLink:
		if v, ok := etherNames[name]; ok {
			return v
		}
		g.fail("unknown ether proto '%s'", shorten(name))
	}
	g.fail("unknown protocol '%s'", shorten(name))
	return 0
}

// hostName is a host by name: all addresses it has.
func (g *gen) hostName(n *match) *cond {
	name := n.id.text
	switch n.q.proto {
	case protoLink:
		if g.lt.mac == nil {
			g.fail("only ethernet/FDDI/token ring/802.11/ATM LANE/Fibre Channel supports link-level host name")
		}
		mac, ok := g.res.Ether(name)
		if !ok {
			g.fail("unknown ether host '%s'", shorten(name))
		}
		return g.macHost(n.q.dir, mac)
	case protoDecnet:
		g.fail("decnet name support not included, '%s' cannot be translated", shorten(name))
	}
	addrs, err := g.res.Host(name)
	if err != nil || len(addrs) == 0 {
		g.fail("unknown host '%s'", shorten(name))
	}
	var c *cond
	for _, a := range addrs {
		switch {
		case a.Is4() && n.q.proto != protoIP6:
			b := a.As4()
			c = or(c, g.host(n.q, binary.BigEndian.Uint32(b[:]), 0xffffffff))
		case a.Is6() && (n.q.proto == protoIP6 || n.q.proto == protoNone):
			c = or(c, g.host6(n.q, a.As16(), 128))
		}
	}
	if c == nil {
		g.fail("unknown host '%s' for specified address family", shorten(name))
	}
	return c
}

// gateway is "gateway NAME": IPv4, ARP or RARP from or to the host's MAC address,
// and neither from nor to its IPv4 addresses.
func (g *gen) gateway(n *match) *cond {
	protos := []proto{n.q.proto}
	switch n.q.proto {
	case protoNone:
		protos = []proto{protoIP, protoARP, protoRARP}
	case protoIP, protoARP, protoRARP:
	default:
		g.fail("'%v' is not a valid qualifier for 'gateway'", n.q.proto)
	}
	if g.mplsDepth > 0 {
		g.fail("'gateway' cannot be used within MPLS")
	}
	if g.tunnel {
		g.fail("'gateway' cannot be used within Geneve or VXLAN")
	}
	if g.lt.mac == nil {
		g.fail("'gateway' supported only on ethernet/FDDI/token ring/802.11/ATM LANE/Fibre Channel")
	}
	mac, ok := g.res.Ether(n.id.text)
	if !ok {
		g.failHint("it must be in the ethers and the hosts table", "unknown ether host '%s'", shorten(n.id.text))
	}
	addrs, err := g.res.Host(n.id.text)
	addrs = slices.DeleteFunc(slices.Clone(addrs), func(a netip.Addr) bool { return !a.Is4() })
	if err != nil || len(addrs) == 0 {
		g.fail("unknown host '%s'", shorten(n.id.text))
	}
	c := g.macHost(dirSrcOrDst, mac)
	var other *cond
	for _, p := range protos {
		var from *cond
		for _, a := range addrs {
			b := a.As4()
			from = or(from, g.hostIn(p, dirSrcOrDst, binary.BigEndian.Uint32(b[:]), 0xffffffff))
		}
		other = or(other, and(g.linktype(linkProtos[p]), negate(from)))
	}
	return and(c, other)
}
