package pcapfilter

import (
	"strconv"
	"strings"

	"github.com/bpfjit/bpfjit/bpfc"
)

// anyPortProto is for ports of all three transport protocols.
const anyPortProto = -1

// checkPortProto refuses protocols that have no ports.
func (g *gen) checkPortProto(q qualifiers) {
	switch q.proto {
	case protoNone, protoTCP, protoUDP, protoSCTP:
		return
	}
	g.fail("'%v' is not a valid qualifier for '%v'", q.proto, q.typ)
}

// port tests the ports from lo to hi, of IPv6 packets whose first header is the
// transport protocol's, and of first fragments of IPv4. num is the protocol a
// name has, or anyPortProto.
func (g *gen) port(q qualifiers, num int, lo, hi uint32) *cond {
	if lo > hi {
		lo, hi = hi, lo
	}
	if p, ok := netProtos[q.proto]; ok {
		num = int(p.num)
	}
	protos := []uint32{ipSCTP, ipTCP, ipUDP}
	if num != anyPortProto {
		protos = []uint32{uint32(num)}
	}
	if q.dir > dirSrcAndDst {
		g.failHint("it is for 802.11 MAC addresses", "'%v' is valid for 802.11 syntax only", q.dir)
	}

	within := func(v *value) *cond {
		if lo == hi && q.typ == typePort {
			return g.test(bpfc.JmpJEQ, v, g.constant(lo))
		}
		return and(g.test(bpfc.JmpJGE, v, g.constant(lo)), negate(g.test(bpfc.JmpJGT, v, g.constant(hi))))
	}
	at := func(source bool) uint32 {
		if source {
			return 0
		}
		return 2
	}
	ip6 := g.linktype(etherIP6)
	var any *cond
	for _, p := range protos {
		ports := g.either(q.dir, func(source bool) *cond {
			return within(g.load(g.net(ip6HeaderLen+at(source)), 2))
		})
		any = or(any, and(g.cmp(g.net(6), 1, p), ports))
	}
	ip6 = and(ip6, any)

	ip := g.linktype(etherIP)
	any = nil
	for _, p := range protos {
		ports := g.either(q.dir, func(source bool) *cond {
			return within(g.transport(nil, at(source), 2))
		})
		any = or(any, and(g.cmp(g.net(9), 1, p), g.unfragmented(), ports))
	}
	return or(ip6, and(ip, any))
}

// namedPort finds a service: its number and the protocol that has it, or
// anyPortProto where TCP and UDP agree. A decimal number is a service too.
func (g *gen) namedPort(name string) (port uint32, num int, ok bool) {
	if runLen(name, isDigit) == len(name) {
		v, err := strconv.ParseUint(name, 10, 16)
		return uint32(v), anyPortProto, err == nil
	}
	tcp, isTCP := g.res.Service(name, "tcp")
	udp, isUDP := g.res.Service(name, "udp")
	switch {
	case isTCP && isUDP && tcp == udp:
		return uint32(tcp), anyPortProto, true
	case isTCP:
		return uint32(tcp), ipTCP, true
	case isUDP:
		return uint32(udp), ipUDP, true
	}
	return 0, 0, false
}

// portName is "port NAME" and "portrange NAME[-NAME]".
func (g *gen) portName(n *match) *cond {
	g.checkPortProto(n.q)
	name := n.id.text
	lo, num, ok := g.namedPort(name)
	hi := lo
	if n.q.typ == typePortrange {
		if first, last, dash := strings.Cut(name, "-"); dash {
			var num2 int
			var ok2 bool
			lo, num, ok = g.namedPort(first)
			hi, num2, ok2 = g.namedPort(last)
			ok = ok && ok2
			if num != num2 {
				num = anyPortProto
			}
		} else {
			ok = false
		}
		if !ok {
			g.fail("unknown port in range '%s'", shorten(name))
		}
	} else if !ok {
		g.fail("unknown port '%s'", shorten(name))
	}
	if want, has := netProtos[n.q.proto]; has && num != anyPortProto && uint32(num) != want.num {
		g.fail("%v '%s' is %s", n.q.typ, shorten(name), map[int]string{ipTCP: "tcp", ipUDP: "udp"}[num])
	}
	return g.port(n.q, num, lo, hi)
}
