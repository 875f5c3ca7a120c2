package pcapfilter

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// generator makes expressions from the grammar.
type generator struct {
	r     *rand.Rand
	depth int
}

func (g *generator) pick(s ...string) string { return s[g.r.IntN(len(s))] }

// sub is one of the alternatives, chosen before it is made.
func (g *generator) sub(f ...func() string) string { return f[g.r.IntN(len(f))]() }

func (g *generator) expr() string {
	g.depth++
	defer func() { g.depth-- }()
	n := 1
	if g.depth < 4 {
		n += g.r.IntN(3)
	}
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(g.pick(" and ", " or ", " && ", " || ", " and not ", " or not "))
			if g.r.IntN(5) == 0 {
				b.WriteString(g.id())
				continue
			}
		}
		b.WriteString(g.term())
	}
	return b.String()
}

func (g *generator) term() string {
	switch k := g.r.IntN(21); {
	case k == 20:
		return g.list()
	case k == 0 && g.depth < 5:
		return "(" + g.expr() + ")"
	case k == 1:
		return g.pick("not ", "! ", "!") + g.term()
	case k < 5:
		return g.relation()
	case k < 11:
		return g.head()
	}
	return g.primitive()
}

// list is a long list of identifiers of one kind, as people write them.
func (g *generator) list() string {
	n := 2 + g.r.IntN(12)
	if g.r.IntN(4) == 0 {
		n += g.r.IntN(60)
	}
	head := g.pick("", "ip ", "arp ")
	item := func() string {
		return g.pick(g.v4(), g.v4(), fmt.Sprintf("10.0.%d.%d", g.r.IntN(2), g.r.IntN(4)), fmt.Sprintf("192.168.1.%d", g.r.IntN(20)))
	}
	typ := "host "
	switch g.r.IntN(6) {
	case 0:
		typ = "net "
		item = func() string {
			return g.pick("10.0.0.0/8", "10.0.0.0/30", "192.168.0.0/16", "192.168.1.0/28", "224.0.0.0/4", "0.0.0.0/1", "10", "192.168", "1.2.3", "131.225.0.0/16")
		}
	case 1, 2:
		head, typ = g.pick("", "tcp ", "udp "), "port "
		item = func() string { return g.pick("80", "443", "53", "22", fmt.Sprint(g.r.IntN(4000))) }
	case 3:
		head, typ = g.pick("", "tcp ", "udp "), "portrange "
		item = func() string {
			return g.pick("20-80", "50-60", "443-443", "1000-2000", "0-100", "80-90", "22-53", "1024-65535", "60000-65535", "1-1", fmt.Sprint(g.r.IntN(500), "-", g.r.IntN(500)))
		}
	case 4:
		head = "ip6 "
		item = func() string { return g.pick(g.v6(), fmt.Sprintf("2001:db8::%d", g.r.IntN(5)), "fe80::2", "ff02::1") }
	}
	head += g.dir() + typ
	op := g.pick(" or ", " or ", " or ", " and not ", " and ")
	if op == " and not " && g.r.IntN(2) == 0 {
		head = "not " + head
	}
	again := ""
	if g.r.IntN(2) == 0 {
		again = strings.TrimPrefix(head, "not ")
	}
	var b strings.Builder
	b.WriteString(head + item())
	for range n {
		b.WriteString(op + again + item())
	}
	if g.r.IntN(3) == 0 {
		return "not (" + b.String() + ")"
	}
	return b.String()
}

func (g *generator) proto() string {
	return g.pick("ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp", "icmp", "icmp6", "igmp", "pim", "ah", "esp",
		"ether", "link", "vrrp", "carp", "igrp", "decnet", "lat", "sca", "moprc", "mopdl", "atalk", "aarp", "iso", "clnp",
		"esis", "isis", "l1", "l2", "iih", "lsp", "snp", "csnp", "psnp", "stp", "ipx", "netbeui", "wlan", "ppp", "radio")
}

func (g *generator) dir() string {
	return g.pick("", "", "src ", "dst ", "src or dst ", "src and dst ", "dst or src ", "dst and src ")
}

func (g *generator) num() string {
	return g.pick("0", "1", "2", "4", "5", "6", "8", "15", "16", "17", "22", "40", "44", "53", "58", "80", "100", "132", "443", "1000", "6081", "0x10", "0x7f", "010",
		"0xffff", "65535", "0x800", "0x86dd", "70000", "0xffffffff", fmt.Sprint(g.r.IntN(300)))
}

func (g *generator) v4() string {
	return g.pick("10.0.0.1", "192.168.1.2", "1.2.3.4", "224.0.0.1", "127.0.0.1", "0.0.0.0", "255.255.255.255", "131.225.1.1")
}

func (g *generator) v6() string {
	return g.pick("::1", "fe80::2", "2001:db8::1", "::", "ff02::1", "::ffff:1.2.3.4", "1:2:3:4:5:6:7:8")
}

func (g *generator) macAddr() string {
	return g.pick("1:2:3:4:5:6", "06:05:04:03:02:01", "ff:ff:ff:ff:ff:ff", "01-02-03-04-05-06", "0102.0304.0506", "010203040506", "1.2.3.4.5.6")
}

func (g *generator) portName() string {
	return g.pick("http", "domain", "ssh", "tftp", "https", "ftp-data", "nosuchport", "ntp")
}

func (g *generator) id() string {
	return g.sub(g.v4, g.num, g.num, g.v6, g.macAddr, g.portName,
		func() string { return "(" + g.num() + g.pick(" or ", " and ") + g.num() + ")" },
		func() string { return "(" + g.v4() + g.pick(" or ", " and ") + g.v4() + ")" },
		func() string { return "not " + g.num() },
		func() string { return "(" + g.num() + ")" })
}

// head is a qualified identifier that is mostly right.
func (g *generator) head() string {
	p := func(ps ...string) string {
		if g.r.IntN(8) == 0 {
			return g.proto() + " "
		}
		return g.pick(append(ps, "", "", "")...)
	}
	port := func() string {
		if g.r.IntN(3) == 0 {
			return g.portName()
		}
		return g.pick("80", "443", "53", "22", "1000", "65535", "70000")
	}
	return g.sub(
		func() string { return p("ip ", "arp ", "rarp ") + g.dir() + g.pick("host ", "") + g.v4() },
		func() string { return p("ip6 ") + g.dir() + g.pick("host ", "net ") + g.v6() },
		func() string {
			return p("ip ", "arp ") + g.dir() + "net " + g.pick("10", "192.168", "10.0.0", "10.0.0.0/8", "192.168.1.0/24", "10.0.0.1/31", "0.0.0.0/0", "10.0.0.0 mask 255.0.0.0", "192.168/16", "1.2.3.4", "300", "224.0.0.0/4", "10.0.0.1/32", "1.2.3.4/33")
		},
		func() string {
			return p("ip6 ") + g.dir() + "net " + g.pick("fe80::/10", "2001:db8::/32", "::/0", "fe80::2/128", "fe80::/64", "2001:db8::1/64", "2001:db8::/33")
		},
		func() string { return p("tcp ", "udp ", "sctp ") + g.dir() + "port " + port() },
		func() string {
			return p("tcp ", "udp ", "sctp ") + g.dir() + "portrange " + g.pick("20-80", "80-20", "1000-2000", "80", "http-ssh", "0-65535", "22-domain", "80-70000", "53-53", "80-ftp-data")
		},
		func() string {
			return g.pick("ether ", "ether ", "wlan ", "link ", "ip ") + g.dir() + g.pick("host ", "") + g.macAddr()
		},
		func() string {
			return g.pick("wlan ", "ether ") + g.pick("addr1 ", "addr2 ", "addr3 ", "addr4 ", "ra ", "ta ") + g.pick("host ", "") + g.macAddr()
		},
		func() string {
			return p("ip ", "ip6 ", "ether ", "iso ", "isis ") + "proto " + g.pick("6", "17", "1", "58", "44", "50", "300", `\tcp`, `\udp`, `\icmp`, `\ip`, `\arp`, `\stp`, `\isis`, `\clnp`, "0x800", "0x42", "1500", "1501", `\nosuch`, `\lldp`, `\slow`, "65536", "20", "32", "tcp")
		},
		func() string { return p("ip ", "ip6 ") + "protochain " + g.pick("6", "17", "58", `\tcp`, "51") },
		func() string {
			return "decnet " + g.dir() + g.pick("host ", "") + g.pick("1.1", "1.9", "1.9", "10.12", "5", "64.1")
		},
		func() string {
			return p() + g.dir() + g.pick("host ", "net ", "port ", "portrange ", "gateway ", "proto ", "protochain ", "") + g.id()
		},
	)
}

func (g *generator) primitive() string {
	opt := func(s ...string) string { return g.pick(append(s, "", "")...) }
	return g.sub(g.proto, g.proto,
		func() string { return g.pick("ip", "ip6", "tcp", "udp", "arp", "icmp") },
		func() string {
			return g.pick("", "ether ", "ip ", "ip6 ", "link ", "tcp ") + g.pick("broadcast", "multicast")
		},
		func() string { return g.pick("less ", "greater ") + g.num() },
		func() string { return "byte " + g.num() + g.pick(" = ", " > ", " < ", " & ", " | ") + g.num() },
		func() string { return g.pick("inbound", "outbound", "ifindex 3", "ifindex 0") },
		func() string { return "vlan" + opt(" 5", " 100", " 0", " 4096", " (5)") },
		func() string { return "vlan" + opt(" 5", " 100") },
		func() string { return "mpls" + opt(" 4", " 5", " 1048575", " 1048576") },
		func() string { return "pppoes" + opt(" 5", " 65536") },
		func() string { return g.pick("pppoed", "geneve", "geneve 5", "pppoes 5", "vxlan", "vxlan 5") },
		func() string {
			return "llc" + opt(" i", " s", " u", " rr", " rnr", " rej", " ui", " ua", " disc", " sabme", " test", " xid", " frmr", " x")
		},
		func() string {
			return g.pick("type mgt", "type ctl", "type data", "type 8", "type 1", "subtype beacon", "subtype ack", "type data subtype qos",
				"type mgt subtype ack", "subtype ba", "type ctl subtype bar", "dir 4", "type ctl subtype 0xc0", "type 0 subtype 0x80", "dir tods", "dir fromds", "dir 2", "dir x", "wlan type data")
		},
		func() string {
			return g.pick("lane", "oam", "fisu", "vpi 3", "opc 5", "ifname eth0", "action pass", "rnr 5")
		},
	)
}

func (g *generator) relation() string {
	return g.arith() + " " + g.pick("=", "==", "!=", "<", ">", "<=", ">=") + " " + g.arith()
}

func (g *generator) arith() string {
	g.depth++
	defer func() { g.depth-- }()
	if g.depth > 6 {
		return g.num()
	}
	return g.sub(g.num, g.num, func() string { return "len" },
		g.load, g.load, g.load, g.load,
		func() string {
			return g.arith() + " " + g.pick("+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", "&", "+") + " " + g.arith()
		},
		func() string { return "(" + g.arith() + ")" },
		func() string { return "- " + g.arith() },
		func() string { return g.pick("tcpflags", "tcp-syn", "icmptype", "icmp-echo", "icmp6-echo") },
	)
}

func (g *generator) load() string {
	p := g.pick("ip", "ip", "tcp", "tcp", "udp", "ether", "link", "icmp", "ip6", "icmp6", "arp", g.proto())
	i := g.pick("0", "1", "2", "6", "8", "9", "12", "13", "16", "20", "33", "tcpflags", "0xfffffff0")
	if g.r.IntN(4) == 0 {
		i = g.arith()
	}
	return p + "[" + i + g.pick("", "", ":1", ":2", ":4", ":3") + "]"
}

// mutate makes an expression that is mostly wrong: a token gone, doubled,
// exchanged or replaced.
func (g *generator) mutate(s string) string {
	f := strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ", "[", " [ ", "]", " ] ").Replace(s))
	for range 1 + g.r.IntN(2) {
		i := g.r.IntN(len(f))
		switch g.r.IntN(4) {
		case 0:
			f = append(f[:i:i], f[i+1:]...)
		case 1:
			f = append(f[:i+1:i+1], f[i:]...)
		case 2:
			j := g.r.IntN(len(f))
			f[i], f[j] = f[j], f[i]
		case 3:
			f[i] = g.pick("and", "or", "not", "(", ")", "[", "]", "tcp", "80", "host", "port", "src", "dst", "=", "&", "len", "vlan", "1.2.3.4", "::1", "ether", "mask", "/", "proto", "net", ":", "x")
		}
		if len(f) == 0 {
			break
		}
	}
	return strings.Join(f, " ")
}
