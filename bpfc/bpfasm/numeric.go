package bpfasm

import (
	"bytes"
	"strconv"

	"golang.org/x/net/bpf"
)

// rawFields are the fields of an instruction in the order of struct
// sock_filter, which all numeric forms have.
var rawFields = [4]struct {
	name string
	max  uint32
}{{"op", 1<<16 - 1}, {"jt", 1<<8 - 1}, {"jf", 1<<8 - 1}, {"k", 1<<32 - 1}}

// rawInstruction is the instruction with these fields, which have been checked.
func rawInstruction(v [4]uint32) bpf.RawInstruction {
	return bpf.RawInstruction{Op: uint16(v[0]), Jt: uint8(v[1]), Jf: uint8(v[2]), K: v[3]}
}

// four takes four decimal numbers, all on the line that the first is on.
func (s *scanner) four() (bpf.RawInstruction, error) {
	var v [4]uint32
	line := s.line
	for i, field := range rawFields {
		t := s.next()
		if i == 0 {
			line = t.line
		} else if t.kind == tokNumber && t.line != line {
			return bpf.RawInstruction{}, s.errorf(t, "expected %s on line %d, found the end of the line", field.name, line)
		}
		var err error
		if v[i], err = s.decimal(t, field.max, field.name); err != nil {
			return bpf.RawInstruction{}, err
		}
	}
	return rawInstruction(v), nil
}

// count takes the number of instructions that the numeric forms begin with. It
// is only compared with what follows: nothing is allocated by it.
func (s *scanner) count() (token, int, error) {
	t := s.next()
	n, err := s.decimal(t, MaxInstructions, "count of instructions")
	if err == nil && n == 0 {
		err = s.errorf(t, "expected a count of instructions, found 0")
	}
	return t, int(n), err
}

// counted checks a program against its count, which stood at t.
func (s *scanner) counted(t token, count int, prog []bpf.RawInstruction) ([]bpf.RawInstruction, error) {
	switch {
	case s.comment != nil:
		return nil, s.comment
	case count != len(prog):
		return nil, s.errorf(t, "count %d, but instructions found: %d", count, len(prog))
	}
	return prog, nil
}

// readDDD reads what tcpdump -ddd prints. The count may be missing, as it is in
// what netsniff-ng's bpfc prints in this form: then the first line has an
// instruction's four numbers.
func readDDD(data []byte) ([]bpf.RawInstruction, error) {
	s := newScanner(DDD, data)
	ahead := *s
	first := ahead.next()
	if second := ahead.next(); second.kind == tokNumber && second.line == first.line {
		prog, err := s.lines()
		if err != nil {
			return nil, err
		}
		return s.counted(first, len(prog), prog)
	}
	t, count, err := s.count()
	if err != nil {
		return nil, err
	}
	prog, err := s.lines()
	if err != nil {
		return nil, err
	}
	return s.counted(t, count, prog)
}

// lines takes instructions up to the end, each on a line.
func (s *scanner) lines() ([]bpf.RawInstruction, error) {
	var prog []bpf.RawInstruction
	last := 0
	for t := s.peek(); t.kind != tokEnd; t = s.peek() {
		if t.line == last {
			return nil, s.expected(t, "the end of the line after four numbers")
		}
		if err := s.tooMany(len(prog), t); err != nil {
			return nil, err
		}
		ins, err := s.four()
		if err != nil {
			return nil, err
		}
		prog, last = append(prog, ins), t.line
	}
	return prog, nil
}

// readXT reads the argument of iptables -m bpf --bytecode (iptables-extensions(8))
// and of tc's bpf filters (tc-bpf(8)). A comma at the end is allowed: people
// make these strings by tcpdump -ddd | tr '\n' ','.
func readXT(data []byte) ([]bpf.RawInstruction, error) {
	s := newScanner(XT, data)
	at, count, err := s.count()
	if err != nil {
		return nil, err
	}
	var prog []bpf.RawInstruction
	for {
		t := s.next()
		if t.kind == tokEnd {
			break
		}
		if t.kind != ',' {
			return nil, s.expected(t, `"," or the end`)
		}
		if t = s.peek(); t.kind == tokEnd {
			break
		}
		if err := s.tooMany(len(prog), t); err != nil {
			return nil, err
		}
		ins, err := s.four()
		if err != nil {
			return nil, err
		}
		prog = append(prog, ins)
	}
	return s.counted(at, count, prog)
}

func writeDDD(b *bytes.Buffer, prog []bpf.RawInstruction) {
	writeNumbers(b, prog, '\n')
	b.WriteByte('\n')
}

func writeXT(b *bytes.Buffer, prog []bpf.RawInstruction) {
	writeNumbers(b, prog, ',')
	b.WriteByte('\n')
}

// writeNumbers writes the count and the instructions with sep between them.
func writeNumbers(b *bytes.Buffer, prog []bpf.RawInstruction, sep byte) {
	b.WriteString(strconv.Itoa(len(prog)))
	for _, ins := range prog {
		line := append(b.AvailableBuffer(), sep)
		for i, v := range [...]uint32{uint32(ins.Op), uint32(ins.Jt), uint32(ins.Jf), ins.K} {
			if i > 0 {
				line = append(line, ' ')
			}
			line = strconv.AppendUint(line, uint64(v), 10)
		}
		b.Write(line)
	}
}
