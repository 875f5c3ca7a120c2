package pcapfilter

import (
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
)

// steer makes a packet that takes a random way through a program: where it
// compares bytes of the packet with a number, they may be made that number. Random
// packets seldom get behind a program's first tests.
// The places behind what was loaded are given, too.
func steer(prog []bpf.RawInstruction, r *rand.Rand, size int) (p []byte, ends []int) {
	p = make([]byte, size)
	seldom := 1 + r.IntN(6)
	set := map[int]bool{} // where something was written already
	var a, x uint32
	var mem [bpfc.MemWords]uint32
	at, width, mask := -1, 0, uint32(0) // what of the packet is in the accumulator
	word := func(off uint32, n int) uint32 {
		v := uint32(0)
		if uint64(off)+uint64(n) <= uint64(len(p)) {
			for _, b := range p[off:][:n] {
				v = v<<8 | uint32(b)
			}
		}
		return v
	}
	for pc, steps := 0, 0; pc < len(prog) && steps < 10000; pc, steps = pc+1, steps+1 {
		ins := prog[pc]
		switch ins.Op & 7 {
		case bpfc.ClassRET:
			return p, ends
		case bpfc.ClassLD:
			at = -1
			off, n := ins.K, map[uint16]int{bpfc.SizeB: 1, bpfc.SizeH: 2, bpfc.SizeW: 4}[ins.Op&0x18]
			switch ins.Op & 0xe0 {
			case bpfc.ModeIND:
				off += x
				fallthrough
			case bpfc.ModeABS:
				if uint64(off)+uint64(n) > uint64(len(p)) {
					return p, ends
				}
				ends = append(ends, int(off)+n)
				a, at, width, mask = word(off, n), int(off), n, ^uint32(0)
			default:
				switch ins.Op {
				case bpfc.LdMem:
					a = mem[ins.K]
				case bpfc.LdLen:
					a = uint32(size)
				default:
					a = ins.K
				}
			}
		case bpfc.ClassLDX:
			switch ins.Op {
			case bpfc.LdxMsh:
				if int64(ins.K) < int64(len(p)) && p[ins.K]&15 == 0 {
					p[ins.K] |= byte(r.IntN(3) * r.IntN(5))
				}
				x = 4 * (word(ins.K, 1) & 15)
			case bpfc.LdxMem:
				x = mem[ins.K]
			case bpfc.LdxLen:
				x = uint32(size)
			default:
				x = ins.K
			}
		case bpfc.ClassST:
			mem[ins.K] = a
		case bpfc.ClassALU:
			b := ins.K
			if ins.Op&bpfc.SrcX != 0 {
				b = x
			}
			if op := ins.Op & 0xf0; ins.Op == bpfc.Neg {
				a = -a
			} else if v, ok := fold(op, a, b); ok {
				a = v
			}
			if ins.Op == bpfc.ClassALU|bpfc.AluAND {
				mask &= ins.K
			} else {
				at = -1
			}
		case bpfc.ClassMISC:
			if ins.Op == bpfc.Tax {
				x = a
			} else {
				a, at = x, -1
			}
		case bpfc.ClassJMP:
			if ins.Op == bpfc.Ja {
				pc += int(int32(ins.K))
				continue
			}
			k := ins.K
			if ins.Op&bpfc.SrcX != 0 {
				k = x
			}
			cmp := ins.Op & 0xf0
			if at >= 0 && (!set[at] && r.IntN(seldom) == 0 || r.IntN(8*seldom) == 0) {
				set[at] = true
				want := a&^mask | k&mask
				switch cmp {
				case bpfc.JmpJSET:
					want = a &^ (k & mask)
				case bpfc.JmpJGT, bpfc.JmpJGE:
					want += uint32(r.IntN(3)) - 1
				}
				for i := width - 1; i >= 0; i-- {
					shift := 8 * (width - 1 - i)
					keep := byte(^mask >> shift)
					p[at+i] = p[at+i]&keep | byte(want>>shift)&^keep
				}
				a = word(uint32(at), width) & mask
			}
			if (test{cmp: cmp}).holds(a, k) {
				pc += int(ins.Jt)
			} else {
				pc += int(ins.Jf)
			}
		}
	}
	return p, ends
}

// steered gives packets for an expression's plain program: for each of some ways
// through it one that goes it, whole and cut at some lengths, where it was loaded
// from as a rule.
func steered(plain []bpf.RawInstruction, r *rand.Rand, ways int) (all []packet) {
	for range ways {
		p, ends := steer(plain, r, 40+r.IntN(100))
		all = append(all, packet{p, len(p)})
		for i := range 6 {
			cut := r.IntN(len(p))
			if i > 0 && len(ends) > 0 {
				cut = max(0, min(len(p), ends[len(ends)-1-r.IntN(min(len(ends), 5))]-r.IntN(2)))
			}
			all = append(all, packet{p[:cut], len(p)})
		}
	}
	return all
}

// TestSteered compares plain and optimised programs of generated expressions on
// packets that go deep into them. PCAPFILTER_EXPRS sets how many expressions per
// link type, PCAPFILTER_SEED the seed.
func TestSteered(t *testing.T) {
	r := rand.New(rand.NewPCG(uint64(environment("PCAPFILTER_SEED", 1)), 11))
	g := &generator{r: r}
	for _, lt := range linkFamilies {
		for range environment("PCAPFILTER_EXPRS", 30) {
			expr := g.expr()
			plain, err := Compile(expr, Options{LinkType: lt, Plain: true})
			if err != nil || len(plain) > 3000 {
				continue
			}
			opts := Options{LinkType: lt}
			packets := steered(plain, r, 40)
			same(t, expr, opts, packets)
			if !strings.Contains(expr, "protochain") {
				sameOnLinux(t, expr, opts, packets)
			}
		}
	}
}

func sameOnLinux(t *testing.T, expr string, opts Options, packets []packet) {
	t.Helper()
	var in [2]*bpfc.Interpreter
	for i := range in {
		opts.Plain = i == 0
		prog, err := Compile(expr, opts)
		if err != nil {
			t.Fatal(err)
		}
		if in[i], err = bpfc.NewInterpreter(prog, bpfc.Linux, bpfc.WithAux(bpfc.AuxAll)); err != nil {
			t.Fatalf("%q: %v", expr, err)
		}
	}
	for _, p := range packets {
		aux := &bpfc.Aux{PktType: uint32(len(p.data) % 5), IfIndex: uint32(len(p.data) % 4)}
		if got, want := in[1].Run(p.data, p.wire, aux), in[0].Run(p.data, p.wire, aux); got != want {
			t.Fatalf("%q: on Linux optimised %d, plain %d on %x", expr, got, want, p.data)
		}
	}
}
