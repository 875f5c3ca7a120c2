package capture

import "fmt"

// LinkType is a LINKTYPE_ value: what kind of header packets begin with, as
// capture files number it (www.tcpdump.org/linktypes.html). It differs from the
// DLT_ values of programs in a few cases; see DLT.
type LinkType uint32

// The link types that are most often met, and those whose packets may be larger
// than others.
const (
	LinkNull      LinkType = 0   // BSD loopback, family in the capturing host's byte order
	LinkEthernet  LinkType = 1   // IEEE 802.3
	LinkPPP       LinkType = 9   // PPP
	LinkPPPHDLC   LinkType = 50  // PPP in HDLC-like framing
	LinkRaw       LinkType = 101 // IPv4 or IPv6
	LinkIEEE80211 LinkType = 105 // 802.11
	LinkLoop      LinkType = 108 // OpenBSD loopback, family in network byte order
	LinkLinuxSLL  LinkType = 113 // Linux "cooked" capture
	LinkRadiotap  LinkType = 127 // radiotap and 802.11
	LinkIPv4      LinkType = 228 // IPv4
	LinkIPv6      LinkType = 229 // IPv6
	LinkDBus      LinkType = 231 // D-Bus messages
	LinkNFLOG     LinkType = 239 // Linux netfilter log
	LinkUSBPcap   LinkType = 249 // USB with USBPcap's header
	LinkEBHSCR    LinkType = 279 // Elektrobit High Speed Capture and Replay
	LinkLinuxSLL2 LinkType = 276 // Linux "cooked" capture, version 2
)

var linkTypeNames = map[LinkType]string{
	LinkNull: "NULL", LinkEthernet: "ETHERNET", 3: "AX25", 6: "IEEE802_5", 7: "ARCNET_BSD",
	8: "SLIP", LinkPPP: "PPP", 10: "FDDI", LinkPPPHDLC: "PPP_HDLC", 51: "PPP_ETHER",
	100: "ATM_RFC1483", LinkRaw: "RAW", 102: "SLIP_BSDOS", 103: "PPP_BSDOS", 104: "C_HDLC",
	LinkIEEE80211: "IEEE802_11", 107: "FRELAY", LinkLoop: "LOOP", LinkLinuxSLL: "LINUX_SLL",
	114: "LTALK", 117: "PFLOG", 119: "IEEE802_11_PRISM", 122: "IP_OVER_FC", 123: "SUNATM",
	LinkRadiotap: "IEEE802_11_RADIOTAP", 138: "APPLE_IP_OVER_IEEE1394", 187: "BLUETOOTH_HCI_H4",
	189: "USB_LINUX", 192: "PPI", 195: "IEEE802_15_4_WITHFCS", 203: "LAPD", 220: "USB_LINUX_MMAPPED",
	LinkIPv4: "IPV4", LinkIPv6: "IPV6", LinkDBus: "DBUS", LinkNFLOG: "NFLOG", 240: "NETANALYZER",
	246: "PFSYNC", LinkUSBPcap: "USBPCAP", 253: "NETLINK", 258: "PKTAP", LinkLinuxSLL2: "LINUX_SLL2",
	LinkEBHSCR: "EBHSCR",
}

// String returns the name that follows LINKTYPE_, or the number.
func (l LinkType) String() string {
	if name, ok := linkTypeNames[l]; ok {
		return name
	}
	return fmt.Sprintf("LINKTYPE %d", uint32(l))
}

// The link types whose DLT_ value on Linux is another number. DLT_ values came
// first and differ between systems, which is why files have numbers of their own.
var linkTypeDLT = map[LinkType]uint32{
	100: 11, // ATM_RFC1483
	101: 12, // RAW
	102: 15, // SLIP_BSDOS
	103: 16, // PPP_BSDOS
}

// DLT returns the link type as programs know it: the value of pcap_datalink(3)
// on Linux, and what pcapfilter compiles for. An unknown link type is its own DLT,
// as in libpcap.
func (l LinkType) DLT() uint32 {
	if d, ok := linkTypeDLT[l]; ok {
		return d
	}
	return uint32(l)
}

// FromDLT is the inverse of DLT for those values that differ.
func FromDLT(dlt uint32) LinkType {
	for l, d := range linkTypeDLT {
		if d == dlt {
			return l
		}
	}
	return LinkType(dlt)
}

// maxCapLen is the largest packet that a pcap file may hold, in bytes. The
// numbers are libpcap's: a longer packet in a file is one that no other program
// can read, and nearly always a broken length.
func (l LinkType) maxCapLen() uint32 {
	switch l {
	case LinkDBus:
		return 128 << 20
	case LinkEBHSCR:
		return 8 << 20
	case LinkUSBPcap:
		return 1 << 20
	}
	return 256 << 10
}
