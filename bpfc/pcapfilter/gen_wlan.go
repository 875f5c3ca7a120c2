package pcapfilter

import "github.com/bpfjit/bpfjit/bpfc"

// wifiState says which of the offsets that vary from packet to packet the
// program's prologue finds out already.
type wifiState struct {
	header, payload bool
}

// Bits of the frame control field of IEEE 802.11, by byte.
const (
	fcTypeMask    = 0x0c // first byte
	fcSubtypeMask = 0xf0
	fcTypeCtl     = 0x04 // also: this bit is set in control frames only
	fcTypeData    = 0x08 // also: this bit is set in data frames only
	fcQoS         = 0x80
	fcCTS         = 0xc0
	fcACK         = 0xd0
	fcDirMask     = 0x03 // second byte
	fcToDS        = 0x01
	fcFromDS      = 0x02
)

// Offsets of the addresses in an 802.11 header.
const (
	wlanAddr1 = 4
	wlanAddr2 = 10
	wlanAddr3 = 16
	wlanAddr4 = 24
	wlanLen   = 24
)

func prepareWLAN(*gen) {}

// headerAfter makes v the place of the 802.11 header, which is not above limit.
func (g *gen) headerAfter(v *value, limit uint32) {
	slot := g.newSlot(limit)
	g.prologue = append(g.prologue, assigns(assign{slot, v}))
	g.linkHdr = offset{variable: true, slot: slot}
}

// littleEndian16 is the two bytes at k, the low one first.
func (g *gen) littleEndian16(k uint32) *value {
	high := g.alu(bpfc.AluLSH, g.load(offset{k: k + 1}, 1), g.constant(8))
	return g.alu(bpfc.AluOR, high, g.load(offset{k: k}, 1))
}

// prepareRadiotap: the length of a radiotap header is in its bytes 2 and 3.
func prepareRadiotap(g *gen) { g.headerAfter(g.littleEndian16(2), 0xffff) }

// prepareAVS: the length of an AVS header is in its bytes 4 to 7.
func prepareAVS(g *gen) { g.headerAfter(g.load(offset{k: 4}, 4), 0xffffffff) }

// preparePrism: a PRISM header has 144 bytes, but drivers that could do both put
// AVS headers into captures of this link type, too.
func preparePrism(g *gen) {
	const avsMask, avsMagic, prismLen = 0xfffff000, 0x80211000, 144
	g.headerAfter(g.constant(prismLen), 0xffffffff)
	avs := and(g.cmpMask(offset{}, 4, avsMagic, avsMask), assigns(assign{g.linkHdr.slot, g.load(offset{k: 4}, 4)}))
	g.prologue = append(g.prologue, or(avs, g.yes()))
}

// preparePPI: the length of a PPI header is in its bytes 2 and 3.
func preparePPI(g *gen) { g.headerAfter(g.littleEndian16(2), 0xffff) }

// ppiCheck: only packets with an 802.11 header behind that of PPI are looked at
// at all.
func (g *gen) ppiCheck() *cond {
	const dlt80211 = 0x69000000 // 105, little-endian
	return g.cmp(offset{k: 4}, 4, dlt80211)
}

// prepareWLANPayload finds the payload: behind 24 bytes, two more with quality
// of service, and where radiotap says so a filling up to the next four. An
// 802.11 header with four addresses is not provided for, as in libpcap.
func (g *gen) prepareWLANPayload() {
	hdr := g.constant(g.linkHdr.k)
	if g.linkHdr.variable {
		hdr = g.slot(g.linkHdr.slot)
	}
	slot := g.newSlot(unlessOver(uint64(hdr.max) + wlanLen + 2 + 3))
	pay := g.slot(slot)
	set := func(v *value) *cond { return assigns(assign{slot, v}) }
	plus := func(v *value, k uint32) *value { return g.alu(bpfc.AluADD, v, g.constant(k)) }

	fc := g.load(g.linkHdr, 1)
	bit := func(v *value, mask uint32) *cond { return g.test(bpfc.JmpJSET, v, g.constant(mask)) }
	steps := or(and(bit(fc, fcQoS), set(plus(pay, 2))), g.yes())
	if g.dlt == 127 {
		// The flags byte is the first field but for a time stamp of eight bytes.
		const hasFlags, hasTSFT, extended, padded = 0x02000000, 0x01000000, 0x80, 0x20
		present := g.load(offset{k: 4}, 4)
		at16, at8 := g.load(offset{k: 16}, 1), g.load(offset{k: 8}, 1)
		flag := or(and(bit(present, hasTSFT), bit(at16, padded)),
			and(negate(bit(present, hasTSFT)), bit(at8, padded)))
		pad := and(bit(present, hasFlags), negate(bit(present, extended)), flag, set(g.and(plus(pay, 3), ^uint32(3))))
		steps = and(steps, or(pad, g.yes()))
	}
	data := and(bit(fc, fcTypeData), negate(bit(fc, fcTypeCtl)), steps)
	g.prologue = append(g.prologue, and(set(plus(hdr, wlanLen)), or(data, g.yes())))
	g.linkPay = offset{variable: true, slot: slot}
	g.netOff, g.llcOff = 8, 3
}

// frameControl tests bits of a byte of the frame control field.
func (g *gen) frameControl(k, mask uint32) *cond { return g.anyBits(g.linkHdr.plus(k), 1, mask) }

// wlanData tests for a data frame.
func (g *gen) wlanData() *cond {
	g.needLinkHdr()
	return and(negate(g.frameControl(0, fcTypeCtl)), g.frameControl(0, fcTypeData))
}

// protoWLAN: data frames begin with 802.2.
func protoWLAN(g *gen, p uint32) *cond {
	g.needPayload()
	return and(g.wlanData(), protoLLC(g, p))
}

// macWLAN tests the addresses of 802.11, whose places depend on the kind of frame.
func macWLAN(g *gen, d dir, mac [6]byte) *cond {
	g.needLinkHdr()
	addr := func(k uint32) *cond { return g.bytes6(g.linkHdr.plus(k), mac) }
	switch d {
	case dirAddr1:
		return addr(wlanAddr1)
	case dirAddr2:
		return and(g.hasAddr2(), addr(wlanAddr2))
	case dirAddr3:
		return and(negate(g.cmpMask(g.linkHdr, 1, fcTypeCtl, fcTypeMask)), addr(wlanAddr3))
	case dirAddr4:
		return and(g.cmpMask(g.linkHdr.plus(1), 1, fcDirMask, fcDirMask), addr(wlanAddr4))
	case dirRA:
		return and(g.frameControl(0, fcTypeData), addr(wlanAddr1))
	case dirTA:
		return and(g.frameControl(0, fcTypeData), g.hasAddr2(), addr(wlanAddr2))
	}
	return g.either(d, func(source bool) *cond {
		if source {
			return g.wlanSource(addr)
		}
		return g.wlanDest(addr)
	})
}

// hasAddr2 leaves out the control frames without a second address, CTS and ACK.
func (g *gen) hasAddr2() *cond {
	short := or(g.cmpMask(g.linkHdr, 1, fcCTS, fcSubtypeMask), g.cmpMask(g.linkHdr, 1, fcACK, fcSubtypeMask))
	return negate(and(g.cmpMask(g.linkHdr, 1, fcTypeCtl, fcTypeMask), short))
}

// wlanDest applies a test to the destination address: the first, of data frames
// to the distribution system the third. Control frames have none.
func (g *gen) wlanDest(addr func(k uint32) *cond) *cond {
	toDS := func() *cond { return g.frameControl(1, fcToDS) }
	mgmt := and(negate(g.frameControl(0, fcTypeData)), addr(wlanAddr1))
	data := and(g.frameControl(0, fcTypeData),
		or(and(negate(toDS()), addr(wlanAddr1)), and(toDS(), addr(wlanAddr3))))
	return and(negate(g.frameControl(0, fcTypeCtl)), or(mgmt, data))
}

// wlanSource is the same for the source: the second address, of data frames from
// the distribution system the third, and between two of them the fourth.
func (g *gen) wlanSource(addr func(k uint32) *cond) *cond {
	toDS := func() *cond { return g.frameControl(1, fcToDS) }
	fromDS := func() *cond { return g.frameControl(1, fcFromDS) }
	mgmt := and(negate(g.frameControl(0, fcTypeData)), addr(wlanAddr2))
	data := and(g.frameControl(0, fcTypeData),
		or(and(negate(fromDS()), addr(wlanAddr2)),
			and(fromDS(), or(and(negate(toDS()), addr(wlanAddr3)), and(toDS(), addr(wlanAddr4))))))
	return and(negate(g.frameControl(0, fcTypeCtl)), or(mgmt, data))
}

func multicastWLAN(g *gen) *cond {
	g.needLinkHdr()
	return g.wlanDest(func(k uint32) *cond { return g.anyBits(g.linkHdr.plus(k), 1, 1) })
}

// isWLAN tells the link types "type", "subtype" and "dir" work on.
func (g *gen) isWLAN() bool {
	switch g.dlt {
	case 105, 119, 127, 163, 192:
		return true
	}
	return false
}

func (g *gen) wlanType(n *wlanType) *cond {
	if !g.isWLAN() {
		g.fail("802.11 link-layer types supported only on 802.11")
	}
	g.needLinkHdr()
	return g.cmpMask(g.linkHdr, 1, n.value, n.mask)
}

func (g *gen) wlanDir(n *wlanDir) *cond {
	if !g.isWLAN() {
		g.fail("frame direction supported only with 802.11 headers")
	}
	g.needLinkHdr()
	return g.cmpMask(g.linkHdr.plus(1), 1, n.value, fcDirMask)
}
