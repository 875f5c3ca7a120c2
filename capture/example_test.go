package capture_test

import (
	"fmt"
	"io"
	"log"
	"os"

	"github.com/bpfjit/bpfjit/capture"
)

// Read a file, and keep the packets of some kind in another.
func ExampleCopier() {
	in, err := os.Open("testdata/sections-le.pcapng")
	if err != nil {
		log.Fatal(err)
	}
	defer in.Close()
	r, err := capture.NewReader(in)
	if err != nil {
		log.Fatal(err)
	}
	out, err := os.CreateTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(out.Name())
	defer out.Close()
	c, err := capture.NewCopier(out, r)
	if err != nil {
		log.Fatal(err)
	}
	for {
		p, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			fmt.Println(err) // what came before is good: keep it
			break
		}
		if p.LinkType == capture.LinkEthernet && len(p.Data) >= 60 {
			if err := c.Write(p); err != nil {
				log.Fatal(err)
			}
		}
	}
	if err := c.Flush(); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d packets, %d matched\n", r.Packets(), c.Packets())
	// Output: 2 packets, 2 matched
}
