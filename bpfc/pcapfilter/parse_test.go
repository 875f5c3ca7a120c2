package pcapfilter

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bpfjit/bpfjit/bpfc"
)

// TestErrors checks place, message and hint of what is refused.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		expr string
		link LinkType
		want string
	}{
		{"tcp port", 0, "1:9: can't parse filter expression: syntax error (the expression ends too early)"},
		{"443", 0, `1:1: can't parse filter expression: syntax error ("443" needs a qualifier: "port 443"?)`},
		{"10.0.0.1", 0, `1:1: can't parse filter expression: syntax error ("10.0.0.1" needs a qualifier: "host 10.0.0.1"?)`},
		{"tcp\nand port 80 80", 0, `2:13: can't parse filter expression: syntax error ("80" needs a qualifier: "port 80"?)`},
		{"proto tcp", 0, `1:7: can't parse filter expression: syntax error (unexpected "tcp"; a keyword used as a name is written \tcp)`},
		{"(tcp", 0, "1:5: can't parse filter expression: syntax error (the expression ends too early)"},
		{"tcp)", 0, `1:4: can't parse filter expression: syntax error (unexpected ")")`},
		{"ip[0", 0, "1:5: can't parse filter expression: syntax error (the expression ends too early)"},
		{"net 10.0.0.1/8", 0, `1:1: non-network bits set in "10.0.0.1/8" (the network is 10.0.0.0)`},
		{"net 10.0.0.0/33", 0, "1:1: mask length must be <= 32"},
		{"net fe80::1/64", 0, `1:1: non-network bits set in "fe80::1/64" (the network is fe80::/64)`},
		{"host 10.0.0.0/8", 0, `1:1: Mask syntax for networks only ("net 10.0.0.0/8"?)`},
		{"host 300.1.1.1", 0, "1:1: invalid IPv4 address '300.1.1.1'"},
		{"port 70000", 0, "1:1: illegal port number 70000 > 65535"},
		{"ip and port nosuchservice", 0, "1:8: unknown port 'nosuchservice'"},
		{"host no.such.host.invalid", 0, "1:1: unknown host 'no.such.host.invalid'"},
		{"port 080", 0, "1:6: number 080 contains non-octal digit (a number that starts with 0 is octal)"},
		{"len > 4294967296", 0, "1:7: number 4294967296 overflows 32 bits"},
		{"ether host 1:2:3:4:5", 0, "1:12: bogus ethernet address 1:2:3:4: (a MAC address has six parts, as in 0:1:2:3:4:5)"},
		{"host 1:2:3:4:5:6", 0, `1:1: ethernet address used in non-ether expression ("ether host 1:2:3:4:5:6"?)`},
		{"ip[0:3] = 1", 0, "1:1: data size must be 1, 2, or 4"},
		{"ip[0] / 0 = 1", 0, "1:1: division by zero"},
		{"ip[0] % 0 = 1", 0, "1:1: modulus by zero"},
		{"ip[0] << 32 = 1", 0, "1:1: shift by more than 31 bits"},
		{"vlan 4096", 0, "1:1: VLAN tag 4096 greater than maximum 4095"},
		{"mpls and vlan", 0, "1:10: no VLAN match after MPLS"},
		{"vlan", Raw, "1:1: no VLAN support for RAW"},
		{"llc", Raw, "1:1: 'llc' not supported for RAW"},
		{"wlan addr1 1:2:3:4:5:6", 0, "1:1: 'addr1' is valid for 802.11 syntax only (it is for 802.11 MAC addresses)"},
		{"ip", 142, "1:1: link-layer type filtering not implemented for SCCP (link[...] and len work on any link type)"},
		{"tcp # 5", 0, "1:5: illegal token: '#'"},
		{"tcp or 443", 0, `1:8: syntax error in filter expression (no qualifiers to inherit for "443": it stands behind a primitive without any; "port 443"?)`},
		{"icmp host 1.2.3.4", 0, "1:1: 'icmp' modifier applied to host"},
		{"ip proto 300", 0, "1:1: protocol number 300 greater than maximum 255"},
		{"tcp or ip6 protochain 256", 0, "1:8: protocol number 256 greater than maximum 255"},
		{"ether proto 65536", 0, "1:1: EtherType 65536 greater than maximum 65535"},
		{"ether proto 256", 0, "1:1: LLC DSAP 256 greater than maximum 255"},
		{"isis proto 32", 0, "1:1: IS-IS PDU type 32 greater than maximum 31"},
		{"byte 0 = 256", 0, "1:1: byte argument 256 greater than maximum 255"},
		{"decnet src 64.1", 0, "1:1: invalid DECnet address '64.1' (AREA.NODE, up to 63.1023)"},
		{"dir 4", IEEE80211, "1:5: invalid 802.11 direction value 0x4"},
		{"tcp gateway localhost", 0, "1:1: 'tcp' is not a valid qualifier for 'gateway'"},
		{"mpls and gateway localhost", 0, "1:10: 'gateway' cannot be used within MPLS"},
		{"type mgt subtype ack", IEEE80211, "1:18: unknown 802.11 subtype name 'ack' (it belongs to another type)"},
	} {
		_, err := Compile(c.expr, Options{LinkType: c.link})
		if err == nil {
			t.Errorf("%q: accepted, want %s", c.expr, c.want)
			continue
		}
		if err.Error() != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.expr, err, c.want)
		}
	}
}

func TestCaret(t *testing.T) {
	_, err := Compile("tcp port 80 and\n\tnet 10.0.0.1/8 or udp", Options{})
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %T", err)
	}
	want := " net 10.0.0.1/8 or udp\n ^^^^^^^^^^^^^^"
	if e.Line != 2 || e.Column != 2 || e.Caret() != want {
		t.Errorf("line %d, column %d, caret\n%s", e.Line, e.Column, e.Caret())
	}
	_, err = Compile(strings.Repeat("tcp or ", 1000)+"bad + bad", Options{})
	if !errors.As(err, &e) || len(e.Caret()) > 200 {
		t.Errorf("caret text of a long line: %q", e.Caret())
	}
	// A character takes one column, however many bytes it has.
	_, err = Compile("tcp port \u00e9", Options{})
	if want := "tcp port \u00e9\n         ^"; !errors.As(err, &e) || e.Caret() != want {
		t.Errorf("caret\n%s", e.Caret())
	}
}

// TestHostileInput checks that size and nesting cost no more than they should:
// each expression is answered, one way or the other. How long that takes is only
// logged; what blows up ends the test by its time-out.
func TestHostileInput(t *testing.T) {
	rep := strings.Repeat
	for name, expr := range map[string]string{
		"100 KB of (":         rep("(", 100_000),
		"nested parentheses":  rep("(", 9000) + "tcp" + rep(")", 9000),
		"too deep":            rep("(", 20_000) + "tcp" + rep(")", 20_000),
		"100 KB of not":       rep("not ", 25_000) + "tcp",
		"100 KB of minus":     rep("-", 100_000) + "1 = 1",
		"indexes":             rep("ip[", 9000) + "0" + rep("]", 9000) + " = 1",
		"too many indexes":    rep("ip[", 30_000),
		"sum":                 "len" + rep(" + 1", 25_000) + " = 1",
		"load sum":            "ip[0]" + rep(" + ip[0]", 10_000) + " = 1",
		"right-leaning sum":   rep("1+(", 9000) + "1" + rep(")", 9000) + " = 1",
		"greedy":              "1" + rep(" % 1", 9000) + " = 1",
		"3000 hosts":          "host 1.2.3.4" + rep(" or 1.2.3.5", 3000),
		"vlans":               rep("vlan and ", 10_000) + "ip",
		"tcp and tcp":         "tcp" + rep(" and tcp or udp", 5000),
		"genes":               rep("geneve and ", 100) + "ip",
		"distinct tests":      "ip[0]=1" + distinct(3000),
		"one name":            "host " + rep("a", 100_000),
		"number":              "port " + rep("9", 100_000),
		"address-like":        "host " + rep("1:", 50_000),
		"hexadecimal":         "host " + rep("f", 100_000),
		"dots":                "host 1" + rep(".1", 50_000),
		"MAC-like":            "ether host " + rep("1-", 50_000) + "1",
		"binary":              "\x00\xff\xfe",
		"ands of ors":         "(" + rep("(tcp or udp) and ", 3000) + "ip)",
		"alternating":         "ip" + rep(" and (tcp port 1 or udp port 2)", 1500),
		"protochains":         "protochain 6" + rep(" or protochain 17", 500),
		"nested conjunctions": rep("(ip and ", 3000) + "tcp" + rep(" or udp)", 3000),
	} {
		start := time.Now()
		prog, err := Compile(expr, Options{})
		if err != nil && (strings.Contains(err.Error(), "\n") || len(err.Error()) > 400) {
			t.Errorf("%s: not one short line: %.500q", name, err)
		}
		t.Logf("%s: %d instructions, %v, %v", name, len(prog), err, time.Since(start))
	}
}

func distinct(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString([]string{" or ", " and "}[i%2])
		b.WriteString("ip[")
		b.WriteString(string('0' + rune(i%10)))
		b.WriteString("] & ")
		b.WriteString(string('1' + rune(i%9)))
		b.WriteString(" = len")
	}
	return b.String()
}

func TestLinkTypeNames(t *testing.T) {
	for _, d := range dlts {
		lt, err := ParseLinkType(d.name)
		if err != nil || lt.Number() != d.num || lt.String() != d.name {
			t.Errorf("%s: %v, %v", d.name, lt, err)
		}
	}
	for s, want := range map[string]int{"DLT_EN10MB": 1, "linktype_ethernet": 1, "null": 0, "0": 0, "1": 1, "101": 12, "276": 276} {
		if lt, err := ParseLinkType(s); err != nil || lt.Number() != want {
			t.Errorf("%s: %v, %v", s, lt.Number(), err)
		}
	}
	var zero LinkType
	if zero.Number() != 1 || LinkTypeOf(1) != zero || LinkTypeOf(0).Number() != 0 {
		t.Error("the zero link type is not Ethernet")
	}
	if _, err := ParseLinkType("nosuch"); err == nil {
		t.Error("unknown name accepted")
	}
}

func FuzzCompile(f *testing.F) {
	for _, e := range examples {
		f.Add(e, 1)
	}
	f.Add("type mgt subtype beacon or radio[0] = 1", 127)
	f.Fuzz(func(t *testing.T, expr string, link int) {
		if len(expr) > 2000 {
			return
		}
		opts := Options{LinkType: LinkType(link)}
		optimised, err := Compile(expr, opts)
		opts.Plain = true
		plain, plainErr := Compile(expr, opts)
		if (err == nil) != (plainErr == nil) {
			t.Fatalf("optimised: %v, plain: %v", err, plainErr)
		}
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || strings.ContainsAny(err.Error(), "\n\r") || e.Column < 1 || e.Line < 1 {
				t.Fatalf("error %#v", err)
			}
			_ = e.Caret()
			return
		}
		a, err := bpfc.NewInterpreter(optimised, bpfc.Libpcap)
		if err != nil {
			t.Fatal(err)
		}
		b, err := bpfc.NewInterpreter(plain, bpfc.Libpcap)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range synthesise(opts.LinkType) {
			p.data = p.data[:len(p.data)-i%len(p.data)]
			if got, want := a.Run(p.data, p.wire, nil), b.Run(p.data, p.wire, nil); got != want {
				t.Fatalf("optimised %d, plain %d on %x", got, want, p.data)
			}
		}
		if _, err := Explain(expr, opts); err != nil {
			t.Fatalf("compiles, but: %v", err)
		}
	})
}
