//go:build linux

package afxdp

import (
	"context"
	"io"
	"slices"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/bpfc/pcapfilter"
	"github.com/bpfjit/bpfjit/jit"
)

// TestFilter has the verdicts of native code on packets in the Ring, one by one
// and by blocks, be those of the interpreter on what was sent.
func TestFilter(t *testing.T) {
	namespace(t)
	prog, err := pcapfilter.Compile("vlan 100 or (ip and udp port 53 and greater 100)", pcapfilter.Options{})
	if err != nil {
		t.Fatal(err)
	}
	// The hardware type, which is 1, is added to the verdict.
	withAux := []bpf.RawInstruction{{Op: bpfc.LdAbsW, K: 0xfffff000 + 28}, {Op: bpfc.Tax}, {Op: bpfc.LdAbsB, K: 37},
		{Op: bpfc.ClassALU | bpfc.AluAND, K: 1}, {Op: bpfc.ClassALU | bpfc.AluMUL | bpfc.SrcX}, {Op: bpfc.RetA}}
	for _, c := range []struct {
		prog []bpf.RawInstruction
		opts []jit.Option
	}{
		{prog, nil},
		{prog, []jit.Option{jit.WithInterpreter()}},
		{withAux, []jit.Option{jit.WithDialect(bpfc.Linux), jit.WithAux(RingAux)}},
	} {
		f, err := jit.Compile(c.prog, c.opts...)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		dialect := bpfc.Libpcap
		if len(c.opts) == 2 {
			dialect = bpfc.Linux
		}
		ref, err := bpfc.NewInterpreter(c.prog, dialect, bpfc.WithAux(RingAux))
		if err != nil {
			t.Fatal(err)
		}
		r := open(t, Options{Interface: "vb"})
		s := newSender(t, "va")
		type match struct {
			verdict uint32
			data    string
		}
		var want []match
		const sent = 1000
		for i := range sent {
			pkt := frame(60+i%100, uint32(i))
			pkt[37] += byte(i % 2) // the port: 53 or 54
			if i%3 == 0 {
				pkt = tag(pkt, 0x81000063+uint32(i%2))
			}
			send(t, s, pkt)
			if v := ref.Run(pkt, len(pkt), &bpfc.Aux{HaType: 1}); v != 0 {
				want = append(want, match{v, string(pkt)})
			}
		}
		settled(t, r, sent)
		if len(want) == 0 || len(want) == sent {
			t.Fatalf("%d of %d are accepted: no test", len(want), sent)
		}
		if err := r.Stop(); err != nil {
			t.Fatal(err)
		}
		var got []match
		passed := int64(0)
		ctx := limited(t)
		for {
			b, err := r.Next(ctx)
			if err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			b.Filter(f)
			for p := range b.All() {
				got = append(got, match{p.Verdict, string(p.Data)})
			}
			n, _ := b.Passed()
			passed += n
		}
		if passed != sent || !slices.Equal(got, want) {
			t.Errorf("%d packets, sent %d; %d matches, want %d, or other ones", passed, sent, len(got), len(want))
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNoAllocation checks that going over a Ring allocates nothing per packet.
func TestNoAllocation(t *testing.T) {
	namespace(t)
	r := open(t, Options{Interface: "vb"})
	s := newSender(t, "va")
	var frames [][]byte
	for i := range 1000 {
		frames = append(frames, frame(60, uint32(i)))
	}
	all, err := jit.Compile([]bpf.RawInstruction{{Op: bpfc.RetK, K: 1}})
	if err != nil {
		t.Fatal(err)
	}
	var aux bpfc.Aux
	packets := 0
	if n := testing.AllocsPerRun(20, func() {
		for i := 0; i < len(frames); i += 100 {
			send(t, s, frames[i:i+100]...)
			for got := 0; got < 100; {
				b, err := r.Next(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				got += len(b.Data())
				b.Filter(all)
				for p := range b.All() {
					p.Aux(&aux)
					packets++
				}
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations in 1000 packets", n)
	}
	if packets != 21*len(frames) {
		t.Errorf("%d packets", packets)
	}
}
