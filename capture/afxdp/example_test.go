//go:build linux

package afxdp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/bpfjit/bpfjit/bpfc/pcapfilter"
	"github.com/bpfjit/bpfjit/capture"
	"github.com/bpfjit/bpfjit/capture/afxdp"
	"github.com/bpfjit/bpfjit/jit"
)

// Count DNS queries that come in on a mirror port, until ^C. The filter goes over
// a block of packets in one call, where the kernel put them.
func Example() {
	prog, err := pcapfilter.Compile("udp dst port 53", pcapfilter.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	filter, err := jit.Compile(prog)
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := afxdp.Open(afxdp.Options{Interface: "mirror0", Promiscuous: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	interrupt := make(chan os.Signal, 1)
	signal.Notify(interrupt, os.Interrupt)
	go func() { <-interrupt; r.Stop() }()

	packets, queries := int64(0), 0
	for {
		b, err := r.Next(context.Background())
		if err == io.EOF || errors.Is(err, capture.ErrInterfaceDown) {
			break
		} else if err != nil {
			fmt.Println(err)
			return
		}
		b.Filter(filter)
		for range b.All() {
			queries++
		}
		n, _ := b.Passed()
		packets += n
		b.Release()
	}
	st, _ := r.Stats()
	fmt.Printf("%d packets, %d queries, %d dropped\n", packets, queries, st.Dropped)
}
