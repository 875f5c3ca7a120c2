package packetsource

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bpfjit/bpfjit/capture"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// files returns capture's own test captures, and those of BPFJIT_CORPUS if set.
func files(t *testing.T) []string {
	t.Helper()
	own, err := filepath.Glob("../testdata/*.pcap*")
	if err != nil || len(own) == 0 {
		t.Fatal("no captures in testdata", err)
	}
	if dir := os.Getenv("BPFJIT_CORPUS"); dir != "" {
		_ = filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
			if err == nil && info.Mode().IsRegular() && strings.Contains(filepath.Ext(path), "cap") {
				own = append(own, path)
			}
			return nil
		})
	}
	return own
}

// pcapgoReader opens data with gopacket's own readers; nil if they cannot.
func pcapgoReader(data []byte) gopacket.PacketDataSource {
	if r, err := pcapgo.NewReader(bytes.NewReader(data)); err == nil {
		return r
	}
	r, err := pcapgo.NewNgReader(bytes.NewReader(data), pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		return nil
	}
	return r
}

// TestPcapgo has gopacket's pure Go readers as a second opinion: as far as they
// come, data, lengths and times are the same.
func TestPcapgo(t *testing.T) {
	// Where pcapgo is known to do otherwise than libpcap.
	differs := map[string]string{
		"v22-": "knows nothing of swapped lengths", "v23-": "knows nothing of swapped lengths", "dgux": "knows nothing of swapped lengths",
		"kuznetzov": "does not know the format",
		"snap":      "checks lengths otherwise",
		"wire":      "refuses captured lengths above the wire length",
		"offset":    "has no negative or large offsets",
		"simple":    "gives a simple packet a time",
		"time-":     "lets large times wrap around",
		"section":   "starts again with interface 0",
		"orders":    "starts again with interface 0",
	}
	compared, packets := 0, 0
	for _, path := range files(t) {
		if strings.Contains(path, "testdata") {
			known := false
			for part := range differs {
				known = known || strings.Contains(filepath.Base(path), part)
			}
			if known {
				continue
			}
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r, err := capture.NewReader(bytes.NewReader(data))
		theirs := pcapgoReader(data)
		if err != nil || theirs == nil {
			continue
		}
		ours := New(r)
		compared++
		for n := 1; ; n++ {
			wdata, wci, werr := theirs.ReadPacketData()
			gdata, gci, gerr := ours.ReadPacketData()
			if werr != nil {
				break // it gives up earlier in some files
			}
			if gerr != nil {
				t.Errorf("%s: packet %d: %v, pcapgo has one", path, n, gerr)
				break
			}
			packets++
			if snap := int(r.Interfaces()[gci.InterfaceIndex].SnapLen); len(gdata) == snap && len(wdata) > snap {
				// It gives more than the header's snapshot length; libpcap does not.
				wdata, wci.CaptureLength = wdata[:snap], snap
			}
			if gci.Timestamp.Sub(wci.Timestamp)%(1<<32) == 0 {
				wci.Timestamp = gci.Timestamp // its nanoseconds are 32 bits
			}
			if !bytes.Equal(gdata, wdata) || gci.Length != wci.Length || gci.CaptureLength != wci.CaptureLength ||
				!gci.Timestamp.Equal(wci.Timestamp) || gci.InterfaceIndex != wci.InterfaceIndex {
				t.Errorf("%s: packet %d: %+v, pcapgo: %+v", path, n, gci, wci)
				break
			}
		}
	}
	if compared < 10 {
		t.Errorf("only %d files compared", compared)
	}
	t.Logf("%d files, %d packets", compared, packets)
}

// TestPacketSource goes through gopacket's decoder.
func TestPacketSource(t *testing.T) {
	f, err := os.Open("../testdata/enhanced-le.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := capture.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	src := New(r)
	if src.LinkType() != layers.LinkTypeEthernet {
		t.Errorf("link type %v", src.LinkType())
	}
	ps := gopacket.NewPacketSource(src, src.LinkType())
	m := Matcher{keepUDP{}}
	for range 2 {
		p, err := ps.NextPacket()
		if err != nil {
			t.Fatal(err)
		}
		if udp, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP); !ok || udp.DstPort != 53 {
			t.Errorf("no UDP to port 53: %v", p)
		}
		if !m.Matches(p.Metadata().CaptureInfo, p.Data()) {
			t.Error("the filter does not match")
		}
	}
	if _, err := ps.NextPacket(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last: %v", err)
	}
}

type keepUDP struct{}

func (keepUDP) Run(pkt []byte, wireLen int) uint32 {
	if len(pkt) > 23 && pkt[23] == 17 {
		return uint32(wireLen)
	}
	return 0
}

// BenchmarkRead compares the readers on one capture in memory: the classic mix
// of sizes, 354 bytes on average.
func BenchmarkRead(b *testing.B) {
	const packets = 200_000
	var out bytes.Buffer
	w, err := capture.NewWriter(&out, capture.WriterOptions{})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := w.AddInterface(capture.Interface{LinkType: capture.LinkEthernet}); err != nil {
		b.Fatal(err)
	}
	sizes := []int{60, 590, 60, 590, 60, 60, 1514, 60, 590, 60, 590, 60}
	buf := make([]byte, 1514)
	for i := range packets {
		n := sizes[i%len(sizes)]
		if err := w.WritePacket(capture.Meta{TS: int64(i), WireLen: uint32(n)}, buf[:n]); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	data := out.Bytes()
	run := func(name string, open func() func() error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				next := open()
				n := 0
				for next() == nil {
					n++
				}
				if n != packets {
					b.Fatal(n)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/packets, "ns/packet")
		})
	}
	ours := func() *capture.Reader {
		r, err := capture.NewReader(bytes.NewReader(data))
		if err != nil {
			b.Fatal(err)
		}
		return r
	}
	theirs := func() *pcapgo.Reader {
		r, err := pcapgo.NewReader(bytes.NewReader(data))
		if err != nil {
			b.Fatal(err)
		}
		return r
	}
	run("capture", func() func() error { r := ours(); return func() error { _, err := r.Next(); return err } })
	run("source", func() func() error {
		s := New(ours())
		return func() error { _, _, err := s.ZeroCopyReadPacketData(); return err }
	})
	run("pcapgo", func() func() error {
		r := theirs()
		return func() error { _, _, err := r.ZeroCopyReadPacketData(); return err }
	})
	run("pcapgo copy", func() func() error {
		r := theirs()
		return func() error { _, _, err := r.ReadPacketData(); return err }
	})
}
