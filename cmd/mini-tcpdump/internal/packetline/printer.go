// Package packetline describes packets in one line each, in tcpdump's words:
//
//	12:00:00.123456 IP 10.0.0.1.1234 > 10.0.0.2.80: Flags [S], seq 1, win 512, length 0
//
// It knows Ethernet, VLAN tags, Linux cooked captures, BSD loopback, PPP, ARP,
// IPv4, IPv6 with its extension headers, TCP, UDP, ICMP and ICMPv6. Of anything
// else it gives the number in the last header it knows (ethertype, IP protocol)
// and never guesses. A header that was not captured as a whole shows as [|tcp]
// or the like. TCP sequence numbers are absolute, as with tcpdump -S: relative
// ones would need a memory of all connections.
package packetline

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
	"time"

	"github.com/bpfjit/bpfjit/capture"
)

// Options say what a line contains. The zero value is what tcpdump prints
// without options, with numbers for names.
type Options struct {
	Time  TimeStyle
	Nanos bool           // nine digits of a second instead of six
	Zone  *time.Location // of Clock and Date; nil: time.Local
	Link  bool           // -e: the link-layer header
	Quiet bool           // -q: less of the transport protocol
	Dump  DumpStyle
	Names *Names // nil: numbers
}

// TimeStyle says how a line begins.
type TimeStyle uint8

const (
	Clock    TimeStyle = iota // hours, minutes, seconds
	NoTime                    // -t
	Epoch                     // -tt: seconds since 1970
	Previous                  // -ttt: since the line before
	Date                      // -tttt: date and Clock
	First                     // -ttttt: since the first line
)

// DumpStyle says what follows the line.
type DumpStyle uint8

const (
	NoDump      DumpStyle = iota
	Hex                   // -x: the packet in hexadecimal, without link-layer header
	HexLink               // -xx: with it
	HexText               // -X: and as text
	HexTextLink           // -XX
)

// Printer makes lines. It is for one goroutine, since lines depend on the time
// of lines before. It allocates nothing per packet.
type Printer struct {
	opts Options
	b    []byte // the line being made

	base   int64 // what times count from, in Previous and First
	inside int   // how many IP headers are around this one
	linkAt int   // where the network layer starts; -1: not known
	names  []string
}

// New makes a Printer.
func New(opts Options) *Printer {
	if opts.Zone == nil {
		opts.Zone = time.Local
	}
	return &Printer{opts: opts, base: -1}
}

// Interfaces gives the names of interfaces by index, for captures that mix them.
func (p *Printer) Interfaces(byIndex []string) { p.names = byIndex }

// Append appends the line for a packet, with its newline, and the dump if one
// is asked for.
func (p *Printer) Append(dst []byte, pkt *capture.Packet) []byte {
	p.b = dst
	p.time(pkt.TS)
	p.inside, p.linkAt = 0, 0
	p.link(pkt.LinkType, pkt.Data, int(pkt.WireLen))
	p.b = append(p.b, '\n')
	p.dump(pkt.Data)
	dst, p.b = p.b, nil
	return dst
}

func (p *Printer) time(ts int64) {
	switch p.opts.Time {
	case NoTime:
		return
	case Epoch:
		p.str(strconv.AppendInt(p.b, floorDiv(ts, 1e9), 10))
		p.fraction(ts - floorDiv(ts, 1e9)*1e9)
	case Previous, First:
		if p.base < 0 {
			p.base = ts
		}
		d := ts - p.base
		if p.opts.Time == Previous {
			p.base = ts
		}
		sign := byte(' ')
		if d < 0 {
			sign, d = '-', -d
		}
		p.b = append(p.b, sign)
		s := d / 1e9
		p.clock(int(s/3600), int(s/60%60), int(s%60))
		p.fraction(d % 1e9)
	default:
		t := time.Unix(0, ts).In(p.opts.Zone)
		if p.opts.Time == Date {
			p.b = t.AppendFormat(p.b, "2006-01-02 ")
		}
		p.clock(t.Clock())
		p.fraction(int64(t.Nanosecond()))
	}
	p.b = append(p.b, ' ')
}

// floorDiv rounds down, so that what remains of a time before 1970 is positive.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func (p *Printer) clock(h, m, s int) {
	p.pad(uint64(h), 2)
	p.b = append(p.b, ':')
	p.pad(uint64(m), 2)
	p.b = append(p.b, ':')
	p.pad(uint64(s), 2)
}

func (p *Printer) fraction(ns int64) {
	p.b = append(p.b, '.')
	if p.opts.Nanos {
		p.pad(uint64(ns), 9)
		return
	}
	p.pad(uint64(ns/1000), 6)
}

// What lines are made of. Each appends.

func (p *Printer) str(b []byte)   { p.b = b }
func (p *Printer) text(s string)  { p.b = append(p.b, s...) }
func (p *Printer) dec(v uint64)   { p.b = strconv.AppendUint(p.b, v, 10) }
func (p *Printer) num(v int)      { p.b = strconv.AppendInt(p.b, int64(v), 10) }
func (p *Printer) hex8(b byte)    { p.b = hex.AppendEncode(p.b, []byte{b}) }
func (p *Printer) hexes(b []byte) { p.b = hex.AppendEncode(p.b, b) }

// textNum is a word and a number.
func (p *Printer) textNum(s string, v uint32) {
	p.text(s)
	p.dec(uint64(v))
}

// hex16 is 0x and four digits.
func (p *Printer) hex16(v uint16) {
	p.text("0x")
	p.hex8(byte(v >> 8))
	p.hex8(byte(v))
}

// pad is v in at least width digits.
func (p *Printer) pad(v uint64, width int) {
	var digits [20]byte
	d := strconv.AppendUint(digits[:0], v, 10)
	for n := len(d); n < width; n++ {
		p.b = append(p.b, '0')
	}
	p.b = append(p.b, d...)
}

// cut says that the header of what was not captured.
func (p *Printer) cut(what string) {
	p.text(" [|")
	p.text(what)
	p.b = append(p.b, ']')
}

func (p *Printer) length(n int) {
	p.text(", length ")
	p.num(n)
}

func (p *Printer) mac(b []byte) {
	for i, v := range b[:6] {
		if i > 0 {
			p.b = append(p.b, ':')
		}
		p.hex8(v)
	}
}

// addr is an IPv4 or IPv6 address, by its length.
func (p *Printer) addr(b []byte) {
	a, _ := netip.AddrFromSlice(b)
	if name := p.opts.Names.host(a); name != "" {
		p.text(name)
		return
	}
	p.b = a.AppendTo(p.b)
}

// endpoints is "a > b", with ports unless they are negative.
func (p *Printer) endpoints(src, dst []byte, proto uint8, sport, dport int) {
	p.addr(src)
	p.dotPort(proto, sport)
	p.text(" > ")
	p.addr(dst)
	p.dotPort(proto, dport)
}

func (p *Printer) dotPort(proto uint8, port int) {
	if port >= 0 {
		p.b = append(p.b, '.')
		p.port(proto, port)
	}
}

func (p *Printer) port(proto uint8, port int) {
	if name := p.opts.Names.service(proto, uint16(port)); name != "" {
		p.text(name)
		return
	}
	p.num(port)
}

func be16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }
