// Command gen writes what measurements and tests work on: captures of made-up
// traffic and filters with long lists.
//
//	gen mix FILE [PACKETS [SEED]]   a pcap file of Ethernet packets
//	gen hosts N [SEED]              an expression: host A or host B or ...
//	gen srcs N [SEED]               ip src host A or ip src host B or ...
//	gen captures DIR                the captures of testdata/captures
//	gen c PROGRAM                   a program as a C function
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/bpfjit/bpfjit/bench/traffic"
	"github.com/bpfjit/bpfjit/capture"
)

// Without seeds on the command line, every run makes the same.
const (
	mixPackets = 10000
	mixSeed    = 1
	hostSeed   = 2
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: gen mix FILE [PACKETS [SEED]] | gen hosts N [SEED] | gen srcs N [SEED] | gen captures DIR | gen c PROGRAM")
	}
	switch args[0] {
	case "mix":
		n, err := number(args, 2, mixPackets)
		if err != nil {
			return err
		}
		seed, err := number(args, 3, mixSeed)
		if err != nil {
			return err
		}
		return writeMix(args[1], n, seed)
	case "hosts", "srcs":
		n, err := number(args, 1, 0)
		if err != nil {
			return err
		}
		seed, err := number(args, 2, hostSeed)
		if err != nil {
			return err
		}
		fmt.Println(list(map[string]string{"hosts": "host ", "srcs": "ip src host "}[args[0]], n, seed))
		return nil
	case "c":
		return writeC(args[1])
	case "captures":
		return writeCaptures(args[1])
	}
	return fmt.Errorf("%s: nothing that can be made", args[0])
}

func number(args []string, i, otherwise int) (int, error) {
	if i >= len(args) {
		return otherwise, nil
	}
	n, err := strconv.Atoi(args[i])
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s: not a number", args[i])
	}
	return n, nil
}

func list(what string, n, seed int) string {
	var tests []string
	for _, h := range traffic.New(uint64(seed)).Hosts(n) {
		tests = append(tests, what+h.String())
	}
	return strings.Join(tests, " or ")
}

func writeMix(name string, n, seed int) error {
	return create(name, func(w *bufio.Writer) error {
		return writeCapture(w, capture.WriterOptions{}, capture.LinkEthernet, traffic.New(uint64(seed)).Mix(n))
	})
}

// create writes a file by means of write.
func create(name string, write func(*bufio.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	err = write(w)
	if err == nil {
		err = w.Flush()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// writeCapture writes packets a microsecond apart.
func writeCapture(w *bufio.Writer, opts capture.WriterOptions, link capture.LinkType, packets []traffic.Packet) error {
	cw, err := capture.NewWriter(w, opts)
	if err != nil {
		return err
	}
	ifc, err := cw.AddInterface(capture.Interface{LinkType: link, FCSLen: -1})
	if err != nil {
		return err
	}
	for i, p := range packets {
		m := capture.Meta{TS: int64(i) * 1000, WireLen: uint32(p.WireLen), Interface: ifc}
		if err := cw.WritePacket(m, p.Data); err != nil {
			return err
		}
	}
	return cw.Flush()
}
