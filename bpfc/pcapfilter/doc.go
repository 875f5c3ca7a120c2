// Package pcapfilter compiles pcap-filter(7) expressions, the language of
// tcpdump, to classic BPF, without libpcap.
//
//	prog, err := pcapfilter.Compile("tcp port 80 and not host 10.0.0.1", pcapfilter.Options{})
//
// What an expression means is what the program does that libpcap generates
// without optimising (tcpdump -O -d): every load happens, in the order of the
// text, and one that reaches outside the captured bytes rejects the packet. The
// optimised program gives the same verdict on every packet; it is only shorter
// and, for long lists, a search instead of a walk.
//
// The language has its oddities, and they are kept: "and" and "or" have equal
// precedence and group to the left, "%" and "^" bind weakest and group to the
// right, "vlan" moves the offsets of everything to its right. Explain says in
// words what was understood.
//
// # Differences from libpcap
//
// The tests compare acceptance and verdicts with libpcap 1.10.3, 1.10.5 or 1.11.0,
// whichever tcpdump they are given. We differ in what follows, and the list the
// tests go by has the same names, with the releases of libpcap that differ from us.
// With those not named it agrees.
//
// Where a release was wrong, or refused what makes sense:
//
//   - byte-operators (until 1.10.7): "byte N & M" and "byte N | M" test the byte at
//     N. libpcap forgets to load it.
//   - ip-multicast (until 1.10.5): "ip multicast" is 224.0.0.0/4, not all from
//     224.0.0.0 up.
//   - isis-reserved-bits (until 1.10.7): the bits above the PDU type of IS-IS do not
//     matter.
//   - isis-on-chdlc (until 1.10.7): the PDU type of IS-IS on Cisco's HDLC is behind
//     the byte of filling.
//   - slip-outbound (until 1.10.7): "outbound" on SLIP is what was sent, not all that
//     was not received.
//   - prefix-loads (until 1.10.7): of an address, a net's test looks at the words its
//     prefix reaches into, and at none for a length of 0. libpcap loads the rest as
//     well and rejects a packet that is cut there.
//   - ppi-frame-control (until 1.10.7): "type", "subtype" and "dir" work behind PPI
//     headers.
//   - block-ack (until 1.10.7): "subtype ba" and "subtype bar" are known.
//   - vxlan (until 1.10.7), vxlan-flags (from 1.11.0): "vxlan" is a keyword. It looks
//     for the flag that the network identifier is valid; libpcap wants the other
//     seven, which RFC 7348 has ignored, to be clear.
//   - gateway (until 1.10.7): "gateway" works where the resolver knows the host's MAC
//     address. Whether it does in libpcap was up to its configuration.
//   - dsa, dsa-direction (each until 1.10.7): captures of Broadcom's and Marvell's
//     switch ports are Ethernet, with the direction in the switch's tag.
//   - arp-host-names (until 1.10.5): "arp host NAME" and "rarp host NAME" leave out
//     the name's IPv6 addresses. libpcap refuses a name that has any.
//   - ethertype-names (until 1.10.7): "ether proto" knows lldp and slow.
//   - divisors (all): "x / ip[0]" and "x << ether[40]" are accepted. libpcap takes the
//     index of the load for a constant divisor or shift count, and refuses it.
//   - shared-scratch-words (all): arithmetic does not disturb the places of headers.
//     In libpcap, on 802.11 captures with a radio header arithmetic before the first
//     use of the header overwrites its place, and to the right of a tunnel that did
//     not match, offsets are what earlier arithmetic left behind; here they are 0.
//   - lost-offsets (all): "geneve", "vxlan" and "pppoes" on 802.11 captures test what
//     they say. libpcap looks for the header at offset 0.
//
// BSD's loopback headers (NULL, ENC) match in either byte order, and IPv6 in them is
// any of the numbers that NetBSD and OpenBSD, FreeBSD, macOS and Linux have for it.
// libpcap until 1.10.7 takes the byte order of the capture file's header, and the
// family of the system it runs on unless it reads a file.
//
// What cannot be true of any packet is refused where libpcap 1.11.0 refuses it, too:
//
//   - byte-range, proto-range, link-proto-range, iso-proto-range, wlan-dir-range
//     (each until 1.10.7): numbers that do not fit their field, as in "ip proto 300".
//   - decnet-addresses (until 1.10.7): what is not AREA.NODE, up to 63.1023.
//
// Where libpcap 1.11.0 changed and we did not follow:
//
//   - live-metadata (from 1.11.0), file-metadata (until 1.10.7): "inbound",
//     "outbound" and "ifindex" are accepted on all link types. Where the header does
//     not say it, the program asks the Linux kernel; elsewhere it rejects.
//   - portrange-hyphens (from 1.10.5): "portrange 80-ftp-data" is split at the first
//     hyphen.
//   - constants, guards, decnet-loads (each from 1.11.0): of a cut packet, what the
//     text tests first is loaded first and by its own size. The newer libpcap's order
//     is another in comparisons of two protocols' fields, where a link type cannot
//     carry a protocol, and in DECnet addresses.
//
// In general an expression that can match no packet is accepted, as without
// optimising in libpcap; see Options.RejectNothingMatches. Link types of ATM, SS7,
// ARCNET, LocalTalk, pflog, Solaris' ipnet, Symantec's firewall and
// Juniper's are not known: only link[...], len and the like work on them.
//
// What looks odd and is kept: an operand of arithmetic to the right of an
// operator is loaded whether the packet has its protocol or not ("len + tcp[0]");
// AH headers make "protochain" lose its place.
//
// The work goes text, tokens (lex.go), syntax tree (parse.go, ast.go), boolean
// tree of tests on packet bytes (gen_*.go), graph of blocks (graph.go, opt_*.go),
// instructions (emit.go).
package pcapfilter
