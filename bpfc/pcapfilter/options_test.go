package pcapfilter

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/bpfjit/bpfjit/bpfc"
)

func TestSnapLen(t *testing.T) {
	for _, want := range []uint32{1, 96, 65535, DefaultSnapLen} {
		prog, err := Compile("", Options{SnapLen: want})
		if err != nil || len(prog) != 1 || prog[0].K != want {
			t.Errorf("snaplen %d: %v, %v", want, prog, err)
		}
	}
	if prog, err := Compile(" \n", Options{}); err != nil || prog[0].K != DefaultSnapLen {
		t.Errorf("blank expression: %v, %v", prog, err)
	}
}

// TestNetmask checks "ip broadcast": all host bits zero, or all one.
func TestNetmask(t *testing.T) {
	for _, c := range []struct {
		mask uint32
		dst  string
		want bool
	}{
		{0xffffff00, "10.0.0.255", true}, {0xffffff00, "10.0.0.0", true}, {0xffffff00, "10.0.0.1", false},
		{0xffff0000, "10.0.0.255", false}, {0xffff0000, "10.0.255.255", true},
		{0, "255.255.255.255", true}, {0, "10.0.0.255", false},
	} {
		for _, plain := range []bool{true, false} {
			prog, err := Compile("ip broadcast", Options{Netmask: c.mask, Plain: plain})
			if err != nil {
				t.Fatal(err)
			}
			in, err := bpfc.NewInterpreter(prog, bpfc.Libpcap)
			if err != nil {
				t.Fatal(err)
			}
			p := make([]byte, 60)
			p[12], p[14] = 8, 0x45
			a := netip.MustParseAddr(c.dst).As4()
			copy(p[30:], a[:])
			if got := in.Run(p, len(p), nil) != 0; got != c.want {
				t.Errorf("mask %08x, %s: %v", c.mask, c.dst, got)
			}
		}
	}
	if _, err := Compile("ip broadcast", Options{Netmask: NetmaskUnknown}); err == nil {
		t.Error("accepted without a netmask")
	}
}

// TestOffline checks the tables, and that compilations may share a resolver.
func TestOffline(t *testing.T) {
	dir := t.TempDir() + "/"
	for name, text := range map[string]string{
		"hosts":    "10.1.1.1 Alpha alpha.example # comment\n2001:db8::7 alpha\n\nnonsense\n10.1.1.1 alpha\n",
		"networks": "lan 192.168.5\nzero 0.0.0.0\n",
		"ethers":   "1:2:3:4:5:6 alpha\nbad beta\n",
		"services": "ourservice 4711/tcp other\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	res := &offline{dir: dir}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for expr, equal := range map[string]string{
				"host alpha":       "host 10.1.1.1 or host 2001:db8::7",
				"ip6 host ALPHA":   "ip6 host 2001:db8::7",
				"net lan":          "net 192.168.5",
				"ether host alpha": "ether host 1:2:3:4:5:6",
				"arp host alpha":   "arp host 10.1.1.1", // its IPv6 address is left out
				"ip gateway alpha": "ether host 1:2:3:4:5:6 and ip and not ip host 10.1.1.1",
				"gateway alpha": "ether host 1:2:3:4:5:6 and ((ip and not ip host 10.1.1.1) or (arp and not arp host 10.1.1.1) " +
					"or (rarp and not rarp host 10.1.1.1))",
				"port ourservice":     "tcp port 4711",
				"port other":          "tcp port 4711",
				"port domain":         "port 53",
				"ip proto ospf":       "ip proto 89",
				"proto \\icmp":        "proto 1",
				"portrange ssh-other": "tcp portrange 22-4711",
			} {
				a, err := Compile(expr, Options{Resolver: res})
				if err != nil {
					t.Errorf("%q: %v", expr, err)
					continue
				}
				b, err := Compile(equal, Options{Resolver: res})
				if err != nil || len(a) != len(b) {
					t.Errorf("%q is not %q: %v", expr, equal, err)
					continue
				}
				for i := range a {
					if a[i] != b[i] {
						t.Errorf("%q is not %q: instruction %d", expr, equal, i)
						break
					}
				}
			}
		})
	}
	wg.Wait()
	for _, expr := range []string{"host beta", "net zero", "ether host beta", "port nosuch", "udp port ourservice", "ip proto nosuch",
		"gateway beta", "ip6 gateway alpha", "mpls and gateway alpha", "geneve and gateway alpha", "arp host nosuch"} {
		if _, err := Compile(expr, Options{Resolver: res}); err == nil {
			t.Errorf("%q: accepted", expr)
		}
	}
}

// TestTooLarge compiles more than is optimised.
func TestTooLarge(t *testing.T) {
	prog, err := Compile("host 1.2.3.4"+strings.Repeat(" or 5.6.7.8", 40_000), Options{})
	if err != nil || len(prog) == 0 {
		t.Errorf("%d instructions, %v", len(prog), err)
	}
}
