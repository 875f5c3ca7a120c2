package jit

import (
	"testing"
	"unsafe"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
)

// What it costs to enter: the code does next to nothing.

func BenchmarkRun(b *testing.B) {
	needNative(b)
	for _, bench := range []struct {
		name  string
		frame int
	}{{"small", 0}, {"large", smallFrame + 1}} {
		b.Run(bench.name, func(b *testing.B) {
			f := filtering(b, bench.frame, constantCode(1))
			pkt := make([]byte, 64)
			var sum uint32
			for b.Loop() {
				sum += f.Run(pkt, len(pkt))
			}
			_ = sum
		})
	}
}

func BenchmarkRunBatch(b *testing.B) {
	needNative(b)
	f, err := Compile([]bpf.RawInstruction{{Op: bpfc.RetK, K: 1}})
	if err != nil {
		b.Fatal(err)
	}
	pkts, verdicts := make([][]byte, 64), make([]uint32, 64)
	for i := range pkts {
		pkts[i] = make([]byte, 64)
	}
	for b.Loop() {
		f.RunBatch(pkts, verdicts)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(pkts)), "ns/packet")
}

func BenchmarkRecords(b *testing.B) {
	needNative(b)
	f, err := Compile([]bpf.RawInstruction{{Op: bpfc.RetK, K: 1}})
	if err != nil {
		b.Fatal(err)
	}
	pkts, verdicts := make([][]byte, 64), make([]uint32, 64)
	for i := range pkts {
		pkts[i] = make([]byte, 64)
	}
	mem, layout := records(pkts, func(int) uint32 { return 64 })
	r, err := f.Records(layout)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		r.Run(unsafe.Pointer(&mem[0]), len(pkts), verdicts)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(pkts)), "ns/packet")
}

func BenchmarkCall(b *testing.B) {
	needNative(b)
	l := loaded(b, 2, 0, constantCode(1))
	b.Run("Call", func(b *testing.B) {
		for b.Loop() {
			l.Call(1, 2)
		}
	})
	b.Run("Call4", func(b *testing.B) {
		for b.Loop() {
			l.Call4(1, 2, 0, 0)
		}
	})
}

// BenchmarkManyFilters is why programs are packed: per filter, over 64 of them.
func BenchmarkManyFilters(b *testing.B) {
	needNative(b)
	apart := hostSystem()
	apart.mapDouble = func(int) (w, x []byte, err error) { return nil, nil, errNoMapping }
	for _, bench := range []struct {
		name string
		sys  system
	}{{"packed", hostSystem()}, {"apart", apart}} {
		b.Run(bench.name, func(b *testing.B) {
			a := newArena(bench.sys)
			var filters [64]Filter
			for i := range filters {
				filters[i].code.Store(installed(b, a, 0, constantCode(1)))
			}
			pkt := make([]byte, 64)
			for b.Loop() {
				for i := range filters {
					filters[i].Run(pkt, len(pkt))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(filters)), "ns/filter")
		})
	}
}

func BenchmarkInstall(b *testing.B) {
	needNative(b)
	a := newArena(hostSystem())
	text := make([]byte, 200)
	for b.Loop() {
		blk, err := a.place(text)
		if err != nil {
			b.Fatal(err)
		}
		if err := a.free(blk); err != nil {
			b.Fatal(err)
		}
	}
}
