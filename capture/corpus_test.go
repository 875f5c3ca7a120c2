package capture

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// corpus returns the captures under the folder that BPFJIT_CORPUS names.
func corpus(t *testing.T) []string {
	t.Helper()
	dir := os.Getenv("BPFJIT_CORPUS")
	if dir == "" {
		t.Skip("BPFJIT_CORPUS names no folder of captures")
	}
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.Contains(filepath.Ext(path), "cap") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skipf("no captures under %s", dir)
	}
	return files
}

// tcpdump reads the capture file and returns its packets as tcpdump writes them
// and what it complains of.
func tcpdump(t *testing.T, path string) (link LinkType, pkts []Packet, complaint string) {
	t.Helper()
	exe, err := exec.LookPath("tcpdump")
	if err != nil {
		t.Skip("tcpdump is not installed")
	}
	var out, errs bytes.Buffer
	cmd := exec.Command(exe, "--time-stamp-precision=nano", "-r", path, "-w", "-")
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	for line := range strings.Lines(errs.String()) {
		if line = strings.TrimSpace(line); err != nil && strings.HasPrefix(line, "tcpdump:") {
			complaint += line
		}
	}
	if err != nil && complaint == "" {
		complaint = err.Error()
	}
	b := out.Bytes()
	if len(b) < 24 {
		return 0, nil, complaint
	}
	// tcpdump writes the host's byte order; all that can run it here are little-endian
	// or are told apart by the magic.
	var o binary.ByteOrder = binary.LittleEndian
	if b[0] == 0xa1 {
		o = binary.BigEndian
	}
	link = LinkType(o.Uint32(b[20:]) & 0xffff)
	for b = b[24:]; len(b) >= 16; {
		n := o.Uint32(b[8:])
		pkts = append(pkts, Packet{
			Meta: Meta{TS: int64(o.Uint32(b))*1e9 + int64(o.Uint32(b[4:])), WireLen: o.Uint32(b[12:]), LinkType: link},
			Data: b[16 : 16+n],
		})
		b = b[16+n:]
	}
	return link, pkts, complaint
}

// TestCorpus has libpcap, by way of tcpdump, as the judge of every file: link
// type, packets, lengths, times, bytes, and whether the file is good.
func TestCorpus(t *testing.T) {
	files := corpus(t)
	var packets, refused int
	for _, path := range files {
		link, want, complaint := tcpdump(t, path)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r, err := NewReader(bytes.NewReader(data))
		var got []Packet
		if err == nil {
			got, err = ReadAll(r)
			if l := r.LinkType(); l != link && complaint == "" {
				t.Errorf("%s: link type %v, tcpdump: %v", path, l, link)
			}
		}
		if (err != nil) != (complaint != "") {
			t.Errorf("%s: error %v, tcpdump: %q", path, err, complaint)
		}
		if err != nil {
			refused++
		}
		comparePackets(t, path, got, want)
		packets += len(got)
		if err == nil {
			copyWhole(t, path, data)
		}
	}
	t.Logf("%d files, %d packets, %d files refused", len(files), packets, refused)
}

// copyWhole copies all packets of a good capture: a pcap file comes out as it is.
func copyWhole(t *testing.T, path string, data []byte) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	c, err := NewCopier(&out, r)
	if err != nil {
		t.Fatal(err)
	}
	for p, err := r.Next(); err == nil; p, err = r.Next() {
		c.Write(p)
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	if r.Format() == Pcap && !bytes.Equal(out.Bytes(), data) {
		t.Errorf("%s: the copy of all packets is not the file", path)
	}
	again, err := NewReader(&out)
	if err != nil {
		t.Fatal(path, err)
	}
	if pkts, err := ReadAll(again); err != nil || int64(len(pkts)) != r.Packets() {
		t.Errorf("%s: the copy has %d packets of %d, %v", path, len(pkts), r.Packets(), err)
	}
}

func comparePackets(t *testing.T, name string, got, want []Packet) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d packets, want %d", name, len(got), len(want))
		return
	}
	for i := range got {
		g, w := &got[i], &want[i]
		switch {
		case g.TS != w.TS && (g.TS-w.TS)%(1<<32) != 0:
			// tcpdump writes seconds and nanoseconds modulo 2^32, which shows
			// with times after 2106 and broken fractions.
			t.Errorf("%s: packet %d: time %d, want %d", name, i+1, g.TS, w.TS)
		case g.WireLen != w.WireLen:
			t.Errorf("%s: packet %d: wire length %d, want %d", name, i+1, g.WireLen, w.WireLen)
		case !bytes.Equal(g.Data, w.Data):
			t.Errorf("%s: packet %d: % x, want % x", name, i+1, g.Data, w.Data)
		default:
			continue
		}
		return
	}
}
