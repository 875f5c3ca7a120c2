package pcapfilter

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// linkFamilies are the link types the generated expressions are tried on.
var linkFamilies = []LinkType{Ethernet, Null, Loop, Raw, IPv4, IPv6, LinuxSLL, LinuxSLL2, PPP, 50, 51, 166, 16, 104, 107,
	IEEE80211, IEEE80211Radio, 119, 163, 192, 6, 10, 11, 19, 122, 8, 15, 109, 138, 240, 241, dltDSABroadcom, dltDSAMarvell}

// TestAgainstTcpdump compares with tcpdump on generated expressions: whether
// they are accepted, and the verdicts of its program, of our plain and of our
// optimised one. PCAPFILTER_EXPRS sets how many expressions per link type,
// PCAPFILTER_SEED the seed, PCAPFILTER_LINK restricts it to one link type,
// PCAPFILTER_MINUTES repeats it with new seeds, PCAPFILTER_CORPUS adds the
// capture files of folders to the packets. Each expression is tried on
// PCAPFILTER_SAMPLE packets (500), whole, cut and changed ones; if that is 0, on all
// packets, and on all of them cut at every length up to 80. PCAPFILTER_TCPDUMP is the tcpdump to
// ask, of whatever libpcap the list of known differences has.
func TestAgainstTcpdump(t *testing.T) {
	j := newJudge(t)
	excused := map[string]int{}
	seed := uint64(environment("PCAPFILTER_SEED", 1))
	n := environment("PCAPFILTER_EXPRS", 30)
	only := environment("PCAPFILTER_LINK", -1)
	end := time.Now().Add(time.Duration(environment("PCAPFILTER_MINUTES", 0)) * time.Minute)
	for round := seed; ; round++ {
		for _, lt := range linkFamilies {
			if only < 0 || lt.Number() == only {
				t.Run(lt.String(), func(t *testing.T) { againstTcpdump(t, j, lt, round, n, excused) })
			}
		}
		if time.Now().After(end) || t.Failed() {
			break
		}
	}
	logExcused(t, j, excused)
}

func sampleSize() int { return environment("PCAPFILTER_SAMPLE", 500) }

// logExcused says how many expressions each known difference accounts for.
func logExcused(t *testing.T, j *judge, excused map[string]int) {
	for _, d := range knownDifferences {
		if j.version.before(d.from) || d.through != "" && d.through.before(j.version) {
			continue
		}
		t.Logf("libpcap %s: %5d of %s", j.version, excused[d.name], d.name)
	}
}

func againstTcpdump(t *testing.T, j *judge, lt LinkType, seed uint64, n int, excused map[string]int) {
	r := rand.New(rand.NewPCG(seed, uint64(lt.Number())))
	packets := corpus(t, lt, r)
	samples := sampleSize()
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
				r := rand.New(rand.NewPCG(seed, 7))
				sample := packets
				if samples > 0 {
					sample = make([]packet, min(len(packets), samples))
					for i := range sample {
						sample[i] = packets[r.IntN(len(packets))]
					}
				}
				ok, known, err := j.check(lt, expr, sample, packets)
				mu.Lock()
				if ok {
					accepted++
				}
				for _, d := range known {
					excused[d.name]++
				}
				if err != nil {
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
	j := newJudge(t)
	excused := map[string]int{}
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
		ok, known, err := j.check(Ethernet, expr, nil, nil)
		if ok {
			accepted++
		}
		for _, d := range known {
			excused[d.name]++
		}
		if err != nil {
			t.Errorf("seed %d: %q: %v", seed, expr, err)
		}
	}
	logExcused(t, j, excused)
	t.Logf("%d accepted", accepted)
}
