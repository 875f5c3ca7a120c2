package lir

// numConds is one more than the last condition.
const numConds = NONE + 1

// conds is the table of conditions: the name in the text form, the condition
// that holds exactly when this one does not, and the one that says the same
// with A and B exchanged.
var conds = [numConds]struct {
	name      string
	not, swap Cond
}{
	CondInvalid: {"invalid", CondInvalid, CondInvalid},
	EQ:          {"eq", NE, EQ},
	NE:          {"ne", EQ, NE},
	LTU:         {"ltu", GEU, GTU},
	LEU:         {"leu", GTU, GEU},
	GTU:         {"gtu", LEU, LTU},
	GEU:         {"geu", LTU, LEU},
	LTS:         {"lts", GES, GTS},
	LES:         {"les", GTS, GES},
	GTS:         {"gts", LES, LTS},
	GES:         {"ges", LTS, LES},
	ANY:         {"any", NONE, ANY},
	NONE:        {"none", ANY, NONE},
}

// Valid reports whether c is one of the conditions.
func (c Cond) Valid() bool { return c > CondInvalid && c < numConds }

func (c Cond) String() string {
	if !c.Valid() {
		c = CondInvalid
	}
	return conds[c].name
}

// Not is the condition that holds exactly when c does not.
func (c Cond) Not() Cond {
	if !c.Valid() {
		return CondInvalid
	}
	return conds[c].not
}

// Swap is the condition that holds of (B, A) exactly when c holds of (A, B).
func (c Cond) Swap() Cond {
	if !c.Valid() {
		return CondInvalid
	}
	return conds[c].swap
}

// Holds evaluates c at width w: of a and b, only the low bits of that width
// count.
func (c Cond) Holds(w Width, a, b uint64) bool {
	a, b = w.trunc(a), w.trunc(b)
	sa, sb := w.signed(a), w.signed(b)
	switch c {
	case EQ:
		return a == b
	case NE:
		return a != b
	case LTU:
		return a < b
	case LEU:
		return a <= b
	case GTU:
		return a > b
	case GEU:
		return a >= b
	case LTS:
		return sa < sb
	case LES:
		return sa <= sb
	case GTS:
		return sa > sb
	case GES:
		return sa >= sb
	case ANY:
		return a&b != 0
	case NONE:
		return a&b == 0
	}
	return false
}

// trunc keeps the low w bytes of v.
func (w Width) trunc(v uint64) uint64 {
	shift := 64 - uint(w.Bits())
	return v << shift >> shift
}

// signed sign-extends the low w bytes of v.
func (w Width) signed(v uint64) int64 {
	shift := 64 - uint(w.Bits())
	return int64(v<<shift) >> shift
}

// fits reports whether v is a value of width w, read as signed or as unsigned.
func (w Width) fits(v int64) bool {
	return uint64(v) == w.trunc(uint64(v)) || v == w.signed(uint64(v))
}
