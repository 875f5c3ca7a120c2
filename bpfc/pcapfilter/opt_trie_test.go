package pcapfilter

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/bpfjit/bpfjit/bpfc"
)

// fewWords makes IPv6 addresses of few different words, so that many begin alike.
func fewWords(r *rand.Rand) [8]uint16 {
	var a [8]uint16
	for i := 0; i < 8; i += 2 {
		a[i], a[i+1] = 0x2001+uint16(r.IntN(2)), uint16(r.IntN(1+r.IntN(3)))
	}
	return a
}

func ip6Text(a [8]uint16) string {
	parts := make([]string, len(a))
	for i, w := range a {
		parts[i] = fmt.Sprintf("%x", w)
	}
	return strings.Join(parts, ":")
}

// TestTries compares plain and optimised programs for lists of addresses that
// take several tests each, on packets that end anywhere in the addresses.
func TestTries(t *testing.T) {
	r := rand.New(rand.NewPCG(uint64(environment("PCAPFILTER_SEED", 1)), 9))
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	mac := func() string { return fmt.Sprintf("2:0:%d:0:%d:%d", r.IntN(2), r.IntN(2), r.IntN(3)) }
	list := func() string {
		kind := r.IntN(8)
		dir := pick("", "", "", "src ", "dst ", "dst or src ", "src and dst ")
		bits := pick("33", "64", "80", "96", "100", "128")
		mixed, both := r.IntN(3) == 0, r.IntN(4) == 0
		var parts []string
		for range 2 + r.IntN(9) {
			if mixed {
				dir = pick("src ", "dst ")
			}
			a := fewWords(r)
			if both {
				kind = 2 + r.IntN(2)
			}
			switch kind {
			case 0:
				parts = append(parts, "ether "+pick(dir, "src ", "dst ")+"host "+mac())
			case 1:
				a[2], a[3], a[4], a[5], a[6], a[7] = 0, 0, 0, 0, 0, 0
				parts = append(parts, "ip6 "+dir+"net "+ip6Text(a)+"/"+bits)
			case 2:
				parts = append(parts, dir+"host 10.0.0."+fmt.Sprint(r.IntN(4)))
			default:
				parts = append(parts, dir+"host "+ip6Text(a))
			}
		}
		return strings.Join(parts, " or ")
	}
	packets := func() (all []packet) {
		for range 150 {
			p := make([]byte, 14+40+8)
			for i := range 12 {
				p[i] = byte(r.IntN(2) * r.IntN(3))
			}
			p[0], p[6] = 2, 2
			p[12], p[13] = 0x86, 0xdd
			p[14], p[20] = 0x60, pick("\x06", "\x11", "\x3a")[0]
			if r.IntN(6) == 0 {
				p[12], p[13], p[14] = 8, 0, 0x45
			}
			for at := 22; at < 54; at += 16 {
				for i, w := range fewWords(r) {
					p[at+2*i], p[at+2*i+1] = byte(w>>8), byte(w)
				}
			}
			p[57] = 80
			all = append(all, packet{p, len(p)})
			for range 5 {
				n := r.IntN(len(p))
				all = append(all, packet{p[:n], len(p)})
			}
		}
		return all
	}
	for range environment("PCAPFILTER_EXPRS", 150) {
		expr := list()
		switch r.IntN(8) {
		case 0:
			expr = "not (" + expr + ")"
		case 1:
			expr = "(" + expr + ") and " + pick("tcp", "not udp", "port 80", "ip6", "dst port 80")
		case 2:
			expr = pick("tcp", "not udp", "port 80", "ip6", "vlan", "len > 60") + pick(" and ", " or ") + "(" + expr + ")"
		case 3:
			expr = "(" + expr + ")" + pick(" and ", " or ", " and not ", " or not ") + "(" + list() + ")"
		case 4:
			expr = strings.ReplaceAll(strings.ReplaceAll(expr, "dst or src", ""), " or ", pick(" and not ", " and ", " or not "))
		}
		opts, on := Options{}, packets()
		if r.IntN(3) == 0 && !strings.Contains(expr, "ether") {
			opts.LinkType = []LinkType{IEEE80211Radio, LinuxSLL, Raw, Null, Ethernet}[r.IntN(5)]
			plain, err := Compile(expr, Options{LinkType: opts.LinkType, Plain: true})
			if err != nil {
				continue // no vlan there
			}
			on = steered(plain, r, 200)
		}
		same(t, expr, opts, on)
		sameOnLinux(t, expr, opts, on)
		prog, err := Compile(expr, opts)
		if err != nil {
			t.Fatal(err)
		}
		if err := bpfc.Validate(prog, bpfc.Linux); err != nil {
			t.Errorf("%q: not for the kernel: %v", expr, err)
		}
	}
}

// TestTrieSizes checks that lists of IPv6 addresses as they occur fit the kernel,
// and take a way that grows with their logarithm.
func TestTrieSizes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 17))
	host := func(nets int) string {
		n := r.IntN(nets)
		return fmt.Sprintf("2001:db8:%x:%x:%x:%x:%x:%x", n%7, n, r.IntN(65536), r.IntN(65536), r.IntN(65536), r.IntN(65536))
	}
	for _, c := range []struct {
		dir             string
		n, nets         int
		length, longest int
	}{
		{"host ", 1000, 0, 2600, 70},
		{"host ", 1600, 0, 4096, 70},
		{"host ", 1000, -1, 2800, 70}, // every other IPv4
		{"host ", 400, 50, 4096, 80},
		{"src host ", 1000, 50, 3600, 45},
		{"dst host ", 560, 65536, 4096, 45},
		{"host ", 230, 65536, 4096, 80},
	} {
		var parts []string
		for i := range c.n {
			addr := host(max(c.nets, 1))
			if c.nets < 0 && i%2 == 0 {
				addr = ip4(0x0a000000 | uint32(r.IntN(1<<24))).String()
			} else if c.nets <= 0 {
				addr = fmt.Sprintf("2001:db8::1:%x", i*7)
			} else if c.nets > 60000 {
				addr = fmt.Sprintf("2%03x:%x:%s", r.IntN(4096), r.IntN(65536), host(c.nets)[len("2001:db8:"):])
			}
			parts = append(parts, c.dir+addr)
		}
		expr := strings.Join(parts, " or ")
		prog, err := Compile(expr, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if len(prog) > c.length || longest(prog) > c.longest {
			t.Errorf("%d of %q in %d networks: %d instructions, %d on the longest way", c.n, c.dir, c.nets, len(prog), longest(prog))
		}
		plain, err := Compile(expr, Options{Plain: true})
		if err != nil {
			t.Fatal(err)
		}
		same(t, expr, Options{}, steered(plain, r, 100))
	}
}
