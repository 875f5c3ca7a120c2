// Package traffic makes packets for tests of live capture: a network namespace
// with a pair of interfaces, and two generators. It needs the rights for these
// (root, or CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF); without them
// its functions fail with an error that a test can skip with.
package traffic

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The pair of interfaces that Namespace makes: what is sent on one comes in on
// the other.
const (
	A = "va"
	B = "vb"
)

// Namespace moves the calling goroutine into a new network namespace with the
// interfaces A and B, up and with no traffic but the test's. The goroutine is
// bound to its thread, for which there is no way back: both end together. Sockets
// opened by this goroutine may be used by all.
func Namespace() error {
	if _, err := exec.LookPath("ip"); err != nil {
		return errors.New("the ip command is not installed")
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("no right to make a network namespace: %w", err)
	}
	if err := IP("link add " + A + " type veth peer name " + B); err != nil {
		return err
	}
	for _, name := range []string{A, B} {
		// No addresses, no neighbours: nobody has anything to say.
		if err := IP("link set dev " + name + " arp off multicast off addrgenmode none up"); err != nil {
			return err
		}
	}
	for range 200 { // until the carrier is there
		out, err := exec.Command("ip", "-br", "link", "show", "dev", B).Output()
		if err == nil && strings.Contains(string(out), " UP ") {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("the pair of interfaces does not come up")
}

// IP runs ip(8) with the given arguments in the goroutine's namespace.
func IP(args string) error {
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", args, err, bytes.TrimSpace(out))
	}
	return nil
}
