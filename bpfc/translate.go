package bpfc

import (
	"errors"
	"fmt"
	"strings"

	"github.com/bpfjit/bpfjit/lir"
)

// Parameters of a translated program, in this order.
const (
	ParamPacket  = iota // the packet's first byte
	ParamCapLen         // captured bytes, 64 bits, at most 2^32-1
	ParamWireLen        // length on the wire, of which the low 32 bits count
	ParamAux            // the *Aux; null only in the Libpcap dialect
)

// Translate makes a LIR function of a program, with parameters as above and
// the verdict as its result. Level 0 translates instruction by instruction;
// higher levels optimise. The function reads packet bytes only inside the
// captured length. Programs that LIR cannot express give an error that wraps
// ErrNotTranslatable.
func Translate(p *Program, level int) (*lir.Func, error) {
	return TranslateTraced(p, level, nil)
}

// TranslateTraced is Translate that shows the decision graph, as built and
// after each pass.
func TranslateTraced(p *Program, level int, trace func(pass string, g *Graph)) (*lir.Func, error) {
	return translate(p, level, lowerFilter, trace)
}

// TranslateBatch makes a LIR function that runs a program on many packets in a
// loop of its own. Its parameters are a Go slice of packets, as the address of
// its first []byte and its length, the address of the uint32 for the first
// verdict, and the *Aux that all packets have. A packet's length on the wire is
// its captured length. The result is 0.
func TranslateBatch(p *Program, level int) (*lir.Func, error) {
	return translate(p, level, lowerBatch, nil)
}

// TranslateRecords is TranslateBatch for packets that lie in memory with headers
// which tell where the next one is. The first parameter is the address of the
// first header, the result the address to which the last one leads.
//
// The headers are believed: a wrong one makes the function read where there is
// no packet.
func TranslateRecords(p *Program, level int, layout Records) (*lir.Func, error) {
	return translate(p, level, lowerRecords(layout), nil)
}

// UsesAux tells whether a function that Translate, TranslateBatch or
// TranslateRecords made looks at the Aux that it is given.
func UsesAux(f *lir.Func) bool { return f.Reads()[f.Params[ParamAux]] > 0 }

// translate makes a function of the best form of a program that fits the frame.
// Merged values live long, and more of them may be in use at once than there is
// room for. So may be values as the program has them, where many are read far
// from where they are computed. The program's variables always fit.
func translate(p *Program, level int, lower func(*Graph) *lir.Func, trace func(pass string, g *Graph)) (*lir.Func, error) {
	first := folded
	if level <= 0 {
		first = plain
	}
	f, err := translateForm(p, first, lower, trace)
	for form := first + 1; form <= pinned && errors.Is(err, lir.ErrTooLarge); form++ {
		f, err = translateForm(p, form, lower, nil)
	}
	return f, err
}

func translateForm(p *Program, form form, lower func(*Graph) *lir.Func, trace func(pass string, g *Graph)) (*lir.Func, error) {
	g, err := newGraph(p, form)
	if err != nil {
		return nil, err
	}
	if form == folded {
		g.optimise(trace)
	} else if trace != nil {
		trace("build", g)
	}
	f := lower(g)
	f.Source = p.source(g.Origins)
	if err := lir.Verify(f); err != nil {
		return nil, fmt.Errorf("translation: %w", err)
	}
	return f, nil
}

// source tells what a position stands for: an instruction, or the numbers of
// several.
func (p *Program) source(origins [][]int32) func(pos int32) string {
	return func(pos int32) string {
		if pos < 0 || int(pos) >= len(origins) {
			return ""
		}
		lines := origins[pos]
		var w strings.Builder
		for _, i := range lines {
			fmt.Fprintf(&w, "(%03d) ", i)
		}
		if len(lines) == 1 {
			w.WriteString(text(p.insns[lines[0]]))
		}
		return strings.TrimSpace(w.String())
	}
}
