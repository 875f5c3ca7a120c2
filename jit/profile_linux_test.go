package jit

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPerfMap(t *testing.T) {
	needNative(t)
	path := filepath.Join(t.TempDir(), "perf.map")
	c := installed(t, processArena(), 0, constantCode(1))
	for _, name := range []string{"one", "tcp port 80"} {
		if err := appendPerfMap(path, name, c.text); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := uintptr(c.entry)
	if want := fmt.Sprintf("%x 6 one\n%x 6 tcp port 80\n", at, at); string(got) != want {
		t.Errorf("perf map %q, want %q", got, want)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
}

// The option puts the filter where perf looks it up in the map, anonymous
// memory, and its name on one line.
func TestWithPerfMap(t *testing.T) {
	needNative(t)
	path := perfMapPath()
	before, err := os.ReadFile(path)
	if err == nil {
		defer os.WriteFile(path, before, 0o600)
	} else {
		defer os.Remove(path)
	}
	f, err := Compile(keepEverything, WithNativeOnly(), WithPerfMap(), WithName("two\nlines"))
	if err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := f.code.Load()
	if got, want := string(after[len(before):]), fmt.Sprintf("%x %x two_lines\n", address(c.text), len(c.text)); got != want {
		t.Errorf("perf map %q, want %q", got, want)
	}
	page := address(c.text) &^ uintptr(os.Getpagesize()-1)
	perms := mappings(t, func(line string) bool {
		return strings.HasPrefix(line, fmt.Sprintf("%x-", page)) && strings.HasSuffix(line, " 0 ")
	})
	if len(perms) != 1 || perms[0] != "r-xp" {
		t.Errorf("code in a mapping with permissions %q, not alone in anonymous memory", perms)
	}
}

// The map's directory is everybody's: what others may have put there is not
// written to, and does not hold us.
func TestPerfMapRefusals(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, make := range map[string]func(path string) error{
		"symbolic link": func(path string) error { return os.Symlink(file, path) },
		"hard link":     func(path string) error { return os.Link(file, path) },
		"pipe":          func(path string) error { return unix.Mkfifo(path, 0o600) },
		"directory":     func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		path := filepath.Join(dir, name)
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		err := appendPerfMap(path, "name", []byte{1})
		if err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b, err := os.ReadFile(file); err != nil || len(b) != 0 {
		t.Errorf("written through a link: %q, %v", b, err)
	}
}

func TestJitdump(t *testing.T) {
	needNative(t)
	dir := t.TempDir()
	// One from an earlier process with our number, longer than ours will be.
	path := filepath.Join(dir, fmt.Sprintf("jit-%d.dump", os.Getpid()))
	if err := os.WriteFile(path, make([]byte, 1<<16), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := CreateJitdump(dir)
	if err != nil {
		t.Fatal(err)
	}
	if d.Path() != path {
		t.Errorf("path %s", d.Path())
	}
	if _, err := CreateJitdump(dir); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("second jitdump: %v", err)
	}
	marker := mappings(t, func(line string) bool { return strings.HasSuffix(line, path) })
	if len(marker) != 1 || marker[0] != "r-xp" {
		t.Errorf("marker mapped as %q", marker)
	}
	codes := []*code{installed(t, processArena(), 0, constantCode(1)), installed(t, processArena(), 0, sumCode(t))}
	names := []string{"one", "tcp port 80"}
	for i, c := range codes {
		if err := d.load(names[i], c.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Error("second Close:", err)
	}
	if _, err := Compile(keepEverything, WithJitdump(d)); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("closed jitdump: %v", err)
	}

	// Read it back by the specification.
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := bytes.NewReader(file)
	read := func(v any) {
		if err := binary.Read(r, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	var header struct {
		Magic, Version, TotalSize, ElfMach, Pad1, Pid uint32
		Timestamp, Flags                              uint64
	}
	read(&header)
	if header.Magic != 0x4A695444 || header.Version != 1 || header.TotalSize != 40 || header.ElfMach != 62 ||
		header.Pid != uint32(os.Getpid()) || header.Flags != 0 || header.Timestamp == 0 {
		t.Errorf("header %+v", header)
	}
	last := header.Timestamp
	var record struct {
		Id, TotalSize uint32
		Timestamp     uint64
	}
	for i, c := range codes {
		read(&record)
		var load struct {
			Pid, Tid                           uint32
			Vma, CodeAddr, CodeSize, CodeIndex uint64
		}
		read(&load)
		rest := make([]byte, int(record.TotalSize)-16-40)
		read(rest)
		at := uint64(uintptr(c.entry))
		if record.Id != 0 || record.Timestamp < last || load.Pid != header.Pid || load.Tid == 0 ||
			load.Vma != at || load.CodeAddr != at || load.CodeSize != uint64(len(c.text)) || load.CodeIndex != uint64(i) ||
			string(rest) != names[i]+"\x00"+string(c.text) {
			t.Errorf("record %+v %+v %q", record, load, rest)
		}
		last = record.Timestamp
	}
	read(&record)
	if record.Id != 3 || record.TotalSize != 16 || r.Len() != 0 {
		t.Errorf("last record %+v, %d bytes after it", record, r.Len())
	}
}

func TestJitdumpRefusals(t *testing.T) {
	dir := t.TempDir()
	if _, err := CreateJitdump(filepath.Join(dir, "none")); err == nil {
		t.Error("a jitdump in a directory that is not there")
	}
	if err := os.Symlink("elsewhere", filepath.Join(dir, fmt.Sprintf("jit-%d.dump", os.Getpid()))); err != nil {
		t.Fatal(err)
	}
	if _, err := CreateJitdump(dir); err == nil {
		t.Error("a jitdump through a link")
	}
}
