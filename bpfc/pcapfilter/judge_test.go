package pcapfilter

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
)

// judge is a tcpdump, which says what libpcap makes of an expression. Its
// methods may be called concurrently.
type judge struct {
	path    string
	version release
	files   string // a folder with an empty capture file of each byte order for the link types of afLinks
}

// release is the version of a libpcap, as in "1.10.3".
type release string

// before compares versions part by part.
func (r release) before(s release) bool {
	parts := func(v release) (ns []int) {
		for p := range strings.SplitSeq(string(v), ".") {
			n, _ := strconv.Atoi(p)
			ns = append(ns, n)
		}
		return ns
	}
	return slices.Compare(parts(r), parts(s)) < 0
}

var libpcapVersion = regexp.MustCompile(`libpcap version (1\.1[01]\.[0-9]+)`)

// newJudge finds tcpdump, or skips the test: the one PCAPFILTER_TCPDUMP names,
// or the one in PATH.
func newJudge(t testing.TB) *judge {
	t.Helper()
	path := os.Getenv("PCAPFILTER_TCPDUMP")
	if path == "" {
		var err error
		if path, err = exec.LookPath("tcpdump"); err != nil {
			t.Skip("tcpdump is not installed: nothing to compare with")
		}
	}
	out, _ := exec.Command(path, "--version").CombinedOutput() // tcpdump's status differs between versions
	m := libpcapVersion.FindSubmatch(out)
	if m == nil {
		t.Skipf("the list of differences is for libpcap 1.10 and 1.11, this is %q", strings.TrimSpace(string(out)))
	}
	j := &judge{path, release(m[1]), t.TempDir()}
	for _, dlt := range afLinks {
		for _, order := range byteOrders {
			header := order.AppendUint32(nil, 0xa1b2c3d4)
			header = order.AppendUint16(header, 2)
			header = order.AppendUint16(header, 4)
			for _, v := range []uint32{0, 0, DefaultSnapLen, uint32(dlt)} {
				header = order.AppendUint32(header, v)
			}
			if err := os.WriteFile(j.file(dlt, order), header, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return j
}

// afLinks are the link types whose header is an address family: what libpcap
// takes for one depends on whether it compiles for a capture file, and on the
// byte order of that. All captures of them that we see are files.
var afLinks = []int{0, 108, 109}

var byteOrders = []interface {
	binary.AppendByteOrder
	String() string
}{binary.LittleEndian, binary.BigEndian}

func (j *judge) file(dlt int, order fmt.Stringer) string {
	return filepath.Join(j.files, fmt.Sprintf("%d-%v.pcap", dlt, order))
}

// answer is what a judge says to an expression: its unoptimised programs, one or
// for each byte order of capture files, or its message when it refuses.
type answer struct {
	progs   [][]bpf.RawInstruction
	refused string
}

func (j *judge) ask(lt LinkType, expr string) (a answer, err error) {
	handles := [][]string{{"-y", lt.String()}}
	if slices.Contains(afLinks, lt.Number()) {
		handles = nil
		for _, order := range byteOrders {
			handles = append(handles, []string{"-r", j.file(lt.Number(), order)})
		}
	}
	for _, h := range handles {
		prog, refused, err := j.run(append(h, "-O", "-ddd", "--", expr))
		if err != nil || refused != "" {
			return answer{refused: refused}, err
		}
		a.progs = append(a.progs, prog)
	}
	return a, nil
}

func (j *judge) run(args []string) (prog []bpf.RawInstruction, refused string, err error) {
	cmd := exec.Command(j.path, args...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if _, ok := err.(*exec.ExitError); !ok {
			return nil, "", err
		}
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		return nil, strings.TrimPrefix(lines[len(lines)-1], "tcpdump: "), nil
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

// own is what we make of an expression: our programs, or why we refuse it.
type own struct {
	plain, optimised           *bpfc.Interpreter
	plainLinux, optimisedLinux *bpfc.Interpreter // nil if the program is not for it
	err                        error
}

// compileOwn compiles an expression in all ways the tests compare. Its error is
// a contradiction among them.
func compileOwn(lt LinkType, expr string) (*own, error) {
	plain, perr := Compile(expr, Options{LinkType: lt, Plain: true})
	opt, oerr := Compile(expr, Options{LinkType: lt})
	if (perr == nil) != (oerr == nil) {
		return nil, fmt.Errorf("plain: %v, optimised: %v", perr, oerr)
	}
	o := &own{err: perr}
	if perr != nil {
		return o, nil
	}
	var err error
	if o.plain, err = bpfc.NewInterpreter(plain, bpfc.Libpcap); err != nil {
		return nil, fmt.Errorf("plain program: %v", err)
	}
	if o.optimised, err = bpfc.NewInterpreter(opt, bpfc.Libpcap); err != nil {
		return nil, fmt.Errorf("optimised program: %v", err)
	}
	if strings.Contains(expr, "protochain") || len(plain) > 4096 || len(opt) > 4096 {
		return o, nil
	}
	if o.plainLinux, err = bpfc.NewInterpreter(plain, bpfc.Linux, bpfc.WithAux(bpfc.AuxAll)); err != nil {
		return nil, fmt.Errorf("plain program not for the kernel: %v", err)
	}
	if o.optimisedLinux, err = bpfc.NewInterpreter(opt, bpfc.Linux, bpfc.WithAux(bpfc.AuxAll)); err != nil {
		return nil, fmt.Errorf("optimised program not for the kernel: %v", err)
	}
	return o, nil
}

// agree compares the verdicts of our programs on one packet: in libpcap's
// dialect, and in Linux's, where sums of offsets wrap and metadata is there. It
// gives that in libpcap's.
func (o *own) agree(p packet) (uint32, error) {
	want := o.plain.Run(p.data, p.wire, nil)
	if got := o.optimised.Run(p.data, p.wire, nil); got != want {
		return 0, fmt.Errorf("optimised program gives %d, the plain one %d on %d bytes (%d on the wire) %x", got, want, len(p.data), p.wire, p.data)
	}
	if o.plainLinux != nil {
		aux := &bpfc.Aux{PktType: uint32(len(p.data) % 5), IfIndex: uint32(len(p.data) % 4)}
		want := o.plainLinux.Run(p.data, p.wire, aux)
		if got := o.optimisedLinux.Run(p.data, p.wire, aux); got != want {
			return 0, fmt.Errorf("on Linux the optimised program gives %d, the plain one %d on %x", got, want, p.data)
		}
	}
	return want, nil
}

// refusal is a difference in what is accepted.
type refusal struct {
	ours, judges string // one of them is empty
}

func (r *refusal) Error() string {
	if r.ours != "" {
		return "refused, but tcpdump accepts: " + r.ours
	}
	return "accepted, but tcpdump refuses: " + r.judges
}

// verdicts are the programs of one expression, ours and the judge's.
type verdicts struct {
	*own
	lt    LinkType
	judge []*bpfc.Interpreter // by byte order where there are two
}

// differ compares us with a judge's answer on all the packets.
func (o *own) differ(lt LinkType, a answer, packets []packet) error {
	switch {
	case a.refused != "" && o.err != nil:
		return nil
	case a.refused != "":
		return &refusal{judges: a.refused}
	case o.err != nil:
		return &refusal{ours: o.err.Error()}
	}
	v := verdicts{own: o, lt: lt}
	for _, prog := range a.progs {
		in, err := bpfc.NewInterpreter(prog, bpfc.Libpcap)
		if err != nil {
			return fmt.Errorf("tcpdump's program: %v", err)
		}
		v.judge = append(v.judge, in)
	}
	for _, p := range packets {
		if err := v.on(p); err != nil {
			return err
		}
	}
	return nil
}

// on compares the verdicts on one packet.
func (v *verdicts) on(p packet) error {
	judge := v.judge[0]
	if len(v.judge) > 1 && len(p.data) >= 4 {
		// The capture file the packet would be in says the byte order.
		family := binary.BigEndian.Uint32(p.data)
		if family < 0x10000 {
			judge = v.judge[1]
		}
		if family == afInet6Linux || family == afInet6Linux<<24 {
			return nil // see TestLoopbackFamilies
		}
	}
	want := judge.Run(p.data, p.wire, nil)
	got, err := v.agree(p)
	if err == nil && got != want {
		err = fmt.Errorf("we give %d, tcpdump %d on %d bytes (%d on the wire) %x", got, want, len(p.data), p.wire, p.data)
	}
	return err
}

// environment reads a number from the environment, for longer runs.
func environment(name string, def int) int {
	if v, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return v
	}
	return def
}
