package jit

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// Numbers of the jitdump format, version 1, as Linux describes it in
// tools/perf/Documentation/jitdump-specification.txt. All fields are in the
// byte order of the machine; this is amd64's, the only one with a backend.
const (
	jitdumpMagic      = 0x4A695444
	jitdumpVersion    = 1
	jitdumpHeaderSize = 40
	jitCodeLoad       = 0
	jitCodeClose      = 3
	recordHeaderSize  = 16
	codeLoadSize      = recordHeaderSize + 40
)

// Jitdump is a file that holds generated code for Linux perf: unlike a perf
// map it has the bytes and the time, so that perf annotate can show the
// instructions, even of code that is gone. It is safe for concurrent use.
//
//	perf record -k mono program     # with filters compiled WithJitdump
//	perf inject --jit -i perf.data -o perf.jit.data
//	perf annotate -i perf.jit.data
type Jitdump struct {
	path string

	mu     sync.Mutex
	file   *os.File // nil once closed
	marker []byte
	index  uint64 // of the next code
}

// CreateJitdump makes the file jit-PID.dump in a directory, over one that an
// earlier process with this number has left. A second one in the same
// directory and process is refused while the first is open.
func CreateJitdump(dir string) (*Jitdump, error) {
	path := filepath.Join(dir, fmt.Sprintf("jit-%d.dump", os.Getpid()))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, fmt.Errorf("jit: jitdump: %w", err)
	}
	d := &Jitdump{path: path, file: f}
	if err := d.start(); err != nil {
		f.Close()
		return nil, fmt.Errorf("jit: jitdump %s: %w", path, err)
	}
	return d, nil
}

// start writes the header and maps the marker.
func (d *Jitdump) start() error {
	fd := int(d.file.Fd())
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if err == unix.EWOULDBLOCK {
			return errors.New("in use")
		}
		return err
	}
	if err := d.file.Truncate(0); err != nil {
		return err
	}
	now, err := monotonic()
	if err != nil {
		return err
	}
	b := make([]byte, 0, jitdumpHeaderSize)
	b = binary.LittleEndian.AppendUint32(b, jitdumpMagic)
	b = binary.LittleEndian.AppendUint32(b, jitdumpVersion)
	b = binary.LittleEndian.AppendUint32(b, jitdumpHeaderSize)
	b = binary.LittleEndian.AppendUint32(b, uint32(elf.EM_X86_64))
	b = binary.LittleEndian.AppendUint32(b, 0) // padding
	b = binary.LittleEndian.AppendUint32(b, uint32(os.Getpid()))
	b = binary.LittleEndian.AppendUint64(b, now)
	b = binary.LittleEndian.AppendUint64(b, 0) // flags: the clock is CLOCK_MONOTONIC
	if _, err := d.file.Write(b); err != nil {
		return err
	}
	// perf records mappings that can be executed; that of this file is how it
	// learns of its existence. Nothing is ever executed there.
	d.marker, err = unix.Mmap(fd, 0, unix.Getpagesize(), unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
	return err
}

// Path is the name of the file.
func (d *Jitdump) Path() string { return d.path }

// load writes a JIT_CODE_LOAD record.
func (d *Jitdump) load(name string, text []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file == nil {
		return fmt.Errorf("%s: closed", d.path)
	}
	size := codeLoadSize + len(name) + 1 + len(text)
	b, err := recordHeader(jitCodeLoad, size)
	if err != nil {
		return err
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(os.Getpid()))
	b = binary.LittleEndian.AppendUint32(b, uint32(unix.Gettid()))
	b = binary.LittleEndian.AppendUint64(b, uint64(address(text))) // virtual address
	b = binary.LittleEndian.AppendUint64(b, uint64(address(text))) // the same, as of the code
	b = binary.LittleEndian.AppendUint64(b, uint64(len(text)))
	b = binary.LittleEndian.AppendUint64(b, d.index)
	b = append(b, name...)
	b = append(b, 0)
	b = append(b, text...)
	if _, err := d.file.Write(b); err != nil {
		return err
	}
	d.index++
	return nil
}

// Close completes the file. Filters compiled with it go on working; new ones
// cannot use it.
func (d *Jitdump) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file == nil {
		return nil
	}
	b, err := recordHeader(jitCodeClose, recordHeaderSize)
	if err == nil {
		_, err = d.file.Write(b)
	}
	err = errors.Join(err, unix.Munmap(d.marker), d.file.Close())
	d.file = nil
	return err
}

// recordHeader starts a record of a size that includes the header.
func recordHeader(id, size int) ([]byte, error) {
	now, err := monotonic()
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, size)
	b = binary.LittleEndian.AppendUint32(b, uint32(id))
	b = binary.LittleEndian.AppendUint32(b, uint32(size))
	return binary.LittleEndian.AppendUint64(b, now), nil
}

// monotonic is CLOCK_MONOTONIC in nanoseconds, the clock of perf record -k mono.
func monotonic() (uint64, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0, fmt.Errorf("clock_gettime: %w", err)
	}
	return uint64(ts.Nano()), nil
}
