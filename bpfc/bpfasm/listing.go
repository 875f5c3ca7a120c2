package bpfasm

import (
	"bytes"
	"fmt"
	"strings"

	"golang.org/x/net/bpf"

	"github.com/bpfjit/bpfjit/bpfc"
)

// unimp is what bpf_image calls an opcode that it does not know.
const unimp = "unimp"

// ListingLine is the line that tcpdump -d prints for instruction number i of a
// program, without the line break: what libpcap's bpf_image (pcap(3)) returns.
// Targets of jumps are instruction numbers.
func ListingLine(i int, ins bpf.RawInstruction) string {
	return string(appendListing(nil, i, ins))
}

func appendListing(b []byte, i int, ins bpf.RawInstruction) []byte {
	name, arg := unimp, []byte(nil)
	switch f := formatOf(ins.Op); {
	case f == nil || f.unimp:
		arg = fmt.Appendf(nil, "0x%x", ins.Op)
	case f.arg == argLabel:
		name = f.mnemonic
		arg = fmt.Appendf(nil, "%d", int32(uint32(i)+1+ins.K))
	default:
		name = f.mnemonic
		arg = appendOperand(nil, f, ins.K, true)
	}
	if bpfc.IsConditional(ins.Op) {
		return fmt.Appendf(b, "(%03d) %-8s %-16s jt %d\tjf %d", i, name, arg, i+1+int(ins.Jt), i+1+int(ins.Jf))
	}
	return fmt.Appendf(b, "(%03d) %-8s %s", i, name, arg)
}

// compactLine is ListingLine with single blanks, for comments and graphs.
func compactLine(i int, ins bpf.RawInstruction) string {
	return strings.Join(strings.Fields(ListingLine(i, ins)), " ")
}

func writeListing(b *bytes.Buffer, prog []bpf.RawInstruction) {
	for i, ins := range prog {
		b.Write(append(appendListing(b.AvailableBuffer(), i, ins), '\n'))
	}
}

// readListing reads what tcpdump -d prints. The blanks do not matter: listings
// are pasted from web pages. The numbers do: without all instructions from 0 on
// in their order, targets would mean nothing.
func readListing(data []byte) ([]bpf.RawInstruction, error) {
	s := newScanner(Listing, data)
	var prog []bpf.RawInstruction
	t := s.next()
	for ; t.kind != tokEnd; t = s.next() {
		if t.kind != '(' {
			return nil, s.expected(t, fmt.Sprintf("(%03d) or the end", len(prog)))
		}
		if err := s.tooMany(len(prog), t); err != nil {
			return nil, err
		}
		ins, err := s.listed(len(prog))
		if err != nil {
			return nil, err
		}
		prog = append(prog, ins)
	}
	if s.comment != nil {
		return nil, s.comment
	}
	if len(prog) == 0 {
		return nil, s.errorf(t, "no instructions")
	}
	return prog, nil
}

// listed takes the line of instruction i, from behind the first parenthesis.
func (s *scanner) listed(i int) (bpf.RawInstruction, error) {
	var ins bpf.RawInstruction
	t := s.next()
	n, err := s.decimal(t, MaxInstructions, "an instruction's number")
	if err != nil {
		return ins, err
	}
	if int(n) != i {
		return ins, s.errorf(t, "expected instruction %d, found %d", i, n)
	}
	if err := s.expect(')'); err != nil {
		return ins, err
	}
	t = s.next()
	if isRegister(t, unimp) {
		t = s.next()
		op, err := s.numberFrom(t, "an opcode")
		if err == nil {
			err = s.limit(t, int64(op), 1<<16-1, "opcode")
		}
		if err != nil {
			return ins, err
		}
		ins.Op = uint16(op)
	} else if ins, err = s.listedMnemonic(t, i); err != nil {
		return ins, err
	}
	if !bpfc.IsConditional(ins.Op) {
		return ins, nil
	}
	if ins.Jt, err = s.listedTarget("jt", i); err == nil {
		ins.Jf, err = s.listedTarget("jf", i)
	}
	return ins, err
}

// listedMnemonic takes mnemonic and operand of instruction i.
func (s *scanner) listedMnemonic(t token, i int) (bpf.RawInstruction, error) {
	var none bpf.RawInstruction
	m, err := s.lookup(t)
	if err != nil {
		return none, err
	}
	if m.inverted {
		return none, s.errorf(t, "%v is no instruction of a listing, which has its jumps as %s with jt and jf", t, m.mnemonic)
	}
	if m.mnemonic == "ret" {
		if next := s.peek().kind; next == '(' || next == tokEnd {
			return bpf.RawInstruction{Op: bpfc.RetA}, nil // bpf_image prints no operand
		}
	}
	f, k, err := s.operand(m)
	if err != nil {
		return none, err
	}
	if f.arg == argLabel {
		target, err := s.number("a target")
		if err != nil {
			return none, err
		}
		k = target - uint32(i) - 1
	}
	return bpf.RawInstruction{Op: f.op, K: k}, nil
}

// listedTarget takes jt or jf and its target: the distance of that from the
// instruction behind i.
func (s *scanner) listedTarget(name string, i int) (uint8, error) {
	if t := s.next(); !isRegister(t, name) {
		return 0, s.expected(t, name)
	}
	t := s.next()
	n, err := s.decimal(t, 1<<31-1, "a target")
	if err != nil {
		return 0, err
	}
	distance := int64(n) - int64(i) - 1
	if distance < 0 || distance > maxJump {
		return 0, s.errorf(t, "%s %d is not in %d..%d, where the jump can reach", name, n, i+1, i+1+maxJump)
	}
	return uint8(distance), nil
}
