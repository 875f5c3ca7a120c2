package fuzz

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
)

// FuzzProgram runs what the fuzzer makes of programs and packets in every
// engine: prog is sock_filter records, little-endian.
func FuzzProgram(f *testing.F) {
	for d := bpfc.Libpcap; d <= bpfc.Seccomp; d++ {
		g := NewGen(d, 42)
		for range 24 {
			s := g.Subject()
			if s.Context != nil {
				continue
			}
			p := g.Packet()
			f.Add(uint8(d), encode(s.Prog), p.Data, uint32(p.WireLen))
		}
	}
	fence, err := NewFence(8192)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, dialect uint8, prog, pkt []byte, wireLen uint32) {
		s := Subject{Prog: decode(prog), Dialect: bpfc.Dialect(dialect % 4)}
		if s.Dialect == bpfc.Linux {
			s.Aux = bpfc.AuxAll
		}
		if bpfc.Validate(s.Prog, s.Dialect, s.options()...) != nil {
			return
		}
		packets := []Packet{{Data: pkt, WireLen: int(wireLen)}, {Data: pkt, WireLen: len(pkt), Aux: &bpfc.Aux{
			Protocol: 0x800, PktType: 4, IfIndex: 2, VLANTag: 0xa064, VLANPresent: 1, VLANProto: 0x8100, NetOffset: 14, Random: wireLen,
		}}}
		if len(pkt) > 0 {
			packets = append(packets, Packet{Data: pkt[:len(pkt)-1], WireLen: int(wireLen)})
		}
		if err := s.Compare(packets, fence); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzSeed runs the generator's programs, by seed: breadth where FuzzProgram
// looks for depth.
func FuzzSeed(f *testing.F) {
	f.Add(uint8(0), uint64(1))
	fence, err := NewFence(4096)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, dialect uint8, seed uint64) {
		if err := one(bpfc.Dialect(dialect%4), seed, 6, fence); err != nil {
			t.Fatal(err)
		}
	})
}

const insnSize = 8 // struct sock_filter: u16 code, u8 jt, u8 jf, u32 k

func encode(prog []bpf.RawInstruction) []byte {
	var b []byte
	for _, ins := range prog {
		b = binary.LittleEndian.AppendUint16(b, ins.Op)
		b = append(b, ins.Jt, ins.Jf)
		b = binary.LittleEndian.AppendUint32(b, ins.K)
	}
	return b
}

func decode(b []byte) []bpf.RawInstruction {
	var prog []bpf.RawInstruction
	for ; len(b) >= insnSize; b = b[insnSize:] {
		prog = append(prog, bpf.RawInstruction{
			Op: binary.LittleEndian.Uint16(b), Jt: b[2], Jf: b[3], K: binary.LittleEndian.Uint32(b[4:]),
		})
	}
	return prog
}
