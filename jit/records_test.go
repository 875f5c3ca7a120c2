package jit

import (
	"encoding/binary"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
)

// records puts packets behind headers of 16 bytes, with gaps of various sizes.
func records(pkts [][]byte, wire func(i int) uint32) ([]byte, bpfc.Records) {
	layout := bpfc.Records{Next: 12, Data: 2, CapLen: 8, WireLen: 4, Limit: 40}
	var mem []byte
	for i, pkt := range pkts {
		h := make([]byte, 16+i%5, 16+i%5+len(pkt)+i%3)
		binary.NativeEndian.PutUint32(h[layout.Next:], uint32(cap(h)))
		binary.NativeEndian.PutUint16(h[layout.Data:], uint16(len(h)))
		binary.NativeEndian.PutUint32(h[layout.CapLen:], uint32(len(pkt)))
		binary.NativeEndian.PutUint32(h[layout.WireLen:], wire(i))
		mem = append(mem, append(h, pkt...)[:cap(h)]...)
	}
	return mem, layout
}

// TestRecords runs loops over any number of packets, more than go into one call
// of generated code included, of which they see no more than the limit.
func TestRecords(t *testing.T) {
	if Available() != nil {
		t.Skip("no native code here:", Available())
	}
	// The wire length and the packet's last byte in sight, or 0.
	prog := assembleBPF(t,
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.TAX{},
		bpf.LoadIndirect{Off: 0, Size: 1},
		bpf.ALUOpX{Op: bpf.ALUOpAdd},
		bpf.RetA{},
	)
	f, err := Compile(prog)
	if err != nil {
		t.Fatal(err)
	}
	var pkts [][]byte
	for i := range 3*maxBatch + 7 {
		pkt := make([]byte, i%90)
		for j := range pkt {
			pkt[j] = byte(i + j)
		}
		pkts = append(pkts, pkt)
	}
	wire := func(i int) uint32 { return uint32(i % 60) }
	mem, layout := records(pkts, wire)
	r, err := f.Records(layout)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]uint32, len(pkts)+1)
	for _, n := range []int{0, 1, 2, maxBatch - 1, maxBatch, maxBatch + 1, 2 * maxBatch, len(pkts)} {
		for i := range got {
			got[i] = 99
		}
		r.Run(unsafe.Pointer(&mem[0]), n, got)
		for i, v := range got {
			want := uint32(99)
			if i < n {
				want = f.Run(pkts[i][:min(len(pkts[i]), int(layout.Limit))], int(wire(i)))
			}
			if v != want {
				t.Fatalf("packet %d of %d: %d, want %d", i, n, v, want)
			}
		}
	}
	func() {
		defer func() {
			if s, _ := recover().(string); !strings.Contains(s, "3 records with room for 2 verdicts") {
				t.Errorf("panic %q", s)
			}
		}()
		r.Run(unsafe.Pointer(&mem[0]), 3, got[:2])
	}()
	if !raceEnabled {
		if n := testing.AllocsPerRun(100, func() { r.Run(unsafe.Pointer(&mem[0]), len(pkts), got) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	}
	f.Close()
	r.Run(unsafe.Pointer(&mem[0]), len(pkts), got)
	for i := range pkts {
		if got[i] != 0 {
			t.Fatalf("verdict %d after Close", got[i])
		}
	}
}

// TestRecordsRefused: there is no loop where there is no code, or no Aux for it.
// Whether the Aux counts is what code does, not what the program may do.
func TestRecordsRefused(t *testing.T) {
	if Available() != nil {
		t.Skip("no native code here:", Available())
	}
	const skfNetOff = 0xfff00000 // linux/filter.h
	linux := []Option{WithDialect(bpfc.Linux), WithAux(bpfc.AuxAll)}
	for _, c := range []struct {
		name string
		prog []bpf.RawInstruction
		opts []Option
		aux  bool
		want string
	}{
		{"plain", tcpPort80(t), nil, false, ""},
		{"Linux", tcpPort80(t), linux, false, ""},
		{"interpreted", tcpPort80(t), []Option{WithInterpreter()}, true, "the interpreter was asked for"},
		{"metadata", assembleBPF(t, bpf.LoadExtension{Num: bpf.ExtVLANTag}, bpf.RetA{}), linux, true, "the filter uses metadata"},
		{"network header", assembleBPF(t, bpf.LoadAbsolute{Off: skfNetOff, Size: 1}, bpf.RetA{}), linux, true, "the filter uses metadata"},
		{"any offset", assembleBPF(t, bpf.LoadAbsolute{Off: 0, Size: 4}, bpf.TAX{}, bpf.LoadIndirect{Size: 1}, bpf.RetA{}), linux, true, "the filter uses metadata"},
		{"any offset, libpcap", assembleBPF(t, bpf.LoadAbsolute{Off: 0, Size: 4}, bpf.TAX{}, bpf.LoadIndirect{Size: 1}, bpf.RetA{}), nil, false, ""},
	} {
		f, err := Compile(c.prog, c.opts...)
		if err != nil {
			t.Fatal(c.name, err)
		}
		_, err = f.Records(bpfc.Records{Data: 8, CapLen: 4, WireLen: 4, Limit: 99})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if f.UsesAux() != c.aux {
			t.Errorf("%s: uses metadata: %v", c.name, f.UsesAux())
		}
	}
}
