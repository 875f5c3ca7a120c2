package fuzz

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/bpfc/pcapfilter"
)

// TestLists compares the engines on lists of hosts, as libpcap writes them
// without its optimiser (for IPv4, source and destination of each in turn) and
// as pcapfilter does (two search trees).
func TestLists(t *testing.T) {
	r := rand.New(rand.NewPCG(*seed, 7))
	fence, err := NewFence(4096)
	if err != nil {
		t.Fatal(err)
	}
	defer fence.Close()
	for _, n := range []int{1, 2, 3, 4, 5, 23, 24, 25, 26, 60, 200, 1000} {
		hosts := make([]uint32, n)
		for i := range hosts {
			hosts[i] = 10<<24 | r.Uint32N(1<<14)
		}
		hosts[r.IntN(n)] = 0
		expr := ""
		for i, host := range hosts {
			if i > 0 {
				expr += " or "
			}
			expr += fmt.Sprintf("ip host %d.%d.%d.%d", host>>24, host>>16&255, host>>8&255, host&255)
		}
		searched, err := pcapfilter.Compile(expr, pcapfilter.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var packets []Packet
		for range 300 {
			data := make([]byte, 14+r.IntN(30))
			binary.BigEndian.PutUint16(data[12:], 0x800)
			if len(data) >= 34 {
				for _, at := range []int{26, 30} {
					host := hosts[r.IntN(n)]
					if r.IntN(3) != 0 {
						host ^= 1 << r.IntN(32)
					}
					binary.BigEndian.PutUint32(data[at:], host)
				}
			}
			packets = append(packets, Packet{Data: data, WireLen: len(data)})
		}
		for _, prog := range [][]bpf.RawInstruction{hostList(hosts), searched} {
			if err := (Subject{Prog: prog}).Compare(packets, fence); err != nil {
				t.Errorf("%d hosts: %v", n, err)
			}
		}
	}
}

func hostList(hosts []uint32) []bpf.RawInstruction {
	var prog []bpf.RawInstruction
	yes := 7*len(hosts) + 1 // one ret further; jumps that far are a ja
	for i, host := range hosts {
		at := 7 * i
		test := func(field uint32, next uint8) {
			prog = append(prog, bpf.RawInstruction{Op: bpfc.LdAbsW, K: field},
				bpf.RawInstruction{Op: bpfc.ClassJMP | bpfc.JmpJEQ, K: host, Jf: next},
				bpf.RawInstruction{Op: bpfc.Ja, K: uint32(yes - len(prog) - 3)})
		}
		if at != len(prog) {
			panic("a host is seven instructions")
		}
		prog = append(prog, bpf.RawInstruction{Op: bpfc.LdAbsH, K: 12})
		test(26, 1)
		test(30, 1)
	}
	return append(prog, bpf.RawInstruction{Op: bpfc.RetK}, bpf.RawInstruction{Op: bpfc.RetK, K: 96})
}
