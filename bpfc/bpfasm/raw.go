package bpfasm

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"golang.org/x/net/bpf"
)

// rawSize is sizeof(struct sock_filter) and, in all BSDs, struct bpf_insn.
const rawSize = 8

func readRaw(data []byte) ([]bpf.RawInstruction, error) {
	return decode(Raw, data, binary.LittleEndian)
}

func readRawBE(data []byte) ([]bpf.RawInstruction, error) {
	return decode(RawBE, data, binary.BigEndian)
}

func decode(f Form, data []byte, order binary.ByteOrder) ([]bpf.RawInstruction, error) {
	if rest := len(data) % rawSize; rest != 0 {
		return nil, &SyntaxError{Form: f, Offset: len(data) - rest,
			Msg: fmt.Sprintf("expected %d bytes of an instruction, found %d and the end", rawSize, rest)}
	}
	if len(data)/rawSize > MaxInstructions {
		return nil, &SyntaxError{Form: f, Offset: MaxInstructions * rawSize, Msg: errTooLong}
	}
	prog := make([]bpf.RawInstruction, len(data)/rawSize)
	for i := range prog {
		b := data[i*rawSize:]
		prog[i] = bpf.RawInstruction{Op: order.Uint16(b), Jt: b[2], Jf: b[3], K: order.Uint32(b[4:])}
	}
	return prog, nil
}

func writeRaw(b *bytes.Buffer, prog []bpf.RawInstruction) {
	encode(b, prog, binary.LittleEndian)
}

func writeRawBE(b *bytes.Buffer, prog []bpf.RawInstruction) {
	encode(b, prog, binary.BigEndian)
}

func encode(b *bytes.Buffer, prog []bpf.RawInstruction, order binary.AppendByteOrder) {
	for _, ins := range prog {
		b.Write(appendRawBytes(b.AvailableBuffer(), ins, order))
	}
}

func appendRawBytes(b []byte, ins bpf.RawInstruction, order binary.AppendByteOrder) []byte {
	b = order.AppendUint16(b, ins.Op)
	b = append(b, ins.Jt, ins.Jf)
	return order.AppendUint32(b, ins.K)
}

func readHex(data []byte) ([]bpf.RawInstruction, error) {
	return decodeHex(Hex, data, binary.LittleEndian)
}

func readHexBE(data []byte) ([]bpf.RawInstruction, error) {
	return decodeHex(HexBE, data, binary.BigEndian)
}

// decodeHex takes hexadecimal digits with blanks anywhere between them, as
// xxd -p and hexdump print them.
func decodeHex(f Form, data []byte, order binary.ByteOrder) ([]bpf.RawInstruction, error) {
	at := SyntaxError{Form: f, Line: 1, Col: 1}
	raw := make([]byte, 0, len(data)/2+1)
	half := false
	for i, c := range data {
		d := hexDigit(c)
		switch {
		case c == '\n':
			at.Line++
			at.Col = 0
		case isSpace(c):
		case d < 0:
			at.Offset, at.Msg = i, fmt.Sprintf("expected a hexadecimal digit, found %q", rune(c))
			return nil, &at
		case half:
			raw[len(raw)-1] |= byte(d)
			half = false
		default:
			raw = append(raw, byte(d)<<4)
			half = true
		}
		at.Col++
	}
	at.Offset = len(data)
	switch rest := len(raw) % rawSize; {
	case half:
		at.Msg = "expected two digits a byte, found an odd number of digits"
		return nil, &at
	case rest != 0:
		at.Msg = fmt.Sprintf("expected %d bytes of an instruction, found %d and the end", rawSize, rest)
		return nil, &at
	case len(raw)/rawSize > MaxInstructions:
		at.Msg = errTooLong
		return nil, &at
	}
	return decode(f, raw, order)
}

func hexDigit(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func writeHex(b *bytes.Buffer, prog []bpf.RawInstruction) {
	encodeHex(b, prog, binary.LittleEndian)
}

func writeHexBE(b *bytes.Buffer, prog []bpf.RawInstruction) {
	encodeHex(b, prog, binary.BigEndian)
}

func encodeHex(b *bytes.Buffer, prog []bpf.RawInstruction, order binary.AppendByteOrder) {
	for _, ins := range prog {
		raw := appendRawBytes(make([]byte, 0, rawSize), ins, order)
		b.Write(append(hex.AppendEncode(b.AvailableBuffer(), raw), '\n'))
	}
}
