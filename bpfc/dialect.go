package bpfc

import (
	"fmt"
	"strings"
)

// Dialect says whose classic BPF a program is written in. It is a parameter of
// everything: validator, interpreter and translation all read the same row of
// rules, so that no two of them can disagree.
type Dialect uint8

const (
	Libpcap Dialect = iota // libpcap's user-land bpf_filter, with the validator of August 2026
	Linux                  // socket filters: bpf_check_classic and the kernel's semantics
	NetBSD                 // the NetBSD kernel's bpf_validate and bpf_filter_ext
	Seccomp                // Linux seccomp filters over struct seccomp_data
	numDialects
)

var dialectNames = [numDialects]string{"libpcap", "linux", "netbsd", "seccomp"}

func (d Dialect) String() string {
	if d >= numDialects {
		return fmt.Sprintf("Dialect(%d)", uint8(d))
	}
	return dialectNames[d]
}

// ParseDialect is the inverse of String.
func ParseDialect(s string) (Dialect, error) {
	for d, name := range dialectNames {
		if s == name {
			return Dialect(d), nil
		}
	}
	return 0, fmt.Errorf("unknown dialect %q: one of %s", s, strings.Join(dialectNames[:], ", "))
}

// MemWords is the size of the scratch memory, in 32-bit words.
const MemWords = 16

// MaxBackward is how many backward jumps a program may take on one packet (the
// Libpcap dialect only has them, in protochain loops). The next one ends it
// with verdict 0, as in libpcap since 2026.
const MaxBackward = 64

// seccompDataSize is sizeof(struct seccomp_data), which seccomp's LEN gives.
const seccompDataSize = 64

// rules is what the dialects differ in. Where a system leaves a point
// undefined, the row has what we define:
//
//	point                      libpcap   linux     netbsd    seccomp
//	shift by X of 32 and more  0         X & 31    0 (ours)  X & 31
//	shift by K of 32 and more  refused   refused   0 (ours)  refused
//	X+k past 2^32              reject    wraps     reject    -
//	M[] before it is written   0 (ours)  refused   refused   refused
//	A, X at the start          0         0         0         0
//	unknown opcode             refused   refused   reject when reached, if its
//	                                               class and operation pass
//	backward ja                64 times  refused   refused   refused
//	LEN                        wire      wire      wire      64
//	byte order of loads        big       big       big       the host's
//
// "reject" is verdict 0. DIV and MOD by X = 0 reject everywhere, as do loads
// that are not wholly inside the captured bytes.
type rules struct {
	maxInsns    int  // 0: none but int's own
	exactOps    bool // only listed opcodes; else class and mode or operation bits decide
	backwardJA  bool // k of JA is signed
	shiftMasks  bool // register shift counts are taken modulo 32; else 32 and more give 0
	shiftKMax   bool // a constant shift of 32 and more is refused
	memWritten  bool // M[] must be written on every path before it is read
	indexWraps  bool // X+k is taken modulo 2^32; else the load fails
	negative    bool // SKF_AD_OFF, SKF_NET_OFF and SKF_LL_OFF areas
	vlanLoads   bool // libpcap's two VLAN metadata loads
	coprocessor bool // COP and COPX, external memory
	seccomp     bool // struct seccomp_data in host order, few opcodes
	lenConstant uint32
}

var dialects = [numDialects]rules{
	Libpcap: {maxInsns: 3060000, exactOps: true, backwardJA: true, shiftKMax: true, vlanLoads: true},
	Linux:   {maxInsns: 4096, exactOps: true, shiftMasks: true, shiftKMax: true, memWritten: true, indexWraps: true, negative: true},
	NetBSD:  {maxInsns: 512, memWritten: true, coprocessor: true},
	Seccomp: {maxInsns: 4096, exactOps: true, shiftMasks: true, shiftKMax: true, memWritten: true, seccomp: true, lenConstant: seccompDataSize},
}
