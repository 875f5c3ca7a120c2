// Command pcapgo filters a capture as Go programs do without this module: with
// gopacket's reader and writer and the virtual machine of golang.org/x/net/bpf.
// It is what bench/read.sh compares with.
//
//	pcapgo IN OUT PROGRAM   (PROGRAM as tcpdump -ddd prints it)
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"github.com/gopacket/gopacket/pcapgo"
	"golang.org/x/net/bpf"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: pcapgo IN OUT PROGRAM")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "pcapgo:", err)
		os.Exit(1)
	}
}

func run(in, out, program string) error {
	vm, err := load(program)
	if err != nil {
		return err
	}
	f, err := os.Open(in)
	if err != nil {
		return err
	}
	defer f.Close()
	// A large buffer makes this reader a third faster than its own does.
	r, err := pcapgo.NewReader(bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		return err
	}
	o, err := os.Create(out)
	if err != nil {
		return err
	}
	defer o.Close()
	buf := bufio.NewWriterSize(o, 1<<20)
	w := pcapgo.NewWriter(buf)
	if err := w.WriteFileHeader(r.Snaplen(), r.LinkType()); err != nil {
		return err
	}
	packets, matched := 0, 0
	for {
		data, ci, err := r.ZeroCopyReadPacketData()
		if err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		packets++
		n, err := vm.Run(data)
		if err != nil {
			return err
		}
		if n == 0 {
			continue
		}
		matched++
		if err := w.WritePacket(ci, data); err != nil {
			return err
		}
	}
	fmt.Printf("%d packets, %d matched\n", packets, matched)
	return buf.Flush()
}

// load reads a program: its length, and four numbers for each instruction.
func load(name string) (*bpf.VM, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := bufio.NewReader(f)
	n := 0
	if _, err := fmt.Fscan(in, &n); err != nil {
		return nil, err
	}
	raw := make([]bpf.RawInstruction, n)
	for i := range raw {
		if _, err := fmt.Fscan(in, &raw[i].Op, &raw[i].Jt, &raw[i].Jf, &raw[i].K); err != nil {
			return nil, err
		}
	}
	insns, ok := bpf.Disassemble(raw)
	if !ok {
		return nil, fmt.Errorf("%s: not every instruction is known", name)
	}
	return bpf.NewVM(insns)
}
