package bpfasm

import "github.com/bpfjit/bpfjit/bpfc"

// constants are the names that C programs write opcodes and special offsets
// with: those of bpf(4), and SKF_* of linux/filter.h.
var constants = map[string]int64{
	"BPF_LD": int64(bpfc.ClassLD), "BPF_LDX": int64(bpfc.ClassLDX),
	"BPF_ST": int64(bpfc.ClassST), "BPF_STX": int64(bpfc.ClassSTX),
	"BPF_ALU": int64(bpfc.ClassALU), "BPF_JMP": int64(bpfc.ClassJMP),
	"BPF_RET": int64(bpfc.ClassRET), "BPF_MISC": int64(bpfc.ClassMISC),

	"BPF_W": int64(bpfc.SizeW), "BPF_H": int64(bpfc.SizeH), "BPF_B": int64(bpfc.SizeB),

	"BPF_IMM": int64(bpfc.ModeIMM), "BPF_ABS": int64(bpfc.ModeABS),
	"BPF_IND": int64(bpfc.ModeIND), "BPF_MEM": int64(bpfc.ModeMEM),
	"BPF_LEN": int64(bpfc.ModeLEN), "BPF_MSH": int64(bpfc.ModeMSH),

	"BPF_ADD": int64(bpfc.AluADD), "BPF_SUB": int64(bpfc.AluSUB),
	"BPF_MUL": int64(bpfc.AluMUL), "BPF_DIV": int64(bpfc.AluDIV),
	"BPF_OR": int64(bpfc.AluOR), "BPF_AND": int64(bpfc.AluAND),
	"BPF_LSH": int64(bpfc.AluLSH), "BPF_RSH": int64(bpfc.AluRSH),
	"BPF_NEG": int64(bpfc.AluNEG), "BPF_MOD": int64(bpfc.AluMOD),
	"BPF_XOR": int64(bpfc.AluXOR),

	"BPF_JA": int64(bpfc.JmpJA), "BPF_JEQ": int64(bpfc.JmpJEQ),
	"BPF_JGT": int64(bpfc.JmpJGT), "BPF_JGE": int64(bpfc.JmpJGE),
	"BPF_JSET": int64(bpfc.JmpJSET),

	"BPF_K": int64(bpfc.SrcK), "BPF_X": int64(bpfc.SrcX), "BPF_A": int64(bpfc.RvalA),

	"BPF_TAX": int64(bpfc.MiscTAX), "BPF_TXA": int64(bpfc.MiscTXA),
	"BPF_COP": int64(bpfc.MiscCOP), "BPF_COPX": int64(bpfc.MiscCOPX),

	"SKF_AD_OFF": -0x1000, "SKF_NET_OFF": -0x100000, "SKF_LL_OFF": -0x200000,

	"SKF_AD_PROTOCOL": 0, "SKF_AD_PKTTYPE": 4, "SKF_AD_IFINDEX": 8,
	"SKF_AD_NLATTR": 12, "SKF_AD_NLATTR_NEST": 16, "SKF_AD_MARK": 20,
	"SKF_AD_QUEUE": 24, "SKF_AD_HATYPE": 28, "SKF_AD_RXHASH": 32,
	"SKF_AD_CPU": 36, "SKF_AD_ALU_XOR_X": 40, "SKF_AD_VLAN_TAG": 44,
	"SKF_AD_VLAN_TAG_PRESENT": 48, "SKF_AD_PAY_OFFSET": 52,
	"SKF_AD_RANDOM": 56, "SKF_AD_VLAN_TPID": 60,
}
