package pcapfilter

// proto is a protocol qualifier.
type proto int

const (
	protoNone proto = iota
	protoLink
	protoIP
	protoARP
	protoRARP
	protoSCTP
	protoTCP
	protoUDP
	protoICMP
	protoIGMP
	protoIGRP
	protoPIM
	protoVRRP
	protoCARP
	protoAtalk
	protoAarp
	protoDecnet
	protoLat
	protoSca
	protoMoprc
	protoMopdl
	protoIP6
	protoICMP6
	protoAH
	protoESP
	protoISO
	protoESIS
	protoISIS
	protoL1
	protoL2
	protoIIH
	protoLSP
	protoSNP
	protoCSNP
	protoPSNP
	protoCLNP
	protoSTP
	protoIPX
	protoNetbeui
	protoRadio
)

var protoNames = [...]string{
	"", "link", "ip", "arp", "rarp", "sctp", "tcp", "udp", "icmp", "igmp", "igrp", "pim", "vrrp", "carp",
	"atalk", "aarp", "decnet", "lat", "sca", "moprc", "mopdl", "ip6", "icmp6", "ah", "esp", "iso", "esis", "isis",
	"l1", "l2", "iih", "lsp", "snp", "csnp", "psnp", "clnp", "stp", "ipx", "netbeui", "radio",
}

func (p proto) String() string { return protoNames[p] }

// protoOf is the protocol of a keyword, or protoNone. The keywords and the
// protocols are declared in the same order.
func protoOf(k keyword) proto {
	if k < kwLink || k > kwRadio {
		return protoNone
	}
	return protoLink + proto(k-kwLink)
}

// dir is a direction qualifier.
type dir int

const (
	dirNone dir = iota
	dirSrc
	dirDst
	dirSrcOrDst
	dirSrcAndDst
	dirRA
	dirTA
	dirAddr1
	dirAddr2
	dirAddr3
	dirAddr4
)

var dirNames = [...]string{"", "src", "dst", "src or dst", "src and dst", "ra", "ta", "addr1", "addr2", "addr3", "addr4"}

func (d dir) String() string { return dirNames[d] }

// idType is a type qualifier: what sort of thing the identifier is.
type idType int

const (
	typeNone idType = iota
	typeHost
	typeNet
	typePort
	typePortrange
	typeGateway
	typeProto
	typeProtochain
	typeUndef // after a primitive that leaves nothing to inherit
)

var typeNames = [...]string{"", "host", "net", "port", "portrange", "gateway", "proto", "protochain", ""}

func (t idType) String() string { return typeNames[t] }

// qualifiers are what stands before an identifier, or is inherited from the
// primitive before.
type qualifiers struct {
	proto proto
	dir   dir
	typ   idType
}

// undefined is what a primitive without an identifier passes on.
var undefined = qualifiers{typ: typeUndef}

// node is a boolean expression.
type node interface{ where() span }

func (s span) where() span { return s }

// andOr is a chain of operands joined by "and" and "or", which group to the
// left: ((a op b) op c). The first link's operator is meaningless.
type andOr struct {
	span
	links []link
}

type link struct {
	or bool
	x  node
}

type not struct {
	span
	x node
}

// match is a qualified identifier: "src host 10.0.0.1".
type match struct {
	span
	q  qualifiers
	id ident
}

// identKind is how an identifier is spelled, which decides what it can be.
type identKind int

const (
	idName identKind = iota
	idNumber
	idIPv4
	idIPv4Prefix // 10.0.0.0/8
	idIPv4Mask   // 10.0.0.0 mask 255.0.0.0
	idIPv6
	idIPv6Prefix
	idMAC
	idARCnet
)

type ident struct {
	span
	kind identKind
	text string
	num  uint32 // of idNumber; the length of a prefix
	mask string // of idIPv4Mask
}

// abbrev is a protocol standing alone: "tcp".
type abbrev struct {
	span
	proto proto
}

// relation compares two arithmetic expressions. The operators <, <= and != are
// the negations of >=, > and =.
type relation struct {
	span
	op   tokenKind
	a, b arith
}

// cast is "broadcast" or "multicast".
type cast struct {
	span
	proto     proto
	broadcast bool
}

// lengthTest is "less N" or "greater N".
type lengthTest struct {
	span
	greater bool
	n       uint32
}

// byteTest is the old "byte OFFSET OP VALUE".
type byteTest struct {
	span
	offset uint32
	op     tokenKind
	value  uint32
}

// plain is a primitive of one keyword, with a number where it can have one.
type plain struct {
	span
	kw     keyword
	word   string // as written
	hasNum bool
	num    uint32
	name   string // of those that take a name
	op     tokenKind
}

// wlanType is "type T", "subtype S" or "type T subtype S": numbers as in the
// frame control field, shifted to their place.
type wlanType struct {
	span
	value, mask uint32
}

// wlanDir is "dir D".
type wlanDir struct {
	span
	value uint32
}

// arith is an arithmetic expression.
type arith interface{ where() span }

type arNumber struct {
	span
	n uint32
}

type arLen struct{ span }

// arLoad is "proto[index:size]".
type arLoad struct {
	span
	proto proto
	index arith
	size  uint32
}

type arBinary struct {
	span
	op   tokenKind
	a, b arith
}

type arNegate struct {
	span
	x arith
}
