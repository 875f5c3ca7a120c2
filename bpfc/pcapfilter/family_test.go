package pcapfilter

import (
	"testing"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
)

// TestLoopbackFamilies checks which address families are IPv4 and IPv6 behind
// BSD's loopback headers, in which byte order, by us and by the judge.
//
// libpcap takes the families of NetBSD and OpenBSD, FreeBSD and macOS for capture
// files, and the system's own, 10 on Linux, for anything else. Until 1.10.7 the
// byte order is that of the capture file's own header; from 1.11.0 on either
// matches in NULL and ENC files (issue #74). We match all of them in either order.
func TestLoopbackFamilies(t *testing.T) {
	run := func(prog []bpf.RawInstruction, b []byte) bool {
		in, err := bpfc.NewInterpreter(prog, bpfc.Libpcap)
		if err != nil {
			t.Fatal(err)
		}
		return in.Run(b, len(b), nil) != 0
	}
	each := func(check func(lt LinkType, expr string, order int, family uint32, header []byte, is bool)) {
		for _, lt := range []LinkType{Null, Loop, 109} {
			for _, expr := range []string{"ip", "ip6"} {
				for order, o := range byteOrders {
					for family := range uint32(40) {
						is := expr == "ip" && family == 2 || expr == "ip6" && (family == 24 || family == 28 || family == 30 || family == 10)
						check(lt, expr, order, family, o.AppendUint32(nil, family), is)
					}
				}
			}
		}
	}
	const bigEndian = 1
	each(func(lt LinkType, expr string, order int, family uint32, header []byte, is bool) {
		for _, plain := range []bool{false, true} {
			prog, err := Compile(expr, Options{LinkType: lt, Plain: plain})
			if err != nil {
				t.Fatal(err)
			}
			want := is && (lt != Loop || order == bigEndian)
			if got := run(prog, header); got != want {
				t.Errorf("%v: %q: %v on %x", lt, expr, got, header)
			}
		}
	})
	t.Run("judge", func(t *testing.T) {
		j := newJudge(t)
		asked := map[LinkType]map[string]answer{}
		each(func(lt LinkType, expr string, order int, family uint32, header []byte, is bool) {
			if asked[lt] == nil {
				asked[lt] = map[string]answer{}
			}
			a, ok := asked[lt][expr]
			if !ok {
				var err error
				if a, err = j.ask(lt, expr); err != nil {
					t.Fatal(err)
				}
				asked[lt][expr] = a
			}
			for file, prog := range a.progs {
				want := is && family != afInet6Linux
				switch {
				case lt == Loop:
					want = want && order == bigEndian
				case j.version.before("1.11.0"):
					want = want && order == file
				}
				if got := run(prog, header); got != want {
					t.Errorf("libpcap %s: %v: %q: %v on %x, in a file of order %d", j.version, lt, expr, got, header, file)
				}
			}
		})
	})
}
