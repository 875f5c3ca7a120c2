package capture

import (
	"bytes"
	"io"
	"os"
	"testing"
)

// imix returns a capture of n packets in the classic mix of sizes: 7 of 60, 4
// of 590 and one of 1514 bytes, 354 on average.
func imix(format Format, n int) []byte {
	sizes := []int{60, 590, 60, 590, 60, 60, 1514, 60, 590, 60, 590, 60}
	var out bytes.Buffer
	w, err := NewWriter(&out, WriterOptions{Format: format})
	if err != nil {
		panic(err)
	}
	w.AddInterface(Interface{LinkType: LinkEthernet})
	for i := range n {
		f := frame(sizes[i%len(sizes)], byte(i))
		w.WritePacket(Meta{TS: int64(i) * 1000, WireLen: uint32(len(f))}, f)
	}
	w.Flush()
	return out.Bytes()
}

// small returns a capture of n packets of 60 bytes.
func small(format Format, n int) []byte {
	var out bytes.Buffer
	w, err := NewWriter(&out, WriterOptions{Format: format})
	if err != nil {
		panic(err)
	}
	w.AddInterface(Interface{LinkType: LinkEthernet})
	f := frame(60, 1)
	for i := range n {
		w.WritePacket(Meta{TS: int64(i) * 1000, WireLen: uint32(len(f))}, f)
	}
	w.Flush()
	return out.Bytes()
}

// BenchmarkRead reads a capture from memory: one of 74 MB, where memory is the
// limit, and one of small packets, where the reader is.
func BenchmarkRead(b *testing.B) {
	for _, c := range []struct {
		name    string
		packets int
		data    []byte
	}{
		{"pcap/imix", 200_000, imix(Pcap, 200_000)},
		{"pcap/small", 100_000, small(Pcap, 100_000)},
		{"pcapng/imix", 200_000, imix(Pcapng, 200_000)},
		{"pcapng/small", 100_000, small(Pcapng, 100_000)},
	} {
		data, packets := c.data, float64(c.packets)
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				r, err := NewReader(bytes.NewReader(data))
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					_, err = r.Next()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/packets, "ns/packet")
		})
	}
}

// BenchmarkCopy copies one packet in four, and three in four, to a file.
func BenchmarkCopy(b *testing.B) {
	const packets = 200_000
	data := imix(Pcap, packets)
	for _, c := range []struct {
		name string
		keep func(int) bool
	}{
		{"quarter", func(i int) bool { return i%4 == 0 }},
		{"runs", func(i int) bool { return i%64 < 48 }},
	} {
		b.Run(c.name, func(b *testing.B) {
			f, err := os.CreateTemp(b.TempDir(), "")
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			for b.Loop() {
				f.Seek(0, io.SeekStart)
				r, err := NewReader(bytes.NewReader(data))
				if err != nil {
					b.Fatal(err)
				}
				copier, _ := NewCopier(f, r)
				for i := 0; ; i++ {
					p, err := r.Next()
					if err != nil {
						break
					}
					if c.keep(i) {
						copier.Write(p)
					}
				}
				if err := copier.Flush(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/packets, "ns/packet")
		})
	}
}
