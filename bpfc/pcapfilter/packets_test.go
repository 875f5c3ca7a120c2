package pcapfilter

import (
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// packet is captured bytes and how many there were on the wire.
type packet struct {
	data []byte
	wire int
}

// corpus gives packets of a link type: those of the capture files in the folders
// PCAPFILTER_CORPUS lists, and synthesised ones; whole, cut at every length up
// to 80, and with bytes changed.
func corpus(t testing.TB, lt LinkType, r *rand.Rand) []packet {
	t.Helper()
	whole := synthesise(lt)
	for _, dir := range filepath.SplitList(os.Getenv("PCAPFILTER_CORPUS")) {
		files, err := filepath.Glob(filepath.Join(dir, "*.pcap"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			whole = append(whole, readPcap(f, lt)...)
		}
	}
	all := append([]packet{{nil, 0}, {nil, 100}}, whole...)
	cut := whole
	if sampleSize() > 0 {
		cut = nil
		for range 40 {
			cut = append(cut, whole[r.IntN(len(whole))])
		}
	}
	for _, p := range cut {
		for n := range min(81, len(p.data)) {
			all = append(all, packet{p.data[:n], p.wire})
		}
	}
	for range 2 * min(len(whole), 5000) {
		p := whole[r.IntN(len(whole))]
		d := append([]byte(nil), p.data...)
		for range 1 + r.IntN(3) {
			if len(d) > 0 {
				d[r.IntN(min(len(d), 80))] = interesting(r)
			}
		}
		if r.IntN(3) == 0 {
			d = d[:r.IntN(len(d)+1)]
		}
		all = append(all, packet{d, p.wire + r.IntN(2)})
	}
	return all
}

// interesting is a byte that means something in some header.
func interesting(r *rand.Rand) byte {
	special := []byte{0, 1, 2, 4, 6, 8, 17, 44, 51, 58, 60, 0x21, 0x45, 0x46, 0x4f, 0x57, 0x60, 0x80, 0x81, 0x88, 0xa8, 0xdd, 0x86, 0xe0, 0xff, 0xfe, 0xaa}
	if r.IntN(3) > 0 {
		return special[r.IntN(len(special))]
	}
	return byte(r.Uint32())
}

// readPcap reads the packets of a capture file of the link type; of any other
// file it gives none. Long packets are cut.
func readPcap(file string, lt LinkType) (ps []packet) {
	b, err := os.ReadFile(file)
	if err != nil || len(b) < 24 {
		return nil
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch binary.LittleEndian.Uint32(b) {
	case 0xa1b2c3d4, 0xa1b23c4d:
	case 0xd4c3b2a1, 0x4d3cb2a1:
		order = binary.BigEndian
	default:
		return nil
	}
	if LinkTypeOf(int(order.Uint32(b[20:])&0xffff)).Number() != lt.Number() {
		return nil
	}
	for b = b[24:]; len(b) >= 16; {
		n, wire := int(order.Uint32(b[8:])), int(order.Uint32(b[12:]))
		b = b[16:]
		if n > len(b) || n < 0 {
			break
		}
		if len(ps) < 400 {
			ps = append(ps, packet{b[:min(n, 400)], wire})
		}
		b = b[n:]
	}
	return ps
}

// innerLen is the length of the Ethernet frame in the tunnels.
const innerLen = 14 + 20 + 40

// afInet6Linux is the address family of IPv6 on Linux.
const afInet6Linux = 10

// payloads are network layer packets, with the Ethernet type that names them.
func payloads() map[string]struct {
	etherType uint32
	data      []byte
} {
	type pl = struct {
		etherType uint32
		data      []byte
	}
	ip := func(proto byte, frag uint16, options int, payload []byte) []byte {
		h := make([]byte, 20+options)
		h[0] = 0x40 | byte(len(h)/4)
		binary.BigEndian.PutUint16(h[2:], uint16(len(h)+len(payload)))
		binary.BigEndian.PutUint16(h[6:], frag)
		h[8], h[9] = 64, proto
		copy(h[12:], []byte{10, 0, 0, 1, 192, 168, 1, 2})
		return append(h, payload...)
	}
	ip6 := func(next byte, payload []byte) []byte {
		h := make([]byte, 40)
		h[0], h[6], h[7] = 0x60, next, 64
		binary.BigEndian.PutUint16(h[4:], uint16(len(payload)))
		copy(h[8:], []byte{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1})
		copy(h[24:], []byte{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2})
		return append(h, payload...)
	}
	ports := func(src, dst uint16, rest ...byte) []byte {
		b := binary.BigEndian.AppendUint16(nil, src)
		return append(binary.BigEndian.AppendUint16(b, dst), append(rest, make([]byte, 24)...)...)
	}
	tcp := func(src, dst uint16, flags byte) []byte {
		return ports(src, dst, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, flags, 1, 0)
	}
	inner := append([]byte{1, 2, 3, 4, 5, 6, 6, 5, 4, 3, 2, 1, 8, 0}, ip(ipTCP, 0, 0, tcp(80, 1024, 0x12))...)
	if len(inner) != innerLen {
		panic("innerLen is wrong")
	}
	geneve := append([]byte{0, 0, 0, 0, 0x01, 0, 0x65, 0x58, 0, 0, 5, 0, 9, 9, 9, 9}, inner...)
	vx := append([]byte{0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 5, 0}, inner...)
	udp := func(src, dst uint16, rest []byte) []byte {
		b := binary.BigEndian.AppendUint16(nil, src)
		return append(binary.BigEndian.AppendUint16(b, dst), rest...)
	}
	arp := append([]byte{0, 1, 8, 0, 6, 4, 0, 1, 1, 2, 3, 4, 5, 6, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 192, 168, 1, 2}, make([]byte, 18)...)
	return map[string]pl{
		"tcp":      {etherIP, ip(ipTCP, 0, 0, tcp(80, 443, 0x02))},
		"tcpOpts":  {etherIP, ip(ipTCP, 0, 12, tcp(1000, 80, 0x18))},
		"udp":      {etherIP, ip(ipUDP, 0, 0, ports(53, 3000))},
		"fragment": {etherIP, ip(ipUDP, 0x2001, 0, ports(53, 3000))},
		"first":    {etherIP, ip(ipUDP, 0x2000, 4, ports(53, 22))},
		"sctp":     {etherIP, ip(ipSCTP, 0, 0, ports(22, 80))},
		"icmp":     {etherIP, ip(ipICMP, 0, 0, []byte{8, 0, 1, 2, 3, 4, 5, 6})},
		"ah":       {etherIP, ip(ipAH, 0, 0, append([]byte{6, 4, 0, 0}, tcp(80, 80, 0)...))},
		"pim":      {etherIP, ip(ipPIM, 0, 0, make([]byte, 8))},
		"geneve":   {etherIP, ip(ipUDP, 0, 4, udp(4000, portGeneve, geneve))},
		"vxlan":    {etherIP, ip(ipUDP, 0, 0, udp(4000, portVXLAN, vx))},
		"vxlanGBP": {etherIP, ip(ipUDP, 0, 0, udp(4000, portVXLAN, append([]byte{0, 0, 0, 0, 0x88, 0, 0, 1}, vx[8:]...)))},
		"classE":   {etherIP, append(ip(ipTCP, 0, 0, nil)[:16], 240, 0, 0, 1)},
		"geneve6":  {etherIP6, ip6(ipUDP, udp(4000, portGeneve, geneve))},
		"tcp6":     {etherIP6, ip6(ipTCP, tcp(443, 80, 0x11))},
		"frag6":    {etherIP6, ip6(ipFragment, append([]byte{ipTCP, 0, 0, 1, 0, 0, 0, 1}, tcp(80, 80, 2)...))},
		"hop6":     {etherIP6, ip6(ipHopOpts, append([]byte{ipDstOpts, 0, 0, 0, 0, 0, 0, 0, ipTCP, 0, 0, 0, 0, 0, 0, 0}, tcp(22, 23, 2)...))},
		"icmp6":    {etherIP6, ip6(ipICMP6, []byte{128, 0, 1, 2, 3, 4, 5, 6})},
		"arp":      {etherARP, arp},
		"rarp":     {etherRARP, arp},
		"vlan":     {etherVLAN, append([]byte{0x20, 5, 8, 0}, ip(ipTCP, 0, 0, tcp(80, 22, 2))...)},
		"qinq":     {etherQinQ, append([]byte{0x20, 5, 0x81, 0, 0, 100, 8, 6}, arp...)},
		"mpls":     {etherMPLS, append([]byte{0, 0, 0x40, 64, 0, 0, 0x51, 64}, ip(ipUDP, 0, 0, ports(53, 53))...)},
		"mpls6":    {etherMPLS, append([]byte{0, 0, 0x51, 64}, ip6(ipUDP, ports(53, 53))...)},
		"pppoes":   {etherPPPoES, append([]byte{0x11, 0, 0, 5, 0, 60, 0, 0x21}, ip(ipTCP, 0, 0, tcp(80, 1, 2))...)},
		"pppoed":   {etherPPPoED, make([]byte, 40)},
		"decnet":   {etherDecnet, []byte{20, 0, 0x81, 0x26, 0, 0, 0xaa, 0, 4, 0, 5, 4, 0, 0, 0xaa, 0, 4, 0, 9, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
		"decnet2":  {etherDecnet, []byte{9, 0, 0x02, 9, 4, 5, 4, 0, 0, 0, 0}},
		"decnet2p": {etherDecnet, []byte{9, 0, 0x81, 0x02, 9, 4, 5, 4, 0, 0, 0}},
		"atalk":    {etherAtalk, make([]byte, 30)},
		"iso":      {46, append([]byte{0xfe, 0xfe, 3, 0x83, 27, 1, 0, 18, 1, 0, 0}, make([]byte, 40)...)},
		"isis":     {46, append([]byte{0xfe, 0xfe, 3, 0x83, 27, 1, 0, 0xe0 | isisL2LSP, 1, 0, 0}, make([]byte, 40)...)},
		"osi":      {0xfefe, append([]byte{0, 0x83, 27, 1, 0, isisL2CSNP, 1, 0, 0}, make([]byte, 40)...)}, // as in Cisco's HDLC
		"stp":      {38, append([]byte{0x42, 0x42, 3}, make([]byte, 40)...)},
		"snapAARP": {46, append([]byte{0xaa, 0xaa, 3, 0, 0, 0, 0x80, 0xf3}, make([]byte, 40)...)},
		"snapAT":   {46, append([]byte{0xaa, 0xaa, 3, 8, 0, 7, 0x80, 0x9b}, make([]byte, 40)...)},
		"netware":  {46, append([]byte{0xff, 0xff, 3}, make([]byte, 40)...)},
		"llcRR":    {46, append([]byte{0x04, 0x04, 1}, make([]byte, 40)...)},
	}
}

// synthesise puts the payloads behind the link type's header.
func synthesise(lt LinkType) (ps []packet) {
	all := payloads()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		p := all[name]
		for _, h := range headers(lt, p.etherType) {
			d := append(h, p.data...)
			ps = append(ps, packet{d, len(d)})
			if len(d) > 60 {
				ps = append(ps, packet{d[:60], len(d)})
			}
		}
	}
	return ps
}

// headers are link-layer headers that say etherType, as far as they can.
func headers(lt LinkType, etherType uint32) (hs [][]byte) {
	be16 := func(b []byte, v uint32) []byte { return binary.BigEndian.AppendUint16(b, uint16(v)) }
	snap := func(b []byte) []byte { return be16(append(b, 0xaa, 0xaa, 3, 0, 0, 0), etherType) }
	wlan := func(b []byte, fc0, fc1 byte, more int) []byte {
		h := append(b, fc0, fc1)
		h = append(h, make([]byte, 2)...)
		h = append(h, 1, 2, 3, 4, 5, 6, 6, 5, 4, 3, 2, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0)
		h = append(h, make([]byte, more)...)
		return snap(h)
	}
	wlans := func(b []byte) [][]byte {
		c := func() []byte { return append([]byte(nil), b...) }
		return [][]byte{wlan(c(), 8, 1, 0), wlan(c(), 0x88, 2, 2), wlan(c(), 0x80, 0, 0), wlan(c(), 0xc4, 0, 0), wlan(c(), 0xb4, 0, 0), wlan(c(), 8, 3, 6), wlan(c(), 0x88, 0, 4)}
	}
	switch n := lt.Number(); n {
	case 0, 108, 109:
		for i, family := range addressFamilies[etherType] {
			if family == afInet6Linux {
				continue // see TestLoopbackFamilies
			}
			h := make([]byte, findLink(n).pay)
			if n == 108 || i%2 > 0 {
				binary.BigEndian.PutUint32(h, family)
			} else {
				binary.LittleEndian.PutUint32(h, family)
			}
			hs = append(hs, h)
		}
		if hs == nil {
			hs = [][]byte{make([]byte, findLink(n).pay)}
		}
		return hs
	case 1:
		return [][]byte{be16([]byte{1, 2, 3, 4, 5, 6, 6, 5, 4, 3, 2, 1}, etherType),
			be16([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4, 5, 6}, etherType)}
	case 105:
		return wlans(nil)
	case 119:
		return append(wlans(make([]byte, 144)), wlans([]byte{0x80, 0x21, 0x10, 1, 0, 0, 0, 8})...)
	case 127:
		return append(wlans([]byte{0, 0, 8, 0, 0, 0, 0, 0}), append(wlans([]byte{0, 0, 9, 0, 2, 0, 0, 0, 0x20}),
			wlans([]byte{0, 0, 17, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20})...)...)
	case 163:
		return wlans([]byte{0x80, 0x21, 0x10, 1, 0, 0, 0, 12, 0, 0, 0, 0})
	case 192:
		return append(wlans([]byte{0, 0, 8, 0, 105, 0, 0, 0}), wlans([]byte{0, 0, 8, 0, 1, 0, 0, 0})...)
	case 113:
		t := etherType
		if t <= maxLength {
			t = 4
		}
		return [][]byte{be16(make([]byte, 14), t), be16(append([]byte{0, 4}, make([]byte, 12)...), t)}
	case 276:
		h := append(be16(nil, etherType), make([]byte, 18)...)
		out := append([]byte(nil), h...)
		out[7], out[10] = 3, 4
		return [][]byte{h, out}
	case 107:
		nlpid := map[uint32]byte{etherIP: 0xcc, etherIP6: 0x8e, 46: 0x83}
		return [][]byte{{0x18, 0x41, 3, nlpid[etherType]}}
	}
	l := findLink(lt.Number())
	if l.pay == 0 && l.typ == 0 && l.net == 0 {
		return [][]byte{{}}
	}
	h := make([]byte, max(l.pay, l.typ+2))
	t := etherType
	if p, ok := pppProtos[etherType]; ok && (lt.Number() < 60 && lt.Number() > 8 || lt.Number() == 166) {
		t = p
	}
	if l.net > 0 {
		return [][]byte{snap(h[:l.pay])}
	}
	binary.BigEndian.PutUint16(h[l.typ:], uint16(t))
	return [][]byte{h}
}
