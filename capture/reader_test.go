package capture

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// random returns a capture of n packets of 0 to 1600 bytes, and the packets.
func random(seed uint64, format Format, n int) ([]byte, []Packet) {
	rng := rand.New(rand.NewPCG(seed, 1))
	var pkts []Packet
	var out []byte
	if format == Pcap {
		out = le.pcap(0xa1b23c4d, 2, 4, 65535, 1)
	} else {
		out = slices.Concat(le.shb(1, 0), le.idb(1, 65535, le.opt(9, []byte{9})))
	}
	for range n {
		p := Packet{Meta: Meta{TS: rng.Int64N(1 << 32 * 1e9), WireLen: rng.Uint32N(9000), LinkType: LinkEthernet}}
		p.Data = make([]byte, rng.IntN(200))
		if rng.IntN(4) == 0 {
			p.Data = make([]byte, rng.IntN(1600))
		}
		for i := range p.Data {
			p.Data[i] = byte(rng.Uint32())
		}
		if format == Pcap {
			p.Raw = le.record(uint32(p.TS/1e9), uint32(p.TS%1e9), uint32(len(p.Data)), p.WireLen, p.Data)
		} else {
			p.Raw = le.epb(0, uint64(p.TS), uint32(len(p.Data)), p.WireLen, p.Data)
		}
		out = append(out, p.Raw...)
		pkts = append(pkts, p)
	}
	return out, pkts
}

// TestSources reads through readers that give their data in awkward pieces.
func TestSources(t *testing.T) {
	for _, format := range []Format{Pcap, Pcapng} {
		data, pkts := random(1, format, 3000) // crosses the buffer's end
		if len(data) < bufferSize {
			t.Fatal("the capture fits the buffer")
		}
		var zipped bytes.Buffer
		z := gzip.NewWriter(&zipped)
		z.Write(data[:5000])
		z.Close()
		z.Reset(&zipped) // a second member, as "cat a.gz b.gz" makes it
		z.Write(data[5000:])
		z.Close()
		pr, pw := io.Pipe()
		go func() { pw.Write(data); pw.Close() }()
		for name, src := range map[string]io.Reader{
			"whole":    bytes.NewReader(data),
			"bytes":    iotest.OneByteReader(bytes.NewReader(data)),
			"halves":   iotest.HalfReader(bytes.NewReader(data)),
			"with EOF": iotest.DataErrReader(bytes.NewReader(data)),
			"pipe":     pr,
			"gzip":     &zipped,
		} {
			r, err := NewReader(src)
			if err != nil {
				t.Fatal(name, err)
			}
			got, err := ReadAll(r)
			if err != nil {
				t.Error(name, err)
			}
			comparePackets(t, name, got, pkts)
			if r.Packets() != int64(len(pkts)) || r.Offset() != int64(len(data)) {
				t.Errorf("%s: %d packets, %d bytes read of %d, %d", name, r.Packets(), r.Offset(), len(pkts), len(data))
			}
		}
	}
}

// TestCutAnywhere cuts a capture after every byte: all packets before the cut
// come, and then io.EOF if the cut is between two, else ErrTruncated.
func TestCutAnywhere(t *testing.T) {
	for _, format := range []Format{Pcap, Pcapng} {
		data, pkts := random(2, format, 8)
		start := len(data)
		for _, p := range pkts {
			start -= len(p.Raw)
		}
		for cut := range len(data) {
			r, err := NewReader(bytes.NewReader(data[:cut]))
			if err != nil {
				// The bare section header of pcapng is whole, but of no use.
				if cut >= start || !errors.Is(err, ErrTruncated) && !(format == Pcapng && cut == 28) {
					t.Errorf("%v cut at %d: %v", format, cut, err)
				}
				continue
			}
			whole, end := 0, start
			for whole < len(pkts) && end+len(pkts[whole].Raw) <= cut {
				end += len(pkts[whole].Raw)
				whole++
			}
			got, err := ReadAll(r)
			comparePackets(t, "cut", got, pkts[:whole])
			var e *Error
			switch {
			case end == cut:
				if err != nil {
					t.Errorf("%v cut at %d, between packets: %v", format, cut, err)
				}
			case !errors.Is(err, ErrTruncated) || !errors.As(err, &e) || e.Offset != int64(end) || e.Packet != int64(whole+1):
				t.Errorf("%v cut at %d: %v, want packet %d at byte %d", format, cut, err, whole+1, end)
			}
			if _, again := r.Next(); again != err && (err != nil || again != io.EOF) {
				t.Errorf("the error does not stay: %v, then %v", err, again)
			}
		}
	}
}

// TestSourceErrors checks that what the source fails with comes through, after
// what was read before.
func TestSourceErrors(t *testing.T) {
	data, pkts := random(3, Pcap, 50)
	broken := errors.New("the disk is on fire")
	r, err := NewReader(io.MultiReader(bytes.NewReader(data[:len(data)-1]), iotest.ErrReader(broken)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadAll(r)
	comparePackets(t, "broken", got, pkts[:49])
	if !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "packet 50 at byte ") {
		t.Errorf("error %v", err)
	}

	if _, err := NewReader(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	dir, err := os.Open(".")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if _, err := NewReader(dir); err == nil || errors.Is(err, ErrTruncated) || strings.Contains(err.Error(), "\n") {
		t.Errorf("a directory: %v", err)
	}
	stuck := readerFunc(func([]byte) (int, error) { return 0, nil })
	if _, err := NewReader(stuck); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a source that gives nothing: %v", err)
	}

	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write(data)
	z.Close()
	for _, cut := range []int{4, 9, 200, zipped.Len() - 1} {
		r, err := NewReader(bytes.NewReader(zipped.Bytes()[:cut]))
		if err == nil {
			_, err = ReadAll(r)
		}
		if !errors.Is(err, ErrTruncated) {
			t.Errorf("gzip cut at %d: %v", cut, err)
		}
	}
	bad := slices.Clone(zipped.Bytes())
	bad[len(bad)-6] ^= 1 // the check sum
	if r, err = NewReader(bytes.NewReader(bad)); err == nil {
		_, err = ReadAll(r)
	}
	if !errors.Is(err, gzip.ErrChecksum) {
		t.Errorf("gzip with a bad check sum: %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// TestHostileLength checks that a length costs no memory before its data come.
func TestHostileLength(t *testing.T) {
	for name, data := range map[string][]byte{
		"pcap, D-Bus":        le.pcap(0xa1b2c3d4, 2, 4, 0, 231, le.record(1, 2, 128<<20, 128<<20, []byte("few"))),
		"pcapng":             slices.Concat(le.shb(1, 0), le.idb(1, 0), le.u32s(6, 16<<20)),
		"pcapng, first":      le.u32s(0x0a0d0d0a, 16<<20, 0x1a2b3c4d),
		"pcapng, interfaces": slices.Concat(le.shb(1, 0), bytes.Repeat(le.idb(1, 0), maxInterfaces+1)),
		"pcapng, texts":      slices.Concat(le.shb(1, 0), bytes.Repeat(le.idb(1, 0, le.opt(2, make([]byte, 60000))), 300)),
	} {
		r, err := NewReader(bytes.NewReader(data))
		if err == nil {
			for err == nil {
				_, err = r.Next()
			}
			if len(r.buf) > bufferSize {
				t.Errorf("%s: a buffer of %d bytes", name, len(r.buf))
			}
		}
		if !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNoAllocation checks the promise of Next.
func TestNoAllocation(t *testing.T) {
	for _, format := range []Format{Pcap, Pcapng} {
		data, _ := random(4, format, 5000)
		r, err := NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(4000, func() {
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%v: %v allocations per packet", format, n)
		}
	}
}

// TestReadAllOwns checks that ReadAll's packets do not share memory.
func TestReadAllOwns(t *testing.T) {
	data, pkts := random(5, Pcap, 4000)
	r, err := NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		got[i].Data = append(got[i].Data, 0xee) // must not reach the next packet
		got[i].Data = got[i].Data[:len(got[i].Data)-1]
	}
	clear(r.buf)
	comparePackets(t, "ReadAll", got, pkts)
}

// TestClock compares time conversion with arithmetic of any precision.
func TestClock(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 1))
	edges := []uint64{0, 1, 999, 1000, 1<<32 - 1, 1 << 32, 1<<63 - 1, 1 << 63, 1<<64 - 1}
	offsets := []int64{0, 1, -1, 1e9, -1e9, 9223372036, -9223372037, 1<<63 - 1, -1 << 63}
	for resol := range 256 {
		c, err := newClock(uint8(resol))
		n := resol & 0x7f
		if bad := resol < 128 && n > 19 || n > 63; bad != (err != nil) {
			t.Fatalf("if_tsresol %#x: %v", resol, err)
		}
		if err != nil {
			continue
		}
		perSec := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
		if resol >= 128 {
			perSec.Lsh(big.NewInt(1), uint(n))
		}
		for i := range 200 {
			ts, off := rng.Uint64()>>rng.IntN(64), rng.Int64()>>rng.IntN(64)
			if i < 81 {
				ts, off = edges[i/9], offsets[i%9]
			}
			x := new(big.Int).SetUint64(ts)
			x.Mul(x, big.NewInt(1e9)).Div(x, perSec)
			x.Add(x, new(big.Int).Mul(big.NewInt(off), big.NewInt(1e9)))
			wanted := int64(-1 << 63)
			if x.IsInt64() {
				wanted = x.Int64()
			} else if x.Sign() > 0 {
				wanted = 1<<63 - 1
			}
			c.offset = off
			if got := c.ns(ts); got != wanted {
				t.Fatalf("if_tsresol %#x, offset %d: %d is %d ns, want %d", resol, off, ts, got, wanted)
			}
		}
	}
}

// FuzzReader feeds mutated captures: whatever comes, the Reader ends without a
// panic, keeps to its bounds, and says where it stopped.
func FuzzReader(f *testing.F) {
	for _, v := range variants() {
		if len(v.data) < 4096 {
			f.Add(v.data)
		}
	}
	files, _ := filepath.Glob("testdata/*.pcap*")
	if len(files) == 0 {
		f.Fatal("testdata is missing")
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if bytes.HasPrefix(data, []byte(gzipMagic)) {
			t.Skip() // expands without bound, as its reader asks for it
		}
		r, err := NewReader(bytes.NewReader(data))
		if err != nil {
			checkError(t, err, 0, len(data))
			return
		}
		var out bytes.Buffer
		c, err := NewCopier(&out, r)
		if err != nil {
			t.Fatal(err)
		}
		var sum, wire int
		first, told := r.FirstLinkType()
		for {
			p, err := r.Next()
			if err == io.EOF {
				break
			} else if err != nil {
				checkError(t, err, r.Packets()+1, len(data))
				break
			}
			if sum += len(p.Data); sum > len(data) {
				t.Fatalf("%d bytes of packets in %d bytes", sum, len(data))
			}
			if p.Interface >= len(r.Interfaces()) || p.LinkType != r.Interfaces()[p.Interface].LinkType {
				t.Fatalf("packet of interface %d of %d", p.Interface, len(r.Interfaces()))
			}
			if told && r.Packets() == 1 && p.LinkType != first {
				t.Fatalf("the first packet is of link type %v, not %v", p.LinkType, first)
			}
			if len(p.Raw) < len(p.Data) {
				t.Fatal("a record smaller than its packet")
			}
			wire += int(p.WireLen)
			c.Write(p)
		}
		if len(r.buf) > max(bufferSize, 2*len(data)) {
			t.Fatalf("a buffer of %d bytes for %d bytes", len(r.buf), len(data))
		}
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		sameAhead(t, data)
		sameFiltered(t, "filtered", data, someFilters(t), readAheadBy(len(data)%50, 1+len(data)%70))
		// What was copied reads the same, with io.EOF at its end.
		again, err := NewReader(&out)
		if err != nil {
			t.Fatal(err)
		}
		var sum2, wire2 int
		for {
			p, err := again.Next()
			if err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			sum2, wire2 = sum2+len(p.Data), wire2+int(p.WireLen)
		}
		if sum2 != sum || wire2 != wire || again.Packets() != r.Packets() {
			t.Fatalf("copied: %d packets, %d bytes, %d on the wire; read: %d, %d, %d",
				again.Packets(), sum2, wire2, r.Packets(), sum, wire)
		}
	})
}

// sameAhead checks that reading ahead changes nothing.
func sameAhead(t *testing.T, data []byte) {
	r, _ := NewReader(bytes.NewReader(data))
	ahead, err := NewReader(shy(bytes.NewReader(data)), readAheadBy(len(data)%50, 1+len(data)%70))
	if err != nil {
		t.Fatal(err)
	}
	defer ahead.Close()
	for {
		p, err := r.Next()
		q, errAhead := ahead.Next()
		if err != nil {
			if errAhead == nil || err.Error() != errAhead.Error() {
				t.Fatalf("%v; read ahead: %v", err, errAhead)
			}
			return
		}
		if errAhead != nil || !bytes.Equal(p.Data, q.Data) || p.Meta != q.Meta {
			t.Fatalf("packet %d differs if read ahead: %v", r.Packets(), errAhead)
		}
	}
}

func checkError(t *testing.T, err error, packet int64, size int) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v is no *Error", err)
	}
	if packet > 0 && e.Packet != packet || e.Offset < 0 || e.Offset > int64(size) {
		t.Fatalf("%v: at packet %d of %d bytes", err, packet, size)
	}
	if !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNotCapture) {
		t.Fatalf("%v is of no kind", err)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Fatalf("%q has several lines", err)
	}
}
