package pcapfilter

// keyword is a word of the language, or one of several spellings of it.
type keyword int

const (
	kwNone keyword = iota
	kwAnd
	kwOr
	kwNot

	// Protocols, in the order of protoNames.
	kwLink
	kwIP
	kwARP
	kwRARP
	kwSCTP
	kwTCP
	kwUDP
	kwICMP
	kwIGMP
	kwIGRP
	kwPIM
	kwVRRP
	kwCARP
	kwAtalk
	kwAarp
	kwDecnet
	kwLat
	kwSca
	kwMoprc
	kwMopdl
	kwIP6
	kwICMP6
	kwAH
	kwESP
	kwISO
	kwESIS
	kwISIS
	kwL1
	kwL2
	kwIIH
	kwLSP
	kwSNP
	kwCSNP
	kwPSNP
	kwCLNP
	kwSTP
	kwIPX
	kwNetbeui
	kwRadio

	// Qualifiers.
	kwSrc
	kwDst
	kwRA
	kwTA
	kwAddr1
	kwAddr2
	kwAddr3
	kwAddr4
	kwHost
	kwNet
	kwMask
	kwPort
	kwPortrange
	kwProto
	kwProtochain
	kwGateway

	// Primitives.
	kwLess
	kwGreater
	kwByte
	kwBroadcast
	kwMulticast
	kwLen
	kwInbound
	kwOutbound
	kwIfindex
	kwVLAN
	kwMPLS
	kwPPPoED
	kwPPPoES
	kwGeneve
	kwVXLAN
	kwLLC
	kwType
	kwSubtype
	kwDir
	kwIfname
	kwRset
	kwRnr
	kwSrnr
	kwReason
	kwAction

	// ATM and SS7: words of the language, for link types this package has not.
	kwATM
	kwATMField
	kwMTP
	kwMTPField
)

var keywords = map[string]keyword{
	"and": kwAnd, "or": kwOr, "not": kwNot,

	"link": kwLink, "ether": kwLink, "ppp": kwLink, "slip": kwLink, "fddi": kwLink, "tr": kwLink, "wlan": kwLink,
	"ip": kwIP, "arp": kwARP, "rarp": kwRARP, "sctp": kwSCTP, "tcp": kwTCP, "udp": kwUDP,
	"icmp": kwICMP, "igmp": kwIGMP, "igrp": kwIGRP, "pim": kwPIM, "vrrp": kwVRRP, "carp": kwCARP,
	"atalk": kwAtalk, "aarp": kwAarp, "decnet": kwDecnet, "lat": kwLat, "sca": kwSca, "moprc": kwMoprc, "mopdl": kwMopdl,
	"ip6": kwIP6, "icmp6": kwICMP6, "ah": kwAH, "esp": kwESP,
	"iso": kwISO, "esis": kwESIS, "es-is": kwESIS, "isis": kwISIS, "is-is": kwISIS, "clnp": kwCLNP,
	"l1": kwL1, "l2": kwL2, "iih": kwIIH, "lsp": kwLSP, "snp": kwSNP, "csnp": kwCSNP, "psnp": kwPSNP,
	"stp": kwSTP, "ipx": kwIPX, "netbeui": kwNetbeui, "radio": kwRadio,

	"src": kwSrc, "dst": kwDst, "ra": kwRA, "ta": kwTA,
	"addr1": kwAddr1, "address1": kwAddr1, "addr2": kwAddr2, "address2": kwAddr2,
	"addr3": kwAddr3, "address3": kwAddr3, "addr4": kwAddr4, "address4": kwAddr4,
	"host": kwHost, "net": kwNet, "mask": kwMask, "port": kwPort, "portrange": kwPortrange,
	"proto": kwProto, "protochain": kwProtochain, "gateway": kwGateway,

	"less": kwLess, "greater": kwGreater, "byte": kwByte, "broadcast": kwBroadcast, "multicast": kwMulticast,
	"len": kwLen, "length": kwLen, "inbound": kwInbound, "outbound": kwOutbound, "ifindex": kwIfindex,
	"vlan": kwVLAN, "mpls": kwMPLS, "pppoed": kwPPPoED, "pppoes": kwPPPoES, "geneve": kwGeneve, "vxlan": kwVXLAN,
	"llc": kwLLC, "type": kwType, "subtype": kwSubtype, "dir": kwDir, "direction": kwDir,
	"ifname": kwIfname, "on": kwIfname, "rset": kwRset, "ruleset": kwRset, "rnr": kwRnr, "rulenum": kwRnr,
	"srnr": kwSrnr, "subrulenum": kwSrnr, "reason": kwReason, "action": kwAction,

	"lane": kwATM, "metac": kwATM, "bcc": kwATM, "oam": kwATM, "oamf4": kwATM, "oamf4ec": kwATM, "oamf4sc": kwATM,
	"sc": kwATM, "ilmic": kwATM, "connectmsg": kwATM, "metaconnect": kwATM, "vpi": kwATMField, "vci": kwATMField,
	"fisu": kwMTP, "lssu": kwMTP, "lsu": kwMTP, "msu": kwMTP, "hfisu": kwMTP, "hlssu": kwMTP, "hmsu": kwMTP,
	"sio": kwMTPField, "opc": kwMTPField, "dpc": kwMTPField, "sls": kwMTPField,
	"hsio": kwMTPField, "hopc": kwMTPField, "hdpc": kwMTPField, "hsls": kwMTPField,
}

// constants are the numbers that have names: offsets and values of ICMP (RFC
// 792, 950, 1256), ICMPv6 (the IANA registry "ICMPv6 type numbers") and of the
// TCP flags (RFC 9293, RFC 3168).
var constants = map[string]uint32{
	"icmptype": 0, "icmpcode": 1, "icmp6type": 0, "icmp6code": 1, "tcpflags": 13,

	"icmp-echoreply": 0, "icmp-unreach": 3, "icmp-sourcequench": 4, "icmp-redirect": 5, "icmp-echo": 8,
	"icmp-routeradvert": 9, "icmp-routersolicit": 10, "icmp-timxceed": 11, "icmp-paramprob": 12,
	"icmp-tstamp": 13, "icmp-tstampreply": 14, "icmp-ireq": 15, "icmp-ireqreply": 16,
	"icmp-maskreq": 17, "icmp-maskreply": 18,

	"icmp6-destinationunreach": 1, "icmp6-packettoobig": 2, "icmp6-timeexceeded": 3, "icmp6-parameterproblem": 4,
	"icmp6-echo": 128, "icmp6-echoreply": 129, "icmp6-multicastlistenerquery": 130,
	"icmp6-multicastlistenerreportv1": 131, "icmp6-multicastlistenerdone": 132, "icmp6-routersolicit": 133,
	"icmp6-routeradvert": 134, "icmp6-neighborsolicit": 135, "icmp6-neighboradvert": 136, "icmp6-redirect": 137,
	"icmp6-routerrenum": 138, "icmp6-nodeinformationquery": 139, "icmp6-nodeinformationresponse": 140,
	"icmp6-ineighbordiscoverysolicit": 141, "icmp6-ineighbordiscoveryadvert": 142,
	"icmp6-multicastlistenerreportv2": 143, "icmp6-homeagentdiscoveryrequest": 144,
	"icmp6-homeagentdiscoveryreply": 145, "icmp6-mobileprefixsolicit": 146, "icmp6-mobileprefixadvert": 147,
	"icmp6-certpathsolicit": 148, "icmp6-certpathadvert": 149, "icmp6-multicastrouteradvert": 151,
	"icmp6-multicastroutersolicit": 152, "icmp6-multicastrouterterm": 153,

	"tcp-fin": 0x01, "tcp-syn": 0x02, "tcp-rst": 0x04, "tcp-push": 0x08,
	"tcp-ack": 0x10, "tcp-urg": 0x20, "tcp-ece": 0x40, "tcp-cwr": 0x80,
}
