package pcapfilter

import (
	"net/netip"
	"strconv"
	"strings"
)

// tokenKind tells tokens apart. Operators of one character are their own code.
type tokenKind int

const (
	tEOF     tokenKind = iota + 256
	tNumber            // 80, 0x50, 0120, and names of constants
	tName              // a name, or anything escaped with a backslash
	tIPv4              // 10.1, 10.1.2 or 10.1.2.3: IPv4, or a DECnet address
	tIPv6              // 2001:db8::1
	tMAC               // 1:2:3:4:5:6 in any of its spellings
	tARCnet            // $ab
	tAnd               // and &&
	tOr                // or ||
	tGE                // >=
	tLE                // <=
	tNE                // !=
	tLSH               // <<
	tRSH               // >>
	tKeyword           // token.kw says which
)

type token struct {
	kind tokenKind
	span
	text string // the name without its backslash; else as written
	num  uint32 // of a tNumber
	kw   keyword
}

// lexer finds the longest token at each place, as flex does for libpcap. That
// is why "len-14" is one name, and 010203040506 a MAC address.
type lexer struct {
	src string
	pos int
}

// next returns the token at the lexer's place and moves behind it.
func (l *lexer) next() (token, *fault) {
	for l.pos < len(l.src) && strings.IndexByte(" \r\n\t", l.src[l.pos]) >= 0 {
		l.pos++
	}
	start := l.pos
	if start == len(l.src) {
		return token{kind: tEOF, span: span{start, start}}, nil
	}
	t, err := scan(l.src[start:])
	t.pos, t.end = start, start+t.end
	if err != nil {
		err.at = t.span
		return t, err
	}
	l.pos = t.end
	return t, nil
}

// scan reads the token at the start of s; its end is its length.
func scan(s string) (token, *fault) {
	word := wordLen(s)
	mac, ip6, broken := macLen(s), ipv6Len(s), brokenMACLen(s)
	switch n := max(mac, ip6, broken); {
	case n == 0 || n < word:
	case n == mac:
		return token{kind: tMAC, span: span{0, n}, text: s[:n]}, nil
	case n == ip6:
		return token{kind: tIPv6, span: span{0, n}, text: s[:n]}, nil
	default:
		return token{span: span{0, n}}, faultf(span{}, "bogus ethernet address %s", shorten(s[:n])).
			withHint("a MAC address has six parts, as in 0:1:2:3:4:5")
	}
	if n, parts := dottedLen(s); n > 0 && n >= word {
		if parts > 1 {
			return token{kind: tIPv4, span: span{0, n}, text: s[:n]}, nil
		}
		v, err := parseNumber(s[:n])
		return token{kind: tNumber, span: span{0, n}, text: s[:n], num: v}, err
	}
	if word > 0 {
		return wordToken(s[:word]), nil
	}
	return scanOther(s)
}

// wordToken makes a keyword, a constant or a name of w.
func wordToken(w string) token {
	t := token{kind: tName, span: span{0, len(w)}, text: w}
	if kw, ok := keywords[w]; ok {
		t.kind, t.kw = tKeyword, kw
		switch kw {
		case kwAnd:
			t.kind = tAnd
		case kwOr:
			t.kind = tOr
		case kwNot:
			t.kind = '!'
		}
	} else if v, ok := constants[w]; ok {
		t.kind, t.num = tNumber, v
	}
	return t
}

// scanOther reads operators, escaped names and what is no token at all.
func scanOther(s string) (token, *fault) {
	tok := func(k tokenKind, n int) (token, *fault) {
		return token{kind: k, span: span{0, n}, text: s[:n]}, nil
	}
	if s[0] == '\\' {
		n := 1 + runLen(s[1:], func(c byte) bool { return strings.IndexByte(" !()\n\t", c) < 0 })
		if n > 1 {
			return token{kind: tName, span: span{0, n}, text: s[1:n]}, nil
		}
	}
	if s[0] == '$' {
		if n := runLen(s[1:], isHex); n == 1 || n == 2 {
			return tok(tARCnet, 1+n)
		}
	}
	if len(s) >= 2 {
		switch s[:2] {
		case "&&":
			return tok(tAnd, 2)
		case "||":
			return tok(tOr, 2)
		case ">=":
			return tok(tGE, 2)
		case "<=":
			return tok(tLE, 2)
		case "!=":
			return tok(tNE, 2)
		case "==":
			return tok('=', 2)
		case "<<":
			return tok(tLSH, 2)
		case ">>":
			return tok(tRSH, 2)
		}
	}
	// A run of characters of which none may start or end a token is refused as
	// a whole, even if it begins with an operator: "+*" is not "+" and "*".
	if n := runLen(s, func(c byte) bool {
		return !isWord(c) && strings.IndexByte(" []\t\n-_.!<>()&|=", c) < 0
	}); n > 1 || n == 1 && strings.IndexByte("+*/:%^", s[0]) < 0 {
		return token{span: span{0, n}}, faultf(span{}, "illegal token: %s", quote(s[:n]))
	}
	if strings.IndexByte("|&+-*/:[]<>()!=%^", s[0]) >= 0 {
		return tok(tokenKind(s[0]), 1)
	}
	return token{span: span{0, 1}}, faultf(span{}, "illegal char '%s'", s[:1])
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isWord(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// runLen is the length of the run of bytes at the start of s that have property f.
func runLen(s string, f func(byte) bool) int {
	n := 0
	for n < len(s) && f(s[n]) {
		n++
	}
	return n
}

// wordLen is the length of the name at the start of s: letters and digits, with
// dots, hyphens and underscores inside, and dots also at the end.
func wordLen(s string) int {
	if s == "" || !isWord(s[0]) {
		return 0
	}
	n := runLen(s, func(c byte) bool { return isWord(c) || c == '.' || c == '-' || c == '_' })
	for s[n-1] == '-' || s[n-1] == '_' {
		n--
	}
	return n
}

// numberLen is the length of a decimal, octal or hexadecimal number.
func numberLen(s string) int {
	if len(s) > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && isHex(s[2]) {
		return 2 + runLen(s[2:], isHex)
	}
	return runLen(s, isDigit)
}

// dottedLen is the length of one to four numbers with dots between them.
func dottedLen(s string) (n, parts int) {
	for parts < 4 {
		i := n
		if parts > 0 {
			if i >= len(s) || s[i] != '.' {
				break
			}
			i++
		}
		d := numberLen(s[i:])
		if d == 0 {
			break
		}
		n = i + d
		parts++
	}
	return n, parts
}

// macLen is the length of a MAC address: six groups of one or two hexadecimal
// digits with one of ":-." between them, three groups of four with dots, or
// twelve digits.
func macLen(s string) int {
	best := 0
	if len(s) > 1 && isHex(s[0]) {
		for _, sep := range []byte(":-.") {
			best = max(best, groups(s, sep, 6, 1, 2))
		}
		best = max(best, groups(s, '.', 3, 4, 4))
		if len(s) >= 12 && runLen(s[:12], isHex) == 12 {
			best = max(best, 12)
		}
	}
	return best
}

// groups is the length of count groups of lo to hi hexadecimal digits with sep
// between them, or 0.
func groups(s string, sep byte, count, lo, hi int) int {
	n := 0
	for g := range count {
		if g > 0 {
			if n >= len(s) || s[n] != sep {
				return 0
			}
			n++
		}
		d := runLen(s[n:min(len(s), n+hi)], isHex)
		if d < lo {
			return 0
		}
		n += d
	}
	return n
}

// brokenMACLen is the length of hexadecimal digits and colons that begin like a
// MAC address and are none.
func brokenMACLen(s string) int {
	n := 0
	for parts := 0; ; parts++ {
		d := runLen(s[n:min(len(s), n+2)], isHex)
		c := runLen(s[n+d:], func(c byte) bool { return c == ':' })
		if d == 0 || c == 0 {
			if parts < 2 {
				return 0
			}
			return n
		}
		n += d + c
	}
}

// ipv6Len is the length of the longest IPv6 address at the start of s.
func ipv6Len(s string) int {
	const longest = len("0000:0000:0000:0000:0000:0000:255.255.255.255")
	n := runLen(s[:min(len(s), longest)], func(c byte) bool { return isHex(c) || c == ':' || c == '.' })
	if strings.Count(s[:n], ":") < 2 {
		return 0
	}
	for ; n >= 2; n-- {
		if _, err := netip.ParseAddr(s[:n]); err == nil && strings.IndexByte(s[:n], ':') >= 0 {
			return n
		}
	}
	return 0
}

// parseNumber reads a C integer: 0x for hexadecimal, a leading 0 for octal.
func parseNumber(s string) (uint32, *fault) {
	base, digits := 10, s
	switch {
	case len(s) > 2 && (s[1] == 'x' || s[1] == 'X'):
		base, digits = 16, s[2:]
	case s[0] == '0' && len(s) > 1:
		base, digits = 8, s[1:]
		if strings.ContainsAny(digits, "89") {
			return 0, faultf(span{}, "number %s contains non-octal digit", shorten(s)).
				withHint("a number that starts with 0 is octal")
		}
	}
	v, err := strconv.ParseUint(digits, base, 32)
	if err != nil {
		return 0, faultf(span{}, "number %s overflows 32 bits", shorten(s))
	}
	return uint32(v), nil
}

func shorten(s string) string {
	if len(s) > 40 {
		return s[:37] + "..."
	}
	return s
}
