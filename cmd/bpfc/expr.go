package main

import (
	"fmt"
	"strconv"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/capture"
)

// parseLinkType takes a link type by its DLT number.
func parseLinkType(s string) (capture.LinkType, error) {
	if s == "EN10MB" {
		return capture.LinkEthernet, nil
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("-y %s: unknown link type", s)
	}
	return capture.FromDLT(uint32(n)), nil
}

func linkTypeName(l capture.LinkType) string { return l.String() }

func (t *tool) compileExpression(expr string, link capture.LinkType) ([]bpf.RawInstruction, error) {
	return nil, fmt.Errorf("expressions are compiled in a later version")
}
