package main

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/capture"
	"github.com/bpfjit/bpfjit/fuzz"
	"github.com/bpfjit/bpfjit/internal/cli"
	"github.com/bpfjit/bpfjit/jit"
)

const (
	benchReps  = 15                   // of which the median counts
	benchTime  = 4 * time.Millisecond // the least that one repetition takes
	benchBatch = 64                   // packets a RunBatch, as a ring delivers them
)

// contender is one line of -bench.
type contender struct {
	name    string
	once    func() (matched int) // over all packets
	times   []float64            // ns a packet, by repetition
	iters   int
	matched int
}

// bench measures the engines over the packets of a capture, held in memory.
//
// Repetitions of all engines are interleaved, so that whatever else the
// machine does hits all of them; the median of each is printed. Time is that of
// the thread where the system tells, without what other processes took.
func (t *tool) bench() error {
	s, err := t.source()
	if err != nil {
		return err
	}
	p, err := t.openPackets()
	if err != nil {
		return err
	}
	defer p.close()
	pkts, err := capture.ReadAll(p.Reader)
	if err != nil {
		return p.error(err)
	}
	if len(pkts) == 0 {
		return fmt.Errorf("%s: no packets", p.name)
	}
	link := pkts[0].LinkType
	for _, pkt := range pkts {
		if pkt.LinkType != link {
			return fmt.Errorf("%s: packets of link types %v and %v: one filter cannot be measured on both",
				p.name, linkTypeOf(link), linkTypeOf(pkt.LinkType))
		}
	}
	prog, err := t.program(s, p.name, link)
	if err != nil {
		return err
	}
	cs, err := t.contenders(prog, listPackets(pkts))
	if err != nil {
		return err
	}
	measure(cs, len(pkts))
	for _, c := range cs {
		fmt.Fprintf(t.stdout, "%s\t%.2f\t%d\n", c.name, median(c.times), c.matched)
	}
	return nil
}

// packetList is packets as the engines get them. What else is known of them is
// left out, so that it does not take up the caches.
type packetList struct {
	data    [][]byte
	wireLen []uint32
}

func listPackets(pkts []capture.Packet) packetList {
	l := packetList{make([][]byte, len(pkts)), make([]uint32, len(pkts))}
	for i := range pkts {
		l.data[i], l.wireLen[i] = pkts[i].Data, pkts[i].WireLen
	}
	return l
}

// contenders are the engines that can run the program. Each loops over the
// packets by itself: there is nothing between them and their calls.
func (t *tool) contenders(p *bpfc.Program, l packetList) ([]*contender, error) {
	in := p.Interpreter()
	cs := []*contender{{name: "interp", once: func() (n int) {
		for i, data := range l.data {
			if in.Run(data, int(l.wireLen[i]), nil) != 0 {
				n++
			}
		}
		return n
	}}}
	vm, err := xnetVM(p)
	if err != nil {
		return nil, err
	}
	if vm != nil {
		cs = append(cs, &contender{name: "xnet", once: func() (n int) {
			for _, data := range l.data {
				if v, err := vm.Run(data); err == nil && v != 0 {
					n++
				}
			}
			return n
		}})
	}
	f, err := jit.Compile(p.Instructions(), jit.WithDialect(t.dialect), jit.WithOptLevel(t.optLevel), jit.WithNativeOnly())
	if err != nil {
		fmt.Fprintf(t.stderr, "bpfc: %s\n", cli.OneLine(err.Error()))
		return cs, nil
	}
	return append(cs,
		&contender{name: "native", once: func() (n int) {
			for i, data := range l.data {
				if f.Run(data, int(l.wireLen[i])) != 0 {
					n++
				}
			}
			return n
		}},
		&contender{name: "batch", once: func() (n int) {
			var verdicts [benchBatch]uint32
			for rest := range slices.Chunk(l.data, benchBatch) {
				f.RunBatch(rest, verdicts[:])
				for _, v := range verdicts[:len(rest)] {
					if v != 0 {
						n++
					}
				}
			}
			return n
		}}), nil
}

// xnetVM is x/net/bpf's VM for a program; nil if it gives other verdicts than
// the dialect.
func xnetVM(p *bpfc.Program) (*bpf.VM, error) {
	es, err := fuzz.Subject{Prog: p.Instructions(), Dialect: p.Dialect()}.Engines()
	if err != nil {
		return nil, err
	}
	applies := false
	for _, e := range es {
		applies = applies || e.Name == "xnet"
		e.Close()
	}
	if !applies {
		return nil, nil
	}
	insns, _ := bpf.Disassemble(p.Instructions())
	return bpf.NewVM(insns)
}

// measure fills in the contenders' times.
func measure(cs []*contender, packets int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	runtime.GC()
	for _, c := range cs {
		start := threadTime()
		c.matched = c.once() // warms up, too
		took := max(threadTime()-start, 1)
		c.iters = int(benchTime/took) + 1
	}
	for range benchReps {
		for _, c := range cs {
			start := threadTime()
			for range c.iters {
				c.once()
			}
			took := threadTime() - start
			c.times = append(c.times, float64(took.Nanoseconds())/float64(c.iters)/float64(packets))
		}
	}
}

func median(times []float64) float64 {
	if len(times) == 0 {
		return 0
	}
	times = slices.Sorted(slices.Values(times))
	return times[len(times)/2]
}

// processStart is what time without a clock of the thread's own is counted
// from.
var processStart = time.Now()
