package pcapfilter

import (
	"slices"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
)

// The opcodes that libpcap's generator writes and repairs look for.
const (
	opLdMem  = bpfc.ClassLD | bpfc.ModeMEM
	opLdxMem = bpfc.ClassLDX | bpfc.ModeMEM
	opSt     = bpfc.ClassST
	opStx    = bpfc.ClassSTX
	opTax    = bpfc.ClassMISC | bpfc.MiscTAX
	opTxa    = bpfc.ClassMISC | bpfc.MiscTXA
	opAndK   = bpfc.ClassALU | bpfc.AluAND // never arithmetic's, which is all in registers
	opJeqK   = bpfc.ClassJMP | bpfc.JmpJEQ
	opJsetK  = bpfc.ClassJMP | bpfc.JmpJSET
)

func isStore(in bpf.RawInstruction) bool { return in.Op == opSt || in.Op == opStx }
func isReload(in bpf.RawInstruction) bool {
	return in.Op == opLdMem || in.Op == opLdxMem
}

// leaders tells where basic blocks begin.
func leaders(prog []bpf.RawInstruction) []bool {
	at := make([]bool, len(prog)+256)
	for i, in := range prog {
		if in.Op&7 != bpfc.ClassJMP {
			continue
		}
		at[i+1] = true
		if in.Op&0xf0 == bpfc.JmpJA {
			if to := i + 1 + int(int32(in.K)); to >= 0 && to < len(at) {
				at[to] = true
			}
			continue
		}
		at[i+1+int(in.Jt)], at[i+1+int(in.Jf)] = true, true
	}
	return at
}

// header is how many instructions at the program's start find out where the
// 802.11 header and its payload are.
func header(prog []bpf.RawInstruction) (radio, payload int) {
	for i := 1; i+1 < len(prog); i++ {
		if prog[i].Op == opTax && isStore(prog[i-1]) {
			radio = i + 1
			break
		}
	}
	payload = radio
	if radio == 0 && prog[0].Op == bpfc.ClassLDX|bpfc.ModeIMM {
		payload = 1
	}
	if payload+2 < len(prog) && prog[payload].Op == opTxa && prog[payload+1].K == wlanLen && isStore(prog[payload+2]) {
		payload += 3
	}
	return radio, payload
}

// privateScratch gives arithmetic scratch words of its own. A word that a basic
// block writes and reads back is arithmetic's; one that a block reads before it
// writes it holds an offset.
func privateScratch(_ *judge, lt LinkType, prog []bpf.RawInstruction) []bpf.RawInstruction {
	prog = slices.Clone(prog)
	start := 0
	if slices.Contains(wlanLinks, lt.Number()) {
		_, start = header(prog)
	}
	leads := leaders(prog)
	var offsets [scratchWords]bool
	for _, in := range prog[:start] {
		if isStore(in) {
			offsets[in.K] = true
		}
	}
	for at := start; at < len(prog); {
		end := blockEnd(leads, at, len(prog))
		var written [scratchWords]bool
		for _, in := range prog[at:end] {
			if isStore(in) {
				written[in.K] = true
			} else if isReload(in) && !written[in.K] {
				offsets[in.K] = true
			}
		}
		at = end
	}
	for at := start; at < len(prog); {
		end := blockEnd(leads, at, len(prog))
		used := offsets
		inTunnel := false // the block finds out where the content of a tunnel is
		for _, in := range prog[at:end] {
			if isStore(in) || isReload(in) {
				used[in.K] = true
			}
			inTunnel = inTunnel || in.Op == opAndK && in.K == 0x3f
		}
		for i := at; i < end; i++ {
			word := prog[i].K
			if !isStore(prog[i]) || !offsets[word] || inTunnel {
				continue
			}
			// From the write to the next one.
			var reads []int
			for k := i + 1; k < end && !(isStore(prog[k]) && prog[k].K == word); k++ {
				if isReload(prog[k]) && prog[k].K == word {
					reads = append(reads, k)
				}
			}
			free := slices.Index(used[:], false)
			if len(reads) == 0 || free < 0 {
				continue
			}
			used[free] = true
			prog[i].K = uint32(free)
			for _, k := range reads {
				prog[k].K = uint32(free)
			}
		}
		at = end
	}
	return prog
}

func blockEnd(leads []bool, at, limit int) int {
	for at++; at < limit && !leads[at]; at++ {
	}
	return at
}

// wlanLinks are those with an 802.11 header, whose payload's place varies.
var wlanLinks = []int{105, 119, 127, 163, 192}

// lostOffsets puts the places of the 802.11 header and of its payload where the
// program reads them: words it reads but never writes. What finds the places is
// that of the judge's program for "ip".
func lostOffsets(j *judge, lt LinkType, prog []bpf.RawInstruction) []bpf.RawInstruction {
	was := prog
	prog = privateScratch(j, lt, prog)
	to := findOffsets(prog)
	if to.end == 0 {
		return was
	}
	var written [scratchWords]bool
	for _, in := range prog {
		if isStore(in) {
			written[in.K] = true
		}
	}
	lost := func(in bpf.RawInstruction) bool { return isReload(in) && !written[in.K] }
	if !slices.ContainsFunc(prog, lost) {
		return was
	}
	for i, in := range prog {
		if lost(in) && i+2 < len(prog) && testsDataFrame(prog[i+1], prog[i+2]) {
			to.header = in.K
		}
	}
	for _, in := range prog {
		if lost(in) && in.K != to.header {
			to.payload = in.K
		}
	}
	a, err := j.ask(lt, "ip")
	if err != nil || len(a.progs) == 0 {
		return was
	}
	from := findOffsets(a.progs[0])
	words := map[uint32]uint32{from.header: to.header, from.payload: to.payload}
	fixed := slices.Clone(a.progs[0][:from.start])
	if from.start > 0 {
		fixed[1].Jt, fixed[1].Jf = 1, 0
		fixed = append(fixed, bpf.RawInstruction{Op: bpfc.ClassRET})
	}
	for _, in := range a.progs[0][from.start:from.end] {
		if isStore(in) || isReload(in) {
			in.K = words[in.K]
		}
		fixed = append(fixed, in)
	}
	return append(fixed, prog[to.end:]...)
}

// offsetsCode is the part of a program that finds the places of the 802.11 header
// and of its payload, and the words it stores them in.
type offsetsCode struct {
	start, end      int
	header, payload uint32
}

// findOffsets finds it, if it finds the payload; else its end is 0.
func findOffsets(prog []bpf.RawInstruction) (c offsetsCode) {
	if prog[0].Op == bpfc.ClassLD|bpfc.ModeABS && prog[1].Op == opJeqK {
		c.start = 2 // behind the test of a PPI header that one of 802.11 follows
	}
	radio, payload := header(prog)
	if payload == radio || payload+1 >= len(prog) {
		return c
	}
	c.header, c.payload = scratchWords, prog[payload-1].K
	if radio > 0 {
		c.header = prog[radio-2].K
	}
	// A frame that carries no data has nothing more to be found.
	c.end = payload + 2 + int(prog[payload+1].Jf)
	return c
}

// testsDataFrame tells the test of a frame control field, in the two forms it has.
func testsDataFrame(load, test bpf.RawInstruction) bool {
	return load.Op == bpfc.ClassLD|bpfc.SizeB|bpfc.ModeIND && load.K == 0 &&
		(test.Op == opJsetK && test.K == fcTypeCtl || test.Op == bpfc.ClassALU|bpfc.AluAND && test.K == fcTypeMask)
}

// vxlanFlags tests the one flag that says that the network identifier is valid,
// where the whole byte is compared.
func vxlanFlags(_ *judge, _ LinkType, prog []bpf.RawInstruction) []bpf.RawInstruction {
	prog = slices.Clone(prog)
	for i, in := range prog {
		if in.Op != opJeqK || in.K != portVXLAN {
			continue
		}
		for k := i + 1 + int(in.Jt); k < len(prog); k++ {
			if prog[k].Op&7 == bpfc.ClassJMP {
				if prog[k].Op == opJeqK && prog[k].K == 8 {
					prog[k].Op = opJsetK
				}
				break
			}
		}
	}
	return prog
}
