package main

import (
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/bpfc/bpfasm"
	"github.com/bpfjit/bpfjit/bpfc/pcapfilter"
	"github.com/bpfjit/bpfjit/capture"
	"github.com/bpfjit/bpfjit/internal/cli"
	"github.com/bpfjit/bpfjit/jit"
)

// lookupTime is how long a name server has to answer, with -dns.
const lookupTime = 5 * time.Second

// source is the filter as it was given: a program, or an expression to be
// compiled for each link type.
type source struct {
	place string // what messages about it begin with: a file name and colon, or nothing
	prog  []bpf.RawInstruction
	expr  string
}

// readFilter reads the filter that the call names.
func (t *tool) readFilter() (*source, error) {
	name := t.program + t.exprFile // one of them is empty
	if name == "" {
		return &source{expr: strings.Join(t.args, " ")}, nil
	}
	place, data, err := cli.ReadFilter(name, t.stdin)
	if err != nil {
		return nil, err
	}
	s := &source{place: place}
	if t.exprFile != "" {
		s.expr = string(data)
		return s, nil
	}
	if s.prog, _, err = bpfasm.Read(data); err != nil {
		return nil, cli.ProgramError(place, data, err, "-F")
	}
	return s, nil
}

// where says what packets a filter is for, besides their link type.
type where struct {
	name    string // of the capture or interface
	live    bool
	vlan    capture.VLANMode
	netmask uint32
}

// usesAux tells whether the filter gets the ring's metadata: then it is one of
// the Linux dialect, as the kernel would run it.
func (w where) usesAux() bool { return w.live && w.vlan == capture.VLANKernel }

func (w where) dialect() bpfc.Dialect {
	if w.usesAux() {
		return bpfc.Linux
	}
	return bpfc.Libpcap
}

// checked is the filter for a link type, validated.
func (t *tool) checked(link capture.LinkType, w where) (*bpfc.Program, error) {
	prog := t.filter.prog
	if prog == nil {
		o := pcapfilter.Options{
			LinkType: pcapfilter.LinkTypeOf(int(link.DLT())),
			SnapLen:  uint32(t.snapLen),
			Netmask:  w.netmask,
			LiveVLAN: w.usesAux(),
		}
		if t.dns {
			o.Resolver = pcapfilter.Online(lookupTime)
		}
		var err error
		if prog, err = pcapfilter.Compile(t.filter.expr, o); err != nil {
			return nil, fmt.Errorf("%s%w", t.filter.place, err)
		}
	}
	if (t.linkGiven || t.filter.prog != nil) && link != t.link {
		return nil, fmt.Errorf("%s: packets of link type %v, the filter is for %v (-y says for which)", w.name, link, t.link)
	}
	opts := []bpfc.Option{}
	if w.usesAux() {
		fields := capture.RingAux
		if t.engine == engineKernel || !w.running() {
			fields = bpfc.AuxAll // the kernel knows more
		}
		opts = append(opts, bpfc.WithAux(fields))
	}
	p, err := bpfc.Check(prog, w.dialect(), opts...)
	if err != nil && w.usesAux() {
		return nil, fmt.Errorf("%s%w (as the kernel sees it; -vlan wire is for filters that are not)", t.filter.place, err)
	} else if err != nil {
		return nil, fmt.Errorf("%s%w", t.filter.place, err)
	}
	return p, nil
}

// running tells filters for packets from filters that are only shown.
func (w where) running() bool { return w.name != "" }

// compile makes the filter for a link type ready to run.
func (t *tool) compile(link capture.LinkType, w where) (*judge, error) {
	p, err := t.checked(link, w)
	if err != nil {
		return nil, err
	}
	var opts []jit.Option
	opts = append(opts, jit.WithDialect(p.Dialect()), jit.WithName("mini-tcpdump"))
	if w.usesAux() {
		opts = append(opts, jit.WithAux(capture.RingAux))
	}
	j := &judge{prog: p, link: link}
	switch t.engine {
	case engineKernel:
		return j, nil // whatever comes has matched
	case engineInterp:
		j.filter, err = jit.Compile(p.Instructions(), append(opts, jit.WithInterpreter())...)
	case engineNative:
		j.filter, err = jit.Compile(p.Instructions(), append(opts, jit.WithNativeOnly())...)
	case engineBoth:
		if j.filter, err = jit.Compile(p.Instructions(), append(opts, jit.WithNativeOnly())...); err == nil {
			j.reference, err = jit.Compile(p.Instructions(), append(opts, jit.WithInterpreter())...)
		}
	default:
		if j.filter, err = jit.Compile(p.Instructions(), opts...); err == nil && !j.filter.Native() {
			fmt.Fprintf(t.stderr, "mini-tcpdump: the interpreter filters: %s\n", cli.OneLine(j.filter.Fallback().Error()))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s%w", t.filter.place, err)
	}
	return j, nil
}

// netmaskOf is the netmask of an interface's first IPv4 address, for "ip
// broadcast"; 0 if there is none.
func netmaskOf(name string) uint32 {
	ifc, err := net.InterfaceByName(name)
	if err != nil {
		return 0
	}
	addrs, _ := ifc.Addrs()
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && len(n.Mask) == 4 {
			return uint32(n.Mask[0])<<24 | uint32(n.Mask[1])<<16 | uint32(n.Mask[2])<<8 | uint32(n.Mask[3])
		}
	}
	return 0
}
