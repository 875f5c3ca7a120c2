package pcapfilter

import (
	"bufio"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/bpfjit/bpfjit/bpfc"
)

// examples are the expressions of the EXAMPLES sections of pcap-filter(7) and
// tcpdump(8), and of the text of the former.
var examples = []string{
	"host sundown",
	"host helios and (hot or ace)",
	"host helios and \\( hot or ace \\)",
	"ip host ace and not helios",
	"net ucb-ether",
	"gateway snup and (port ftp or ftp-data)",
	"ip and not net localnet",
	"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 and not src and dst net localnet",
	"tcp[tcpflags] & (tcp-rst|tcp-ack) == (tcp-rst|tcp-ack)",
	"tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
	"gateway snup and ip[2:2] > 576",
	"ether[0] & 1 = 0 and ip[16] >= 224",
	"icmp[icmptype] != icmp-echo and icmp[icmptype] != icmp-echoreply",
	"icmp6[icmp6type] != icmp6-echo and icmp6[icmp6type] != icmp6-echoreply",
	"host foo", "net 128.3", "port 20", "portrange 6000-6008", "src foo", "dst net 128.3", "src or dst port ftp-data",
	"ether src foo", "arp net 128.3", "tcp port 21", "udp portrange 7000-7009",
	"host foo and not port ftp and not port ftp-data",
	"tcp dst port ftp or ftp-data or domain", "tcp dst port ftp or tcp dst port ftp-data or tcp dst port domain",
	"ether proto \\ip and host sundown", "not host vs and ace", "not host vs and host ace", "not (host vs or ace)",
	"ip6 protochain 6", "ip6 protochain 44", "ether[0] & 1 != 0", "ip[0] & 0xf != 5", "ip[6:2] & 0x1fff = 0",
	"vlan 100 && vlan 200", "vlan && vlan 300 && ip", "mpls 100000 && mpls 1024", "mpls && mpls 1024 && host 192.9.200.1",
	"icmp", "(tcp port 80 and host 169.254.0.4) or icmp", "tcp[tcpflags] & (tcp-syn) != 0", "ip", "tcp port 80", "udp port 53",
	"host 10.0.0.1", "net 192.168.0.0/16", "vlan and ip", "ip6 and tcp port 443", "portrange 1000-2000 and not host 10.1.2.3",
	"pppoes 0x27 && ip", "geneve 0xb && ip", "len <= 100", "vxlan 5 && ip", "dst port 513", "port domain",
}

// names resolves the names of the manual's examples.
type names struct{ Resolver }

func (n names) Host(name string) ([]netip.Addr, error) {
	switch name {
	case "sundown", "helios", "hot", "ace", "foo", "vs", "snup":
		return []netip.Addr{netip.AddrFrom4([4]byte{10, 0, byte(len(name)), name[0]}), netip.MustParseAddr("2001:db8::1")}, nil
	}
	return n.Resolver.Host(name)
}

func (n names) Net(name string) (netip.Prefix, bool) {
	switch name {
	case "ucb-ether":
		return netip.MustParsePrefix("128.32.0.0/16"), true
	case "localnet":
		return netip.MustParsePrefix("10.0.0.0/8"), true
	}
	return n.Resolver.Net(name)
}

func (n names) Ether(name string) ([6]byte, bool) {
	return [6]byte{1, 2, 3, 4, 5, name[0]}, name == "snup" || name == "foo"
}

// TestExamples compiles the manual's expressions and compares plain and
// optimised programs on all packets.
func TestExamples(t *testing.T) {
	packets := corpus(t, Ethernet, rand.New(rand.NewPCG(1, 1)))
	for _, expr := range examples {
		if strings.Contains(expr, "\\(") {
			expr = strings.NewReplacer("\\(", "(", "\\)", ")").Replace(expr)
		}
		opts := Options{Resolver: names{Offline()}}
		same(t, expr, opts, packets)
	}
}

// TestBenchFilters does the same for everyday filters and for long lists, and for
// those of the file that PCAPFILTER_FILTERS names, of lines of a name, a tab and an
// expression.
func TestBenchFilters(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	packets := corpus(t, Ethernet, r)
	files := []string{"../../testdata/filters/filters.tsv"}
	if file := os.Getenv("PCAPFILTER_FILTERS"); file != "" {
		files = append(files, file)
	}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		in := bufio.NewScanner(f)
		in.Buffer(nil, 1<<20)
		for in.Scan() {
			name, expr, _ := strings.Cut(in.Text(), "\t")
			t.Run(name, func(t *testing.T) { same(t, expr, Options{}, packets) })
		}
		if err := in.Err(); err != nil {
			t.Fatal(file, err)
		}
	}
	for _, list := range []struct {
		primitive string
		n         int
	}{{"host", 100}, {"host", 1000}, {"ip src host", 100}, {"ip src host", 1000}, {"port", 50}} {
		var items []string
		for i := range list.n {
			item := strconv.Itoa(r.IntN(1 << 16))
			if list.primitive != "port" {
				// Addresses of packets among them.
				addr := [4]byte{10, byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256))}
				if p := packets[r.IntN(len(packets))].data; i%10 == 0 && len(p) > 30 {
					addr = [4]byte(p[26:30])
				}
				item = netip.AddrFrom4(addr).String()
			}
			items = append(items, list.primitive+" "+item)
		}
		t.Run(list.primitive+" "+strconv.Itoa(list.n), func(t *testing.T) {
			same(t, strings.Join(items, " or "), Options{}, packets)
		})
	}
}

// same compiles an expression plain and optimised and compares the verdicts.
func same(t *testing.T, expr string, opts Options, packets []packet) {
	t.Helper()
	optimised, err := Compile(expr, opts)
	if err != nil {
		t.Errorf("%q: %v", expr, err)
		return
	}
	opts.Plain = true
	plain, err := Compile(expr, opts)
	if err != nil {
		t.Errorf("%q: plain: %v", expr, err)
		return
	}
	if len(optimised) > len(plain) {
		t.Errorf("%q: optimised program has %d instructions, plain %d", expr, len(optimised), len(plain))
	}
	po, err := bpfc.NewInterpreter(optimised, bpfc.Libpcap)
	if err != nil {
		t.Fatalf("%q: %v", expr, err)
	}
	pp, err := bpfc.NewInterpreter(plain, bpfc.Libpcap)
	if err != nil {
		t.Fatalf("%q: plain: %v", expr, err)
	}
	for _, p := range packets {
		if got, want := po.Run(p.data, p.wire, nil), pp.Run(p.data, p.wire, nil); got != want {
			t.Fatalf("%q: optimised %d, plain %d on %x", expr, got, want, p.data)
		}
	}
}

// TestLists checks that long lists stay small and quick, and mean the same.
func TestLists(t *testing.T) {
	packets := corpus(t, Ethernet, rand.New(rand.NewPCG(2, 1)))
	list := func(n int, item func(i int) string, op string) string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = item(i)
		}
		return strings.Join(parts, op)
	}
	host := func(i int) string { return "host " + ip4(0x0a000000+uint32(i)*2654435761%0xffff).String() }
	port := func(i int) string { return "port " + strconv.Itoa(i*40503%65536) }
	for _, c := range []struct {
		name, expr string
		limit      int
	}{
		{"1000 hosts", list(1000, host, " or "), 4096},
		{"no one of 1000 hosts", list(1000, func(i int) string { return "not " + host(i) }, " and "), 4096},
		{"1000 sources", list(1000, func(i int) string { return "src " + host(i) }, " or "), 2100},
		{"1000 ports", list(1000, port, " or "), 4096},
		{"500 networks", list(500, func(i int) string { return "net 10." + strconv.Itoa(i%250) + "." + strconv.Itoa(i*7%256) + ".0/24" }, " or "), 4096},
		{"1000 IPv6 hosts", list(1000, func(i int) string { return "host 2001:db8:" + strconv.Itoa(i%17) + "::" + strconv.Itoa(i) }, " or "), 1 << 20},
		{"1000 IPv6 sources", list(1000, func(i int) string { return "src 2001:db8::" + strconv.Itoa(i) }, " or "), 2100},
		{"adjacent ports", list(200, func(i int) string { return "tcp dst port " + strconv.Itoa(i+1) }, " or "), 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			prog, err := Compile(c.expr, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if len(prog) > c.limit {
				t.Errorf("%d instructions, more than %d", len(prog), c.limit)
			}
			if err := bpfc.Validate(prog, bpfc.Linux); err != nil && len(prog) <= 4096 {
				t.Errorf("not for the kernel: %v", err)
			}
			t.Logf("%d instructions", len(prog))
			same(t, c.expr, Options{}, packets[:min(len(packets), 3000)])
		})
	}
}
