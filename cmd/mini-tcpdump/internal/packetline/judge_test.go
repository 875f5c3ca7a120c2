package packetline

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/bpfjit/bpfjit/bench/traffic"
	"github.com/bpfjit/bpfjit/capture"
)

// corpusVariable names directories of captures, separated as in PATH, that the
// comparison with tcpdump goes over besides our own.
const corpusVariable = "BPFJIT_CORPUS"

func needTcpdump(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("tcpdump"); err != nil {
		t.Skip("tcpdump is not installed: nothing to compare lines with")
	}
}

// packetStart is how tcpdump -tt begins a packet; what it prints besides are
// further lines of one.
var packetStart = regexp.MustCompile(`^\d+\.\d{6} `)

// judgeLines is what tcpdump prints of a file, a line a packet.
func judgeLines(file string, flags ...string) []string {
	cmd := exec.Command("tcpdump", append([]string{"-nn", "-S", "-tt", "-r", file}, flags...)...)
	out, _ := cmd.Output() // of a damaged file it prints what is good
	var lines []string
	for line := range strings.Lines(string(bytes.ToValidUTF8(out, []byte("?")))) {
		if line = strings.TrimSuffix(line, "\n"); packetStart.MatchString(line) {
			lines = append(lines, line)
		}
	}
	return lines
}

func ourLines(t testing.TB, in io.Reader, opts Options) []string {
	r, err := capture.NewReader(in)
	if err != nil {
		return nil
	}
	opts.Time = Epoch
	p := New(opts)
	var lines []string
	for {
		pkt, err := r.Next()
		if err != nil {
			return lines
		}
		line, ok := strings.CutSuffix(string(p.Append(nil, pkt)), "\n")
		if !ok || strings.Contains(line, "\n") {
			t.Fatalf("not one line: %q", line)
		}
		lines = append(lines, line)
	}
}

// What we claim to say as tcpdump does. Where one of these matches what tcpdump
// prints, ours has to begin with the matched text.
const (
	reTime = `^\d+\.\d{6} `
	// An address; with ports, or those alone behind IPv6 extension headers.
	reEnds = `(IP6? ([0-9a-f:.]+ > [0-9a-f:.]+: )?)+((HBH|DSTOPT|frag \(0\|\d+\)) )*(\d+ > \d+: )?`
	reOpt  = `(nop|eol|mss \d+|wscale \d+|sackOK|sack \d+ (\{\d+:\d+\})*|TS val \d+ ecr \d+|unknown-\d+( 0x[0-9a-f]+)?)`
	reFrag = `(ip-proto-\d+|no next header|frag \([1-9]\d*\|\d+\))`
	reUnr  = `ICMP [^,]*unreachable[^,\[]*, length \d+`
	reICMP = `ICMP (echo (request|reply), id \d+, seq \d+|redirect \S+ to (net|host) \S+|time exceeded in-transit|ip reassembly time exceeded|source quench|type-#\d+), length \d+`
	reICM6 = `ICMP6, (echo (request|reply), id \d+, seq \d+|neighbor solicitation, who has \S+|neighbor advertisement, tgt is \S+|router (solicitation|advertisement)|packet too big, mtu \d+|destination unreachable, [a-z ,]+[0-9a-f:]+( (tcp|udp) port \d+)?|time exceeded in-transit[^,]*|parameter problem, [a-z ]+ - octet \d+|redirect, \S+ to [0-9a-f:]+|multicast listener report v2, \d+ group record\(s\)), length \d+`
)

var claims = map[string]*regexp.Regexp{
	"TCP":       regexp.MustCompile(reTime + reEnds + `Flags \[[FSRP.UEWnone]+\](, seq \d+(:\d+)?)?(, ack \d+)?, win \d+(, urg \d+)?(, options \[` + reOpt + `(,` + reOpt + `)*\])?, length \d+`),
	"TCP -q":    regexp.MustCompile(reTime + reEnds + `tcp \d+$`),
	"UDP":       regexp.MustCompile(reTime + reEnds + `UDP, length \d+$`),
	"ports":     regexp.MustCompile(reTime + `IP(6 [0-9a-f:]+| \d+\.\d+\.\d+\.\d+)\.\d+ > ([0-9a-f:]+|\d+\.\d+\.\d+\.\d+)\.\d+: ([^ Ds]|D[^C]|s[^c])`),
	"fragments": regexp.MustCompile(reTime + reEnds + reFrag + `$`),
	"ICMP":      regexp.MustCompile(reTime + reEnds + `(` + reUnr + `|` + reICMP + `)$`),
	"ICMP6":     regexp.MustCompile(reTime + reEnds + reICM6 + `$`),
	"ARP":       regexp.MustCompile(reTime + `ARP, (Reverse )?(Request|Reply) .*, length \d+$`),
	"truncated": regexp.MustCompile(reTime + `IP bad-(h?len) \d+$`),
	// Of ethertypes that we have no name for, the number is enough.
	"stations": regexp.MustCompile(reTime + `([0-9a-f]{2}:){5}[0-9a-f]{2} > ([0-9a-f]{2}:){5}[0-9a-f]{2}, (ethertype (IPv[46]|ARP|802.1Q|LLDP|MPLS unicast|Unknown) \(0x[0-9a-f]{4}\)|802.3), length \d+`),
	"vlan":     regexp.MustCompile(reTime + `\S+ > \S+, ethertype 802.1Q(-QinQ|-9100)? \(0x[0-9a-f]{4}\), length \d+: vlan \d+, p \d(, DEI)?, `),
	"cooked":   regexp.MustCompile(reTime + `( In|Out|  [BMP]) ([0-9a-f:]{17} )?ethertype (IPv[46]|ARP|Unknown) \(0x[0-9a-f]{4}\), length \d+: `),
}

// byNumber is a line that only says what is in the packet, not more.
var byNumber = regexp.MustCompile(`^\S+ (([0-9a-f:]{17} > [0-9a-f:]{17}, )?(LLC|ethertype \S.* \(0x[0-9a-f]{4}\)|Unknown Ethertype \(0x[0-9a-f]{4}\)|PPP protocol|PPP_HDLC)|[A-Z0-9_]+( \d+)?, length \d+$)`)

// unjudged is the files in which tcpdump 4.99 is wrong, and in what.
var unjudged = map[string]string{
	"ipv6_frag6_negative_len.pcap": "a fragment of 2^64-8 bytes",
	"time_2106_overflow.pcapng":    "seconds of 32 bits",
	"time_2107.pcapng":             "seconds of 32 bits",
}

// compare goes over a file in every mode and counts the claims that were met.
func compareFile(t *testing.T, file string, met map[string]int) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil || unjudged[filepath.Base(file)] != "" {
		return // a directory, or none
	}
	for _, mode := range []struct {
		flags []string
		opts  Options
	}{
		{nil, Options{}},
		{[]string{"-q"}, Options{Quiet: true}},
		{[]string{"-e"}, Options{Link: true}},
	} {
		theirs, ours := judgeLines(file, mode.flags...), ourLines(t, bytes.NewReader(data), mode.opts)
		if len(ours) != len(theirs) {
			// Some lines of tcpdump begin in the middle of another.
			met["files of which lines are not counted alike"]++
			continue
		}
		for i, line := range theirs {
			if byNumber.MatchString(ours[i]) && (mode.opts != Options{Link: true} || !strings.Contains(ours[i], " > ")) {
				met["told by number"]++
				continue
			}
			for name, re := range claims {
				claimed := re.FindString(line)
				if claimed == "" {
					continue
				}
				if name == "ports" { // one character more tells SCTP and DCCP apart
					claimed = claimed[:strings.LastIndex(claimed, ":")]
				}
				if !strings.HasPrefix(ours[i], claimed) {
					t.Errorf("%s, packet %d %v, %s:\n   ours %s\ntcpdump %s", filepath.Base(file), i+1, mode.flags, name, ours[i], line)
				} else {
					met[name]++
				}
			}
		}
	}
}

// cutLine is a line of tcpdump that says that a header was not captured.
var cutLine = regexp.MustCompile(`\[\|(ether|ip|tcp|udp|vlan|arp|icmp|sll|sll2)\]$`)

var remaining = regexp.MustCompile(`\[remaining [^]]*\]`)

// TestCut compares with tcpdump over packets of all lengths, from a byte to
// all of the headers, besides a mix of whole ones.
func TestCut(t *testing.T) {
	needTcpdump(t)
	file := filepath.Join(t.TempDir(), "cut.pcap")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	w, err := capture.NewWriter(f, capture.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.AddInterface(capture.Interface{LinkType: capture.LinkEthernet}); err != nil {
		t.Fatal(err)
	}
	for i, pkt := range traffic.New(5).Mix(400) {
		lengths := []int{len(pkt.Data)}
		if i%5 == 0 {
			for n := 1; n < min(90, len(pkt.Data)); n++ {
				lengths = append(lengths, n)
			}
		}
		for _, n := range lengths {
			m := capture.Meta{TS: 1_700_000_000_123_456_000 + int64(i), WireLen: uint32(pkt.WireLen)}
			if err := w.WritePacket(m, pkt.Data[:n]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		t.Fatal(err)
	}
	met := map[string]int{}
	compareFile(t, file, met)
	for _, flags := range [][]string{nil, {"-e"}} {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := ourLines(t, f, Options{Link: flags != nil}), judgeLines(file, flags...)
		f.Close()
		if len(ours) != len(theirs) {
			t.Fatalf("%d lines, tcpdump has %d", len(ours), len(theirs))
		}
		for i, line := range theirs {
			if !cutLine.MatchString(line) {
				continue
			}
			met["cut"]++
			// The number of blanks before the bracket varies, and it tells more
			// where IP options are missing.
			want := strings.Join(strings.Fields(remaining.ReplaceAllString(line, "")), " ")
			if got := strings.Join(strings.Fields(ours[i]), " "); got != want {
				t.Errorf("packet %d %v:\n   ours %s\ntcpdump %s", i+1, flags, ours[i], line)
			}
		}
	}
	t.Log(met)
	for _, name := range []string{"TCP", "TCP -q", "UDP", "ARP", "ICMP", "stations", "vlan", "cut"} {
		if met[name] < 5 {
			t.Errorf("%s: only %d were compared", name, met[name])
		}
	}
}

// TestCorpus compares with tcpdump over captures of other people.
func TestCorpus(t *testing.T) {
	needTcpdump(t)
	dirs := filepath.SplitList(os.Getenv(corpusVariable))
	if len(dirs) == 0 {
		t.Skipf("%s names no directories of captures", corpusVariable)
	}
	met := map[string]int{}
	for _, dir := range dirs {
		files, _ := filepath.Glob(dir + "/*")
		for _, file := range files {
			compareFile(t, file, met)
		}
	}
	t.Log(met)
	for name := range claims {
		if met[name] == 0 {
			t.Errorf("%s: nothing was compared", name)
		}
	}
}
