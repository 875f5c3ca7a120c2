//go:build linux

package afxdp

import (
	"context"
	"io"
	"testing"

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
	ref, err := bpfc.NewInterpreter(prog, bpfc.Libpcap)
	if err != nil {
		t.Fatal(err)
	}
	f, err := jit.Compile(prog)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := open(t, Options{Interface: "vb"})
	s := newSender(t, "va")
	var want []uint32
	accepted := 0
	for i := range 1000 {
		pkt := frame(60+i%100, uint32(i))
		pkt[37] += byte(i % 2) // the port: 53 or 54
		if i%3 == 0 {
			pkt = tag(pkt, 0x81000063+uint32(i%2))
		}
		send(t, s, pkt)
		v := ref.Run(pkt, len(pkt), nil)
		want = append(want, v)
		if v != 0 {
			accepted++
		}
	}
	settled(t, r, len(want))
	if accepted == 0 || accepted == len(want) {
		t.Fatalf("%d of %d are accepted: no test", accepted, len(want))
	}
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	verdicts := make([]uint32, maxBlock)
	i := 0
	ctx := limited(t)
	for {
		b, err := r.Next(ctx)
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		data := b.Data()
		f.RunBatch(data, verdicts[:len(data)])
		for j := range data {
			p := b.Next()
			if &p.Data[0] != &data[j][0] || len(p.Data) != len(data[j]) {
				t.Fatalf("packet %d is not where Data has it", i)
			}
			if one := f.Run(p.Data, int(p.WireLen)); one != want[i] || verdicts[j] != want[i] {
				t.Errorf("packet %d: verdict %d, in a batch %d, want %d", i, one, verdicts[j], want[i])
			}
			i++
		}
	}
	if i != len(want) {
		t.Errorf("%d packets, sent %d", i, len(want))
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
