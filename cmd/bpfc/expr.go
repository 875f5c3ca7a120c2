package main

import (
	"fmt"
	"time"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc/pcapfilter"
	"github.com/bpfjit/bpfjit/capture"
)

// lookupTime is how long a name server has to answer, with -dns.
const lookupTime = 5 * time.Second

// parseLinkType takes a link type by its DLT name or number.
func parseLinkType(s string) (capture.LinkType, error) {
	l, err := pcapfilter.ParseLinkType(s)
	if err != nil {
		return 0, fmt.Errorf("-y: %w", err)
	}
	return capture.FromDLT(uint32(l.Number())), nil
}

// linkTypeOf is a capture's link type as expressions know it.
func linkTypeOf(l capture.LinkType) pcapfilter.LinkType {
	return pcapfilter.LinkTypeOf(int(l.DLT()))
}

// compileExpression compiles an expression for a link type.
func (t *tool) compileExpression(expr string, link capture.LinkType) ([]bpf.RawInstruction, error) {
	return pcapfilter.Compile(expr, t.expressionOptions(link))
}

func (t *tool) expressionOptions(link capture.LinkType) pcapfilter.Options {
	o := pcapfilter.Options{
		LinkType: linkTypeOf(link),
		SnapLen:  t.snapLen,
		Netmask:  t.netmask,
		Plain:    t.optLevel == 0,
	}
	if t.dns {
		o.Resolver = pcapfilter.Online(lookupTime)
	}
	return o
}

// explain says in words what an expression was understood to mean.
func (t *tool) explain() error {
	s, err := t.source()
	if err != nil {
		return err
	}
	if !s.isExpr() {
		return fmt.Errorf("%s-explain is for expressions: this is a program", s.place)
	}
	x, err := pcapfilter.Explain(s.expr, t.expressionOptions(t.linkType))
	if err != nil {
		return fmt.Errorf("%s%w", s.place, err)
	}
	_, err = t.stdout.WriteString(x.String())
	return err
}
