package main

import (
	"flag"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/bpfc/bpfasm"
	"github.com/bpfjit/bpfjit/capture"
	"github.com/bpfjit/bpfjit/capture/zstdread"
	"github.com/bpfjit/bpfjit/fuzz"
)

// "make corpus" sets these.
var (
	corpusDir     = flag.String("corpus", "", "verify the filters over all captures below this folder")
	corpusFilters = flag.String("filters", filepath.Join(testdata, "filters"), "the filters, *.ddd, for -corpus")
)

// TestCorpus is -verify of many filters over many captures: every Ethernet
// packet below a folder through every engine.
func TestCorpus(t *testing.T) {
	if *corpusDir == "" {
		t.Skip("no -corpus folder: make corpus DIR=...")
	}
	needNative(t)
	names, err := filepath.Glob(filepath.Join(*corpusFilters, "*.ddd"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: no *.ddd (%v)", *corpusFilters, err)
	}
	filters := map[string]engines{}
	for _, name := range names {
		prog, _, err := bpfasm.Read([]byte(read(t, name)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		p, err := bpfc.Check(prog, bpfc.Libpcap)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if filters[name], err = makeEngines(p); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	fence, err := fuzz.NewFence(fenceSize)
	if err != nil {
		t.Fatal(err)
	}
	defer fence.Close()
	files, packets := 0, 0
	err = filepath.WalkDir(*corpusDir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		n, err := verifyFile(t, name, filters, fence)
		if err != nil {
			return err
		}
		if n > 0 {
			files++
			packets += n
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d filters over %d Ethernet packets of %d files", len(filters), packets, files)
	if packets == 0 {
		t.Error("no Ethernet packet was found")
	}
}

// verifyFile verifies filters over the Ethernet packets of a file, as far as it
// can be read, and returns how many there are. What is no capture has none.
func verifyFile(t *testing.T, name string, filters map[string]engines, fence *fuzz.Fence) (packets int, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r, err := capture.NewReader(f, zstdread.Option())
	if err != nil {
		return 0, nil
	}
	for {
		pkt, err := r.Next()
		if err != nil {
			if err != io.EOF {
				t.Logf("%s: %v", name, err)
			}
			return packets, nil
		}
		if pkt.LinkType != capture.LinkEthernet {
			continue
		}
		packets++
		for filter, es := range filters {
			if _, difference := es.compare(pkt, fence); difference != "" {
				t.Errorf("%s: %s: packet %d: %s", filter, name, r.Packets(), difference)
			}
		}
	}
}
