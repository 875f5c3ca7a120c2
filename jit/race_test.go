//go:build race

package jit

import (
	"strings"
	"testing"

	"github.com/bpfjit/bpfjit/lir"
)

// A goroutine writes a packet that another is filtering: the race detector
// says so, though it cannot see what generated code reads.
func TestRaceIsReported(t *testing.T) {
	needNative(t)
	for _, child := range []string{"race run", "race batch"} {
		out, err := runChild(t, child, "GORACE=exitcode=66")
		if err == nil || !strings.Contains(out, "WARNING: DATA RACE") || !strings.Contains(out, "race_test.go") {
			t.Errorf("%s: %v\n%s", child, err, out)
		}
	}
	if out, err := runChild(t, "no race"); err != nil || strings.Contains(out, "DATA RACE") {
		t.Errorf("reading at the same time: %v\n%s", err, out)
	}
}

func init() {
	racing := func(read func(f *Filter, pkt []byte), write bool) func() error {
		return func() error {
			f, pkt := new(Filter), make([]byte, 64)
			c, err := install(&lir.Code{Bytes: constantCode(1)}, processArena().place)
			if err != nil {
				return err
			}
			f.code.Store(c)
			done := make(chan bool)
			go func() {
				if write {
					pkt[63] = 1
				} else {
					read(f, pkt)
				}
				close(done)
			}()
			read(f, pkt)
			<-done
			return nil
		}
	}
	run := func(f *Filter, pkt []byte) { f.Run(pkt, len(pkt)) }
	batch := func(f *Filter, pkt []byte) { f.RunBatch([][]byte{nil, pkt}, make([]uint32, 2)) }
	children["race run"] = racing(run, true)
	children["race batch"] = racing(batch, true)
	children["no race"] = racing(run, false)
}
