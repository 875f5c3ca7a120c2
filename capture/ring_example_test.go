//go:build linux

package capture_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
	"github.com/bpfjit/bpfjit/capture"
	"github.com/bpfjit/bpfjit/jit"
)

// Capture until ^C and count what a filter matches, with nothing left in the ring.
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

	filter, err := jit.Compile([]bpf.RawInstruction{ // of IPv4
		{Op: 0x28, K: 12},
		{Op: 0x15, Jf: 1, K: 0x800},
		{Op: 0x06, K: 0xffffffff},
		{Op: 0x06},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

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
		b.Filter(filter)
		for p := range b.All() {
			p.Aux(&aux) // what the kernel knows besides the bytes
			packets++
			tagged += int(aux.VLANPresent)
		}
		b.Release()
	}
	st, _ := r.Stats()
	fmt.Printf("%d packets, %d tagged, %d dropped by the kernel\n", packets, tagged, st.Dropped)
}
