package pcapfilter

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// etc is what /etc is for TestGateway.
var etc = map[string]string{
	"ethers":        "00:0c:29:11:22:33 router\n02:00:00:00:00:09 other\n02:00:00:00:00:06 six\n00:00:00:00:00:00 zero\n",
	"hosts":         "10.0.0.1 router\n192.168.1.254 router\n2001:db8::1 router\n10.0.0.2 other\n2001:db8::2 six\n127.0.0.1 localhost zero\n",
	"host.conf":     "multi on\n", // else only the first line of a name counts
	"nsswitch.conf": "hosts: files\nethers: files\nnetworks: files\nservices: files\nprotocols: files\n",
	"protocols":     "", "services": "", "networks": "",
}

// inEtc runs the test again in a process that has another /etc. It returns true
// in that process.
func inEtc(t *testing.T) bool {
	const variable = "PCAPFILTER_ETC"
	if dir := os.Getenv(variable); dir != "" {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount(dir, "/etc", "", unix.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
		return true
	}
	dir := t.TempDir()
	for name, text := range etc {
		if text == "" {
			old, err := os.ReadFile(filepath.Join("/etc", name))
			if err != nil {
				continue // then there is none
			}
			text = string(old)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(os.Args[0], "-test.v", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), variable+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOSPC) {
		t.Skip("no rights to have another /etc: ", err)
	}
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
	return false
}

// TestGateway compares "gateway" and hosts by name with the judge, with tables of
// its own of what hosts there are.
func TestGateway(t *testing.T) {
	j := newJudge(t)
	if !inEtc(t) {
		return
	}
	tried, excused := 0, map[string]int{}
	for _, name := range []string{"router", "other", "six", "zero", "nobody"} {
		for _, lt := range []LinkType{Ethernet, IEEE80211, 6, 10, 122} {
			packets := corpus(t, lt, rand.New(rand.NewPCG(4, 1)))
			for _, expr := range []string{"gateway NAME", "ip gateway NAME", "arp gateway NAME", "rarp gateway NAME", "not gateway NAME",
				"arp host NAME", "rarp src NAME", "host NAME", "ip host NAME", "ip6 host NAME", "ether host NAME", "ip6 gateway NAME", "mpls and gateway NAME", "vlan and gateway NAME"} {
				expr = strings.ReplaceAll(expr, "NAME", name)
				ok, known, err := j.check(lt, expr, packets, packets)
				if err != nil {
					t.Errorf("%v: %q: %v", lt, expr, err)
				}
				for _, d := range known {
					excused[d.name]++
				}
				if ok {
					tried++
				}
			}
		}
	}
	if tried < 100 {
		t.Errorf("%d expressions compared", tried)
	}
	t.Logf("%d expressions compared", tried)
	logExcused(t, j, excused)
}
