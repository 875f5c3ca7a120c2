package pcapfilter

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
)

// cost is what a program takes: its length, and how many instructions the
// longest way through it executes.
type cost struct{ length, longest int }

// costOf measures a program without loops.
func costOf(prog []bpf.RawInstruction) cost {
	from := make([]int, len(prog)) // the longest way from each instruction on
	for i := len(prog) - 1; i >= 0; i-- {
		next := func(skip uint32) int {
			if at := i + 1 + int(skip); at > i && at < len(prog) {
				return from[at]
			}
			return 0
		}
		ins := prog[i]
		switch {
		case ins.Op&7 == bpfc.ClassRET:
			from[i] = 1
		case ins.Op == bpfc.Ja:
			from[i] = 1 + next(ins.K)
		case ins.Op&7 == bpfc.ClassJMP:
			from[i] = 1 + max(next(uint32(ins.Jt)), next(uint32(ins.Jf)))
		default:
			from[i] = 1 + next(0)
		}
	}
	return cost{len(prog), from[0]}
}

// judgeOptimised asks tcpdump for its optimised program; nil if it refuses.
func judgeOptimised(t testing.TB, path string, lt LinkType, expr string) []bpf.RawInstruction {
	t.Helper()
	out, err := exec.Command(path, "-y", lt.String(), "-ddd", "--", expr).Output()
	if err != nil {
		return nil
	}
	prog, err := parseDecimal(string(out))
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

func parseDecimal(s string) (prog []bpf.RawInstruction, err error) {
	f := strings.Fields(s)
	for i := 1; i+3 < len(f); i += 4 {
		var v [4]uint64
		for j := range v {
			if v[j], err = strconv.ParseUint(f[i+j], 10, 32); err != nil {
				return nil, err
			}
		}
		prog = append(prog, bpf.RawInstruction{Op: uint16(v[0]), Jt: uint8(v[1]), Jf: uint8(v[2]), K: uint32(v[3])})
	}
	return prog, nil
}
