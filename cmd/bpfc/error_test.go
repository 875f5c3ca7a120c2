package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/bpfjit/bpfjit/internal/cli"
)

const acceptAll = "1,6 0 0 1"

// TestBadInput: what is wrong is said in one line, with the place, and told
// from what is wrong about the call by the status.
func TestBadInput(t *testing.T) {
	dir := t.TempDir()
	ether := filepath.Join(testdata, "captures/ether.pcap")
	long := "5000\n" + strings.Repeat("0 0 0 0\n", 4999) + "6 0 0 0\n"
	for _, test := range []struct {
		name   string
		status int
		want   string // the message, or its beginning if it ends in "..."
		input  string
		args   []string
	}{
		{"unknown opcode", 1, "instruction 1: opcode 0x00ff: the libpcap dialect has no such opcode", "", []string{"3,0 0 0 0,255 0 0 0,6 0 0 0"}},
		{"jump out of range", 1, "instruction 0: ja +9: leads to instruction 10, the last is 1", "", []string{"2,5 0 0 9,6 0 0 0"}},
		{"conditional jump out of range", 1, "instruction 0: jeq #0x0: ...", "", []string{"2,21 0 9 0,6 0 0 0"}},
		{"missing ret", 1, "instruction 0: ldh [12]: the last instruction must be a ret", "", []string{"1,40 0 0 12"}},
		{"division by constant zero", 1, "instruction 0: div #0x0: division by the constant 0", "", []string{"2,52 0 0 0,6 0 0 0"}},
		{"modulo by constant zero", 1, "instruction 0: mod #0x0: ...", "", []string{"2,148 0 0 0,6 0 0 0"}},
		{"shift of 32", 1, "instruction 0: lsh #0x20: shift by a constant above 31", "", []string{"2,100 0 0 32,6 0 0 0"}},
		{"M[16]", 1, "instruction 0: ld M[16]: scratch memory has words 0 to 15", "", []string{"2,96 0 0 16,6 0 0 0"}},
		{"too long for the dialect", 1, "standard input: program of 5000 instructions: the linux dialect allows 4096", long, []string{"-f", "-", "-dialect", "linux"}},
		{"empty file", 1, "standard input: empty input: no program", "", []string{"-f", "-"}},
		{"text that is no program", 1, "standard input: 1:1: asm: ...", "nonsense", []string{"-f", "-"}},
		{"expression that is taken for a program", 1, `standard input: 1:1: asm: unknown instruction "tcp" (-in expr is for expressions)`, "tcp port 80\n", []string{"-f", "-"}},
		{"half an instruction", 1, "standard input: byte 0: raw: ...", "\x06\x00\x00", []string{"-f", "-", "-in", "raw"}},
		{"argument cut short", 1, "1:8: xt: expected k, found the end", "", []string{"1,6 0 0"}},
		{"directory as filter", 1, dir + ": is a directory", "", []string{"-f", dir}},
		{"missing filter", 1, dir + "/none: no such file or directory", "", []string{"-f", dir + "/none"}},
		{"expression", 1, "1:9: ...", "", []string{"tcp port"}},
		{"expression in a file", 1, "standard input: 1:9: ...", "tcp port", []string{"-f", "-", "-in", "expr"}},

		{"missing capture", 1, dir + "/none: no such file or directory", "", []string{"-r", dir + "/none", acceptAll}},
		{"directory as capture", 1, dir + ": is a directory", "", []string{"-r", dir, acceptAll}},
		{"empty capture file", 1, "standard input: byte 0: ...", "", []string{"-r", "-", acceptAll}},
		{"no capture file", 1, "standard input: byte 0: ...", strings.Repeat("text ", 20), []string{"-r", "-", acceptAll}},
		{"other link type", 1, filepath.Join(testdata, "captures/raw.pcap") + ": packets of link type RAW, the program is for EN10MB (-y says for which)", "",
			[]string{"-r", filepath.Join(testdata, "captures/raw.pcap"), acceptAll}},
		{"expression for another link type", 1, ether + ": packets of link type EN10MB, the expression is for RAW (-y says for which)", "",
			[]string{"-y", "RAW", "-r", ether, "icmp"}},
		{"output in no directory", 1, dir + "/none/x: no such file or directory", "", []string{"-r", ether, "-w", dir + "/none/x", acceptAll}},
		{"nothing to measure", 1, filepath.Join(testdata, "captures/empty.pcap") + ": no packets", "", []string{"-bench", "-r", filepath.Join(testdata, "captures/empty.pcap"), acceptAll}},

		{"architecture", 2, `-arch: unknown architecture "vax": one of amd64`, "", []string{"-arch", "vax", "-dump", acceptAll}},
		{"dialect", 2, `-dialect: unknown dialect "cisco": ...`, "", []string{"-dialect", "cisco", acceptAll}},
		{"link type", 2, `-y: unknown link type "tokenring"`, "", []string{"-y", "tokenring", "icmp"}},
		{"form to read", 2, `-in: unknown form "elf": ...`, "", []string{"-in", "elf", acceptAll}},
		{"form that is not read", 2, "-in dot: this form can only be written", "", []string{"-in", "dot", acceptAll}},
		{"form to write", 2, `-emit: unknown form "elf": ...`, "", []string{"-emit", "elf", acceptAll}},
		{"pass", 2, "-dump=peephole: no such pass at -O 1: one of build, ...", "", []string{"-dump=peephole", acceptAll}},
		{"unknown flag", 2, "flag provided but not defined: -frobnicate; bpfc -h lists the flags", "", []string{"-frobnicate", acceptAll}},
		{"flag without its value", 2, "flag needs an argument: -r; bpfc -h lists the flags", "", []string{acceptAll, "-r"}},
		{"value that is no number", 2, `-O: "much" is not a number from 0 to 2147483647`, "", []string{"-O", "much", acceptAll}},
		{"negative level", 2, `-O: "-1" is not a number from 0 to 2147483647`, "", []string{"-O", "-1", acceptAll}},
		{"netmask", 2, `-m: "255.0.0.256" is not a netmask like 255.255.255.0 or 0xffffff00`, "", []string{"-m", "255.0.0.256", "ip"}},
		{"snapshot length", 2, `-s: "4294967295" is not a number from 0 to 2147483647`, "", []string{"-s", "4294967295", "ip"}},
		{"negative snapshot length", 2, `-s: "-1" is not a number from 0 to 2147483647`, "", []string{"ip", "-s=-1"}},
		{"value of a flag without one", 2, `invalid boolean value "2" for -d: it takes no value; ...`, "", []string{"-d=2", "ip"}},
		{"form that is not there", 2, `-in: unknown form "false": ...`, "", []string{"-in=false", "ip"}},
		{"empty form", 2, `-in: unknown form "": ...`, "", []string{"-in=", "ip"}},
		{"empty architecture", 2, `-arch: unknown architecture "": ...`, "", []string{"-arch", "", "-dump", "ip"}},
		{"empty name of a capture", 2, "-r needs a file name", "", []string{"-r", "", "ip"}},
		{"two files of filters", 2, `invalid value "b" for flag -f: "a" was given before; ...`, "", []string{"-f", "a", "-f", "b"}},
		{"snapshot length of a program", 2, "-s and -m go with an expression: ...", "", []string{"-s", "8192", acceptAll}},
		{"no filter", 2, "no filter: ...", "", nil},
		{"two filters", 2, `two filters: -f x and "ip"`, "", []string{"-f", "x", "ip"}},
		{"two actions", 2, "-d and -dump exclude each other", "", []string{"-d", "-dump", acceptAll}},
		{"nothing to write", 2, "-w writes packets that match: ...", "", []string{"-w", "x", acceptAll}},
		{"nothing to verify", 2, "-verify needs packets: -r FILE", "", []string{"-verify", acceptAll}},
		{"packets where none are used", 2, "-dump does not go with -r, ...", "", []string{"-dump", "-r", ether, acceptAll}},
		{"standard input twice", 2, "-f - and -r -: ...", "", []string{"-f", "-", "-r", "-"}},
		{"line break in a name", 1, "a b: no such file or directory", "", []string{"-f", "a\nb"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := failed(t, test.status, test.input, test.args...)
			if want, begins := strings.CutSuffix(test.want, "..."); got != want && !(begins && strings.HasPrefix(got, want)) {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// TestTruncatedCapture: what comes before the cut is counted, and written.
func TestTruncatedCapture(t *testing.T) {
	whole := read(t, filepath.Join(testdata, "captures/ether.pcap"))
	const fileHeader, recordHeader = 24, 16
	second := fileHeader + recordHeader + int(whole[fileHeader+8]) // the first packet's length is below 256
	out := filepath.Join(t.TempDir(), "out")
	for _, cut := range []int{second + 3, second + recordHeader, second + recordHeader + 5} {
		r := call(whole[:cut], "-r", "-", "-w", out, acceptAll)
		if r.status != cli.Failed || r.stdout != "1 packets, 1 matched\n" {
			t.Errorf("cut at %d: status %d, %q", cut, r.status, r.stdout)
		}
		if want := fmt.Sprintf("bpfc: standard input: packet 2 at byte %d: ", second); !strings.HasPrefix(r.stderr, want) {
			t.Errorf("cut at %d: %q", cut, r.stderr)
		}
		if read(t, out) != whole[:second] {
			t.Errorf("cut at %d: other packets were written than read", cut)
		}
	}
}

// TestInputIsKept: no capture is written over what is being read.
func TestInputIsKept(t *testing.T) {
	ether := read(t, filepath.Join(testdata, "captures/ether.pcap"))
	name := file(t, ether)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Link(name, link); err != nil {
		t.Skip(err)
	}
	for _, out := range []string{name, link} {
		if msg := failed(t, cli.Usage, "", "-r", name, "-w", out, acceptAll); !strings.Contains(msg, "the same file as the input") {
			t.Error(msg)
		}
		if read(t, name) != ether {
			t.Fatal("the input was changed")
		}
	}
	filter := file(t, acceptAll)
	failed(t, cli.Usage, "", "-f", filter, "-r", name, "-w", filter)
	if read(t, filter) != acceptAll {
		t.Fatal("the filter was changed")
	}
	// A filter that is refused leaves the output as it was.
	old := file(t, "precious")
	failed(t, cli.Failed, "", "-r", name, "-w", old, "1,40 0 0 12")
	failed(t, cli.Failed, "", "-r", name, "-y", "RAW", "-w", old, acceptAll)
	failed(t, cli.Failed, "", "-r", filepath.Join(testdata, "captures/ether-nano.pcapng"), "-w", old, "tcp prot 80")
	if read(t, old) != "precious" {
		t.Error("the output was emptied for nothing")
	}
}

// TestFullDisk: output that cannot be written is an error.
func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	ether := filepath.Join(testdata, "captures/ether.pcap")
	if msg := failed(t, cli.Failed, "", "-r", ether, "-w", "/dev/full", acceptAll); msg != "/dev/full: no space left on device" {
		t.Error(msg)
	}
	for _, args := range [][]string{{acceptAll}, {"-h"}, {"-r", ether, acceptAll}, {"-r", ether, "-w", "-", acceptAll}} {
		var stderr strings.Builder
		if status := run(args, nil, full, &stderr); status != cli.Failed {
			t.Errorf("%q: status %d", args, status)
		}
		if !strings.HasSuffix(stderr.String(), "bpfc: standard output: no space left on device\n") {
			t.Errorf("%q: %s", args, stderr.String())
		}
	}
}

// TestClosedPipe: who reads no further wants to hear nothing.
func TestClosedPipe(t *testing.T) {
	r, w := io.Pipe()
	r.Close()
	var stderr strings.Builder
	if status := run([]string{"-d", acceptAll}, nil, w, &stderr); status != cli.Failed || stderr.Len() > 0 {
		t.Errorf("status %d, %q", status, stderr.String())
	}
	if runtime.GOOS == "windows" {
		return
	}
	long := file(t, "30000\n"+strings.Repeat("0 0 0 0\n", 29999)+"6 0 0 0\n")
	cmd := command("-d", "-f", long)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	out.Close()
	if err := cmd.Wait(); err == nil {
		t.Error("the listing went nowhere, and that is said to be success")
	}
	if errs.Len() > 0 {
		t.Errorf("said %q", errs.String())
	}
}

// TestStatus: the process has the status that run returns.
func TestStatus(t *testing.T) {
	for _, test := range []struct {
		args   []string
		status int
	}{{[]string{"-version"}, 0}, {[]string{"1,40 0 0 12"}, 1}, {[]string{"-arch", "vax"}, 2}} {
		err := command(test.args...).Run()
		got := 0
		if exit, ok := errors.AsType[interface {
			error
			ExitCode() int
		}](err); ok {
			got = exit.ExitCode()
		}
		if got != test.status {
			t.Errorf("%q: status %d, want %d", test.args, got, test.status)
		}
	}
}
