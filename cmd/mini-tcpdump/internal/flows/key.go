package flows

import (
	"encoding/binary"
	"net/netip"

	"github.com/bpfjit/bpfjit/capture"
)

// key names a flow: source and destination, as IPv6 writes them, ports, IP
// version and protocol. It is bytes so that it can be hashed and compared
// without a look at what they mean.
type key [16 + 16 + 2 + 2 + 1 + 1]byte

const (
	keySrc, keyDst, keySPort, keyDPort, keyVersion, keyProto = 0, 16, 32, 34, 36, 37
)

// sourceOnly makes the key that of the source.
func (k *key) sourceOnly() {
	version := k[keyVersion]
	clear(k[keyDst:])
	k[keyVersion] = version
}

func (k *key) src() netip.Addr { return k.addr(keySrc) }

func (k *key) addr(at int) netip.Addr {
	if k[keyVersion] == 4 {
		return netip.AddrFrom4([4]byte(k[at : at+4]))
	}
	return netip.AddrFrom16([16]byte(k[at : at+16]))
}

func (e *entry) flow() Flow {
	k := &e.key
	return Flow{
		Src: k.addr(keySrc), Dst: k.addr(keyDst), Proto: k[keyProto],
		SPort: binary.BigEndian.Uint16(k[keySPort:]), DPort: binary.BigEndian.Uint16(k[keyDPort:]),
		Count: e.now,
	}
}

// decode finds the flow of a packet; k is zero before. It returns false if the
// packet is not IP or its addresses were not captured.
func (k *key) decode(link capture.LinkType, b []byte) bool {
	switch link {
	case capture.LinkEthernet:
		return len(b) >= 14 && k.etherType(binary.BigEndian.Uint16(b[12:]), b[14:])
	case capture.LinkRaw, capture.LinkIPv4, capture.LinkIPv6:
		return k.ip(b)
	case capture.LinkLinuxSLL:
		return len(b) >= 16 && k.etherType(binary.BigEndian.Uint16(b[14:]), b[16:])
	case capture.LinkLinuxSLL2:
		return len(b) >= 20 && k.etherType(binary.BigEndian.Uint16(b), b[20:])
	case capture.LinkNull, capture.LinkLoop: // the family says no more than the version
		return len(b) >= 4 && k.ip(b[4:])
	}
	return false
}

// etherType goes behind VLAN tags, two at most.
func (k *key) etherType(typ uint16, b []byte) bool {
	for range 2 {
		if typ != 0x8100 && typ != 0x88a8 && typ != 0x9100 || len(b) < 4 {
			break
		}
		typ, b = binary.BigEndian.Uint16(b[2:]), b[4:]
	}
	return (typ == 0x0800 || typ == 0x86dd) && k.ip(b)
}

func (k *key) ip(b []byte) bool {
	if len(b) < 20 {
		return false
	}
	switch b[0] >> 4 {
	case 4:
		k[keyVersion], k[keyProto] = 4, b[9]
		copy(k[keySrc:], b[12:16])
		copy(k[keyDst:], b[16:20])
		hlen := int(b[0]&15) * 4
		if binary.BigEndian.Uint16(b[6:])&0x1fff == 0 && hlen >= 20 && hlen <= len(b) {
			k.ports(b[hlen:])
		}
		return true
	case 6:
		return k.ipv6(b)
	}
	return false
}

// ipv6 goes behind extension headers that are captured (RFC 8200, 4), eight at
// most. The protocol of a flow is the last header's that was seen.
func (k *key) ipv6(b []byte) bool {
	const header = 40
	if len(b) < header {
		return false
	}
	k[keyVersion] = 6
	copy(k[keySrc:], b[8:24])
	copy(k[keyDst:], b[24:40])
	next, b := b[6], b[header:]
	for range 8 {
		size := 0
		switch next {
		case 0, 43, 60: // hop-by-hop, routing, destination options
			if len(b) >= 8 {
				size = (int(b[1]) + 1) * 8
			}
		case 44: // fragment
			if len(b) >= 8 && binary.BigEndian.Uint16(b[2:])&^7 != 0 {
				k[keyProto] = b[0]
				return true
			}
			size = 8
		}
		if size == 0 || size > len(b) {
			break
		}
		next, b = b[0], b[size:]
	}
	k[keyProto] = next
	k.ports(b)
	return true
}

func (k *key) ports(b []byte) {
	switch k[keyProto] {
	case 6, 17, 132:
		if len(b) >= 4 {
			copy(k[keySPort:], b[:4])
		}
	}
}
