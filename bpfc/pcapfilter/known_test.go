package pcapfilter

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/bpf"
)

// difference is something in which we differ from libpcap on purpose. It says
// how to put libpcap right, so that everything else in the expression is still
// compared: by other words for the expression, by a repair of the program; or
// which refusals it excuses.
type difference struct {
	name          string
	from, through release // the releases that have it; empty: the oldest we know, the newest
	upstream      string  // what libpcap's release notes say of it
	links         []int   // all, if none

	rewrite func(f *filter) []edit
	repair  func(j *judge, lt LinkType, prog []bpf.RawInstruction) []bpf.RawInstruction
	refuses *regexp.Regexp // what libpcap says when it refuses what we accept
	refused *regexp.Regexp // what we say when we refuse what it accepts
	where   func(f *filter) bool

	shows []example
}

// example is a smallest expression that shows a difference, and a smallest packet
// on which the verdicts differ, where they do: ours is match.
type example struct {
	link   LinkType
	expr   string
	packet string // hexadecimal
	match  bool
}

func (d *difference) applies(j *judge, lt LinkType) bool {
	return !j.version.before(d.from) && (d.through == "" || !d.through.before(j.version)) &&
		(d.links == nil || slices.Contains(d.links, lt.Number()))
}

// notReported is for defects that no release note and no issue we know names.
const notReported = "not known to be reported upstream; 1.11.0 still has it"

// knownDifferences was checked with libpcap 1.10.3, 1.10.5 and 1.11.0; what lies
// between them is taken from the release notes, where they name it.
var knownDifferences = []*difference{
	{
		name: "byte-operators", through: "1.10.7",
		upstream: `1.11.0, packet filtering: the operators "|" and "&" of "byte" fixed. They forget the load and test what is in the accumulator`,
		rewrite:  replace(byteOperators),
		shows:    []example{{Ethernet, "byte 12 & 8", "00000000000000000000000008", true}, {Ethernet, "byte 0 | 0", "01", true}},
	},
	{
		name: "divisors", upstream: notReported + `. A divisor or shift count is taken for a constant if the first instruction that computes it loads one: x / ip[0], x / - 0, x << ether[40]`,
		rewrite: divisors,
		shows:   []example{{Ethernet, "ip[1] / ip[0] = 0", "", false}, {Ethernet, "ip[1] % ip[0] = 0", "", false}, {Ethernet, "1 << ether[40] = 1", "", false}, {Ethernet, "len / - 0 = 1 or ip", "", false}},
	},
	{
		name: "shared-scratch-words", upstream: notReported + `. A word that arithmetic has used is given to the place of a radio header or of what is in a tunnel afterwards: arithmetic overwrites the one, and leaves the other when the tunnel does not match`,
		repair: privateScratch,
		shows:  []example{{IEEE80211Radio, "len > 0 and type mgt", "00001100", false}, {Ethernet, "len > 12 and (geneve or ip)", "000000000000000000000000080000000000000000000000", false}},
	},
	{
		name: "lost-offsets", upstream: notReported + `. What finds the place of an 802.11 header and of its payload stores them in the words for the innermost encapsulation at the end of the expression, which after "geneve", "vxlan" and "pppoes" are others than those read`,
		links:  wlanLinks,
		repair: lostOffsets,
		shows:  []example{{IEEE80211, "geneve", "0800000000000000000000000000000000000000000000000000000000000800460000000000000000110000000000000000000000000000000017c10000000000000000", true}, {IEEE80211Radio, "geneve", "0000080000000000880000000000000000000000000000000000000000000000000000000000000086dd00000000000011000000000000000000000000000000000000000000000000000000000000000000000017c10000000000000000", true}, {IEEE80211Radio, "pppoes", "00000800000000000800000000000000000000000000000000000000000000000000000000008864", true}, {163, "pppoes", "000000000000000c0000000088000000000000000000000000000000000000000000000000000000000000008864", true}},
	},
	{
		name: "ip-multicast", through: "1.10.5",
		upstream: "1.10.6, packet filtering: IPv4 multicast is 224.0.0.0/4 only. Before it is all from 224.0.0.0 up",
		rewrite:  replace(ip4Multicast),
		shows:    []example{{Ethernet, "ip multicast", "000000000000000000000000080000000000000000000000000000000000f0", false}},
	},
	{
		name: "isis-reserved-bits", through: "1.10.7",
		upstream: "1.11.0, packet filtering: the correct bit mask for the IS-IS PDU type. Before, the three reserved bits above it are compared too",
		rewrite:  replace(isisReserved),
		shows:    []example{{Ethernet, "isis proto 20", "0000000000000000000000000000fefe0083000000f4", true}, {Ethernet, "l2", "0000000000000000000000000000fefe0083000000f4", true}},
	},
	{
		name: "isis-on-chdlc", through: "1.10.7", links: []int{104},
		upstream: "1.11.0, packet filtering: the correct IS-IS PDU type offset for C_HDLC. Before, Cisco's byte of filling is forgotten",
		rewrite:  replace(isisInCHDLC),
		shows:    []example{{104, "isis proto 25", "0000fefe008300000019", true}},
	},
	{
		name: "slip-outbound", through: "1.10.7", links: []int{8},
		upstream: `1.11.0, packet filtering: "outbound" means sent only for SLIP. Before it is all but received`,
		rewrite:  replace(slipOutbound),
		shows:    []example{{8, "outbound", "88", false}},
	},
	{
		name: "ppi-frame-control", through: "1.10.7", links: []int{192},
		upstream: `1.11.0, packet filtering: "[wlan] dir/type/subtype" enabled for PPI`,
		rewrite:  replace(frameControlLoads),
		shows:    []example{{192, "type mgt", "", false}, {192, "dir tods", "", false}},
	},
	{
		name: "block-ack", through: "1.10.7", links: []int{105, 119, 127, 163, 192},
		upstream: "1.11.0, packet filtering: Block Ack Req and Block Ack frame types (pull request #1039)",
		rewrite:  replace(blockAck),
		shows:    []example{{IEEE80211, "subtype ba", "", false}, {IEEE80211, "type ctl subtype bar", "", false}},
	},
	{
		name: "vxlan", through: "1.10.7",
		upstream: "1.11.0, packet filtering: packets encapsulated with VXLAN (pull request #1273)",
		refuses:  regexp.MustCompile(`syntax error( in filter expression)?$|'vxlan'`), where: has(kwVXLAN), // where no keyword can be, it is a name
		shows: []example{{Ethernet, "vxlan", "", false}, {Raw, "vxlan 5 and ip", "", false}},
	},
	{
		name: "vxlan-flags", from: "1.11.0",
		upstream: notReported + `. The whole byte of flags must be 8; RFC 7348 has the other seven ignored, and Linux sends group policy in one`,
		repair:   vxlanFlags,
		shows:    []example{{Ethernet, "vxlan", "00000000000000000000000008004500000000000000001100000000000000000000000012b50000000088", true}},
	},
	{
		name: "dsa", through: "1.10.7", links: []int{dltDSABroadcom, dltDSAMarvell},
		upstream: "1.11.0, packet filtering: various primitives enabled for DSA_TAG_BRCM and DSA_TAG_DSA",
		refuses: regexp.MustCompile(`^((Broadcom tag|Marvell DSA) link-layer type filtering not implemented|no (VLAN|MPLS) support for (Broadcom tag|Marvell DSA)` +
			`|'llc' not supported for (Broadcom tag|Marvell DSA)|not a broadcast link|(ethernet addresses|link-layer multicast filters) supported only on .*)$`),
		shows: []example{{dltDSABroadcom, "ip", "", false}, {dltDSAMarvell, "vlan", "", false}, {dltDSAMarvell, "llc", "", false}, {dltDSABroadcom, "broadcast", "", false}},
	},
	{
		name: "dsa-direction", through: "1.10.7", links: []int{dltDSABroadcom, dltDSAMarvell},
		upstream: `the same: "inbound" and "outbound" in the tag. Before, in the kernel's metadata`,
		rewrite:  replace(dsaDirection),
		shows:    []example{{dltDSABroadcom, "inbound", "00000000000000000000000000", true}, {dltDSAMarvell, "outbound", "00000000000000000000000040", true}},
	},
	{
		name: "ethertype-names", through: "1.10.7",
		upstream: `1.11.0, not in the release notes: its pcap-filter(7) has "ether proto \lldp" and "\slow"`,
		refuses:  regexp.MustCompile(`^unknown ether proto '(lldp|slow)'$`),
		shows:    []example{{Ethernet, `ether proto \lldp`, "", false}, {Ethernet, `ether proto \slow`, "", false}},
	},
	{
		name: "prefix-loads", through: "1.10.7",
		upstream: `1.11.0, not in the release notes: of a net's addresses only the words with bits of the prefix are loaded. Before, packets cut behind these are rejected`,
		rewrite:  replace(prefixLoads),
		shows: []example{{Ethernet, "dst net fe80::/10", "00000000000000000000000086dd000000000000000000000000000000000000000000000000fe800000", true},
			{Ethernet, "ip net 0.0.0.0/0", "0000000000000000000000000800", true}, {Ethernet, "ip6 dst net ::/0", "00000000000000000000000086dd", true}},
	},
	{
		name: "live-metadata", from: "1.11.0",
		upstream: `1.11.0, packet filtering: a live capture required for all Linux BPF extensions. We have no captures, only programs; that of "inbound" is for the kernel`,
		rewrite:  metadata,
		shows:    []example{{Ethernet, "inbound", "", false}, {Ethernet, "not outbound", "", false}, {LinuxSLL, "ifindex 3", "", false}, {LinuxSLL2, "geneve and ifindex 3", "", false}},
	},
	{
		name: "file-metadata", through: "1.10.7", links: afLinks,
		upstream: `"inbound", "outbound" and "ifindex" are refused for capture files, and for these link types the judge is asked about files`,
		rewrite:  metadata,
		shows:    []example{{Null, "inbound", "", false}, {Loop, "ifindex 3", "", false}},
	},
	{
		name: "byte-range", through: "1.10.7",
		upstream: `1.11.0, packet filtering: "byte" argument required to be within range. We refuse too what a byte cannot be`,
		refused:  regexp.MustCompile(`byte argument \d+ greater than maximum 255$`),
		shows:    []example{{Ethernet, "byte 0 = 256", "", false}},
	},
	{
		name: "proto-range", through: "1.10.7",
		upstream: `1.11.0, packet filtering: "(ip|ip6) proto" and "protochain" arguments required to be within range. We refuse too what no packet can have`,
		refused:  regexp.MustCompile(`protocol number \d+ greater than maximum 255$`),
		shows:    []example{{Ethernet, "ip proto 256", "", false}, {Ethernet, "proto 300", "", false}, {Ethernet, "ip6 protochain 256", "", false}},
	},
	{
		name: "link-proto-range", through: "1.10.7",
		upstream: `1.11.0, packet filtering: "link proto" argument required to be within range. The same`,
		refused:  regexp.MustCompile(`(EtherType \d+ greater than maximum 65535|LLC DSAP \d+ greater than maximum 255)$`),
		shows:    []example{{Ethernet, "ether proto 65536", "", false}, {Ethernet, "ether proto 256", "", false}, {6, "link proto 1500", "", false}},
	},
	{
		name: "iso-proto-range", through: "1.10.7",
		upstream: `1.11.0, packet filtering: "(iso|isis) proto" argument required to be within ranges. The same`,
		refused:  regexp.MustCompile(`(ISO protocol \d+ greater than maximum 255|IS-IS PDU type \d+ greater than maximum 31)$`),
		shows:    []example{{Ethernet, "iso proto 256", "", false}, {Ethernet, "isis proto 32", "", false}},
	},
	{
		name: "wlan-dir-range", through: "1.10.7",
		upstream: `1.11.0, packet filtering: "[wlan] dir" integer argument required to be within range. The same`,
		refused:  regexp.MustCompile(`invalid 802.11 direction value 0x[0-9a-f]+$`),
		shows:    []example{{IEEE80211, "dir 4", "", false}},
	},
	{
		name: "decnet-addresses", through: "1.10.7",
		upstream: "1.11.0, packet filtering: various failures to reject invalid DECnet primitives fixed. We refuse too what is cut to another address, or is none",
		refused:  regexp.MustCompile(`(invalid DECnet address '.*' \(AREA.NODE, up to 63.1023\)|'decnet' is not a valid qualifier for 'net'|'decnet' modifier applied to (host|net))$`),
		shows:    []example{{Ethernet, "decnet host 64.1", "", false}, {Ethernet, "decnet src 1.1024", "", false}, {Ethernet, "decnet host 5", "", false}, {Ethernet, "decnet net 1.1", "", false}, {Ethernet, "decnet host 1.1.1", "", false}},
	},
	{
		name: "gateway", through: "1.10.7",
		upstream: `1.11.0, packet filtering: "gateway" always enabled. Before, only where it was configured`,
		refuses:  regexp.MustCompile(`^'gateway' not supported in this configuration$`),
		where:    hasMatch(func(m *match) bool { return m.q.typ == typeGateway }),
		// It needs names: see TestGateway.
	},
	{
		name: "guards", from: "1.11.0",
		upstream: `1.11.0, not in the release notes: that the packet has the protocols of a comparison is tested for the right side first, and only for IPv4. Here it is in the order of the text, as before`,
		rewrite:  guards,
		shows:    []example{{Ethernet, "not arp[0] = tcp[0]", "0000000000000000000000000800", true}, {IPv6, "not icmp6[0] = tcp[0]", "", false}},
	},
	{
		name: "constants", from: "1.11.0",
		upstream: `1.11.0, not in the release notes: what is decided by a protocol that the link type cannot have is decided without loading what stands before it. Here every load happens, as before`,
		rewrite:  decidedByLink,
		shows:    []example{{8, "link[8] = 0 or not arp", "", false}, {Raw, "not (ip[100] = 0 and arp)", "", false}},
	},
	{
		name: "decnet-loads", from: "1.11.0",
		upstream: "1.11.0, packet filtering: DECnet filtering fixed on big-endian hosts, by loads of four bytes: a packet cut behind a short destination address is rejected. Ours are as before",
		rewrite:  replace(decnetLoads),
		shows:    []example{{Ethernet, "decnet dst 1.9", "00000000000000000000000060030000020904", true}},
	},
	{
		name: "arp-host-names", through: "1.10.5",
		upstream: `1.10.6, packet filtering: "(arp|rarp) host NAME" ignores IPv6 quietly. Before, a name with IPv6 addresses is refused`,
		refuses:  regexp.MustCompile(`^'r?arp' modifier applied to ip6 host$`),
		where: hasMatch(func(m *match) bool {
			return m.id.kind == idName && (m.q.proto == protoARP || m.q.proto == protoRARP)
		}),
		// It needs names: see TestGateway.
	},
	{
		name: "portrange-hyphens", from: "1.10.5",
		upstream: "not in the release notes: names with hyphens in a port range are refused. We take the first hyphen, as before",
		refuses:  regexp.MustCompile(`^port range '.*' contains more than one hyphen$`),
		where:    hasMatch(func(m *match) bool { return m.q.typ == typePortrange && strings.Count(m.id.text, "-") > 1 }),
		shows:    []example{{Ethernet, "portrange 80-ftp-data", "", false}},
	},
}

// explain finds the differences on the list that account for err, the smallest
// set there is by leaving out one after the other. Without any it gives nil, and
// err or what is left of it.
func (j *judge) explain(lt LinkType, expr string, o *own, packets []packet, err error) ([]*difference, error) {
	f := newFilter(lt, expr)
	var candidates []*difference
	for _, d := range knownDifferences {
		if d.applies(j, lt) && (d.where == nil || d.where(f)) && (d.rewrite == nil || len(d.rewrite(f)) > 0) {
			candidates = append(candidates, d)
		}
	}
	try := func(ds []*difference) error { return j.differsBut(lt, f, o, packets, ds) }
	if e := try(candidates); e != nil {
		if e.Error() != err.Error() {
			e = errors.Join(err, e)
		}
		return nil, e
	}
	for i := 0; i < len(candidates); {
		if less := slices.Delete(slices.Clone(candidates), i, i+1); try(less) == nil {
			candidates = less
		} else {
			i++
		}
	}
	return candidates, nil
}

// differsBut compares us with the judge put right in what the differences say.
func (j *judge) differsBut(lt LinkType, f *filter, o *own, packets []packet, ds []*difference) error {
	var edits []edit
	for _, d := range ds {
		if d.rewrite != nil {
			edits = append(edits, d.rewrite(f)...)
		}
	}
	a, err := j.ask(lt, f.apply(edits))
	if err != nil {
		return err
	}
	for _, d := range ds {
		for i, prog := range a.progs {
			if d.repair != nil {
				a.progs[i] = d.repair(j, lt, prog)
			}
		}
	}
	err = o.differ(lt, a, packets)
	var r *refusal
	if errors.As(err, &r) {
		for _, d := range ds {
			if d.refuses != nil && d.refuses.MatchString(r.judges) || d.refused != nil && d.refused.MatchString(r.ours) {
				return nil
			}
		}
	}
	return err
}

// check compares us with the judge on the packets, and tells which known
// differences there are. A difference that is not known is an error.
func (j *judge) check(lt LinkType, expr string, sample, all []packet) (accepted bool, known []*difference, err error) {
	o, err := compileOwn(lt, expr)
	if err != nil {
		return false, nil, err
	}
	a, err := j.ask(lt, expr)
	if err != nil {
		return false, nil, err
	}
	if err = o.differ(lt, a, sample); err != nil {
		known, err = j.explain(lt, expr, o, all, err)
	}
	return o.err == nil, known, err
}
