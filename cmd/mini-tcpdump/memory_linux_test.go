package main

import (
	"context"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/bpfjit/bpfjit/capture"
)

// askPeak in the environment makes the test's program run the command and say
// how much memory that took at most, in KiB.
const askPeak = "MINI_TCPDUMP_TEST_PEAK"

func init() {
	if os.Getenv(askPeak) == "" {
		return
	}
	status := run(context.Background(), os.Args[1:], nil, io.Discard, io.Discard)
	text, _ := os.ReadFile("/proc/self/status")
	if m := regexp.MustCompile(`VmHWM:\s*(\d+) kB`).FindSubmatch(text); m != nil {
		os.Stdout.Write(m[1])
	}
	os.Exit(status)
}

// TestMemory: the most memory that reading takes does not grow with the file.
func TestMemory(t *testing.T) {
	// Of the large one, the packets are 80 MiB.
	small, large := writeMix(t, 5_000, capture.WriterOptions{}), writeMix(t, 200_000, capture.WriterOptions{})
	for _, args := range []string{"-w /dev/null tcp", "-w /dev/null -flows 1s -s 80"} {
		most := func(in string) int {
			cmd := command(t, append([]string{"-r", in}, strings.Fields(args)...)...)
			cmd.Env = append(os.Environ(), askPeak+"=1")
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			kib, err := strconv.Atoi(string(out))
			if err != nil {
				t.Skip("this system does not tell how much memory a process took")
			}
			return kib
		}
		a, b := most(small), most(large)
		t.Logf("%s: %d KiB, %d KiB for 40 times the packets", args, a, b)
		if b > a+a/4+4<<10 {
			t.Errorf("%s: %d KiB for 5000 packets, %d KiB for 200000", args, a, b)
		}
	}
}
