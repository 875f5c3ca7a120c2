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
// The work goes text, tokens (lex.go), syntax tree (parse.go, ast.go), boolean
// tree of tests on packet bytes (gen_*.go), graph of blocks (graph.go, opt_*.go),
// instructions (emit.go).
package pcapfilter
