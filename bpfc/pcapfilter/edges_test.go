package pcapfilter

import (
	"math/rand/v2"
	"testing"
)

// TestEdges compares plain and optimised programs at the edges of what the
// optimiser may assume.
func TestEdges(t *testing.T) {
	ps := corpus(t, 0, rand.New(rand.NewPCG(2, 1)))
	for _, e := range []string{
		"ip[0] / (1 - 1 ) = 0 or ip",
		"not ip[0] % (1 - 1) = 0",
		"ip[0] << (32+0) = 0 or tcp",
		"1 / (1 - 1) = 1 or ip",
		"ip[0] * 0 = 0",
		"ether[100] * 0 = 0 or ip",
		"(ip[8] & 0) = 0 and tcp",
		"ip[0] / ip[9] = 1 or ip[0] / ip[9] = 2 or ip[0]/ip[9] = 3 or ip[0]/ip[9]=4",
		"ip[2:2] & 0xff00 = 0x100 or ip[2:2] & 0xff00 = 0x200 or ip[2:2] & 0xf000 = 0x300",
		"len > 0xffffffff",
		"len >= 0",
		"len <= 0xffffffff",
		"ether[0xffffffff] = 1 or ip",
		"ip[0xfffffff8:4] = 1 or ip",
		"ip[len - len:1] = 0x45",
		"tcp[ip[0]] = 0 or tcp[ip[0]] = 1 or tcp[ip[0]] > 5",
	} {
		same(t, e, Options{}, ps)
	}
}
