package pcapfilter

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
)

// tcpdumpPath finds the judge, or skips the test.
func tcpdumpPath(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("tcpdump")
	if err != nil {
		t.Skip("tcpdump is not installed: nothing to compare with")
	}
	out, _ := exec.Command(path, "--version").CombinedOutput()
	if !strings.Contains(string(out), "libpcap version 1.10.") {
		t.Skipf("the lists of differences are for libpcap 1.10, this is %q", strings.TrimSpace(string(out)))
	}
	return path
}

// judge asks tcpdump for its unoptimised program. An expression it refuses gives
// its message instead.
func judge(path string, lt LinkType, expr string) (prog []bpf.RawInstruction, refused string, err error) {
	cmd := exec.Command(path, "-O", "-y", lt.String(), "-ddd", "--", expr)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if _, ok := err.(*exec.ExitError); !ok {
			return nil, "", err
		}
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		return nil, "refused: " + lines[len(lines)-1], nil
	}
	lines := strings.Fields(stdout.String())
	if len(lines) == 0 {
		return nil, "", fmt.Errorf("no program: %s", stderr.String())
	}
	n, err := strconv.Atoi(lines[0])
	if err != nil || len(lines) != 1+4*n {
		return nil, "", fmt.Errorf("unreadable program %q", stdout.String())
	}
	for i := range n {
		var v [4]uint64
		for j := range v {
			if v[j], err = strconv.ParseUint(lines[1+4*i+j], 10, 32); err != nil {
				return nil, "", err
			}
		}
		prog = append(prog, bpf.RawInstruction{Op: uint16(v[0]), Jt: uint8(v[1]), Jf: uint8(v[2]), K: uint32(v[3])})
	}
	return prog, "", nil
}

// verdicts is one expression's programs: the judge's and ours.
type verdicts struct {
	judge, plain, optimised    *bpfc.Interpreter
	plainLinux, optimisedLinux *bpfc.Interpreter // nil if the program is not for it
}

// compare compiles expr and asks the judge. Both refusing it gives nil; a
// difference is an error.
func compare(path string, lt LinkType, expr string) (*verdicts, error) {
	want, refused, err := judge(path, lt, expr)
	if err != nil {
		return nil, err
	}
	plain, perr := Compile(expr, Options{LinkType: lt, Plain: true})
	opt, oerr := Compile(expr, Options{LinkType: lt})
	if (perr == nil) != (oerr == nil) {
		return nil, fmt.Errorf("plain: %v, optimised: %v", perr, oerr)
	}
	switch {
	case refused != "" && perr != nil:
		return nil, nil
	case refused != "":
		return nil, fmt.Errorf("accepted, but tcpdump %s", refused)
	case perr != nil:
		return nil, fmt.Errorf("refused, but tcpdump accepts: %v", perr)
	}
	v := &verdicts{}
	for _, p := range []struct {
		name string
		prog []bpf.RawInstruction
		to   **bpfc.Interpreter
	}{{"tcpdump's", want, &v.judge}, {"plain", plain, &v.plain}, {"optimised", opt, &v.optimised}} {
		if *p.to, err = bpfc.NewInterpreter(p.prog, bpfc.Libpcap); err != nil {
			return nil, fmt.Errorf("%s program: %v", p.name, err)
		}
	}
	if !strings.Contains(expr, "protochain") {
		for to, prog := range map[**bpfc.Interpreter][]bpf.RawInstruction{&v.plainLinux: plain, &v.optimisedLinux: opt} {
			if len(prog) > 4096 {
				continue
			}
			if *to, err = bpfc.NewInterpreter(prog, bpfc.Linux, bpfc.WithAux(bpfc.AuxAll)); err != nil {
				return nil, fmt.Errorf("not for the kernel: %v", err)
			}
		}
	}
	return v, nil
}

// on compares the verdicts on one packet.
func (v *verdicts) on(p packet) error {
	want := v.judge.Run(p.data, p.wire, nil)
	if got := v.plain.Run(p.data, p.wire, nil); got != want {
		return fmt.Errorf("plain program gives %d, tcpdump's %d on %d bytes (%d on the wire) %x", got, want, len(p.data), p.wire, p.data)
	}
	if got := v.optimised.Run(p.data, p.wire, nil); got != want {
		return fmt.Errorf("optimised program gives %d, tcpdump's %d on %d bytes (%d on the wire) %x", got, want, len(p.data), p.wire, p.data)
	}
	// In Linux's dialect, where sums of offsets wrap and metadata is there, the
	// optimiser must not change the verdict either.
	if v.plainLinux != nil && v.optimisedLinux != nil {
		aux := &bpfc.Aux{PktType: uint32(len(p.data) % 5), IfIndex: uint32(len(p.data) % 4)}
		want = v.plainLinux.Run(p.data, p.wire, aux)
		if got := v.optimisedLinux.Run(p.data, p.wire, aux); got != want {
			return fmt.Errorf("on Linux the optimised program gives %d, the plain one %d on %x", got, want, p.data)
		}
	}
	return nil
}

// environment reads a number from the environment, for longer runs.
func environment(name string, def int) int {
	if v, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return v
	}
	return def
}
