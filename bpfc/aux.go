package bpfc

// Aux is what is known of a packet besides its bytes and its length. A program
// of the Linux dialect reads it through SKF_AD_* loads (linux/filter.h), one of
// the Libpcap dialect through the two VLAN loads that libpcap generates for
// live captures, one of the NetBSD dialect through its external memory.
//
// All numbers are as the loads deliver them: the values in host form, so
// Protocol is 0x0800 for IPv4 whatever the machine's byte order. Generated code
// reads the fields in place; it never writes an Aux.
type Aux struct {
	Protocol    uint32 // SKF_AD_PROTOCOL: the ethertype
	PktType     uint32 // SKF_AD_PKTTYPE: PACKET_HOST, PACKET_OUTGOING, ... (packet(7))
	IfIndex     uint32 // SKF_AD_IFINDEX
	Mark        uint32 // SKF_AD_MARK
	Queue       uint32 // SKF_AD_QUEUE
	HaType      uint32 // SKF_AD_HATYPE: ARPHRD_*
	RxHash      uint32 // SKF_AD_RXHASH
	CPU         uint32 // SKF_AD_CPU
	VLANTag     uint32 // SKF_AD_VLAN_TAG: the tag control information
	VLANPresent uint32 // SKF_AD_VLAN_TAG_PRESENT: 0 or 1
	VLANProto   uint32 // SKF_AD_VLAN_TPID: 0x8100, 0x88a8
	PayOffset   uint32 // SKF_AD_PAY_OFFSET: where the payload starts
	Random      uint32 // SKF_AD_RANDOM: a fresh random number for each packet
	NetOffset   uint32 // where SKF_NET_OFF addresses: the network header's offset

	Mem []uint32 // the NetBSD dialect's external memory; programs may write it
	Arg any      // handed to coprocessor functions untouched
}

// AuxFields is a set of fields of Aux: those that the caller promises to fill
// for every packet.
type AuxFields uint32

const (
	AuxProtocol AuxFields = 1 << iota
	AuxPktType
	AuxIfIndex
	AuxMark
	AuxQueue
	AuxHaType
	AuxRxHash
	AuxCPU
	AuxVLANTag
	AuxVLANPresent
	AuxVLANProto
	AuxPayOffset
	AuxRandom
	AuxNetOffset

	AuxAll AuxFields = 1<<iota - 1
)
