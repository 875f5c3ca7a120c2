package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/jit"
)

// someFilter matches every fourth packet or so, by its bytes and its length.
func someFilter(t testing.TB) *jit.Filter { return filterBy(t, 3) }

// filterBy matches packets of which the byte 2 and the length, added, have none of
// the bits set. The verdict tells what the bits are.
func filterBy(t testing.TB, bits uint32) *jit.Filter {
	t.Helper()
	f, err := jit.Compile([]bpf.RawInstruction{
		{Op: bpfc.LdAbsB, K: 2},
		{Op: bpfc.Tax},
		{Op: bpfc.LdLen},
		{Op: bpfc.ClassALU | bpfc.AluADD | bpfc.SrcX},
		{Op: bpfc.ClassJMP | bpfc.JmpJSET, Jt: 1, K: bits},
		{Op: bpfc.RetK, K: 77 + bits},
		{Op: bpfc.RetK},
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// byLink are filters for link types. There is none for others.
type byLink map[LinkType]*jit.Filter

var errNoFilter = errors.New("no filter for it")

func (f byLink) get(link LinkType) (*jit.Filter, error) {
	if f[link] == nil {
		return nil, errNoFilter
	}
	return f[link], nil
}

func someFilters(t testing.TB) byLink {
	return byLink{LinkEthernet: someFilter(t), LinkRaw: filterBy(t, 1), LinkLinuxSLL: filterBy(t, 4)}
}

// matches is what a Reader gives, a line each, and how it ends.
func matches(r *Reader, verdict func(p *Packet) (uint32, error)) (lines []string) {
	for {
		p, err := r.Next()
		var v uint32
		if err == nil {
			v, err = verdict(p)
		}
		if err != nil {
			return append(lines, fmt.Sprint(err, r.Packets(), r.PassedBytes(), r.Offset()))
		}
		if v != 0 {
			lines = append(lines, fmt.Sprint(r.Packets(), p.Meta, len(p.Raw), v, p.Data))
		}
	}
}

// filtered is what a Reader with filters gives. How much of it was found ahead is
// how many.
func filtered(t *testing.T, f byLink, src io.Reader, opts ...Option) (lines []string, ahead int) {
	t.Helper()
	r, err := NewReader(src, opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	made := map[LinkType]bool{}
	err = r.Filter(func(link LinkType) (*jit.Filter, error) {
		if made[link] {
			t.Errorf("a second filter for link type %v", link)
		}
		made[link] = true
		return f.get(link)
	})
	if err != nil {
		if link, ok := r.FirstLinkType(); err != errNoFilter || !ok || f[link] != nil {
			t.Fatal(err)
		}
		return nil, 0 // there is none for the first packet
	}
	lines = matches(r, func(p *Packet) (uint32, error) {
		if r.lane.found != nil && r.lane.given > 0 && r.lane.hits[r.lane.given-1].verdict != 0 {
			ahead++
		}
		return r.Verdict(), nil
	})
	if r.Packets() > 0 && r.Filter(f.get) == nil {
		t.Error("a filter in the midst of packets")
	}
	return lines, ahead
}

// sameFiltered checks that a Reader with filters gives what they match of what a
// Reader gives without. It returns how many matches were found ahead.
func sameFiltered(t *testing.T, name string, data []byte, f byLink, opts ...Option) int {
	t.Helper()
	r, err := NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(name, err)
	}
	want := matches(r, func(p *Packet) (uint32, error) {
		filter, err := f.get(p.LinkType)
		if err != nil {
			return 0, err
		}
		return filter.Run(p.Data, int(p.WireLen)), nil
	})
	got, ahead := filtered(t, f, shy(bytes.NewReader(data)), opts...)
	if got == nil {
		return 0
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("%s: %d lines, want %d; line %d differs:\n%.300s\nwant\n%.300s", name, len(got), len(want), i, got[min(i, len(got)-1)], want[min(i, len(want)-1)])
		}
	}
	return ahead
}

// TestReaderFilter filters in chunks of all kinds, and not ahead: captures of both
// byte orders, records that are cut, too long, or larger than chunks.
func TestReaderFilter(t *testing.T) {
	f := someFilters(t)
	data, _ := random(11, Pcap, unlessShort(3000))
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
		got, _ := filtered(t, f, shy(tempFile(t, cut[:n], 0)), readAheadBy(100, 256))
		if want, _ := filtered(t, f, bytes.NewReader(cut[:n])); !slices.Equal(got, want) {
			t.Fatalf("file of %d bytes: %q, want %q", n, got, want)
		}
	}
}

// mixedPcapng is a pcapng capture of sections in both byte orders, interfaces
// described late, blocks of all kinds, and a number of packets.
func mixedPcapng(seed uint64, packets int) []byte {
	rng := rand.New(rand.NewPCG(seed, 2))
	var out []byte
	var e enc
	links := []uint16{1, 1, 101, 113}
	ifs := 0
	describe := func() {
		snap := []uint32{0, 65535, 2000, 299}[rng.IntN(4)]
		var opts [][]byte
		if rng.IntN(2) == 0 {
			opts = append(opts, e.opt(9, []byte{[]byte{9, 3, 0x8a}[rng.IntN(3)]}))
		}
		if rng.IntN(3) == 0 {
			opts = append(opts, e.opt(14, []byte{0, 0, 0, 0, 1, 2, 3, 4}))
		}
		out = append(out, e.idb(links[rng.IntN(len(links))], snap, opts...)...)
		ifs++
	}
	section := func() {
		e, ifs = []enc{le, be}[rng.IntN(2)], 0
		out = append(out, e.shb(1, 0)...)
		describe()
	}
	section()
	for range packets {
		data := make([]byte, []int{rng.IntN(70), rng.IntN(301), rng.IntN(70)}[rng.IntN(3)])
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		n, wire, ts := uint32(len(data)), uint32(len(data)+rng.IntN(9)), rng.Uint64()>>rng.IntN(30)
		ifc := rng.IntN(ifs)
		switch rng.IntN(400) {
		case 0:
			section()
		case 1:
			if ifs < 5 {
				describe()
			}
		case 2:
			out = append(out, e.block(4, e.u16s(0, 0))...) // names
		case 3:
			out = append(out, e.block(0x4711, data)...)
		case 4:
			out = append(out, e.block(5, e.u32s(uint32(ifc), 0, 0), e.opt(4, make([]byte, 8)))...) // statistics
		case 5, 6:
			out = append(out, e.spb(n, data)...)
		case 7:
			out = append(out, e.opb(uint16(ifc), ts, n, wire, data)...)
		case 8:
			out = append(out, e.epb(uint32(ifc), ts, n, wire, data, e.opt(1, []byte("a comment")))...)
		default:
			out = append(out, e.epb(uint32(ifc), ts, n, wire, data)...)
		}
	}
	return out
}

// TestReaderFilterPcapng filters pcapng captures ahead in chunks of all kinds, and
// captures with errors in them.
func TestReaderFilterPcapng(t *testing.T) {
	f := someFilters(t)
	plain, _ := random(13, Pcapng, 6000)
	sizes := append(aheadSizes, [2]int{70, 1}, [2]int{70, 17}, [2]int{500, 20_000})
	for i, size := range sizes {
		if size[1] > 30 {
			if n := sameFiltered(t, fmt.Sprint("plain ", size), plain, f, readAheadBy(size[0], size[1])); size[1] >= 4096 && size[1] < 30_000 && n < 300 {
				t.Errorf("%v: %d packets found ahead", size, n)
			}
		}
		packets, many := unlessShort(1500), unlessShort(60)
		if size[1] < 30 { // a goroutine switch each few bytes
			packets, many = 300, 10
		}
		for seed := range uint64(4) {
			data := mixedPcapng(seed, packets)
			sameFiltered(t, fmt.Sprint("mixed ", seed, size), data, f, readAheadBy(size[0], size[1]))
			delete(f, LinkLinuxSLL)
			sameFiltered(t, fmt.Sprint("mixed without ", seed, size), data, f, readAheadBy(size[0], size[1]))
			f = someFilters(t)
		}
		rng := rand.New(rand.NewPCG(uint64(i), 3))
		for n := range many {
			bad := mixedPcapng(uint64(n), 150)
			for range 1 + rng.IntN(3) {
				bad[len(bad)/3+rng.IntN(len(bad)*2/3)] ^= byte(1 << rng.IntN(8))
			}
			sameFiltered(t, fmt.Sprint("bad ", n, size), bad[:len(bad)-rng.IntN(5)], f, readAheadBy(size[0], size[1]))
		}
	}
}

// TestFirstLinkType looks at first packets before they are read.
func TestFirstLinkType(t *testing.T) {
	told := func(name string, data []byte) bool {
		r, err := NewReader(bytes.NewReader(data))
		if err != nil {
			return false
		}
		link, ok := r.FirstLinkType()
		if p, err := r.Next(); ok && err == nil && p.LinkType != link {
			t.Errorf("%s: link type %v, the packet's is %v", name, link, p.LinkType)
		} else if !ok && err == nil {
			t.Errorf("%s: nothing is told", name)
		}
		return ok
	}
	for _, v := range variants() {
		told(v.name, v.data)
	}
	rng := rand.New(rand.NewPCG(1, 9))
	for seed := range uint64(100) {
		data := mixedPcapng(seed, 1)
		more := slices.Concat(data, be.idb(0, 0), be.shb(1, 0), be.idb(101, 0), be.idb(113, 50), be.block(4, nil), be.epb(uint32(seed%3), 1, 4, 4, data[:4]), data)
		told(fmt.Sprint("mixed ", seed), data)
		told(fmt.Sprint("late ", seed), slices.Concat(le.shb(1, 0), le.idb(1, 0), more[len(data):]))
		more[rng.IntN(len(more))] ^= 1 << rng.IntN(8)
		told(fmt.Sprint("bad ", seed), more[:rng.IntN(len(more))])
	}
}

// TestReaderFilterAligned filters ahead where each chunk starts with a record.
func TestReaderFilterAligned(t *testing.T) {
	const shyly, packets = 100, 2000
	data := slices.Concat(le.shb(1, 0), le.idb(1, 0))
	for i := range packets {
		data = append(data, le.epb(0, uint64(i), 20, 20, bytes.Repeat([]byte{byte(i)}, 20))...)
	}
	size := (len(data) - shyly) / (packets - 1)
	if (shyly-48)%size != 0 || size*packets+48 != len(data) {
		t.Fatal("records do not start with chunks")
	}
	if n := sameFiltered(t, "aligned", data, someFilters(t), readAheadBy(100, 50*size)); n < packets/5 {
		t.Errorf("%d packets found ahead", n)
	}
}

// TestReaderFilterRefuses checks what Filter does not take.
func TestReaderFilterRefuses(t *testing.T) {
	data, _ := random(1, Pcap, 3)
	r, err := NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Filter(byLink{}.get); err != errNoFilter {
		t.Errorf("error %v", err)
	}
	if err := r.Filter(func(LinkType) (*jit.Filter, error) { return nil, nil }); err == nil {
		t.Error("no filter is accepted")
	}
	r.Close()
	if err := r.Filter(someFilters(t).get); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
