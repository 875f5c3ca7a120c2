//go:build linux

package capture

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"
	"time"

	"github.com/bpfjit/bpfjit/bpfc"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// vlanFrames: what is on the wire, and the outermost tag.
var vlanFrames = []struct {
	name string
	tags []uint16 // TPID, TCI, ...
}{
	{"plain", nil},
	{"vlan 100", []uint16{0x8100, 100}},
	{"vlan 100, priority 5", []uint16{0x8100, 0xa064}},
	{"priority tag", []uint16{0x8100, 0}},
	{"QinQ", []uint16{0x88a8, 200, 0x8100, 100}},
	{"QinQ of priority tags", []uint16{0x88a8, 0, 0x8100, 0}},
}

func tag(f []byte, tags []uint16) []byte {
	out := bytes.Clone(f[:12])
	for _, v := range tags {
		out = binary.BigEndian.AppendUint16(out, v)
	}
	return append(out, f[12:]...)
}

// TestRingVLAN sends tagged frames of every kind: in wire mode and after
// InsertTag they are what was sent; in kernel mode the tag is beside them.
func TestRingVLAN(t *testing.T) {
	namespace(t)
	kernel := openRing(t, RingOptions{Interface: "vb"})
	wire := openRing(t, RingOptions{Interface: "vb", VLAN: VLANWire})
	cut := openRing(t, RingOptions{Interface: "vb", VLAN: VLANWire, SnapLen: 20})
	cooked := openRing(t, RingOptions{Direction: In})
	cookedWire := openRing(t, RingOptions{Direction: In, VLAN: VLANWire})
	s := newSender(t, "va", false)
	var sent [][]byte
	for i, c := range vlanFrames {
		sent = append(sent, tag(frame(60, byte(i)), c.tags))
	}
	s.send(sent...)

	kernel.Stop()
	for i := 0; ; {
		b, err := kernel.Next(t.Context())
		if err == io.EOF {
			if i != len(sent) {
				t.Errorf("%d packets, want %d", i, len(sent))
			}
			break
		} else if err != nil {
			t.Fatal(err)
		}
		for p := range b.All() {
			c := vlanFrames[i]
			var aux bpfc.Aux
			p.Aux(&aux)
			tci, tpid, ok := p.VLAN()
			tags := c.tags
			if ok {
				if len(tags) < 2 || tci != tags[1] || tpid != tags[0] {
					t.Errorf("%s: tag %#x %#x", c.name, tpid, tci)
				}
				tags = tags[2:]
			} else if tags != nil {
				t.Errorf("%s: no tag", c.name)
			}
			if aux.VLANPresent == 1 != ok || aux.VLANTag != uint32(tci) || aux.VLANProto != uint32(tpid) || aux.NetOffset != 14 || aux.IfIndex != uint32(p.IfIndex()) {
				t.Errorf("%s: aux %+v", c.name, aux)
			}
			if want := tag(frame(60, byte(i)), tags); !bytes.Equal(p.Data, want) || int(p.WireLen) != len(want) {
				t.Errorf("%s: % x, want % x", c.name, p.Data, want)
			}
			for range 2 { // the second time it has nothing to do
				p.InsertTag()
				if !bytes.Equal(p.Data, sent[i]) || int(p.WireLen) != len(sent[i]) {
					t.Errorf("%s: with tag % x, want % x", c.name, p.Data, sent[i])
				}
			}
			if _, _, ok := p.VLAN(); ok {
				t.Errorf("%s: the tag is there twice", c.name)
			}
			i++
		}
	}
	check := func(name string, pkts []Packet, want func(i int) []byte, more int) {
		t.Helper()
		if len(pkts) != len(sent) {
			t.Errorf("%s: %d packets, want %d", name, len(pkts), len(sent))
			return
		}
		for i, p := range pkts {
			if w := want(i); !bytes.Equal(p.Data, w) || int(p.WireLen) != len(sent[i])+more {
				t.Errorf("%s: %s: % x of %d, want % x", name, vlanFrames[i].name, p.Data, p.WireLen, w)
			}
		}
	}
	check("wire", drain(t, wire), func(i int) []byte { return sent[i] }, 0)
	check("cut", drain(t, cut), func(i int) []byte { return sent[i][:20] }, 0)

	index := uint32(0)
	sll2 := func(i int, protocolAt int, b []byte) []byte {
		h := append(bytes.Clone(sent[i][protocolAt:protocolAt+2]), 0, 0)
		h = binary.BigEndian.AppendUint32(h, index)
		h = binary.BigEndian.AppendUint16(h, 1) // ARPHRD_ETHER
		h = append(h, unix.PACKET_OTHERHOST, 6, 2, 0, 0, 0, 0, 2, 0, 0)
		return append(h, b...)
	}
	if i, _, err := (&Ring{opts: RingOptions{Interface: "vb"}}).lookUp(); err != nil {
		t.Fatal(err)
	} else {
		index = uint32(i)
	}
	if cooked.LinkType() != LinkLinuxSLL2 {
		t.Errorf("any has link type %v", cooked.LinkType())
	}
	check("any, wire", drain(t, cookedWire), func(i int) []byte { return sll2(i, 12, sent[i][14:]) }, sll2Header-14)
	cookedInserted := openRing(t, RingOptions{Direction: In})
	s.send(sent...)
	var inserted []Packet
	cookedInserted.Stop()
	for b, err := cookedInserted.Next(t.Context()); err != io.EOF; b, err = cookedInserted.Next(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for p := range b.All() {
			for range 2 { // the second time it has nothing to do
				p.InsertTag()
			}
			if _, _, ok := p.VLAN(); ok {
				t.Error("any: the tag is there twice")
			}
			inserted = append(inserted, Packet{Meta: p.Meta, Data: bytes.Clone(p.Data)})
		}
	}
	check("any, inserted", inserted, func(i int) []byte { return sll2(i, 12, sent[i][14:]) }, sll2Header-14)
	got := drain(t, cooked)
	got = got[:min(len(got), len(sent))] // not what was sent a second time
	for i := range got {                 // as above, without the outer tag
		if len(vlanFrames[i].tags) > 0 {
			got[i].WireLen += 4
		}
	}
	check("any", got, func(i int) []byte {
		if len(vlanFrames[i].tags) > 0 {
			return sll2(i, 16, sent[i][18:])
		}
		return sll2(i, 12, sent[i][14:])
	}, sll2Header-14)
}

// verdictPrograms are programs of the Linux dialect, whose verdicts tell what they
// found.
var verdictPrograms = map[string][]bpf.Instruction{
	"present":   {bpf.LoadExtension{Num: bpf.ExtVLANTagPresent}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 1, SkipFalse: 1}, accept(41), accept(0)},
	"tag":       {bpf.LoadExtension{Num: bpf.ExtVLANTag}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xfff}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 100, SkipFalse: 1}, accept(42), accept(1)},
	"tpid":      {bpf.LoadExtension{Num: bpf.ExtVLANProto}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x88a8, SkipFalse: 1}, accept(43), accept(0)},
	"proto":     {bpf.LoadExtension{Num: bpf.ExtProto}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x800, SkipFalse: 1}, accept(44), accept(2)},
	"ethertype": {bpf.LoadAbsolute{Off: 12, Size: 2}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x8100, SkipFalse: 1}, accept(45), accept(0)},
	"type":      {bpf.LoadExtension{Num: bpf.ExtType}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 20}, bpf.RetA{}},
	"length":    {bpf.LoadExtension{Num: bpf.ExtLen}, bpf.ALUOpConstant{Op: bpf.ALUOpSub, Val: 7}, bpf.RetA{}},
	"network":   {bpf.LoadAbsolute{Off: 0xfff00000, Size: 1}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x45, SkipFalse: 1}, accept(46), accept(3)},
	"hatype":    {bpf.LoadExtension{Num: 28}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 30}, bpf.RetA{}},
	"ifindex":   {bpf.LoadExtension{Num: bpf.ExtInterfaceIndex}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 15}, bpf.RetA{}},
}

func accept(n uint32) bpf.Instruction { return bpf.RetConstant{Val: n} }

// verdictFrames are frames that they tell apart.
func verdictFrames() (frames [][]byte) {
	for i := range 60 {
		c := vlanFrames[i%len(vlanFrames)]
		f := tag(frame(60+i, byte(i)), c.tags)
		copy(f[:6], [][]byte{{2, 0, 0, 0, 0, 9}, {255, 255, 255, 255, 255, 255}, {1, 0, 94, 0, 0, 1}}[i%3])
		frames = append(frames, f)
	}
	return frames
}

// TestRingVerdicts compares, packet by packet and value by value, what the
// kernel's filter returns with what our interpreter returns over the ring's
// bytes and Aux.
func TestRingVerdicts(t *testing.T) {
	namespace(t)
	frames := verdictFrames()
	s := newSender(t, "va", false)
	for name, ins := range verdictPrograms {
		prog, err := bpf.Assemble(ins)
		if err != nil {
			t.Fatal(name, err)
		}
		in, err := bpfc.NewInterpreter(prog, bpfc.Linux, bpfc.WithAux(RingAux))
		if err != nil {
			t.Fatal(name, err)
		}
		all := openRing(t, RingOptions{Interface: "vb", Blocks: 4})
		kernel := openRing(t, RingOptions{Interface: "vb", Filter: prog, Blocks: 4})
		s.send(frames...)
		// A busy machine delivers later; both rings get a packet at once.
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
			st, err := all.Stats()
			if err != nil {
				t.Fatal(name, err)
			}
			if st.Received+st.Dropped >= uint64(len(frames)) {
				break
			}
		}
		var want []Packet
		all.Stop()
		n := 0
		for b, err := all.Next(t.Context()); err != io.EOF; b, err = all.Next(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			for p := range b.All() {
				var aux bpfc.Aux
				p.Aux(&aux)
				n++
				if keep := in.Run(p.Data, int(p.WireLen), &aux); keep > 0 {
					m := p.Meta
					m.TS = 0
					want = append(want, Packet{Meta: m, Data: bytes.Clone(p.Data[:min(int(keep), len(p.Data))])})
				}
			}
		}
		if n != len(frames) {
			t.Fatalf("%s: %d packets, sent %d", name, n, len(frames))
		}
		got := drain(t, kernel)
		for i := range got {
			got[i].TS = 0
		}
		if len(want) == 0 {
			t.Errorf("%s: nothing matches", name)
		}
		comparePackets(t, name, got, want)
	}
}
