package packetline

import (
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// Names are what addresses and ports are called, as far as the machine's files
// say. Nobody is asked over the network: a capture program that sends packets
// for each packet it sees makes both slow. It never changes once read; a nil
// one has no names.
type Names struct {
	hosts    map[netip.Addr]string
	services map[service]string
}

type service struct {
	proto uint8
	port  uint16
}

// ReadNames reads the files hosts and services in a directory, usually /etc.
// What is missing or malformed has no name.
func ReadNames(dir string) *Names {
	n := &Names{hosts: map[netip.Addr]string{}, services: map[service]string{}}
	fields(dir+"/hosts", func(f []string) {
		if a, err := netip.ParseAddr(f[0]); err == nil && n.hosts[a] == "" {
			n.hosts[a] = f[1]
		}
	})
	protos := map[string]uint8{"tcp": protoTCP, "udp": protoUDP}
	fields(dir+"/services", func(f []string) {
		port, proto, _ := strings.Cut(f[1], "/")
		v, err := strconv.ParseUint(port, 10, 16)
		s := service{protos[proto], uint16(v)}
		if err == nil && s.proto != 0 && n.services[s] == "" {
			n.services[s] = f[0]
		}
	})
	return n
}

// fields calls do for every line of a file that has two fields or more.
func fields(file string, do func([]string)) {
	text, _ := os.ReadFile(file)
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		if f := strings.Fields(line); len(f) >= 2 {
			do(f)
		}
	}
}

func (n *Names) host(a netip.Addr) string {
	if n == nil {
		return ""
	}
	return n.hosts[a]
}

func (n *Names) service(proto uint8, port uint16) string {
	if n == nil {
		return ""
	}
	return n.services[service{proto, port}]
}
