package zstdread_test

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"github.com/bpfjit/bpfjit/capture"
	"github.com/bpfjit/bpfjit/capture/zstdread"
	"github.com/klauspost/compress/zstd"
)

func TestOption(t *testing.T) {
	plain, err := os.ReadFile("../testdata/sections-le.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	packed := enc.EncodeAll(plain, nil)
	for cut := len(packed); cut >= len(packed)-5; cut-- {
		r, err := capture.NewReader(bytes.NewReader(packed[:cut]), zstdread.Option())
		if err == nil {
			var pkts []capture.Packet
			pkts, err = capture.ReadAll(r)
			if cut == len(packed) && (err != nil || len(pkts) != 2) {
				t.Errorf("%d packets, %v", len(pkts), err)
			}
		}
		if cut < len(packed) && !errors.Is(err, capture.ErrTruncated) {
			t.Errorf("cut at %d of %d: %v", cut, len(packed), err)
		}
	}
}
