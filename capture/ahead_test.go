package capture

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/jit"
)

// readAheadBy is WithReadAhead with chunks of other sizes.
func readAheadBy(room, size int) Option {
	return func(o *options) {
		o.ahead = func(io.Reader) startAhead {
			return func(stream io.Reader, s *scanner, first edge) *ahead { return newAhead(stream, room, size, s, first) }
		}
	}
}

// tempFile makes a file of data, open at offset at.
func tempFile(t testing.TB, data []byte, at int64) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "in"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(at, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	return f
}

// aheadSizes are rooms and chunks: the real ones, chunks of about a packet, and
// some that are smaller than most packets.
var aheadSizes = [][2]int{{aheadRoom, aheadChunk}, {2000, 4096}, {100, 5000}, {16, 700}, {0, 33}}

// unlessShort is n, or less for short tests.
func unlessShort(n int) int {
	if testing.Short() {
		return n / 5
	}
	return n
}

// TestAheadSources reads through everything that can be read ahead, in chunks of
// all kinds, and copies what it reads.
func TestAheadSources(t *testing.T) {
	for _, format := range []Format{Pcap, Pcapng} {
		data, pkts := random(7, format, unlessShort(3000))
		var zipped bytes.Buffer
		z := gzip.NewWriter(&zipped)
		z.Write(data)
		z.Close()
		for _, size := range aheadSizes {
			for name, open := range map[string]func() io.Reader{
				"file":         func() io.Reader { return tempFile(t, data, 0) },
				"gzipped file": func() io.Reader { return tempFile(t, zipped.Bytes(), 0) },
				"file behind":  func() io.Reader { return tempFile(t, append(make([]byte, 77), data...), 77) },
				"stream":       func() io.Reader { return bytes.NewReader(data) },
				"halves":       func() io.Reader { return iotest.HalfReader(bytes.NewReader(data)) },
				"with EOF":     func() io.Reader { return iotest.DataErrReader(bytes.NewReader(data)) },
			} {
				out := destinations(t, func(w io.Writer) {
					r, err := NewReader(shy(open()), readAheadBy(size[0], size[1]))
					if err != nil {
						t.Fatal(name, err)
					}
					c, err := NewCopier(w, r)
					if err != nil {
						t.Fatal(err)
					}
					for i := 0; ; i++ {
						p, err := r.Next()
						if err == io.EOF && i == len(pkts) {
							break
						} else if err != nil {
							t.Fatal(name, size, err)
						}
						if !bytes.Equal(p.Data, pkts[i].Data) || p.TS != pkts[i].TS {
							t.Fatalf("%s, %v: packet %d differs", name, size, i)
						}
						if err := c.Write(p); err != nil {
							t.Fatal(err)
						}
						if i == 500 {
							if err := c.Flush(); err != nil { // in between, too
								t.Fatal(err)
							}
						}
					}
					if err := c.Flush(); err != nil {
						t.Fatal(err)
					}
					if c.Bytes() != int64(len(data)) {
						t.Errorf("%s: %d bytes written, want %d", name, c.Bytes(), len(data))
					}
					if r.Offset() != int64(len(data)) || r.Compressed() != (name == "gzipped file") {
						t.Errorf("%s: %d bytes read of %d, compressed: %v", name, r.Offset(), len(data), r.Compressed())
					}
				})
				if !bytes.Equal(out, data) {
					t.Errorf("%s, %v: the copy differs", name, size)
				}
			}
		}
	}
}

// TestAheadCopies copies what filters match from file to file, in chunks of all
// kinds: what is written of a chunk has to be written before it is read into again.
func TestAheadCopies(t *testing.T) {
	f := someFilters(t)
	copyTo := func(w io.Writer, src io.Reader, ahead bool, opts ...Option) {
		r, err := NewReader(src, opts...)
		if err != nil {
			t.Fatal(err)
		}
		c, err := NewCopier(w, r)
		if err != nil {
			t.Fatal(err)
		}
		if ahead {
			if err := r.Filter(f.get); err != nil {
				t.Fatal(err)
			}
		}
		for {
			p, err := r.Next()
			if err != nil {
				break // of what is mixed, the end is an error
			}
			if ahead || f[p.LinkType].Run(p.Data, int(p.WireLen)) != 0 {
				if err := c.Write(p); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	pcap, _ := random(15, Pcap, unlessShort(15_000))
	for _, data := range [][]byte{pcap, mixedPcapng(16, unlessShort(15_000))} {
		var want bytes.Buffer
		copyTo(&want, bytes.NewReader(data), false)
		for _, size := range aheadSizes {
			for _, ahead := range []bool{true, false} {
				out := destinations(t, func(w io.Writer) {
					copyTo(w, shy(tempFile(t, data, 0)), ahead, readAheadBy(size[0], size[1]))
				})
				if !bytes.Equal(out, want.Bytes()) {
					t.Errorf("%v: a copy of %d bytes, want %d, or others", size, len(out), want.Len())
				}
			}
		}
	}
}

// shy makes the first Read of src give little, so that most is read ahead.
func shy(src io.Reader) io.Reader {
	if f, ok := src.(*os.File); ok {
		return &shyFile{File: f}
	}
	return io.MultiReader(io.LimitReader(src, 100), src)
}

type shyFile struct {
	*os.File
	begun bool
}

func (s *shyFile) Read(b []byte) (int, error) {
	if !s.begun {
		s.begun = true
		b = b[:min(len(b), 100)]
	}
	return s.File.Read(b)
}

// TestAheadLarge reads packets that are much larger than chunks and their room,
// between small ones.
func TestAheadLarge(t *testing.T) {
	data := le.pcap(0xa1b2c3d4, 2, 4, 262144, 1)
	var sizes []int
	for i := range 40 {
		n := i % 7
		if i%3 == 0 {
			n = 10_000 * (i % 11)
		}
		sizes = append(sizes, n)
		data = append(data, le.record(uint32(i), 0, uint32(n), uint32(n), bytes.Repeat([]byte{byte(i)}, n))...)
	}
	r, err := NewReader(shy(tempFile(t, data, 0)), readAheadBy(100, 3000))
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range sizes {
		p, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Data) != n || bytes.Count(p.Data, []byte{byte(i)}) != n {
			t.Errorf("packet %d of %d bytes, want %d", i, len(p.Data), n)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Error(err)
	}
}

// TestAheadErrors checks that errors come where they come without reading ahead.
func TestAheadErrors(t *testing.T) {
	data, pkts := random(3, Pcap, 50)
	broken := errors.New("the disk is on fire")
	src := io.MultiReader(bytes.NewReader(data[:1000]), bytes.NewReader(data[1000:len(data)-1]), iotest.ErrReader(broken))
	r, err := NewReader(src, readAheadBy(64, 200))
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadAll(r)
	comparePackets(t, "broken", got, pkts[:49])
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	n := 0
	stuck := readerFunc(func(b []byte) (int, error) {
		n = copy(b[:min(len(b), 100)], data)
		data = data[n:]
		if len(data) < 500 {
			return 0, nil
		}
		return n, nil
	})
	if r, err = NewReader(stuck, readAheadBy(64, 200)); err == nil {
		_, err = ReadAll(r)
	}
	if !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a source that gives no more: %v", err)
	}
}

// TestAheadEnds checks that goroutines end with the stream, with Close, and with
// a Reader that is forgotten.
func TestAheadEnds(t *testing.T) {
	data, _ := random(9, Pcap, 2000)
	before := runtime.NumGoroutine()
	for name, end := range map[string]func(r *Reader){
		"end of file": func(r *Reader) {
			if _, err := ReadAll(r); err != nil {
				t.Error(err)
			}
		},
		"closed": func(r *Reader) {
			if _, err := r.Next(); err != nil {
				t.Error(err)
			}
			r.Close()
			r.Close()
			if _, err := r.Next(); !errors.Is(err, fs.ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		},
		"forgotten": func(*Reader) {},
	} {
		r, err := NewReader(shy(tempFile(t, data, 0)), readAheadBy(64, 500))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the first packet may have been read with the header
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
		}
		if n := runtime.NumGoroutine(); n == before {
			t.Errorf("%s: nobody reads ahead", name)
		}
		end(r)
		for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d goroutines, %d before", name, runtime.NumGoroutine(), before)
			}
			runtime.GC()
			time.Sleep(time.Millisecond)
		}
	}
}

// TestOnFill ends reading in all ways that OnFill's function has, while Next looks
// for a packet that does not come.
func TestOnFill(t *testing.T) {
	data, _ := random(9, Pcap, 3000)
	nothing, err := jit.Compile([]bpf.RawInstruction{{Op: bpfc.RetK}})
	if err != nil {
		t.Fatal(err)
	}
	none := byLink{LinkEthernet: nothing}
	before := runtime.NumGoroutine()
	for name, opts := range map[string][]Option{"ahead": {readAheadBy(2000, 4096)}, "not ahead": nil} {
		for _, end := range []error{errors.New("enough"), io.EOF, fs.ErrClosed, nil} {
			r, err := NewReader(shy(tempFile(t, data, 0)), opts...)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Filter(none.get); err != nil {
				t.Fatal(err)
			}
			n, until := 0, 2
			r.OnFill(func() error {
				if n++; n < until {
					return nil
				}
				if end == fs.ErrClosed {
					r.Close()
					return nil
				}
				return end
			})
			for range 2 { // it stays
				_, err = r.Next()
				if end == nil && err != io.EOF {
					t.Errorf("%s: %v", name, err)
				}
				if e, ok := err.(*Error); end != nil && (!ok || e.Err != end || e.Offset != r.Offset() || r.Offset() >= int64(len(data))) {
					t.Errorf("%s: %v, want %v, at %d of %d", name, err, end, r.Offset(), len(data))
				}
			}
			if end != nil && n != until {
				t.Errorf("%s: called %d times", name, n)
			}
		}
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}
