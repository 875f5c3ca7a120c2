package pcapfilter

import (
	"encoding/binary"
	"testing"

	"github.com/bpfjit/bpfjit/bpfc"
)

// TestLiveVLAN checks the form of "vlan" for live captures: on a packet whose
// outer tag is in the metadata it gives the verdict of the ordinary form on the
// packet with the tag in its place, and on one with the tag in its bytes the
// same as the ordinary form.
func TestLiveVLAN(t *testing.T) {
	tagged := 0
	for _, expr := range []string{
		"vlan", "vlan 5", "vlan 6", "vlan and ip", "vlan 5 and tcp port 80", "vlan and arp", "vlan 5 and vlan 100", "vlan and vlan and arp",
		"vlan and tcp[13] & 2 != 0", "vlan and host 10.0.0.1", "vlan 5 and not ip6", "not vlan", "vlan 5 or vlan 6", "vlan and ip6 and udp port 53",
		"vlan and iso", "vlan and mpls and ip", "vlan and pppoes and tcp", "(vlan 5 or vlan) and ip", "vlan and geneve and tcp", "vlan and icmp[0] = 8",
	} {
		compile := func(live, plain bool) *bpfc.Interpreter {
			prog, err := Compile(expr, Options{LiveVLAN: live, Plain: plain})
			if err != nil {
				t.Fatalf("%q: %v", expr, err)
			}
			dialect := bpfc.Libpcap
			if live {
				dialect = bpfc.Linux
			}
			in, err := bpfc.NewInterpreter(prog, dialect, bpfc.WithAux(bpfc.AuxVLANTag|bpfc.AuxVLANPresent))
			if err != nil {
				t.Fatalf("%q: %v", expr, err)
			}
			return in
		}
		live, livePlain, ordinary := compile(true, false), compile(true, true), compile(false, false)
		both := func(p packet, aux *bpfc.Aux, want uint32) {
			if got := live.Run(p.data, p.wire, aux); got != want {
				t.Errorf("%q: optimised: %d, want %d on %x with %+v", expr, got, want, p.data, *aux)
			}
			if got := livePlain.Run(p.data, p.wire, aux); got != want {
				t.Errorf("%q: plain: %d, want %d on %x with %+v", expr, got, want, p.data, *aux)
			}
		}
		for _, p := range synthesise(Ethernet) {
			if len(p.data) < 18 {
				continue
			}
			// As it is: no metadata.
			both(p, &bpfc.Aux{}, ordinary.Run(p.data, p.wire, nil))
			// The tag is taken out, as the kernel does it.
			if binary.BigEndian.Uint16(p.data[12:]) != etherVLAN || expr == "vlan 5 or vlan 6" || expr == "(vlan 5 or vlan) and ip" {
				continue
			}
			tagged++
			stripped := packet{append(append([]byte(nil), p.data[:12]...), p.data[16:]...), p.wire - 4}
			aux := &bpfc.Aux{VLANPresent: 1, VLANTag: uint32(binary.BigEndian.Uint16(p.data[14:])), VLANProto: etherVLAN}
			both(stripped, aux, ordinary.Run(p.data, p.wire, nil))
		}
	}
	if tagged == 0 {
		t.Error("no packet with a tag was tried")
	}
}
