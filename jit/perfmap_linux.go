package jit

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// perfMapPath is where perf looks for the names of code that no file holds
// (tools/perf/Documentation/jit-interface.txt in the Linux sources).
func perfMapPath() string { return fmt.Sprintf("/tmp/perf-%d.map", os.Getpid()) }

// appendPerfMap adds a line "address size name", the numbers in hexadecimal.
//
// The directory belongs to everybody and the name can be foreseen. So no link
// is followed, nothing but a regular file of our own is written to (O_NONBLOCK
// keeps a pipe put there from holding us), and the file is opened anew for each
// line: one write with O_APPEND needs no lock against others who write here.
func appendPerfMap(path, name string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		f.Close()
		return fmt.Errorf("%s: %w", path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || int(st.Uid) != os.Geteuid() || st.Nlink != 1 {
		f.Close()
		return fmt.Errorf("%s: not a regular file of this user's alone", path)
	}
	_, err = fmt.Fprintf(f, "%x %x %s\n", address(text), len(text), name)
	if err2 := f.Close(); err == nil {
		err = err2
	}
	return err
}
