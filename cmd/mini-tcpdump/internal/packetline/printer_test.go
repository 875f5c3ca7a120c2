package packetline

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bpfjit/bpfjit/bench/traffic"
	"github.com/bpfjit/bpfjit/capture"
)

// arpRequest is an Ethernet frame, by hand.
var arpRequest = []byte{
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6,
	0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2,
}

func packet(link capture.LinkType, ts int64, data []byte) *capture.Packet {
	return &capture.Packet{Meta: capture.Meta{TS: ts, LinkType: link, WireLen: uint32(len(data))}, Data: data}
}

func TestTime(t *testing.T) {
	const sec = 1_000_000_000
	times := []int64{1_700_000_000*sec + 123_456_789, 1_700_000_001*sec + 3000, 1_699_999_999*sec + 5000, 1_700_090_000*sec + 5000}
	for _, c := range []struct {
		style TimeStyle
		nanos bool
		want  []string
	}{
		{NoTime, false, []string{"", "", "", ""}},
		{Clock, false, []string{"22:13:20.123456 ", "22:13:21.000003 ", "22:13:19.000005 ", "23:13:20.000005 "}},
		{Clock, true, []string{"22:13:20.123456789 ", "22:13:21.000003000 ", "22:13:19.000005000 ", "23:13:20.000005000 "}},
		{Epoch, false, []string{"1700000000.123456 ", "1700000001.000003 ", "1699999999.000005 ", "1700090000.000005 "}},
		{Date, false, []string{"2023-11-14 22:13:20.123456 ", "2023-11-14 22:13:21.000003 ", "2023-11-14 22:13:19.000005 ", "2023-11-15 23:13:20.000005 "}},
		{Previous, false, []string{" 00:00:00.000000 ", " 00:00:00.876546 ", "-00:00:01.999998 ", " 25:00:01.000000 "}},
		{First, true, []string{" 00:00:00.000000000 ", " 00:00:00.876546211 ", "-00:00:01.123451789 ", " 24:59:59.876548211 "}},
	} {
		p := New(Options{Time: c.style, Nanos: c.nanos, Zone: time.UTC})
		for i, ts := range times {
			got := string(p.Append(nil, packet(capture.LinkEthernet, ts, arpRequest)))
			if want := c.want[i] + "ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28\n"; got != want {
				t.Errorf("style %d, packet %d:\n got %q\nwant %q", c.style, i, got, want)
			}
		}
	}
	before := string(New(Options{Time: Epoch}).Append(nil, packet(capture.LinkEthernet, -1, arpRequest)))
	if !strings.HasPrefix(before, "-1.999999 ") {
		t.Errorf("before 1970: %q", before)
	}
}

// TestDump compares with what tcpdump 4.99 prints.
func TestDump(t *testing.T) {
	for style, want := range map[DumpStyle]string{
		Hex: "\t0x0000:  0001 0800 0604 0001 0200 0000 0001 0a00\n\t0x0010:  0001 0000 0000 0000 0a00 0002\n",
		HexText: "\t0x0000:  0001 0800 0604 0001 0200 0000 0001 0a00  ................\n" +
			"\t0x0010:  0001 0000 0000 0000 0a00 0002            ............\n",
		HexLink: "\t0x0000:  ffff ffff ffff 0200 0000 0001 0806 0001\n\t0x0010:  0800 0604 0001 0200 0000 0001 0a00 0001\n" +
			"\t0x0020:  0000 0000 0000 0a00 0002\n",
	} {
		got := string(New(Options{Time: NoTime, Dump: style}).Append(nil, packet(capture.LinkEthernet, 0, arpRequest)))
		if _, dump, _ := strings.Cut(got, "\n"); dump != want {
			t.Errorf("style %d:\n%s\nwant\n%s", style, dump, want)
		}
	}
}

func TestNames(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("hosts", "# none\n10.0.0.1 one uno\n10.0.0.1 two\nbad line\n")
	write("services", "http 80/tcp www # web\nntp 123/udp\nx y\nbig 70000/tcp\n")
	p := New(Options{Time: NoTime, Names: ReadNames(dir)})
	got := string(p.Append(nil, packet(capture.LinkEthernet, 0, arpRequest)))
	if want := "ARP, Request who-has 10.0.0.2 tell one, length 28\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	ip := append([]byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 3, 0, 80, 0, 123}, make([]byte, 16)...)
	ip[32] = 0x50
	got = string(p.Append(nil, packet(capture.LinkRaw, 0, ip)))
	if want := "IP one.http > 10.0.0.3.123: Flags [none], win 0, length 0\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

var links = []capture.LinkType{
	capture.LinkEthernet, capture.LinkRaw, capture.LinkNull, capture.LinkLoop, capture.LinkLinuxSLL,
	capture.LinkLinuxSLL2, capture.LinkPPP, capture.LinkPPPHDLC, capture.LinkIPv6, 9999,
}

// TestHostile has the printer read garbage, and packets whose bytes were
// changed, in memory that ends where they end.
func TestHostile(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pkts := traffic.New(9).Mix(200)
	p := New(Options{Link: true, Dump: HexTextLink})
	q := New(Options{Dump: HexText})
	var line []byte
	rounds := 200_000
	if testing.Short() {
		rounds /= 10
	}
	for range rounds {
		pkt := pkts[r.IntN(len(pkts))]
		data := bytes.Clone(pkt.Data[:r.IntN(min(len(pkt.Data), 120)+1)])
		link := links[r.IntN(len(links))]
		at := 0
		if link != capture.LinkEthernet { // let something of IP remain
			at = min(14, len(data))
		}
		data = data[at:]
		for range r.IntN(4) {
			if len(data) > 0 {
				data[r.IntN(min(len(data), 60))] = byte(r.Uint32())
			}
		}
		for _, p := range []*Printer{p, q} {
			c := packet(link, 0, data[:len(data):len(data)])
			c.WireLen = uint32(len(data) + r.IntN(3)*r.IntN(2000))
			line = p.Append(line[:0], c)
			if n := bytes.IndexByte(line, '\n'); n < 0 || n > 4000 {
				t.Fatalf("%v %x: %d bytes of line", link, data, n)
			}
		}
	}
}

// nested makes IP packets in IP packets, deeper than anybody follows.
func nested(depth int) []byte {
	var b []byte
	for range depth {
		h := make([]byte, 20, 20+len(b))
		h[0], h[9] = 0x45, protoIPv4
		binary.BigEndian.PutUint16(h[2:], uint16(20+len(b)))
		b = append(h, b...)
	}
	return b
}

func TestNested(t *testing.T) {
	line := string(New(Options{Time: NoTime}).Append(nil, packet(capture.LinkRaw, 0, nested(100))))
	if n := strings.Count(line, "IP 0.0.0.0"); n != maxInside+1 || !strings.HasSuffix(line, " ip-proto-4 1900\n") {
		t.Errorf("%d levels: %q", n, line)
	}
}

func TestNoAllocation(t *testing.T) {
	pkts := traffic.New(3).Mix(500)
	for _, opts := range []Options{{}, {Link: true, Dump: HexTextLink}, {Quiet: true, Time: Date}, {Names: ReadNames("/etc")}} {
		p := New(opts)
		line := make([]byte, 0, 64<<10)
		got := testing.AllocsPerRun(10, func() {
			for i := range pkts {
				line = p.Append(line[:0], packet(capture.LinkEthernet, int64(i), pkts[i].Data))
			}
		})
		// packet makes one; it may be on the stack.
		if got > 0 {
			t.Errorf("%+v: %v allocations for %d packets", opts, got, len(pkts))
		}
	}
}
