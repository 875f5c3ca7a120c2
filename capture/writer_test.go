package capture

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// destinations writes through fn to a file, a pipe and a buffer: three ways of
// the gatherer. Each result has to be the same.
func destinations(t *testing.T, fn func(io.Writer)) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	fn(f)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	pr, pw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	piped := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(pr) // writev to a pipe writes in part
		piped <- b
	}()
	fn(pw)
	pw.Close()

	var buf bytes.Buffer
	fn(&buf)
	if pipe := <-piped; !bytes.Equal(file, pipe) || !bytes.Equal(file, buf.Bytes()) {
		t.Errorf("a file of %d, a pipe of %d and a buffer of %d bytes are not the same", len(file), len(pipe), buf.Len())
	}
	return file
}

// TestCopier copies under several patterns of matches. The result is the head
// and the matching records, byte for byte.
func TestCopier(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 1))
	patterns := map[string]func(int) bool{
		"all":    func(int) bool { return true },
		"none":   func(int) bool { return false },
		"second": func(i int) bool { return i%2 == 0 },
		"runs":   func(i int) bool { return i/50%2 == 0 },
		"last":   func(i int) bool { return i == 5999 },
		"random": func(i int) bool { return rng.IntN(4) == 0 },
	}
	for _, format := range []Format{Pcap, Pcapng} {
		data, pkts := random(8, format, 6000)
		head := len(data)
		for _, p := range pkts {
			head -= len(p.Raw)
		}
		for name, match := range patterns {
			keep := make([]bool, len(pkts))
			wanted := slices.Clone(data[:head])
			n := 0
			for i := range keep {
				if keep[i] = match(i); keep[i] {
					wanted = append(wanted, pkts[i].Raw...)
					n++
				}
			}
			out := destinations(t, func(w io.Writer) {
				r, err := NewReader(bytes.NewReader(data))
				if err != nil {
					t.Fatal(err)
				}
				c, err := NewCopier(w, r)
				if err != nil {
					t.Fatal(err)
				}
				for i := 0; ; i++ {
					p, err := r.Next()
					if err == io.EOF {
						break
					}
					if keep[i] {
						if err := c.Write(p); err != nil {
							t.Fatal(err)
						}
					}
				}
				if err := c.Flush(); err != nil {
					t.Fatal(err)
				}
				if c.Packets() != int64(n) || c.Bytes() != int64(len(wanted)) {
					t.Errorf("%v, %s: %d packets, %d bytes counted; want %d, %d", format, name, c.Packets(), c.Bytes(), n, len(wanted))
				}
			})
			if !bytes.Equal(out, wanted) {
				t.Errorf("%v, %s: %d bytes, want %d, or others", format, name, len(out), len(wanted))
			}
		}
	}
}

// TestCopierVariants copies every variant whole: the copy reads the same, up to
// where the original fails.
func TestCopierVariants(t *testing.T) {
	for _, v := range variants() {
		r, err := NewReader(bytes.NewReader(v.data))
		if err != nil {
			continue
		}
		var out bytes.Buffer
		c, err := NewCopier(&out, r)
		if err != nil {
			t.Fatal(err)
		}
		var pkts []Packet
		for {
			p, err := r.Next()
			if err != nil {
				break
			}
			pkts = append(pkts, Packet{Meta: p.Meta, Data: slices.Clone(p.Data)})
			c.Write(p)
		}
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		again, err := NewReader(&out)
		if err != nil {
			t.Errorf("%s: copy: %v", v.name, err)
			continue
		}
		got, err := ReadAll(again)
		if err != nil {
			t.Errorf("%s: copy: %v", v.name, err)
		}
		comparePackets(t, v.name, got, pkts)
		if v.err == nil && !slices.Equal(again.Interfaces(), r.Interfaces()) {
			t.Errorf("%s: copy has interfaces %+v, want %+v", v.name, again.Interfaces(), r.Interfaces())
		}
	}
}

// TestCopierTcpdump compares a filtered copy with tcpdump's of the same filter.
func TestCopierTcpdump(t *testing.T) {
	exe, err := exec.LookPath("tcpdump")
	if err != nil {
		t.Skip("tcpdump is not installed")
	}
	var records [][]byte
	for i := range 3000 {
		f := frame(60+i%500, byte(i))
		records = append(records, le.record(uint32(i), 1, uint32(len(f)), uint32(len(f)), f))
	}
	data := le.pcap(0xa1b2c3d4, 2, 4, 65535, 1, records...)
	dir := t.TempDir()
	in, theirs := filepath.Join(dir, "in"), filepath.Join(dir, "theirs")
	if err := os.WriteFile(in, data, 0o666); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(exe, "-r", in, "-w", theirs, "ip[19] & 3 = 2 and greater 100").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	wanted, err := os.ReadFile(theirs)
	if err != nil {
		t.Fatal(err)
	}
	ours := destinations(t, func(w io.Writer) {
		r, err := NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		c, err := NewCopier(w, r)
		if err != nil {
			t.Fatal(err)
		}
		for p, err := r.Next(); err == nil; p, err = r.Next() {
			if p.Data[14+19]&3 == 2 && p.WireLen >= 100 {
				c.Write(p)
			}
		}
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
	})
	if bytes.Equal(ours, data) || len(ours) == 24 {
		t.Error("the filter selects nothing or everything")
	}
	if !bytes.Equal(ours, wanted) {
		t.Errorf("%d bytes, tcpdump: %d, or others", len(ours), len(wanted))
	}
}

// TestWriter writes random packets from several interfaces and reads them back,
// ourselves and with tcpdump.
func TestWriter(t *testing.T) {
	_, pkts := random(9, Pcap, 2000)
	for i := range pkts {
		pkts[i].WireLen = max(pkts[i].WireLen, uint32(len(pkts[i].Data)))
	}
	ifaces := []Interface{
		{LinkType: LinkEthernet, SnapLen: 65535, FCSLen: 4, Name: "eth0", Description: "an uplink", Filter: "tcp port 80 and host 10.0.0.1", OS: "Linux 6.18"},
		{LinkType: LinkRaw, FCSLen: -1, Name: "tun0"},
	}
	for _, o := range []WriterOptions{
		{}, {Nanoseconds: true}, {Format: Pcapng},
		{Format: Pcapng, Nanoseconds: true, Hardware: "x", OS: "Linux", Application: "test", Comment: "every length mod 4"},
	} {
		n := 1
		if o.Format == Pcapng {
			n = 2
		}
		wanted := slices.Clone(pkts)
		for i := range wanted {
			wanted[i].Interface = i % n
			if !o.Nanoseconds {
				wanted[i].TS -= wanted[i].TS % 1000
			}
		}
		stats := Stats{Received: 1 << 40, Dropped: 3, Has: HasReceived | HasDropped}
		out := destinations(t, func(dst io.Writer) {
			w, err := NewWriter(dst, o)
			if err != nil {
				t.Fatal(err)
			}
			for i := range n {
				if got, err := w.AddInterface(ifaces[i]); err != nil || got != i {
					t.Fatal(got, err)
				}
			}
			for i, p := range pkts {
				put := w.WritePacket
				if i%3 == 0 {
					put = w.GatherPacket
				}
				m := p.Meta
				m.Interface = i % n
				if err := put(m, p.Data); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.WriteStats(0, 5e9, stats); err != nil {
				t.Fatal(err)
			}
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			if w.Packets() != int64(len(pkts)) {
				t.Errorf("%d packets counted", w.Packets())
			}
		})
		r, err := NewReader(bytes.NewReader(out))
		if err != nil {
			t.Fatal(err)
		}
		got, err := ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		comparePackets(t, "written", got, wanted)
		for i := range got {
			if got[i].Interface != wanted[i].Interface || got[i].LinkType != ifaces[wanted[i].Interface].LinkType {
				t.Fatalf("packet %d is of interface %d, link type %v", i+1, got[i].Interface, got[i].LinkType)
			}
		}
		ifc := r.Interfaces()[0]
		if o.Format == Pcapng {
			ifc.clock, ifc.FCSLen = clock{}, 4 // which pcapng files do not get
			full := ifaces[0]
			full.Stats = stats
			if ifc != full {
				t.Errorf("interface %+v, want %+v", ifc, full)
			}
		} else if ifc.FCSLen != 4 || ifc.SnapLen != 65535 {
			t.Errorf("pcap header gives %+v", ifc)
		}
	}
	// tcpdump wants all interfaces alike: one will do for it.
	for _, o := range []WriterOptions{{}, {Nanoseconds: true}, {Format: Pcapng}, {Format: Pcapng, Nanoseconds: true, Comment: "c"}} {
		path := filepath.Join(t.TempDir(), "out")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		w, err := NewWriter(f, o)
		if err != nil {
			t.Fatal(err)
		}
		w.AddInterface(ifaces[0])
		wanted := slices.Clone(pkts)
		for i, p := range pkts {
			w.WritePacket(p.Meta, p.Data)
			if !o.Nanoseconds {
				wanted[i].TS -= wanted[i].TS % 1000
			}
		}
		w.WriteStats(0, 5e9, Stats{Received: 1, Has: HasReceived})
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		f.Close()
		link, theirs, complaint := tcpdump(t, path)
		if complaint != "" || link != LinkEthernet {
			t.Errorf("%+v: tcpdump: %v, %s", o, link, complaint)
		}
		comparePackets(t, "tcpdump", theirs, wanted)
	}
}

// TestWriterRefuses checks the rules of the Writer.
func TestWriterRefuses(t *testing.T) {
	ether := Interface{LinkType: LinkEthernet}
	for _, c := range []struct {
		format Format
		do     func(*Writer) error
		say    string
	}{
		{Pcap, func(w *Writer) error { return w.WritePacket(Meta{Interface: 1}, nil) }, "packet of interface 1: the file has 1"},
		{Pcap, func(w *Writer) error { return w.WritePacket(Meta{Interface: -1}, nil) }, "packet of interface -1"},
		{Pcap, func(w *Writer) error { return w.WritePacket(Meta{TS: -1}, nil) }, "packet captured before 1970"},
		{Pcap, func(w *Writer) error { return w.WritePacket(Meta{TS: 1 << 32 * 1e9}, nil) }, "packet captured after 2106"},
		{Pcap, func(w *Writer) error { return w.WritePacket(Meta{}, make([]byte, 256<<10+1)) }, "packet of 262145 bytes"},
		{Pcap, func(w *Writer) error { _, err := w.AddInterface(ether); return err }, "a pcap file has one interface"},
		{Pcapng, func(w *Writer) error { _, err := w.AddInterface(Interface{LinkType: 1 << 16}); return err }, "link type 65536"},
		{Pcapng, func(w *Writer) error {
			_, err := w.AddInterface(Interface{Name: strings.Repeat("x", 1<<16)})
			return err
		}, "pcapng option 2 of 65536 bytes"},
		{Pcapng, func(w *Writer) error { return w.WriteStats(1, 0, Stats{}) }, "statistics of interface 1"},
	} {
		var out bytes.Buffer
		w, err := NewWriter(&out, WriterOptions{Format: c.format})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.AddInterface(ether); err != nil {
			t.Fatal(err)
		}
		if err := c.do(w); err == nil || !strings.HasPrefix(err.Error(), c.say) {
			t.Errorf("error %v, want %q", err, c.say)
		}
		// What is refused is not in the file, and the file is good.
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		r, err := NewReader(&out)
		if err != nil {
			t.Fatal(err)
		}
		if pkts, err := ReadAll(r); err != nil || len(pkts) != 0 {
			t.Errorf("after %q: %d packets, %v", c.say, len(pkts), err)
		}
	}
	if _, err := NewWriter(io.Discard, WriterOptions{Format: 7}); err == nil {
		t.Error("format 7 is accepted")
	}
	data, _ := random(1, Pcap, 1)
	r, _ := NewReader(bytes.NewReader(data))
	r.Next()
	if _, err := NewCopier(io.Discard, r); err == nil {
		t.Error("a copier after the first packet")
	}
}

// TestWriteErrors checks that the first error in writing stays, whoever met it: the
// goroutine that writes, or one that reads ahead.
func TestWriteErrors(t *testing.T) {
	data, _ := random(10, Pcap, 3000)
	try := func(w io.Writer, r *Reader, err error) error {
		if err != nil {
			t.Fatal(err)
		}
		c, err := NewCopier(w, r)
		if err != nil {
			t.Fatal(err)
		}
		var first error
		for i := 0; ; i++ {
			p, err := r.Next()
			if err == io.EOF {
				break
			}
			if i%3 == 0 {
				continue
			}
			if err := c.Write(p); first == nil {
				first = err
			} else if err == nil {
				t.Fatal("the error does not stay")
			}
		}
		if err := c.Flush(); err == nil {
			t.Error("Flush finds nothing wrong")
		} else if first != nil && err != first {
			t.Errorf("error %v, then %v", first, err)
		} else {
			first = err
		}
		return first
	}
	for name, open := range map[string]func() (*Reader, error){
		"one goroutine": func() (*Reader, error) { return NewReader(bytes.NewReader(data)) },
		"ahead":         func() (*Reader, error) { return NewReader(shy(tempFile(t, data, 0)), readAheadBy(2000, 4096)) },
	} {
		t.Run(name, func(t *testing.T) {
			if full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0); err == nil {
				r, openErr := open()
				if err := try(full, r, openErr); !errors.Is(err, syscall.ENOSPC) {
					t.Errorf("full disk: %v", err)
				}
				full.Close()
			}
			for _, read := range []int64{0, 100_000} {
				pr, pw, err := os.Pipe()
				if err != nil {
					t.Fatal(err)
				}
				go func() {
					io.CopyN(io.Discard, pr, read)
					pr.Close()
				}()
				r, err := open()
				if err := try(pw, r, err); !errors.Is(err, syscall.EPIPE) {
					t.Errorf("pipe closed after %d bytes: %v", read, err)
				}
				pw.Close()
			}
			r, err := open()
			if err := try(&limited{n: 100000}, r, err); !errors.Is(err, io.ErrShortWrite) {
				t.Errorf("short write: %v", err)
			}
		})
	}
}

// limited takes n bytes and then less than it is given.
type limited struct{ n int }

func (l *limited) Write(b []byte) (int, error) {
	n := min(len(b), l.n)
	l.n -= n
	return n, nil
}

// TestCopierNoAllocation checks that copying allocates nothing per packet.
func TestCopierNoAllocation(t *testing.T) {
	data, _ := random(11, Pcap, 20000)
	for name, open := range map[string]func() (*Reader, error){
		"one goroutine": func() (*Reader, error) { return NewReader(bytes.NewReader(data)) },
		"ahead":         func() (*Reader, error) { return NewReader(tempFile(t, data, 0), readAheadBy(2000, 50_000)) },
		"filtered ahead": func() (*Reader, error) {
			r, err := NewReader(shy(tempFile(t, data, 0)), readAheadBy(2000, 50_000))
			if err == nil {
				err = r.Filter(byLink{LinkEthernet: filterBy(t, 0)}.get) // matches all
			}
			return r, err
		},
	} {
		f, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		r, err := open()
		if err != nil {
			t.Fatal(err)
		}
		c, err := NewCopier(f, r)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < 5000; i++ { // the pieces grow to their full number
			if p, _ := r.Next(); i%2 == 0 {
				c.Write(p)
			}
		}
		i := 0
		if n := testing.AllocsPerRun(10000, func() {
			p, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if i++; i%3 != 0 {
				c.Write(p)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations per packet", name, n)
		}
	}
}
