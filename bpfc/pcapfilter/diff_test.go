package pcapfilter

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// families are the link types the generated expressions are tried on.
var families = []LinkType{Ethernet, Null, Loop, Raw, IPv4, IPv6, LinuxSLL, LinuxSLL2, PPP, 50, 51, 166, 16, 104, 107,
	IEEE80211, IEEE80211Radio, 119, 163, 192, 6, 10, 11, 19, 122, 8, 15, 109, 138, 240, 241}

// TestAgainstTcpdump compares with tcpdump on generated expressions: whether
// they are accepted, and the verdicts of its program, of our plain and of our
// optimised one. PCAPFILTER_EXPRS sets how many expressions per link type,
// PCAPFILTER_SEED the seed, PCAPFILTER_LINK restricts it to one link type,
// PCAPFILTER_MINUTES repeats it with new seeds, PCAPFILTER_CORPUS adds the
// capture files of folders to the packets.
func TestAgainstTcpdump(t *testing.T) {
	path := tcpdumpPath(t)
	seed := uint64(environment("PCAPFILTER_SEED", 1))
	n := environment("PCAPFILTER_EXPRS", 30)
	only := environment("PCAPFILTER_LINK", -1)
	end := time.Now().Add(time.Duration(environment("PCAPFILTER_MINUTES", 0)) * time.Minute)
	for round := seed; ; round++ {
		for _, lt := range families {
			if only < 0 || lt.Number() == only {
				t.Run(lt.String(), func(t *testing.T) { againstTcpdump(t, path, lt, round, n) })
			}
		}
		if time.Now().After(end) || t.Failed() {
			return
		}
	}
}

func againstTcpdump(t *testing.T, path string, lt LinkType, seed uint64, n int) {
	r := rand.New(rand.NewPCG(seed, uint64(lt.Number())))
	packets := corpus(t, lt, r)
	g := &generator{r: r}
	var (
		wg       sync.WaitGroup
		mu       sync.Mutex
		accepted int
		failures int
		work     = make(chan [2]any)
	)
	for range 2 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for job := range work {
				expr, seed := job[0].(string), job[1].(uint64)
				ok, err := differ(path, lt, expr, packets, rand.New(rand.NewPCG(seed, 7)))
				mu.Lock()
				if ok {
					accepted++
				}
				if err != nil && !known(lt, expr, err) {
					if failures++; failures < 25 {
						t.Errorf("seed %d: %s: %q: %v", job[1], lt, expr, err)
					}
				}
				mu.Unlock()
			}
		}()
	}
	for range n {
		expr := g.expr()
		for tries := r.IntN(8); tries > 0; tries-- {
			// Most that nobody accepts are left out: they show little.
			if _, err := Compile(expr, Options{LinkType: lt, Plain: true}); err == nil {
				break
			}
			expr = g.expr()
		}
		if r.IntN(8) == 0 {
			expr = g.mutate(expr)
		}
		if slices.Contains(radioLinks, lt.Number()) && strings.ContainsAny(expr, "=<>") {
			// libpcap gives the scratch words of arithmetic that stands before
			// the first use of the header's length to that, too, and then
			// overwrites it. Using the header first avoids that.
			expr = "(ip or not ip) and (" + expr + ")"
		}
		work <- [2]any{expr, r.Uint64()}
	}
	close(work)
	wg.Wait()
	t.Logf("seed %d: %d of %d expressions accepted, %d packets, %d differences", seed, accepted, n, len(packets), failures)
}

// TestTokens compares which of random sequences of tokens are accepted, as
// TestAgainstTcpdump does for expressions that nearly make sense.
// PCAPFILTER_TOKENS sets how many, PCAPFILTER_SEED the seed.
func TestTokens(t *testing.T) {
	path := tcpdumpPath(t)
	seed := environment("PCAPFILTER_SEED", 1)
	r := rand.New(rand.NewPCG(uint64(seed), 3))
	g := &generator{r: r}
	tokens := strings.Fields(`and or not ! ( ) ( ) [ ] tcp ip 80 port host src dst = + - % & len vlan 1.2.3.4 ::1 1.2
		net / 8 proto ether 1:2:3:4:5:6 mask 255.0.0.0 udp portrange http \tcp broadcast llc i mpls gateway protochain
		ip[0] less byte : 10.0.0.0 ip6 arp decnet $1f rnr type mgt subtype iso ifindex inbound pppoes geneve $a 0x 1-2
		a- _ x_ 1.2.3. .. a.b \ é 1.2.3.4.5 aabb.ccdd.eeff 1: 1:: :: ab:cd < != == =! <> >= | ^ * on eth0 # , 0x1g 08 1e5`)
	accepted := 0
	for range environment("PCAPFILTER_TOKENS", 400) {
		var parts []string
		for range 1 + r.IntN(8) {
			parts = append(parts, tokens[r.IntN(len(tokens))])
		}
		expr := strings.Join(parts, g.pick(" ", " ", " ", ""))
		if r.IntN(2) == 0 {
			expr = g.mutate(g.expr())
		}
		_, refused, err := judge(path, Ethernet, expr)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Compile(expr, Options{})
		if err == nil {
			accepted++
		}
		if (err == nil) != (refused == "") && !known(Ethernet, expr, fmt.Errorf("accepted, but tcpdump %s", refused)) {
			t.Errorf("seed %d: %q: we say %v, tcpdump %q", seed, expr, err, refused)
		}
	}
	t.Logf("%d accepted", accepted)
}

// radioLinks are those whose header's length varies from packet to packet.
var radioLinks = []int{105, 119, 127, 163, 192}

// differ reports whether the expression is accepted, and any difference.
func differ(path string, lt LinkType, expr string, packets []packet, r *rand.Rand) (bool, error) {
	v, err := compare(path, lt, expr)
	if v == nil || err != nil {
		return false, err
	}
	for range min(len(packets), 500) {
		if err := v.on(packets[r.IntN(len(packets))]); err != nil {
			return true, err
		}
	}
	return true, nil
}

// known tells differences that are libpcap 1.10.3's defects.
func known(lt LinkType, expr string, err error) bool {
	for _, k := range knownDifferences {
		if (k.links == nil || slices.Contains(k.links, lt.Number())) && k.in.MatchString(expr) && strings.Contains(err.Error(), k.what) {
			return true
		}
	}
	return false
}

// knownDifferences are expressions on which we differ on purpose: the link types
// (all, if none), what is in the expression, what the difference says, and why.
var knownDifferences = []struct {
	links []int
	in    *regexp.Regexp
	what  string
	why   string
}{
	{nil, regexp.MustCompile("byte"), "program gives",
		`"byte N & M" and "byte N | M": libpcap forgets the load and tests what is in the accumulator`},
	{nil, regexp.MustCompile("[*/%]"), "accepted, but tcpdump refused: tcpdump: division by zero",
		"libpcap looks at the first instruction of a divisor only: it takes x / ip[0] and x / - 0 for a division by the constant"},
	{nil, regexp.MustCompile("%"), "accepted, but tcpdump refused: tcpdump: modulus by zero", "the same"},
	{nil, regexp.MustCompile("<<|>>"), "accepted, but tcpdump refused: tcpdump: shift by more", "the same"},
	{radioLinks, regexp.MustCompile("geneve"), "program gives",
		"libpcap's prologue puts the 802.11 header's length where the tunnel's offset is, not where it is read"},
	{[]int{119, 127, 163, 192}, regexp.MustCompile("pppoes"), "program gives", "the same, for the length of the radio header"},
	{nil, regexp.MustCompile("[<>=].*geneve"), "program gives",
		"to the right of a geneve that does not match, libpcap's offsets are what earlier arithmetic left in the scratch words; ours are 0"},
}
