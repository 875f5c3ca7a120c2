package main

const usageText = `usage: mini-tcpdump -i INTERFACE | -r FILE [flags] [expression]

Packets:
  -i INTERFACE  capture from it; "any" is all of them
  -r FILE       read a pcap or pcapng capture, also compressed with gzip or zstd;
                "-" is standard input
  -c N          end after N packets that match
  -s N          keep at most N bytes of a packet; 0 is all (0)
  -D            list the interfaces

The filter, in pcap-filter(7)'s language; without one, all packets match:
  -f FILE       a BPF program from FILE instead, in any form that bpfc reads
  -F FILE       the expression from FILE
  -y DLT        the link type that a program is for, or that -d compiles for
  -dns          ask name servers for hosts, not only files in /etc
  -engine E     who filters: native code; interp, the interpreter; kernel, the
                kernel before it hands packets over; both native and interp,
                compared packet by packet and measured
  -d -dd -ddd   print the program as tcpdump does, and end
  -dump         print each instruction with the machine code it became, and end

What to do with packets that match; they are printed if there is no -w:
  -w FILE       write them to a capture; pcapng if FILE ends so, else pcap; "-"
                is standard output
  -print        print them as well
  -n            numbers instead of names; names are those in /etc/hosts and
                /etc/services
  -e            print the link-layer header
  -q            print less of the transport protocol
  -x -xx        print the packet in hexadecimal, without and with link layer
  -X -XX        the same, and as text
  -t            print no time; -tt seconds since 1970; -ttt since the packet
                before; -tttt with the date; -ttttt since the first packet
  -time-stamp-precision micro|nano (or -micro, -nano)
                digits that are printed and written
  -l -U         print and write each packet at once
  -flows TIME   each TIME, print the largest flows and the sources that send
                more than the limit
  -alarm N      that limit, in packets a second (10000)

Capturing:
  -p            not in promiscuous mode
  -Q DIR        in, out or inout
  -B MIB        size of the ring, for each thread (64)
  -vlan MODE    where the filter finds a packet's outer VLAN tag: kernel, as
                metadata, like filters in the kernel; wire, in the packet
                (kernel; on "any", wire)
  -j TYPE       time stamps of the host or of the card: host, adapter,
                adapter_unsynced (host)
  -threads N    capture with N threads, each on a processor of its own
  -fanout MODE  how packets are spread over them: hash, lb, cpu, rollover, rnd,
                qm (hash)
  -Z USER       become USER after the interface is opened
  -stats TIME   each TIME, print rates to standard error

Sequence numbers of TCP are absolute. Packets of protocols that are not known are
shown by number. On SIGINT and SIGTERM, at the end of a file, when the interface
goes down, and on errors, a summary goes to standard error.

Exit status: 0 done, 1 the work failed, 2 the call was wrong.
`
