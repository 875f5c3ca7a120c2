package pcapfilter

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Explanation says what an expression was understood to mean.
type Explanation struct {
	// Grouping is the expression with all parentheses and all inherited
	// qualifiers written out: "tcp or udp and port 53 or 54" becomes
	// "(((tcp or udp) and port 53) or port 54)".
	Grouping string
	Parts    []Part // the primitives, in the order they are tested
}

// Part is one primitive.
type Part struct {
	Text   string   // as in Grouping
	Column int      // where it begins in the expression, from 1, in bytes
	Words  string   // what it means
	Test   string   // exactly what is tested, as an expression on link-layer bytes
	Reads  []string // which bytes of the packet it may read, the first being byte 0
}

// Explain says what each primitive of an expression implies and which bytes it
// reads, on packets of the link type and with the other options Compile takes.
func Explain(expr string, opts Options) (x *Explanation, err error) {
	n, f := parse(expr)
	if f != nil {
		return nil, locate(expr, f)
	}
	x = &Explanation{}
	if n == nil {
		return x, nil
	}
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(*fault)
			if !ok {
				panic(r)
			}
			x, err = nil, locate(expr, f)
		}
	}()
	g := newGen(opts)
	x.Grouping = x.group(g, expr, n)
	return x, nil
}

// String is the explanation in lines.
func (x *Explanation) String() string {
	if len(x.Parts) == 0 {
		return "every packet matches\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", x.Grouping)
	for _, p := range x.Parts {
		fmt.Fprintf(&b, "\n%s\n    %s\n", p.Text, p.Words)
		fmt.Fprintf(&b, "    tests %s\n", p.Test)
		if len(p.Reads) > 0 {
			fmt.Fprintf(&b, "    reads %s\n", strings.Join(p.Reads, ", "))
		}
	}
	return b.String()
}

// group writes a node with parentheses and notes its primitives. Translating
// them in order moves the offsets as Compile does.
func (x *Explanation) group(g *gen, expr string, n node) string {
	switch n := n.(type) {
	case *not:
		return "not " + x.group(g, expr, n.x)
	case *andOr:
		parts := make([]string, len(n.links))
		for i, l := range n.links {
			parts[i] = x.group(g, expr, l.x)
		}
		var b strings.Builder
		b.WriteString(strings.Repeat("(", len(parts)-1))
		b.WriteString(parts[0])
		for i, l := range n.links[1:] {
			op := " and "
			if l.or {
				op = " or "
			}
			b.WriteString(op + parts[i+1] + ")")
		}
		return b.String()
	}
	at := n.where()
	text := strings.Join(strings.Fields(expr[at.pos:at.end]), " ")
	if m, ok := n.(*match); ok {
		text = m.q.String() + strings.Join(strings.Fields(expr[m.id.pos:m.id.end]), " ")
	}
	words := g.words(n)
	c := g.cond(n)
	p := Part{Text: text, Column: at.pos + 1, Words: words, Test: c.String()}
	loads := map[*value]bool{}
	c.loads(loads)
	values := slices.SortedFunc(maps.Keys(loads), func(a, b *value) int {
		return cmp.Or(cmp.Compare(a.placeOrder(), b.placeOrder()), cmp.Compare(a.k, b.k), cmp.Compare(a.size, b.size))
	})
	for _, v := range values {
		if r := v.place(); !slices.Contains(p.Reads, r) {
			p.Reads = append(p.Reads, r)
		}
	}
	x.Parts = append(x.Parts, p)
	return text
}

func (q qualifiers) String() string {
	s := ""
	for _, w := range []string{q.proto.String(), q.dir.String(), q.typ.String()} {
		if w != "" {
			s += w + " "
		}
	}
	return s
}

var sideWords = map[dir]string{
	dirNone: "source or destination", dirSrcOrDst: "source or destination", dirSrc: "source", dirDst: "destination",
	dirSrcAndDst: "source and destination", dirRA: "receiver", dirTA: "transmitter",
	dirAddr1: "first", dirAddr2: "second", dirAddr3: "third", dirAddr4: "fourth",
}

// words says what a primitive means.
func (g *gen) words(n node) string {
	switch n := n.(type) {
	case *match:
		return g.matchWords(n)
	case *abbrev:
		return g.protoWords(n.proto)
	case *relation:
		return "the comparison holds; all numbers are unsigned, and the packet is one that has the protocol on the left"
	case *cast:
		what := "multicast (or broadcast)"
		if n.broadcast {
			what = "broadcast"
		}
		switch n.proto {
		case protoIP:
			return "the IPv4 destination is a " + what + " address"
		case protoIP6:
			return "the IPv6 destination is a " + what + " address"
		}
		return "the link-layer destination is a " + what + " address"
	case *lengthTest:
		if n.greater {
			return fmt.Sprintf("the packet was at least %d bytes long on the wire", n.n)
		}
		return fmt.Sprintf("the packet was at most %d bytes long on the wire", n.n)
	case *byteTest:
		return "a byte of the link-layer header or what follows it"
	case *wlanType:
		return "an 802.11 frame of this type and subtype"
	case *wlanDir:
		return "an 802.11 frame with these direction bits"
	case *plain:
		return plainWords[n.kw]
	}
	return ""
}

var plainWords = map[keyword]string{
	kwVLAN:     "a VLAN tag; what stands to the right is looked for four bytes further on",
	kwMPLS:     "an MPLS label; what stands to the right is looked for behind it",
	kwPPPoED:   "a PPPoE discovery packet",
	kwPPPoES:   "a PPPoE session packet; what stands to the right is looked for in the PPP packet in it",
	kwGeneve:   "a Geneve packet (UDP port 6081); what stands to the right is looked for in the packet it carries",
	kwVXLAN:    "a VXLAN packet (UDP port 4789); what stands to the right is looked for in the frame it carries",
	kwInbound:  "the capturing host received the packet",
	kwOutbound: "the capturing host sent the packet",
	kwIfindex:  "the packet was captured on the interface of this number",
	kwLLC:      "the packet has an IEEE 802.2 header, and a PDU of the type said",
}

func (g *gen) matchWords(n *match) string {
	side := sideWords[n.q.dir]
	switch n.q.typ {
	case typePort, typePortrange:
		who := "TCP, UDP or SCTP"
		if n.q.proto != protoNone {
			who = strings.ToUpper(n.q.proto.String())
		}
		return fmt.Sprintf("%s with %s port %s: IPv6 without extension headers, or IPv4 but for later fragments", who, side, n.id.text)
	case typeProto:
		switch n.q.proto {
		case protoLink:
			return "the link layer carries protocol " + n.id.text
		case protoNone:
			return "IPv4 or IPv6 carries protocol " + n.id.text + " (behind IPv6's fragment header, too)"
		}
		return n.q.proto.String() + " carries protocol " + n.id.text
	case typeProtochain:
		return "protocol " + n.id.text + " is in the chain of headers; the program loops, which kernels do not allow"
	case typeGateway:
		return "IPv4, ARP or RARP from or to the host's link-layer address, and neither from nor to its IPv4 address"
	}
	switch n.id.kind {
	case idMAC:
		return fmt.Sprintf("the %s link-layer address is %s", side, n.id.text)
	case idIPv6, idIPv6Prefix:
		return fmt.Sprintf("IPv6 with %s address %s", side, textWithLength(n.id))
	case idName:
		if n.q.proto == protoLink {
			return fmt.Sprintf("the %s link-layer address is that of %s", side, n.id.text)
		}
	}
	who := "IPv4, ARP or RARP"
	switch {
	case n.q.proto != protoNone:
		who = n.q.proto.String()
	case g.mplsDepth > 0:
		who = "IPv4"
	case n.id.kind == idName:
		who = "IPv4, ARP, RARP or IPv6"
	}
	return fmt.Sprintf("%s with %s address %s", who, side, textWithLength(n.id))
}

func textWithLength(id ident) string {
	switch id.kind {
	case idIPv4Prefix, idIPv6Prefix:
		return fmt.Sprintf("in %s/%d", id.text, id.num)
	case idIPv4Mask:
		return fmt.Sprintf("in %s mask %s", id.text, id.mask)
	}
	return id.text
}

func (g *gen) protoWords(p proto) string {
	if n, ok := netProtos[p]; ok {
		switch n.over {
		case protoIP:
			return fmt.Sprintf("IPv4 of protocol %d", n.num)
		case protoIP6:
			return fmt.Sprintf("IPv6 whose next header, or the one behind a fragment header, is %d", n.num)
		case protoISO:
			return fmt.Sprintf("OSI packets whose protocol identifier is %#x", n.num)
		}
		return fmt.Sprintf("IPv4 of protocol %d, or IPv6 whose next header, or the one behind a fragment header, is %d", n.num, n.num)
	}
	if n, ok := linkProtos[p]; ok {
		if n <= maxLength {
			return fmt.Sprintf("the link layer carries 802.2 service access point %#x", n)
		}
		return fmt.Sprintf("the link layer carries protocol %#04x", n)
	}
	if pdus, ok := isisGroups[p]; ok {
		return fmt.Sprintf("IS-IS packets of types %v", pdus)
	}
	return ""
}
