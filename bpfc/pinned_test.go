package bpfc_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/fuzz"
	"github.com/bpfjit/bpfjit/lir"
)

// Programs whose values, merged or as they are, do not fit the frame run
// natively, with the right verdicts, all the same.
func TestTooManyValues(t *testing.T) {
	const n = 600
	var again, far strings.Builder
	fmt.Fprintf(&again, "ldb [%d]\ntax\n", 2*n)
	for range 2 { // the second time, all products are there already
		for i := range n {
			fmt.Fprintf(&again, "ldb [%d]\nmul #%d\nadd x\ntax\n", i, 2*i+3)
		}
	}
	again.WriteString("ret a")
	fmt.Fprintf(&far, "ldb [%d]\nldx #5\n", n)
	for i := range n { // a value of each is read in a block far away
		fmt.Fprintf(&far, "jneq #%d, n%d\nldb [%d]\nja z%d\nn%d: ld [%d]\nadd x\n", i%256, i, i, i, i, i)
	}
	far.WriteString("ret #0\n")
	for i := range n {
		fmt.Fprintf(&far, "z%d: add #%d\nret a\n", i, i)
	}

	r := rand.New(rand.NewPCG(1, 2))
	var packets []fuzz.Packet
	for range 50 {
		data := make([]byte, 2*n+1+r.IntN(n))
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		packets = append(packets, fuzz.Packet{Data: data, WireLen: len(data)})
	}
	for _, src := range []string{again.String(), far.String()} {
		s := fuzz.Subject{Prog: assemble(t, src)}
		if err := s.Compare(packets, nil); err != nil {
			t.Errorf("%.500s", err.Error())
		}
		p, err := bpfc.Check(s.Prog, s.Dialect)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bpfc.TranslateBatch(p, 1); err != nil {
			t.Error(err)
		}
	}
}

// The form for such programs is right for all.
func TestPinned(t *testing.T) {
	n := 2000
	if testing.Short() {
		n /= 10
	}
	for seed := range n {
		gen := fuzz.NewGen(bpfc.Libpcap, uint64(seed))
		s := gen.Subject()
		p, err := bpfc.Check(s.Prog, s.Dialect)
		if err != nil {
			t.Fatal(err)
		}
		f, err := bpfc.TranslatePinned(p)
		if err != nil {
			if _, want := bpfc.Translate(p, 0); want == nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			continue
		}
		in, err := lir.NewInterpreter(f)
		if err != nil {
			t.Fatal(err)
		}
		for range 6 {
			pkt := gen.Packet()
			const addr = 0x10000
			got, err := in.Run([]lir.Region{{Addr: addr, Data: pkt.Data}}, addr, uint64(len(pkt.Data)), uint64(pkt.WireLen), 0)
			if want := p.Interpreter().Run(pkt.Data, pkt.WireLen, nil); err != nil || uint32(got) != want {
				t.Fatalf("seed %d: %d, %v, the interpreter says %d\n%v", seed, got, err, want, f)
			}
		}
	}
}
