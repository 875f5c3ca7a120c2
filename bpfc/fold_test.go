package bpfc_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/lir"
)

// What is known of the bits of a value decides tests of it. So the tests stand
// at the bounds of each operation's results, on all values of a byte: random
// programs seldom do.
func TestBoundsOfValues(t *testing.T) {
	second := []byte{0, 1, 2, 3, 127, 128, 254, 255}
	var packets [][]byte
	for a := range 256 {
		for _, b := range second {
			packets = append(packets, []byte{byte(a), b})
		}
	}
	if testing.Short() {
		packets = slices.DeleteFunc(packets, func(p []byte) bool { return p[0] > 10 && p[0] < 245 && p[0]%32 > 1 })
	}
	ops := []string{"", "and #0x6c", "or #0x100", "xor #0x1ff", "add #1", "add #0xfffffffe", "sub #3", "mul #5", "div #3", "mod #7", "lsh #4", "rsh #3", "neg",
		"and x", "or x", "xor x", "add x", "sub x", "mul x", "div x", "mod x", "lsh x", "rsh x"}
	bounds := []uint32{0, 1, 6, 7, 8, 31, 32, 63, 84, 85, 86, 127, 128, 253, 254, 255, 256, 257, 509, 510, 511, 512, 1274, 1275, 1276, 4079, 4080, 4081,
		65024, 65025, 65026, 65535, 65536, 0xfffffffc, 0xfffffffd, 0xfffffffe, 0xffffffff}
	for _, op := range ops {
		for _, test := range []string{"jeq", "jgt", "jge", "jset"} {
			for some := range slices.Chunk(bounds, 32) { // the verdict has a bit for each
				src := "ldb [1]\ntax\nldb [0]\n" + op + "\nst M[0]\nld #0\nst M[1]\n"
				for i, k := range some {
					src += fmt.Sprintf("ld M[0]\n%s #%#x, y%d, n%d\ny%d: ld M[1]\nor #%#x\nst M[1]\nn%d: ", test, k, i, i, i, 1<<i, i)
				}
				src += "ld M[1]\nret a"
				p, err := bpfc.Check(assemble(t, src), bpfc.Libpcap)
				if err != nil {
					t.Fatal(err)
				}
				f, err := bpfc.Translate(p, 1)
				if err != nil {
					t.Fatal(err)
				}
				in, err := lir.NewInterpreter(f)
				if err != nil {
					t.Fatal(err)
				}
				for _, pkt := range packets {
					const addr = 0x10000
					got, err := in.Run([]lir.Region{{Addr: addr, Data: pkt}}, addr, uint64(len(pkt)), uint64(len(pkt)), 0)
					if want := p.Interpreter().Run(pkt, len(pkt), nil); err != nil || uint32(got) != want {
						t.Fatalf("%q, %s, packet %x: bounds %#x: %#x, %v, the interpreter says %#x", op, test, pkt, some, got, err, want)
					}
				}
			}
		}
	}
}
