package pcapfilter

import (
	"strings"
	"testing"
)

func TestExplain(t *testing.T) {
	for _, c := range []struct {
		expr, grouping string
		contains       []string
	}{
		{"tcp or udp and port 53 or 54", "(((tcp or udp) and port 53) or port 54)",
			[]string{"TCP, UDP or SCTP with source or destination port 53", "packet[12:2]", "reads bytes 12-13, byte 14, byte 20, bytes 20-21", "2 bytes at 4*(packet[14] & 15) + 16"}},
		{"host 10.0.0.1 and not (net 10.0.0.0/8 or ip6)", "(host 10.0.0.1 and not (net 10.0.0.0/8 or ip6))",
			[]string{"packet[26:4] = 0xa000001", "(packet[30:4] & 0xff000000)", "packet[12:2] = 0x86dd"}},
		{"vlan 5 and ip", "(vlan 5 and ip)", []string{"packet[16:2] = 0x800", "four bytes further on"}},
		{"geneve and tcp", "(geneve and tcp)", []string{"@1 := (@0 + 2)", "packet[@0 + 9] = 6"}},
		{"ip[0] & 0xf != 5", "ip[0] & 0xf != 5", []string{"(packet[14] & 15) != 5", "unsigned"}},
		{"less 100", "less 100", []string{"len <= 100"}},
		{"", "", []string{"every packet"}},
	} {
		x, err := Explain(c.expr, Options{})
		if err != nil {
			t.Errorf("%q: %v", c.expr, err)
			continue
		}
		if x.Grouping != c.grouping {
			t.Errorf("%q: grouping %q, want %q", c.expr, x.Grouping, c.grouping)
		}
		for _, s := range c.contains {
			if !strings.Contains(x.String(), s) {
				t.Errorf("%q: explanation does not say %q:\n%s", c.expr, s, x)
			}
		}
	}
	if _, err := Explain("tcp port", Options{}); err == nil {
		t.Error("an unfinished expression was explained")
	}
}

// TestExplainGrouping checks that the grouping an explanation shows is an
// expression of the same meaning.
func TestExplainGrouping(t *testing.T) {
	for _, expr := range []string{"tcp or udp and port 53 or 54", "not host 1.2.3.4 or 1.2.3.5 and tcp", "port (80 or 443 and 22) or udp",
		"src net 10 or dst net 11 and not 12", "ip[0] + 1 * 2 = 4 or len > 5 and tcp", "vlan 5 and (ip or arp) and host 1.2.3.4"} {
		x, err := Explain(expr, Options{})
		if err != nil {
			t.Fatal(err)
		}
		want, err1 := Compile(expr, Options{Plain: true})
		got, err2 := Compile(x.Grouping, Options{Plain: true})
		if err1 != nil || err2 != nil || len(want) != len(got) {
			t.Errorf("%q and %q differ: %v %v", expr, x.Grouping, err1, err2)
			continue
		}
		for i := range want {
			if want[i] != got[i] {
				t.Errorf("%q and %q differ at instruction %d", expr, x.Grouping, i)
				break
			}
		}
	}
}
