package pcapfilter

import (
	"context"
	_ "embed"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Resolver finds what names stand for. Its methods may be called by several
// compilations at once.
type Resolver interface {
	// Host gives all addresses of a host.
	Host(name string) ([]netip.Addr, error)
	// Net gives an IPv4 network.
	Net(name string) (netip.Prefix, bool)
	// Ether gives a host's MAC address.
	Ether(name string) ([6]byte, bool)
	// Service gives the port of a service over "tcp" or "udp".
	Service(name, proto string) (port uint16, ok bool)
	// Protocol gives the number of an IP protocol.
	Protocol(name string) (num uint8, ok bool)
}

// Offline is a resolver that never asks the network: it knows the machine's
// hosts, networks, ethers, services and protocols files in /etc, and IANA's
// services and protocols where those lack a name. Files are read when the first
// name needs one, and once.
func Offline() Resolver { return &offline{dir: "/etc/"} }

// Online is Offline, and asks the system's resolver (DNS) for hosts that are in
// no file, for at most timeout each.
func Online(timeout time.Duration) Resolver {
	return &online{offline: offline{dir: "/etc/"}, timeout: timeout}
}

//go:embed tables/services.txt
var builtinServices string

//go:embed tables/protocols.txt
var builtinProtocols string

// offline looks names up in files.
type offline struct {
	dir                                       string
	hosts, networks, ethers, services, protos table
}

// table is a file of lines of fields: which one is the name differs.
type table struct {
	once sync.Once
	rows [][]string
}

func (t *table) load(file, builtin string) [][]string {
	t.once.Do(func() {
		text, _ := os.ReadFile(file) // a machine without the file has no names of its own
		for line := range strings.Lines(string(text) + "\n" + builtin) {
			line, _, _ = strings.Cut(line, "#")
			if f := strings.Fields(line); len(f) >= 2 {
				t.rows = append(t.rows, f)
			}
		}
	})
	return t.rows
}

func (o *offline) Host(name string) ([]netip.Addr, error) {
	var addrs []netip.Addr
	for _, row := range o.hosts.load(o.dir+"hosts", "") {
		if !slices.ContainsFunc(row[1:], func(s string) bool { return strings.EqualFold(s, name) }) {
			continue
		}
		if a, err := netip.ParseAddr(row[0]); err == nil && !slices.Contains(addrs, a) {
			addrs = append(addrs, a)
		}
	}
	if addrs == nil {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return addrs, nil
}

func (o *offline) Net(name string) (netip.Prefix, bool) {
	for _, row := range o.networks.load(o.dir+"networks", "") {
		if row[0] != name && !slices.Contains(row[2:], name) {
			continue
		}
		// networks(5) leaves out trailing zero bytes, or not; the mask covers
		// what is written.
		parts := strings.Split(row[1], ".")
		var b [4]byte
		if len(parts) > 4 {
			continue
		}
		zero, bad := true, false
		for i, p := range parts {
			v, err := strconv.ParseUint(p, 10, 8)
			b[i] = byte(v)
			bad = bad || err != nil
			zero = zero && v == 0
		}
		if !bad && !zero {
			return netip.PrefixFrom(netip.AddrFrom4(b), 8*len(parts)), true
		}
	}
	return netip.Prefix{}, false
}

func (o *offline) Ether(name string) (mac [6]byte, ok bool) {
	for _, row := range o.ethers.load(o.dir+"ethers", "") {
		if row[1] == name && macLen(row[0]) == len(row[0]) {
			return parseMAC(row[0]), true
		}
	}
	return mac, false
}

func (o *offline) Service(name, proto string) (uint16, bool) {
	for _, row := range o.services.load(o.dir+"services", builtinServices) {
		num, p, _ := strings.Cut(row[1], "/")
		if p != proto || row[0] != name && !slices.Contains(row[2:], name) {
			continue
		}
		if v, err := strconv.ParseUint(num, 10, 16); err == nil {
			return uint16(v), true
		}
	}
	return 0, false
}

func (o *offline) Protocol(name string) (uint8, bool) {
	for _, row := range o.protos.load(o.dir+"protocols", builtinProtocols) {
		if row[0] != name && !slices.Contains(row[2:], name) {
			continue
		}
		if v, err := strconv.ParseUint(row[1], 10, 8); err == nil {
			return uint8(v), true
		}
	}
	return 0, false
}

type online struct {
	offline
	timeout time.Duration
}

func (o *online) Host(name string) ([]netip.Addr, error) {
	if addrs, err := o.offline.Host(name); err == nil {
		return addrs, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), o.timeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	for i, a := range addrs {
		addrs[i] = a.Unmap()
	}
	slices.SortFunc(addrs, netip.Addr.Compare) // the same filter each time
	return addrs, err
}
