package pcapfilter

import (
	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
)

// Options say for which captures an expression is compiled. The zero value is
// for Ethernet and whole packets, fully optimised.
type Options struct {
	LinkType LinkType
	SnapLen  uint32 // the verdict on packets that match: how many bytes to keep; 0: DefaultSnapLen

	// Netmask is that of the interface, for "ip broadcast", as a number
	// (0xffffff00 for 24 bits), or NetmaskUnknown. Zero, like libpcap's, makes
	// "ip broadcast" look for 0.0.0.0 and 255.255.255.255.
	Netmask uint32

	// Resolver finds names. Nil means Offline: files, never the network.
	Resolver Resolver

	// Plain gives the plain translation of the expression, unoptimised.
	Plain bool

	// LiveVLAN makes "vlan" look for the outer tag in the metadata of a live
	// capture on Linux, where the kernel has taken it out of the packet. The
	// program then is for the Linux dialect.
	LiveVLAN bool

	// RejectNothingMatches makes an expression that can match no packet an
	// error, as libpcap does when it optimises. It needs Plain unset.
	RejectNothingMatches bool
}

// DefaultSnapLen is tcpdump's: more than any packet is long.
const DefaultSnapLen = 262144

// NetmaskUnknown as Options.Netmask makes "ip broadcast" an error.
const NetmaskUnknown = 0xffffffff

// Compile translates an expression. The empty expression matches every packet.
// The program is for bpfc's Libpcap dialect; but for protochain, which loops,
// and vlan with LiveVLAN, which needs the kernel, it is valid in every dialect.
// Errors are of type *Error. Compile may be called concurrently.
func Compile(expr string, opts Options) (prog []bpf.RawInstruction, err error) {
	n, f := parse(expr)
	if f != nil {
		return nil, locate(expr, f)
	}
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(*fault)
			if !ok {
				panic(r)
			}
			prog, err = nil, locate(expr, f)
		}
	}()
	snap := opts.SnapLen
	if snap == 0 {
		snap = DefaultSnapLen
	}
	g := newGen(opts)
	var c *cond
	if n != nil {
		c = g.cond(n)
		c = and(append(g.beforeAll(), c)...)
	}
	graph := func() *block {
		gr := newGraph()
		accept, reject := gr.ret(snap), gr.ret(0)
		if c == nil {
			return accept
		}
		return gr.lower(c, accept, reject)
	}
	if opts.Plain {
		return emit(g.values, graph(), g.slots, true), nil
	}
	prog = optimise(g.values, graph, g.slots)
	if opts.RejectNothingMatches && len(prog) == 1 && prog[0] == (bpf.RawInstruction{Op: bpfc.RetK}) {
		return nil, locate(expr, faultf(span{0, len(expr)}, "expression rejects all packets"))
	}
	return prog, nil
}

// beforeAll is what the program does before the expression's first test.
func (g *gen) beforeAll() []*cond {
	if g.outer.check != nil {
		return append([]*cond{g.outer.check(g)}, g.prologue...)
	}
	return g.prologue
}
