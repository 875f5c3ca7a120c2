package jit

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/bpfjit/bpfjit/bpfc"
)

// mappings are the permissions of those lines of /proc/self/maps that pick
// accepts.
func mappings(t *testing.T, pick func(line string) bool) (perms []string) {
	t.Helper()
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if pick(s.Text()) {
			perms = append(perms, strings.Fields(s.Text())[1])
		}
	}
	return perms
}

// At no moment that can be seen is anything writable and executable, and
// between writes nothing is writable at all, as the kernel tells it.
func TestWritableOrExecutable(t *testing.T) {
	needNative(t)
	sys := hostSystem()
	protect := sys.protect
	var open, double int
	sys.protect = func(b []byte, p protection) error {
		err := protect(b, p)
		for _, perm := range mappings(t, func(string) bool { return true }) {
			if strings.Contains(perm, "w") && strings.Contains(perm, "x") {
				t.Errorf("a mapping with permissions %s", perm)
			}
		}
		if p == protWrite {
			open++
		}
		return err
	}
	mapDouble := sys.mapDouble
	sys.mapDouble = func(n int) (w, x []byte, err error) {
		double++
		return mapDouble(n)
	}
	a := newArena(sys)
	for range 10 {
		b, err := a.place(constantCode(1))
		if err != nil {
			t.Fatal(err)
		}
		defer a.free(b)
		for _, view := range [][]byte{b.chunk.w, b.chunk.x} {
			if view == nil {
				continue
			}
			prefix := fmt.Sprintf("%x-", uintptr(unsafe.Pointer(&view[0])))
			perms := mappings(t, func(line string) bool { return strings.HasPrefix(line, prefix) })
			want := "r-xs"
			if &view[0] != &b.chunk.x[0] {
				want = "---s"
			} else if b.chunk.w == nil {
				want = "r-xp"
			}
			// Views of neighbours with the same rights are merged.
			if len(perms) == 1 && perms[0] != want {
				t.Errorf("view with permissions %s, want %s", perms[0], want)
			}
		}
	}
	if a.refused == nil && (open != 10 || double != 1) {
		t.Errorf("10 programs went into %d chunks, opened %d times", double, open)
	}
}

// The view for execution can never be made writable.
func TestExecutableViewIsSealed(t *testing.T) {
	needNative(t)
	w, x, err := mapDouble(chunkMin)
	if err != nil {
		t.Skip(err)
	}
	defer unix.Munmap(w)
	defer unix.Munmap(x)
	switch err := unix.Mprotect(x, unix.PROT_READ|unix.PROT_WRITE); err {
	case unix.EACCES:
	case nil:
		t.Skip("this kernel has no F_SEAL_FUTURE_WRITE")
	default:
		t.Error(err)
	}
}

// Policies of the kernel itself, each in a process of its own, for they cannot
// be lifted again.
func TestPolicies(t *testing.T) {
	needNative(t)
	for _, test := range []struct{ name, child, want string }{
		{"write or execute", "mdwe", "packed"},
		{"no memfd", "nomemfd", "alone"},
		{"both", "mdwe+nomemfd", "interpreter"},
		{"both, later", "later", "native, then interpreter"},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, err := runChild(t, test.child)
			if strings.Contains(out, "skip: ") {
				t.Skip(out)
			}
			if err != nil || out != test.want {
				t.Errorf("%v, output %q, want %q", err, out, test.want)
			}
		})
	}
}

func init() {
	children["mdwe"] = func() error { return policyChild(denyWriteExecute) }
	children["nomemfd"] = func() error { return policyChild(denyMemfd) }
	children["mdwe+nomemfd"] = func() error { return policyChild(denyWriteExecute, denyMemfd) }
	children["later"] = func() error {
		f, err := Compile(keepEverything)
		if err != nil {
			return err
		}
		if !f.Native() {
			return f.Fallback()
		}
		if err := errors.Join(denyWriteExecute(), denyMemfd()); err != nil {
			return err
		}
		// What is there goes on, and its chunk, mapped already, takes more.
		g, err := Compile(keepEverything)
		if err != nil {
			return err
		}
		if got := f.Run(nil, 0); got != 0x40000 || !g.Native() || g.Run(nil, 0) != 0x40000 {
			return fmt.Errorf("verdict %#x, second filter native: %v", got, g.Native())
		}
		fmt.Print("native, then ")
		if _, err := processArena().place(make([]byte, chunkMin+1)); err == nil {
			return errors.New("a new mapping in spite of the policies")
		}
		fmt.Println("interpreter")
		return nil
	}
}

// policyChild puts the policies in force and says how filters then run.
func policyChild(policies ...func() error) error {
	for _, policy := range policies {
		if err := policy(); err != nil {
			return err
		}
	}
	f, err := Compile(keepEverything)
	if err != nil {
		return err
	}
	if got := f.Run([]byte{1, 2, 3}, 3); got != 0x40000 {
		return fmt.Errorf("verdict %#x", got)
	}
	switch _, err := Compile(keepEverything, WithNativeOnly()); {
	case f.Native() && err != nil:
		return err
	case !f.Native() && (err == nil || Available() == nil || f.Code() != nil):
		return fmt.Errorf("not native, but WithNativeOnly says %v, Available %v", err, Available())
	}
	switch a := processArena(); {
	case !f.Native():
		fmt.Println("interpreter")
	case len(a.chunks) == 0:
		fmt.Println("alone")
	default:
		fmt.Println("packed")
	}
	return nil
}

// denyWriteExecute is systemd's MemoryDenyWriteExecute=, by prctl(2).
func denyWriteExecute() error {
	if err := unix.Prctl(unix.PR_SET_MDWE, unix.PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0); err != nil {
		return fmt.Errorf("skip: PR_SET_MDWE: %w", err)
	}
	return nil
}

// denyMemfd has seccomp(2) answer memfd_create with EPERM, in all threads.
func denyMemfd() error {
	const (
		setModeFilter = 1 // SECCOMP_SET_MODE_FILTER
		tsync         = 1 // SECCOMP_FILTER_FLAG_TSYNC
		retErrno      = 0x00050000
		retAllow      = 0x7fff0000
	)
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("skip: PR_SET_NO_NEW_PRIVS: %w", err)
	}
	prog := []bpf.RawInstruction{ // laid out as struct sock_filter
		{Op: bpfc.LdAbsW, K: 0}, // the system call's number
		{Op: bpfc.ClassJMP | bpfc.JmpJEQ, Jf: 1, K: unix.SYS_MEMFD_CREATE},
		{Op: bpfc.RetK, K: retErrno | uint32(unix.EPERM)},
		{Op: bpfc.RetK, K: retAllow},
	}
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: (*unix.SockFilter)(unsafe.Pointer(&prog[0]))}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, setModeFilter, tsync, uintptr(unsafe.Pointer(&fprog)))
	runtime.KeepAlive(prog)
	if errno != 0 {
		return fmt.Errorf("skip: seccomp: %w", errno)
	}
	return nil
}
