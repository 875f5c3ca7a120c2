package stopwatch

import (
	"testing"
	"time"
)

func TestNanoseconds(t *testing.T) {
	s := New()
	start, startTicks := time.Now(), Ticks()
	time.Sleep(50 * time.Millisecond)
	took, ticks := time.Since(start), Ticks()-startTicks
	// Both readings are taken one after the other, and the machine may do
	// something else in between.
	got := s.Nanoseconds(float64(ticks))
	if ratio := got / float64(took); ratio < 0.8 || ratio > 1.25 {
		t.Errorf("%v measured as %.0f ns", took, got)
	}
	if empty := s.Nanoseconds(float64(s.Empty())); empty < 0 || empty > 5000 {
		t.Errorf("measuring nothing takes %.1f ns", empty)
	}
	last := Ticks()
	for range 100000 {
		now := Ticks()
		if now < last {
			t.Fatalf("the counter went back from %d to %d", last, now)
		}
		last = now
	}
}
