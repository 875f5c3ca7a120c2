package capture

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/*.pcap and *.pcapng")

// want is one expected packet: time in nanoseconds, captured and wire length.
type want struct {
	ts        int64
	cap, wire int
}

// variant is a capture, what it holds, and how it ends. What tcpdump says of it
// is asked in the same test; notTcpdump says why it may differ.
type variant struct {
	name       string
	data       []byte
	want       []want
	err        error  // nil: io.EOF
	place      string // of the error
	notTcpdump string
}

const us = 1000

// variants lists every form of both formats that the reader tells apart, and
// every rule that it checks.
func variants() []variant {
	f60, f40 := frame(60, 1), frame(40, 2)
	var (
		second = int64(1e9)
		ts0    = uint64(1700000000_123456)
		ns0    = int64(1700000000_123456000)
		one    = []want{{1*second + 2*us, 60, 60}}
		ngOne  = []want{{ns0, 60, 60}}
	)
	const magic, nano, kuznetzov = 0xa1b2c3d4, 0xa1b23c4d, 0xa1b2cd34
	var vs []variant
	add := func(v variant) { vs = append(vs, v) }

	for _, o := range []struct {
		name string
		enc
	}{{"le", le}, {"be", be}} {
		e := o.enc
		rec := e.record(1, 2, 60, 60, f60)
		kuz := slices.Concat(e.u32s(1, 2, 60, 60, 3), e.u16s(0x800), []byte{0, 0}, f60)
		add(variant{name: "pcap-us-" + o.name, data: e.pcap(magic, 2, 4, 65535, 1, rec), want: one})
		add(variant{name: "pcap-ns-" + o.name, data: e.pcap(nano, 2, 4, 65535, 1, rec), want: []want{{second + 2, 60, 60}}})
		add(variant{name: "pcap-kuznetzov-" + o.name, data: e.pcap(kuznetzov, 2, 4, 65535, 1, kuz, kuz), want: append(one, one...)})
		add(variant{name: "pcap-none-" + o.name, data: e.pcap(magic, 2, 4, 65535, 1)})
		add(variant{name: "pcap-fcs-" + o.name, data: e.pcap(magic, 2, 4, 65535, 0x24000001, rec), want: one})
		add(variant{name: "pcap-v23-" + o.name,
			data: e.pcap(magic, 2, 3, 65535, 1, e.record(1, 2, 60, 40, f40), rec), want: []want{{second + 2*us, 40, 60}, one[0]}})
		add(variant{name: "pcap-v22-" + o.name,
			data: e.pcap(magic, 2, 2, 65535, 1, e.record(1, 2, 70, 60, f60), rec), want: []want{{second + 2*us, 60, 70}, one[0]}})

		shb, idb := e.shb(1, 0), e.idb(1, 65535)
		epb := e.epb(0, ts0, 60, 60, f60)
		add(variant{name: "ng-enhanced-" + o.name, data: slices.Concat(shb, idb, epb, epb), want: append(ngOne, ngOne...)})
		add(variant{name: "ng-old-" + o.name, data: slices.Concat(shb, idb, e.opb(0, ts0, 60, 60, f60)), want: ngOne})
		add(variant{name: "ng-simple-" + o.name, data: slices.Concat(shb, idb, e.spb(60, f60)), want: []want{{0, 60, 60}}})
		add(variant{name: "ng-simple-snap-" + o.name, data: slices.Concat(shb, e.idb(1, 40), e.spb(60, f40)), want: []want{{0, 40, 60}}})
		add(variant{name: "ng-names-stats-secrets-" + o.name, want: ngOne, data: slices.Concat(shb,
			e.block(10, e.u32s(0x544c534b, 4), []byte("key\n")), // decryption secrets
			e.idb(1, 65535, e.opt(2, []byte("eth0")), e.opt(3, []byte("uplink")), e.opt(11, []byte("\x00udp")), e.opt(12, []byte("Linux")), e.opt(0, nil)),
			e.block(4, e.u16s(0, 0)), // name resolution, empty
			e.block(0xbad, e.u32s(32473), []byte("custom")), e.block(0x7777, []byte("unknown")),
			e.epb(0, ts0, 60, 60, f60, e.opt(1, []byte("comment")), e.opt(2, e.u32s(1)), e.opt(0, nil)),
			e.block(5, e.u32s(0, 0, 0), e.opt(4, e.AppendUint64(nil, 100)), e.opt(5, e.AppendUint64(nil, 7)), e.opt(6, e.AppendUint64(nil, 50)), e.opt(0, nil)))})
		add(variant{name: "ng-sections-" + o.name, data: slices.Concat(shb, idb, epb, shb, idb, epb), want: append(ngOne, ngOne...)})
		for _, r := range []struct {
			name  string
			resol byte
			ts    uint64
			ns    int64
		}{
			{"10e0", 0, 17, 17 * second}, {"10e3", 3, 17001, 17*second + 1e6}, {"10e9", 9, 17*1e9 + 1, 17*second + 1},
			{"10e12", 12, 17*1e12 + 1999, 17*second + 1}, {"10e19", 19, 17999999999, 1},
			{"2e0", 0x80, 17, 17 * second}, {"2e10", 0x8a, 17<<10 + 512, 17*second + second/2},
			{"2e32", 0xa0, 17<<32 + 1<<30, 17*second + second/4}, {"2e63", 0xbf, 1<<63 + 1<<62, second + second/2},
		} {
			not := ""
			if r.name == "2e63" {
				not = "libpcap multiplies a fraction of 63 bits by 10^9 in 64 bits"
			}
			add(variant{name: "ng-resolution-" + r.name + "-" + o.name, want: []want{{r.ns, 60, 60}}, notTcpdump: not,
				data: slices.Concat(shb, e.idb(1, 65535, e.opt(9, []byte{r.resol})), e.epb(0, r.ts, 60, 60, f60))})
		}
		add(variant{name: "ng-offset-" + o.name, want: []want{{ns0 + 1000*second, 60, 60}},
			data: slices.Concat(shb, e.idb(1, 65535, e.opt(14, e.AppendUint64(nil, 1000))), epb)})
		add(variant{name: "ng-offset-negative-" + o.name, want: []want{{ns0 - 1000*second, 60, 60}},
			data: slices.Concat(shb, e.idb(1, 65535, e.opt(14, e.AppendUint64(nil, 1<<64-1000))), epb)})
	}

	// What follows does not depend on the byte order.
	e := le
	rec := e.record(1, 2, 60, 60, f60)
	good := e.pcap(magic, 2, 4, 65535, 1, rec)
	pc := func(name string, data []byte, w []want, err error, place, not string) {
		add(variant{"pcap-" + name, data, w, err, place, not})
	}
	pc("over-snaplen", e.pcap(magic, 2, 4, 40, 1, rec, rec), []want{{one[0].ts, 40, 60}, {one[0].ts, 40, 60}}, nil, "", "")
	pc("snaplen-0", e.pcap(magic, 2, 4, 0, 1, rec), one, nil, "", "")
	pc("snaplen-negative", e.pcap(magic, 2, 4, 0xffffffff, 1, rec), one, nil, "", "")
	pc("captured-more-than-wire", e.pcap(magic, 2, 4, 65535, 1, e.record(1, 2, 60, 40, f60), rec), []want{{one[0].ts, 60, 40}, one[0]}, nil, "", "")
	pc("dgux", e.pcap(magic, 543, 0, 65535, 1, e.record(1, 2, 70, 60, f60)), []want{{one[0].ts, 60, 70}}, nil, "", "")
	pc("microseconds-2000000", e.pcap(magic, 2, 4, 65535, 1, e.record(1, 2000000, 60, 60, f60)), []want{{3 * second, 60, 60}}, nil, "", "")
	pc("year-2106", e.pcap(magic, 2, 4, 65535, 1, e.record(1<<32-1, 5, 60, 60, f60)), []want{{(1<<32-1)*second + 5*us, 60, 60}}, nil, "", "")
	pc("raw", e.pcap(magic, 2, 4, 65535, 101, e.record(1, 2, 46, 46, f60[14:])), []want{{one[0].ts, 46, 46}}, nil, "", "")
	pc("empty-packet", e.pcap(magic, 2, 4, 65535, 1, e.record(1, 2, 0, 60, nil), rec), []want{{one[0].ts, 0, 60}, one[0]}, nil, "", "")
	pc("dbus-large", e.pcap(magic, 2, 4, 1<<20, 231, e.record(1, 2, 600000, 600000, make([]byte, 600000)), rec), []want{{one[0].ts, 600000, 600000}, one[0]}, nil, "", "")
	pc("empty-file", nil, nil, ErrTruncated, "byte 0: empty file", "")
	pc("three-bytes", good[:3], nil, ErrTruncated, "byte 0: file header cut short: 3 of 4 bytes", "")
	pc("header-cut", good[:20], nil, ErrTruncated, "byte 0: file header cut short: 20 of 24 bytes", "")
	pc("text", []byte("GIF89a is no capture"), nil, ErrNotCapture, "byte 0: not a capture file: it starts with 47 49 46 38", "")
	pc("zstd", []byte("\x28\xb5\x2f\xfd and more"), nil, ErrNotCapture, "byte 0: not a capture file but zstd-compressed", "")
	pc("version-1", e.pcap(magic, 1, 2, 65535, 1, rec), nil, ErrCorrupt, "byte 0: pcap version 1.2", "")
	pc("version-2.5", e.pcap(magic, 2, 5, 65535, 1, rec), nil, ErrCorrupt, "byte 0: pcap version 2.5", "")
	pc("reserved-bits", e.pcap(magic, 2, 4, 65535, 0x00300001, rec), nil, ErrCorrupt, "byte 0: reserved bits", "libpcap 1.10.3 takes them for the link type")
	pc("record-header-cut", append(slices.Clone(good), rec[:7]...), one, ErrTruncated, "packet 2 at byte 100: packet header cut short: 7 of 16 bytes", "")
	pc("record-cut", append(slices.Clone(good), rec[:30]...), one, ErrTruncated, "packet 2 at byte 100: packet cut short: 30 of 76 bytes", "")
	pc("huge-length", append(slices.Clone(good), e.record(1, 2, 1<<31-1, 60, f60)...), one, ErrCorrupt, "packet 2 at byte 100: captured length 2147483647", "")
	pc("negative-length", append(slices.Clone(good), e.record(1, 2, 1<<32-1, 60, f60)...), one, ErrCorrupt, "packet 2 at byte 100: captured length 4294967295", "")
	pc("length-262145", append(slices.Clone(good), e.record(1, 2, 262145, 262145, make([]byte, 262145))...), one, ErrCorrupt, "packet 2 at byte 100: captured length 262145", "")

	shb, idb, epb := e.shb(1, 0), e.idb(1, 65535), e.epb(0, ts0, 60, 60, f60)
	base := slices.Concat(shb, idb, epb) // 28+20+92 bytes
	ng := func(name string, data []byte, w []want, err error, place, not string) {
		add(variant{"ng-" + name, data, w, err, place, not})
	}
	after := func(b ...[]byte) []byte { return append(slices.Clone(base), slices.Concat(b...)...) }
	const at = "packet 2 at byte 140: "
	const oneKind = "libpcap wants all interfaces alike"
	ng("minor-2", slices.Concat(e.shb(1, 2), idb, epb), ngOne, nil, "", "")
	ng("two-interfaces", after(idb, e.epb(1, ts0, 40, 60, f40)), []want{ngOne[0], {ns0, 40, 60}}, nil, "", "")
	ng("two-link-types", after(e.idb(101, 65535), e.epb(1, ts0, 46, 46, f60[14:])), []want{ngOne[0], {ns0, 46, 46}}, nil, "", oneKind)
	ng("two-snaplens", after(e.idb(1, 96), e.epb(1, ts0, 60, 60, f60)), append(ngOne, ngOne...), nil, "", oneKind)
	ng("two-byte-orders", after(be.shb(1, 0), be.idb(1, 65535), be.epb(0, ts0, 60, 60, f60)), append(ngOne, ngOne...), nil, "", "libpcap wants all sections alike")
	ng("simple-shorter-than-block", slices.Concat(shb, idb, e.spb(40, f60), epb), []want{{0, 40, 40}, ngOne[0]}, nil, "", "")
	ng("snaplen-0", slices.Concat(shb, e.idb(1, 0), epb), ngOne, nil, "", "")
	ng("time-offset-year-3000", slices.Concat(shb, e.idb(1, 0, e.opt(14, e.AppendUint64(nil, 1e12))), epb), []want{{1<<63 - 1, 60, 60}}, nil, "", "libpcap has seconds and nanoseconds apart")
	ng("time-largest", slices.Concat(shb, idb, e.epb(0, 1<<64-1, 60, 60, f60)), []want{{1<<63 - 1, 60, 60}}, nil, "", "libpcap has seconds and nanoseconds apart")
	ng("comment-then-end", slices.Concat(shb, e.idb(1, 65535, e.opt(0, nil), e.opt(9, []byte{3})), epb), ngOne, nil, "", "")
	ng("large-packet", slices.Concat(shb, e.idb(1, 1<<20), e.epb(0, ts0, 600000, 600000, make([]byte, 600000)), epb), []want{{ns0, 600000, 600000}, ngOne[0]}, nil, "", "")
	ng("large-unknown-block", after(e.block(0x7777, make([]byte, 3<<20)), epb), append(ngOne, ngOne...), nil, "", "")

	ng("statistics-short", after(e.block(5, f60[:4]), e.block(5, e.u32s(7, 0, 0)), e.block(5, e.u32s(0, 0, 0), e.u16s(4, 99)), epb), append(ngOne, ngOne...), nil, "", "")

	ng("no-interface", shb, nil, ErrCorrupt, "byte 28: the capture has no interface description", "")
	ng("packet-first", slices.Concat(shb, epb), nil, ErrCorrupt, "byte 28: enhanced packet block before any interface", "")
	ng("simple-first", slices.Concat(shb, e.spb(60, f60)), nil, ErrCorrupt, "byte 28: simple packet block before any interface", "")
	ng("section-without-interface", after(shb, epb), ngOne, ErrCorrupt, "packet 2 at byte 168: packet of interface 0: the section has described 0", "")
	ng("interface-3", after(e.epb(3, ts0, 60, 60, f60)), ngOne, ErrCorrupt, at+"packet of interface 3: the section has described 1", "")
	ng("over-snaplen", slices.Concat(shb, e.idb(1, 40), epb), nil, ErrCorrupt, "packet 1 at byte 48: captured length 60 is larger than the snapshot length 40", "")
	ng("over-default-snaplen", slices.Concat(shb, e.idb(1, 0), e.epb(0, ts0, 300000, 300000, make([]byte, 300000))), nil, ErrCorrupt, "packet 1 at byte 48: captured length 300000", "")
	ng("captured-more-than-block", after(e.epb(0, ts0, 100, 100, f60)), ngOne, ErrCorrupt, at+"captured length 100 is larger than the block, which has room for 60", "")
	ng("simple-more-than-block", after(e.spb(100, f60)), ngOne, ErrCorrupt, at+"captured length 100 is larger than the block", "")
	ng("enhanced-too-short", after(e.block(6, f60[:16])), ngOne, ErrCorrupt, at+"enhanced packet block of 28 bytes: it has at least 32", "")
	ng("old-too-short", after(e.block(2, f60[:16])), ngOne, ErrCorrupt, at+"packet block of 28 bytes: it has at least 32", "")
	ng("simple-too-short", after(e.block(3)), ngOne, ErrCorrupt, at+"simple packet block of 12 bytes: it has at least 16", "")
	ng("interface-too-short", slices.Concat(shb, e.block(1, f60[:4])), nil, ErrCorrupt, "byte 28: interface description of 16 bytes: it has at least 20", "")
	ng("length-8", after(e.u32s(9, 8)), ngOne, ErrCorrupt, at+"block length 8 is less than 12", "")
	ng("length-13", after(e.u32s(9, 13), f60), ngOne, ErrCorrupt, at+"block length 13 is not a multiple of 4", "")
	ng("length-17M", after(e.u32s(9, 16<<20+4)), ngOne, ErrCorrupt, at+"block length 16777220 is larger than 16777216", "")
	ng("length-16M-cut", after(e.u32s(9, 16<<20)), ngOne, ErrTruncated, at+"block cut short: 8 of 16777216 bytes", "")
	ng("lengths-differ", after(e.u32s(9, 20, 0, 0, 24)), ngOne, ErrCorrupt, at+"block length is 20 at its start and 24 at its end", "")
	ng("block-header-cut", after(epb[:7]), ngOne, ErrTruncated, at+"block header cut short: 7 of 8 bytes", "")
	ng("block-cut", after(epb[:50]), ngOne, ErrTruncated, at+"block cut short: 50 of 92 bytes", "")
	ng("section-cut", shb[:20], nil, ErrTruncated, "byte 0: block cut short: 20 of 28 bytes", "")
	ng("section-magic-cut", after(shb[:11]), ngOne, ErrTruncated, at+"section header cut short: 11 of 12 bytes", "")
	ng("byte-order-magic", slices.Concat(e.u32s(0x0a0d0d0a, 28), f60), nil, ErrCorrupt, "byte 0: section header's byte-order magic is 02 00 00 00", "")
	ng("section-length-16", slices.Concat(e.u32s(0x0a0d0d0a, 16, 0x1a2b3c4d, 16), f60), nil, ErrCorrupt, "byte 0: section header of 16 bytes: it has at least 28", "")
	ng("version-2", slices.Concat(e.shb(2, 0), idb, epb), nil, ErrCorrupt, "byte 0: pcapng version 2.0", "")
	ng("version-1.1", slices.Concat(e.shb(1, 1), idb, epb), nil, ErrCorrupt, "byte 0: pcapng version 1.1", "")
	ng("second-version-2", after(e.shb(2, 0), idb, epb), ngOne, ErrCorrupt, at+"pcapng version 2.0", "")
	for _, o := range []struct {
		name  string
		opt   []byte
		place string
	}{
		{"resolution-10e20", e.opt(9, []byte{20}), "if_tsresol 10^-20 is too fine"},
		{"resolution-2e64", e.opt(9, []byte{0xc0}), "if_tsresol 2^-64 is too fine"},
		{"resolution-long", e.opt(9, []byte{6, 6}), "if_tsresol of 2 bytes: it has 1"},
		{"resolution-twice", slices.Concat(e.opt(9, []byte{6}), e.opt(9, []byte{3})), "more than one if_tsresol"},
		{"offset-short", e.opt(14, []byte{1, 2, 3, 4}), "if_tsoffset of 4 bytes: it has 8"},
		{"end-with-length", e.opt(0, []byte("abcd")), "end of options has a length: 4"},
		{"option-too-long", slices.Concat(e.u16s(2, 100), []byte("abcd")), "option 2 of 100 bytes is longer than its block"},
	} {
		ng(o.name, slices.Concat(shb, e.idb(1, 65535, o.opt), epb), nil, ErrCorrupt, "byte 28: "+o.place, "")
	}
	return vs
}

func TestVariants(t *testing.T) {
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			r, err := NewReader(bytes.NewReader(v.data))
			var got []Packet
			if err == nil {
				got, err = ReadAll(r)
			}
			switch {
			case v.err == nil && err != nil:
				t.Errorf("error %v", err)
			case v.err != nil && !errors.Is(err, v.err):
				t.Errorf("error %v, want one that is %v", err, v.err)
			case v.err != nil && !strings.HasPrefix(err.Error(), v.place):
				t.Errorf("error %q, want %q", err, v.place)
			}
			if len(got) != len(v.want) {
				t.Fatalf("%d packets, want %d", len(got), len(v.want))
			}
			for i, w := range v.want {
				if g := (want{got[i].TS, len(got[i].Data), int(got[i].WireLen)}); g != w {
					t.Errorf("packet %d: %v, want %v", i+1, g, w)
				}
			}
		})
	}
}

// TestVariantsTcpdump has tcpdump judge the expectations of TestVariants.
func TestVariantsTcpdump(t *testing.T) {
	dir := t.TempDir()
	for _, v := range variants() {
		if v.notTcpdump != "" {
			continue
		}
		path := filepath.Join(dir, "x")
		if err := os.WriteFile(path, v.data, 0o666); err != nil {
			t.Fatal(err)
		}
		_, pkts, complaint := tcpdump(t, path)
		if (complaint != "") != (v.err != nil) {
			t.Errorf("%s: tcpdump says %q, we %v", v.name, complaint, v.err)
		}
		if complaint != "" && len(pkts) == 0 {
			continue // it may fail before it has written anything
		}
		var got []Packet
		if r, err := NewReader(bytes.NewReader(v.data)); err == nil {
			got, _ = ReadAll(r)
		}
		comparePackets(t, v.name, got, pkts)
	}
}

// TestTestdata keeps the small good variants on disk, for the tests of programs
// that read captures. Written by: go test ./capture -run TestTestdata -update
func TestTestdata(t *testing.T) {
	for _, v := range variants() {
		if v.err != nil || len(v.data) > 4096 || strings.Contains(v.name, "resolution") {
			continue
		}
		path := filepath.Join("testdata", strings.TrimPrefix(v.name, "pcap-")+".pcap")
		if rest, ok := strings.CutPrefix(v.name, "ng-"); ok {
			path = filepath.Join("testdata", rest+".pcapng")
		}
		if *update {
			if err := os.WriteFile(path, v.data, 0o666); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if data, err := os.ReadFile(path); err != nil {
			t.Error(err)
		} else if !bytes.Equal(data, v.data) {
			t.Errorf("%s is not what variants says: run with -update", path)
		}
	}
}

// TestInterface checks what is told of interfaces.
func TestInterface(t *testing.T) {
	byName := map[string][]byte{}
	for _, v := range variants() {
		byName[v.name] = v.data
	}
	read := func(name string) (*Reader, []Packet) {
		t.Helper()
		r, err := NewReader(bytes.NewReader(byName[name]))
		if err != nil {
			t.Fatal(name, err)
		}
		pkts, err := ReadAll(r)
		if err != nil {
			t.Fatal(name, err)
		}
		return r, pkts
	}
	for _, order := range []string{"le", "be"} {
		r, _ := read("ng-names-stats-secrets-" + order)
		got := r.Interfaces()[0]
		got.clock = clock{}
		wanted := Interface{LinkType: LinkEthernet, SnapLen: 65535, FCSLen: -1, Name: "eth0", Description: "uplink", Filter: "udp", OS: "Linux",
			BigEndian: order == "be", Stats: Stats{Received: 100, Dropped: 7, Accepted: 50, Has: HasReceived | HasDropped | HasAccepted}}
		if got != wanted {
			t.Errorf("interface %+v, want %+v", got, wanted)
		}
		r, _ = read("pcap-fcs-" + order)
		if ifc := r.Interfaces()[0]; ifc.FCSLen != 4 || ifc.LinkType != LinkEthernet || ifc.SnapLen != 65535 {
			t.Errorf("pcap with FCS: %+v", ifc)
		}
	}
	r, pkts := read("ng-two-link-types")
	if n := len(r.Interfaces()); n != 2 || pkts[0].LinkType != LinkEthernet || pkts[1].LinkType != LinkRaw || pkts[1].Interface != 1 {
		t.Errorf("two link types: %d interfaces, %+v", n, pkts)
	}
	r, pkts = read("ng-sections-le")
	if n := len(r.Interfaces()); n != 2 || pkts[1].Interface != 1 {
		t.Errorf("two sections: %d interfaces, second packet of %d", n, pkts[1].Interface)
	}
	if r, _ = read("pcap-raw"); r.LinkType() != LinkRaw || r.LinkType().DLT() != 12 || FromDLT(12) != LinkRaw {
		t.Errorf("LINKTYPE_RAW: %v, DLT %d", r.LinkType(), r.LinkType().DLT())
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
}
