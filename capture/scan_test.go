package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/jit"
)

// someFilter matches every fourth packet or so, by its bytes and its length.
func someFilter(t testing.TB) *jit.Filter {
	t.Helper()
	f, err := jit.Compile([]bpf.RawInstruction{
		{Op: bpfc.LdAbsB, K: 2},
		{Op: bpfc.Tax},
		{Op: bpfc.LdLen},
		{Op: bpfc.ClassALU | bpfc.AluADD | bpfc.SrcX},
		{Op: bpfc.ClassJMP | bpfc.JmpJSET, Jt: 1, K: 3},
		{Op: bpfc.RetK, K: 77},
		{Op: bpfc.RetK},
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// matches is what a Reader gives, a line each, and how it ends.
func matches(r *Reader, verdict func(p *Packet) uint32) (lines []string) {
	for {
		p, err := r.Next()
		if err != nil {
			if err != io.EOF {
				lines = append(lines, err.Error())
			}
			return append(lines, fmt.Sprint(r.Packets(), r.PassedBytes(), r.Offset()))
		}
		if v := verdict(p); v != 0 {
			lines = append(lines, fmt.Sprint(r.Packets(), p.TS, p.WireLen, len(p.Raw), v, p.Data))
		}
	}
}

// sameFiltered checks that a Reader with a filter gives what the filter matches of
// what a Reader gives without.
func sameFiltered(t *testing.T, name string, data []byte, f *jit.Filter, opts ...Option) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(name, err)
	}
	want := matches(r, func(p *Packet) uint32 { return f.Run(p.Data, int(p.WireLen)) })
	filtered, err := NewReader(shy(bytes.NewReader(data)), opts...)
	if err != nil {
		t.Fatal(name, err)
	}
	defer filtered.Close()
	if filtered.Filter(f) != (r.Format() == Pcap) {
		t.Fatalf("%s: filtered or not?", name)
	}
	if r.Format() != Pcap {
		return
	}
	got := matches(filtered, func(*Packet) uint32 { return filtered.Verdict() })
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("%s: %d lines, want %d; line %d differs:\n%.300s\nwant\n%.300s", name, len(got), len(want), i, got[min(i, len(got)-1)], want[min(i, len(want)-1)])
		}
	}
	if filtered.Filter(f) && filtered.Packets() > 0 {
		t.Errorf("%s: a filter in the midst of packets", name)
	}
}

// TestReaderFilter filters in chunks of all kinds, and not ahead: captures of both
// byte orders, records that are cut, too long, or larger than chunks.
func TestReaderFilter(t *testing.T) {
	f := someFilter(t)
	data, _ := random(11, Pcap, 3000)
	cut, _ := random(12, Pcap, 500)
	snapped := bytes.Clone(data)
	binary.LittleEndian.PutUint32(snapped[16:], 100) // the header promises less than there is
	bad := bytes.Clone(cut)
	copy(bad[30000:], bytes.Repeat([]byte{255}, 3000))
	large := le.pcap(0xa1b2c3d4, 2, 4, 262144, 1)
	swapped := be.pcap(0xa1b2c3d4, 2, 4, 262144, 1)
	old := le.pcap(0xa1b2c3d4, 2, 2, 262144, 1)
	for i := range 60 {
		n := uint32(i % 7)
		if i%3 == 0 {
			n = uint32(10_000 * (i % 11))
		}
		body := bytes.Repeat([]byte{byte(i)}, int(n))
		large = append(large, le.record(uint32(i), 0, n, n+uint32(i), body)...)
		swapped = append(swapped, be.record(uint32(i), 0, n, n+uint32(i), body)...)
		old = append(old, le.record(uint32(i), 0, n+uint32(i), n, body)...) // the lengths change places
	}
	captures := map[string][]byte{
		"whole": data, "cut in a packet": cut[:len(cut)-3], "snapped": snapped, "bad": bad,
		"large": large, "swapped": swapped, "old": old,
		"short": data[:2000], "empty": data[:24], "cut in a header": cut[:24+10],
	}
	for name, capture := range captures {
		sameFiltered(t, name+", not ahead", capture, f)
		for _, size := range append(aheadSizes, [2]int{70, 1}, [2]int{70, 17}) {
			if size[1] < 30 && len(capture) > 500_000 {
				continue // a goroutine switch each few bytes
			}
			sameFiltered(t, fmt.Sprint(name, size), capture, f, readAheadBy(size[0], size[1]))
		}
	}
	// Files of all sizes about those of chunks, read by several goroutines.
	for n := 24; n < 3000; n += 7 {
		r, err := NewReader(shy(tempFile(t, cut[:n], 0)), readAheadBy(100, 256))
		if err != nil {
			t.Fatal(err)
		}
		r.Filter(f)
		got := matches(r, func(*Packet) uint32 { return r.Verdict() })
		plain, err := NewReader(bytes.NewReader(cut[:n]))
		if err != nil {
			t.Fatal(err)
		}
		plain.Filter(f)
		if want := matches(plain, func(*Packet) uint32 { return plain.Verdict() }); !slices.Equal(got, want) {
			t.Fatalf("file of %d bytes: %q, want %q", n, got, want)
		}
		r.Close()
	}
	ng, _ := random(13, Pcapng, 10)
	sameFiltered(t, "pcapng", ng, f)
}
