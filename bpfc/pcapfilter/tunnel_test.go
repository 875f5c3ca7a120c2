package pcapfilter

import (
	"testing"

	"github.com/bpfjit/bpfjit/bpfc"
)

// TestTunnels checks that an expression behind "geneve" or "vxlan" gives the
// verdict on the whole packet that it gives alone on the frame inside, on all
// link types: some of these are what libpcap has wrong or does not know.
func TestTunnels(t *testing.T) {
	run := func(expr string, lt LinkType, plain bool, p []byte) uint32 {
		prog, err := Compile(expr, Options{LinkType: lt, Plain: plain})
		if err != nil {
			t.Fatalf("%v: %q: %v", lt, expr, err)
		}
		in, err := bpfc.NewInterpreter(prog, bpfc.Libpcap)
		if err != nil {
			t.Fatalf("%v: %q: %v", lt, expr, err)
		}
		return in.Run(p, len(p), nil)
	}
	for _, lt := range []LinkType{Ethernet, Raw, LinuxSLL, LinuxSLL2, IEEE80211, IEEE80211Radio, 163, 192, Null} {
		for name, head := range map[string]string{"geneve": "geneve", "geneve6": "geneve 5", "vxlan": "vxlan 5"} {
			p := payloads()[name]
			h := headers(lt, p.etherType)[0]
			outer := append(append([]byte(nil), h...), p.data...)
			inner := outer[len(outer)-innerLen:]
			if run(head, lt, false, outer) == 0 {
				t.Errorf("%v: %q does not match %x", lt, head, outer)
			}
			for _, expr := range []string{"ip", "tcp", "udp", "tcp port 80", "port 1024", "port 53", "host 10.0.0.1", "src host 192.168.1.2",
				"ether src 6:5:4:3:2:1", "ether dst 6:5:4:3:2:1", "ip[8] = 64", "tcp[13] = 0x12", "arp", "ip6", "vlan", "link[12:2] = 0x800",
				"multicast", "broadcast", "iso", "net 10.0.0.0/8 and not port 22"} {
				want := run(expr, Ethernet, true, inner)
				for _, plain := range []bool{true, false} {
					if got := run(head+" and ("+expr+")", lt, plain, outer); got != want {
						t.Errorf("%v: %s and (%s), plain %v: %d, want %d on %x", lt, head, expr, plain, got, want, outer)
					}
				}
			}
		}
	}
}

// TestPPPoEOnRadio checks "pppoes" behind headers of varying length.
func TestPPPoEOnRadio(t *testing.T) {
	p := payloads()["pppoes"]
	for _, lt := range []LinkType{IEEE80211, IEEE80211Radio, 119, 163, 192} {
		h := headers(lt, p.etherType)[0]
		outer := append(append([]byte(nil), h...), p.data...)
		for expr, want := range map[string]uint32{"pppoes": 40, "pppoes 5 and ip": 40, "pppoes 6": 0, "pppoes and tcp port 80": 40, "pppoes and ip6": 0} {
			prog, err := Compile(expr, Options{LinkType: lt, SnapLen: 40})
			if err != nil {
				t.Fatal(err)
			}
			in, err := bpfc.NewInterpreter(prog, bpfc.Libpcap)
			if err != nil {
				t.Fatal(err)
			}
			if got := in.Run(outer, len(outer), nil); got != want {
				t.Errorf("%v: %q: %d, want %d on %x", lt, expr, got, want, outer)
			}
		}
	}
}

func TestRejectNothingMatches(t *testing.T) {
	opts := Options{LinkType: Raw, RejectNothingMatches: true}
	if _, err := Compile("ip or tcp", opts); err != nil {
		t.Error(err)
	}
	for _, expr := range []string{"arp", "1 = 2", "ip and arp", "not (ip or not ip)", "ip and ip6"} {
		if _, err := Compile(expr, opts); err == nil || err.Error() != "1:1: expression rejects all packets" {
			t.Errorf("%q: %v", expr, err)
		}
	}
}
