//go:build linux

package capture_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/capture"
)

// Capture until ^C and count, with nothing left in the ring.
func ExampleRing() {
	r, err := capture.OpenRing(capture.RingOptions{Interface: "eth0", Promiscuous: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	interrupt := make(chan os.Signal, 1)
	signal.Notify(interrupt, os.Interrupt)
	go func() { <-interrupt; r.Stop() }()

	var aux bpfc.Aux
	packets, tagged := 0, 0
	for {
		b, err := r.Next(context.Background())
		if err == io.EOF || errors.Is(err, capture.ErrInterfaceDown) {
			break
		} else if err != nil {
			fmt.Println(err)
			return
		}
		for p := range b.All() {
			p.Aux(&aux) // for filters that ask for more than bytes
			packets++
			tagged += int(aux.VLANPresent)
		}
		b.Release()
	}
	st, _ := r.Stats()
	fmt.Printf("%d packets, %d tagged, %d dropped by the kernel\n", packets, tagged, st.Dropped)
}
