package pcapfilter

import (
	"bufio"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// TestGateway compares "gateway" and hosts by name with the judge, for each host in
// the machine's ethers table: that and the hosts table are where libpcap finds
// them. Most machines have none.
func TestGateway(t *testing.T) {
	j := newJudge(t)
	f, err := os.Open("/etc/ethers")
	if err != nil {
		t.Skip("no hosts with MAC addresses: ", err)
	}
	defer f.Close()
	tried, excused := 0, map[string]int{}
	for in := bufio.NewScanner(f); in.Scan(); {
		text, _, _ := strings.Cut(in.Text(), "#")
		fields := strings.Fields(text)
		if len(fields) < 2 {
			continue
		}
		name := fields[1]
		for _, lt := range []LinkType{Ethernet, IEEE80211, 6, 10, 122} {
			packets := corpus(t, lt, rand.New(rand.NewPCG(4, 1)))
			for _, expr := range []string{"gateway NAME", "ip gateway NAME", "arp gateway NAME", "rarp gateway NAME", "not gateway NAME",
				"arp host NAME", "rarp src NAME", "host NAME", "ip host NAME", "ip6 host NAME", "ether host NAME", "ip6 gateway NAME", "mpls and gateway NAME", "vlan and gateway NAME"} {
				expr = strings.ReplaceAll(expr, "NAME", name)
				ok, known, err := j.check(lt, expr, packets, packets)
				if err != nil {
					t.Errorf("%v: %q: %v", lt, expr, err)
				}
				for _, d := range known {
					excused[d.name]++
				}
				if ok {
					tried++
				}
			}
		}
	}
	t.Logf("%d expressions compared", tried)
	logExcused(t, j, excused)
}
