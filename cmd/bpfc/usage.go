package main

import (
	"strings"

	"github.com/bpfjit/bpfjit/bpfc/bpfasm"
)

const usageText = `usage: bpfc [flags] [expression | program]

The filter is a pcap-filter(7) expression, or a program on one line as xt_bpf
has it ('6,40 0 0 12,21 0 3 2048,...'), or what a file has:
  -f FILE       the filter from FILE, "-" is standard input, in any of the
                forms below, recognised by itself
  -in FORM      the filter, file or argument, is in this form; "expr" is an
                expression, which no file is taken for without it
  -y DLT        link type, by DLT name or number; without it an expression is
                compiled for what the capture has, and a program is for EN10MB
  -s LEN        snapshot length, what an expression keeps of a packet (262144)
  -m MASK       netmask of the network, for "ip broadcast"
  -dns          ask name servers for hosts, not only files in /etc
  -dialect D    whose BPF it is: libpcap, linux, netbsd, seccomp (libpcap)
  -O N          0: translate as it stands; 1 and more: optimise (1)

What to do with it; -d if there is none of these, or with -r, run it:
  -d -dd -ddd   print the program as tcpdump does
  -emit FORM    print the program in this form
  -explain      say what an expression means, and which bytes it reads
  -dump         print each instruction with the machine code it became
  -dump=PASS    print the decision graph after a pass; "all" prints each
  -lir          print the intermediate representation
  -arch A       the machine for -dump: ARCHES (this machine)
  -r FILE       run it over a pcap or pcapng capture, also compressed with
                gzip or zstd; "-" is standard input
  -w OUT        with -r, write the packets that match; "-" is standard output
  -verify       with -r, run each packet in every engine and compare; with -w,
                write the packet at which they differ
  -bench        with -r, measure: a line an engine, with nanoseconds a packet
                and how many packets match, separated by tabs
  -diff         with -r and two filters, each one argument or -f FILE, print the
                packets on which they disagree; -w writes these
  -version      print the version
  -h            print this

Forms: FORMS

Exit status: 0 done, 1 the work failed, 2 the call was wrong.
`

// usage prints what flags there are.
func (t *tool) usage() error {
	var forms []string
	for _, f := range bpfasm.Forms() {
		name := f.String()
		if !f.Readable() {
			name += " (only printed)"
		}
		forms = append(forms, name)
	}
	text := strings.NewReplacer("FORMS", strings.Join(forms, ", "), "ARCHES", archNames()).Replace(usageText)
	_, err := t.stdout.WriteString(text)
	return err
}
