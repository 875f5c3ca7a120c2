package fuzz

import (
	"errors"
	"testing"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/bpfjit/bpfjit/bpfc"
)

// kernelFilter is a datagram socket with room for a filter: the kernel's own
// opinion of a program. A filter's verdict trims what is received, and 0 drops
// it, so that min(verdict, length) can be seen. AF_UNIX sockets need no
// privileges, and their packets have no headers before the first byte sent.
type kernelFilter struct{ send, recv int }

func newKernelFilter(t *testing.T) *kernelFilter {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Skipf("no socket to attach filters to: %v", err)
	}
	t.Cleanup(func() {
		unix.Close(fds[0])
		unix.Close(fds[1])
	})
	return &kernelFilter{fds[0], fds[1]}
}

// attach gives the socket a program; accepted is the kernel's answer.
func (k *kernelFilter) attach(t *testing.T, prog []bpf.RawInstruction) (accepted bool) {
	filters := make([]unix.SockFilter, len(prog))
	for i, ins := range prog {
		filters[i] = unix.SockFilter{Code: ins.Op, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
	}
	fprog := unix.SockFprog{Len: uint16(len(filters)), Filter: unsafe.SliceData(filters)}
	err := unix.SetsockoptSockFprog(k.recv, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &fprog)
	if err != nil && !errors.Is(err, unix.EINVAL) {
		t.Skipf("no filter can be attached: %v", err)
	}
	return err == nil
}

// kept is how much of a packet, at least one byte long, comes through.
func (k *kernelFilter) kept(t *testing.T, pkt []byte) int {
	if _, err := unix.Write(k.send, pkt); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, len(pkt)+1)
	n, err := unix.Read(k.recv, buf)
	if errors.Is(err, unix.EAGAIN) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestKernel compares the Linux dialect with Linux: verdicts of valid programs,
// and which programs are valid.
func TestKernel(t *testing.T) {
	k := newKernelFilter(t)
	n := 20_000
	if testing.Short() {
		n /= 10
	}
	accepted, kept := 0, 0
	for i := range n {
		g := NewGen(bpfc.Linux, *seed+uint64(i))
		s := g.Subject()
		if g.r.IntN(3) == 0 {
			g.spoil(s.Prog)
		}
		valid := bpfc.Validate(s.Prog, s.Dialect, s.options()...)
		if got := k.attach(t, s.Prog); got != (valid == nil) {
			t.Fatalf("seed %d: the kernel accepts: %v; we: %v\n%v", *seed+uint64(i), got, valid, &Difference{Subject: s})
		}
		if valid != nil || !sameInUserSpace(s.Prog) {
			continue
		}
		accepted++
		in, err := bpfc.NewInterpreter(s.Prog, s.Dialect, s.options()...)
		if err != nil {
			t.Fatal(err)
		}
		for range 6 {
			p := g.Packet()
			if len(p.Data) == 0 {
				continue
			}
			want := int(min(uint64(in.Run(p.Data, len(p.Data), nil)), uint64(len(p.Data))))
			if want > 0 {
				kept++
			}
			if got := k.kept(t, p.Data); got != want {
				t.Fatalf("seed %d: the kernel keeps %d bytes, the interpreter %d\n%v", *seed+uint64(i), got, want, &Difference{Subject: s, Packet: p, Engine: "kernel", Want: uint32(want), Got: uint32(got)})
			}
		}
	}
	if accepted < n/8 || kept < n/8 {
		t.Errorf("only %d programs and %d packets of %d were of use", accepted, kept, n)
	}
}

// spoil changes one instruction to something that may not be valid.
func (g *Gen) spoil(prog []bpf.RawInstruction) {
	ins := &prog[g.r.IntN(len(prog))]
	switch g.r.IntN(4) {
	case 0:
		ins.Op = uint16(g.r.Uint32N(0x110))
	case 1:
		ins.K = edges[g.r.IntN(len(edges))]
	case 2:
		ins.Jt = uint8(g.r.Uint32N(256))
	case 3:
		ins.Op, ins.K = bpfc.LdMem, g.r.Uint32N(18)
	}
}

// sameInUserSpace says whether a program reads only what a packet's bytes and
// length tell: no metadata, nothing in front of the packet.
func sameInUserSpace(prog []bpf.RawInstruction) bool {
	for _, ins := range prog {
		special := ins.K >= 0xffdf0000 && ins.K < 0xffffff00 // or near: X is added
		computed := ins.K == 0xfffff000+12 || ins.K == 0xfffff000+16 || ins.K == 0xfffff000+40
		if special && !(computed && bpfc.Class(ins.Op) == bpfc.ClassLD) {
			return false
		}
	}
	return true
}
