package capture

import (
	"bytes"
	"io"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/jit"
)

// TestBlockFilter compares what Filter leaves of a block, and the verdicts, with
// what the interpreter says of each packet, for rings of every kind and filters
// that run in one loop and one by one.
func TestBlockFilter(t *testing.T) {
	namespace(t)
	s := newSender(t, "va", false)
	frames := verdictFrames()
	for range 3 { // more than one call of generated code
		frames = append(frames, frames...)
	}
	for ringName, opts := range map[string]RingOptions{
		"kernel":    {Interface: "vb"},
		"wire":      {Interface: "vb", VLAN: VLANWire},
		"cut":       {Interface: "vb", SnapLen: 61},
		"cut, wire": {Interface: "vb", SnapLen: 14, VLAN: VLANWire},
		"any":       {Direction: In},
		"any, wire": {Direction: In, VLAN: VLANWire},
		"in":        {Interface: "vb", Direction: In},
		"out":       {Interface: "va", Direction: Out},
	} {
		opts.Blocks = 4
		ring := openRing(t, opts)
		s.send(frames...)
		ring.Stop()
		looped, n, matched := 0, 0, 0
		for {
			b, err := ring.Next(t.Context())
			if err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(ringName, err)
			}
			for name, ins := range verdictPrograms {
				prog, err := bpf.Assemble(ins)
				if err != nil {
					t.Fatal(err)
				}
				in, err := bpfc.NewInterpreter(prog, bpfc.Linux, bpfc.WithAux(RingAux))
				if err != nil {
					t.Fatal(err)
				}
				for _, extra := range [][]jit.Option{nil, {jit.WithInterpreter()}} {
					f, err := jit.Compile(prog, append(extra, jit.WithDialect(bpfc.Linux), jit.WithAux(RingAux))...)
					if err != nil {
						t.Fatal(err)
					}
					var got []Packet
					var verdicts []uint32
					b.take(b.hdr, b.mem)
					b.Filter(f)
					if b.filter.loop != nil {
						looped++
					}
					for p := range b.All() {
						got = append(got, Packet{Meta: p.Meta, Data: bytes.Clone(p.Data)})
						verdicts = append(verdicts, p.Verdict)
					}
					passed, size := b.Passed()
					b.take(b.hdr, b.mem)
					var want []Packet
					var wantVerdicts []uint32
					all, bytesOfAll := int64(0), int64(0)
					for p := range b.All() {
						var aux bpfc.Aux
						p.Aux(&aux)
						all++
						bytesOfAll += int64(len(p.Data))
						if v := in.Run(p.Data, int(p.WireLen), &aux); v != 0 {
							want = append(want, Packet{Meta: p.Meta, Data: bytes.Clone(p.Data)})
							wantVerdicts = append(wantVerdicts, v)
						}
					}
					comparePackets(t, ringName+", "+name, got, want)
					for i, v := range wantVerdicts {
						if i < len(verdicts) && verdicts[i] != v {
							t.Errorf("%s, %s: verdict %d, want %d", ringName, name, verdicts[i], v)
						}
					}
					if passed != all || size != bytesOfAll {
						t.Errorf("%s, %s: %d packets of %d bytes passed, want %d of %d", ringName, name, passed, size, all, bytesOfAll)
					}
					n, matched = n+len(want), matched+1
				}
			}
			b.Release()
			b.Filter(nil) // nothing is left to be filtered
		}
		if n == 0 || n == matched*len(frames) {
			t.Errorf("%s: %d matches in %d goes tell nothing", ringName, n, matched)
		}
		if cooked := ring.LinkType() == LinkLinuxSLL2; cooked == (looped > 0) && jit.Available() == nil {
			t.Errorf("%s: generated code went over %d blocks", ringName, looped)
		}
	}
}
