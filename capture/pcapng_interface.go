package capture

import (
	"math"
	"math/bits"
)

// Option codes of interface descriptions and statistics
// (draft-ietf-opsawg-pcapng, tables 3 and 6).
const (
	optEnd     = 0
	optComment = 1

	ifName        = 2
	ifDescription = 3
	ifTSResol     = 9
	ifFilter      = 11
	ifOS          = 12
	ifTSOffset    = 14

	isbReceived = 4
	isbDropped  = 5
	isbAccepted = 6
)

// options calls f for each option in b until its end, an error or the end
// marker. Options are type, length and a value padded to 4 bytes.
func (r *Reader) options(b []byte, f func(code uint16, value []byte) error) error {
	for len(b) > 0 {
		if len(b) < 4 {
			return corrupt("option header cut short by the end of its block")
		}
		code, size := r.u16(b), int(r.u16(b[2:]))
		b = b[4:]
		if code == optEnd {
			if size != 0 {
				return corrupt("end of options has a length: %d", size)
			}
			return nil
		}
		padded := (size + 3) &^ 3
		if padded > len(b) {
			return corrupt("option %d of %d bytes is longer than its block", code, size)
		}
		if err := f(code, b[:size]); err != nil {
			return err
		}
		b = b[padded:]
	}
	return nil
}

// addInterface takes in the body of an interface description.
func (r *Reader) addInterface(body []byte) error {
	ifc := Interface{
		LinkType:  LinkType(r.u16(body)),
		SnapLen:   r.u32(body[4:]),
		FCSLen:    -1,
		BigEndian: r.big,
		clock:     microseconds,
	}
	if ifc.SnapLen > math.MaxInt32 {
		ifc.SnapLen = 0 // libpcap's reading: no limit
	}
	var resol, offset []byte
	err := r.options(body[8:], func(code uint16, v []byte) error {
		switch code {
		case ifName:
			return r.text(&ifc.Name, v)
		case ifDescription:
			return r.text(&ifc.Description, v)
		case ifOS:
			return r.text(&ifc.OS, v)
		case ifFilter:
			// The first byte says what the rest is; 0: a libpcap expression.
			if len(v) > 0 && v[0] == 0 {
				return r.text(&ifc.Filter, v[1:])
			}
		case ifTSResol:
			return once(&resol, v, 1, "if_tsresol")
		case ifTSOffset:
			return once(&offset, v, 8, "if_tsoffset")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if resol != nil {
		if ifc.clock, err = newClock(resol[0]); err != nil {
			return err
		}
	}
	if offset != nil {
		ifc.clock.offset = int64(r.u64(offset))
	}
	if len(r.ifs) == maxInterfaces {
		return corrupt("more than %d interfaces", maxInterfaces)
	}
	// A block may hold any packet of the interface, options, and libpcap's
	// allowance for them.
	if more := ifc.LinkType.maxCapLen(); more > maxBlock {
		r.ng.maxBlock = max(r.ng.maxBlock, more+131072+20+blockOverhead)
	}
	r.ifs = append(r.ifs, ifc)
	return nil
}

// once keeps v, the value of an option that has a fixed size and comes once.
func once(dst *[]byte, v []byte, size int, name string) error {
	if len(v) != size {
		return corrupt("%s of %d bytes: it has %d", name, len(v), size)
	}
	if *dst != nil {
		return corrupt("more than one %s", name)
	}
	*dst = v
	return nil
}

// text keeps a copy of v, within the bound of what is kept in all.
func (r *Reader) text(dst *string, v []byte) error {
	if r.ng.text += len(v); r.ng.text > maxText {
		return corrupt("more than %d bytes of interface descriptions", maxText)
	}
	*dst = string(v)
	return nil
}

// statistics takes in the body of an interface statistics block. Nothing else
// depends on it: what is malformed is left out, as other readers do.
func (r *Reader) statistics(body []byte) {
	if len(body) < 12 { // interface and time
		return
	}
	index := r.u32(body)
	if index >= uint32(len(r.ifs)-r.ng.first) {
		return
	}
	st := &r.ifs[r.ng.first+int(index)].Stats
	_ = r.options(body[12:], func(code uint16, v []byte) error {
		if len(v) == 8 {
			switch n := r.u64(v); code {
			case isbReceived:
				st.Received, st.Has = n, st.Has|HasReceived
			case isbDropped:
				st.Dropped, st.Has = n, st.Has|HasDropped
			case isbAccepted:
				st.Accepted, st.Has = n, st.Has|HasAccepted
			}
		}
		return nil
	})
}

// clock turns an interface's time stamps into nanoseconds: t*mul/div, or
// t*mul>>shift, and offset seconds more.
type clock struct {
	mul, div uint64
	shift    uint8
	offset   int64
}

// microseconds is the resolution of an interface that states none.
var microseconds = clock{mul: 1000, div: 1}

// newClock reads the value of if_tsresol: a negative power of 10, or of 2 if the
// highest bit is set. As in libpcap, a second has to fit 64 bits.
func newClock(resol uint8) (clock, error) {
	n := resol & 0x7f
	if resol&0x80 != 0 {
		if n > 63 {
			return clock{}, corrupt("if_tsresol 2^-%d is too fine", n)
		}
		return clock{mul: 1e9, div: 1, shift: n}, nil
	}
	if n > 19 {
		return clock{}, corrupt("if_tsresol 10^-%d is too fine", n)
	}
	c := clock{mul: 1, div: 1}
	for ; n < 9; n++ {
		c.mul *= 10
	}
	for ; n > 9; n-- {
		c.div *= 10
	}
	return c, nil
}

// ns converts t to nanoseconds since 1970, rounded down. A time that int64 does
// not hold (before 1677, after 2262) becomes the nearest it does.
func (c *clock) ns(t uint64) int64 {
	hi, lo := bits.Mul64(t, c.mul)
	if c.shift > 0 {
		lo = lo>>c.shift | hi<<(64-c.shift)
		hi >>= c.shift
	}
	if c.div > 1 {
		lo /= c.div // mul is 1: hi is 0
	}
	if c.offset == 0 {
		if hi != 0 || lo > math.MaxInt64 {
			return math.MaxInt64
		}
		return int64(lo)
	}
	return c.shifted(hi, lo)
}

// shifted adds the offset to hi:lo in 128 bits and clamps.
func (c *clock) shifted(hi, lo uint64) int64 {
	var ohi, olo, carry uint64
	if c.offset < 0 {
		ohi, olo = bits.Mul64(uint64(-c.offset), 1e9)
		olo, carry = bits.Sub64(0, olo, 0)
		ohi, _ = bits.Sub64(0, ohi, carry)
	} else {
		ohi, olo = bits.Mul64(uint64(c.offset), 1e9)
	}
	lo, carry = bits.Add64(lo, olo, 0)
	hi, _ = bits.Add64(hi, ohi, carry)
	switch {
	case hi == 0 && lo <= math.MaxInt64, hi == math.MaxUint64 && lo > math.MaxInt64:
		return int64(lo)
	case int64(hi) < 0:
		return math.MinInt64
	}
	return math.MaxInt64
}
