// Package zstdread lets package capture read zstd-compressed captures. It is a
// package of its own so that programs that do not want a zstd decoder do not get
// one.
package zstdread

import (
	"io"

	"github.com/bpfjit/bpfjit/capture"
	"github.com/klauspost/compress/zstd"
)

// maxWindow is the most memory that a stream may ask for: what "zstd -d" allows.
const maxWindow = 128 << 20

// Option makes capture.NewReader decompress zstd streams.
func Option() capture.Option {
	return capture.WithDecompressor("\x28\xb5\x2f\xfd", func(src io.Reader) (io.Reader, error) {
		// One goroutine: the decoder then needs no Close to be collected.
		d, err := zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return d, nil
	})
}
