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
// The tests compare with libpcap 1.10.3. On purpose we differ in this:
//
//   - "byte N & M" and "byte N | M" test the byte at N. libpcap forgets to load
//     it.
//   - "x / ip[0]" and "x << ether[40]" are accepted. libpcap takes the index of
//     the load for a constant divisor or shift count, and refuses it.
//   - geneve on 802.11 captures, and pppoes and arithmetic before the first use
//     of a header on 802.11 captures with a radio header, test what they say.
//     libpcap loses the place of the header.
//   - To the right of a geneve that did not match, offsets are 0, where libpcap
//     has what earlier arithmetic left behind.
//   - vxlan is a keyword, as in libpcap since 2025; it looks for the flag that
//     the network identifier is valid.
//   - "gateway" works where the resolver knows the host's MAC address.
//   - An expression that can match no packet is accepted, as without optimising
//     in libpcap; see Options.RejectNothingMatches.
//   - Link types of ATM, SS7, ARCNET, LocalTalk, pflog, Solaris' ipnet and
//     Juniper's are not known: only link[...], len and the like work on them.
//
// What looks odd and is kept: an operand of arithmetic to the right of an
// operator is loaded whether the packet has its protocol or not ("len + tcp[0]");
// AH headers make "protochain" lose its place; "ip multicast" includes all
// addresses from 224.0.0.0 up.
//
// The work goes text, tokens (lex.go), syntax tree (parse.go, ast.go), boolean
// tree of tests on packet bytes (gen_*.go), graph of blocks (graph.go, opt_*.go),
// instructions (emit.go).
package pcapfilter
