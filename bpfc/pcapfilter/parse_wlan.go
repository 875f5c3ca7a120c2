package pcapfilter

// wlanTypes are the frame types of 802.11, as in the frame control field.
var wlanTypes = map[string]uint32{
	"mgt": 0x00, "management": 0x00, "ctl": fcTypeCtl, "control": fcTypeCtl, "data": fcTypeData,
}

// wlanSubtypes are the subtypes of each type, with the type's bits.
var wlanSubtypes = map[string]uint32{
	"assoc-req": 0x00, "assoc-resp": 0x10, "reassoc-req": 0x20, "reassoc-resp": 0x30,
	"probe-req": 0x40, "probe-resp": 0x50, "beacon": 0x80, "atim": 0x90,
	"disassoc": 0xa0, "disassociation": 0xa0, "auth": 0xb0, "authentication": 0xb0,
	"deauth": 0xc0, "deauthentication": 0xc0,

	"bar": 0x84, "ba": 0x94, "ps-poll": 0xa4, "rts": 0xb4, "cts": 0xc4, "ack": 0xd4, "cf-end": 0xe4, "cf-end-ack": 0xf4,

	"data": 0x08, "data-cf-ack": 0x18, "data-cf-poll": 0x28, "data-cf-ack-poll": 0x38,
	"null": 0x48, "cf-ack": 0x58, "cf-poll": 0x68, "cf-ack-poll": 0x78,
	"qos-data": 0x88, "qos-data-cf-ack": 0x98, "qos-data-cf-poll": 0xa8, "qos-data-cf-ack-poll": 0xb8,
	"qos": 0xc8, "qos-cf-poll": 0xe8, "qos-cf-ack-poll": 0xf8,
}

// wlanDirs are the values of the two direction bits.
var wlanDirs = map[string]uint32{"nods": 0, "tods": 1, "fromds": 2, "dstods": 3}

// wlan reads "type T", "type T subtype S", "subtype S" or "dir D".
func (p *parser) wlan(from span) node {
	kw := p.tok.kw
	p.advance()
	t := p.tok
	value := t.num
	lookup := func(table map[string]uint32, what string) {
		if t.kind != tName {
			return
		}
		v, ok := table[t.text]
		if !ok {
			p.fail(faultf(t.span, "unknown 802.11 %s name %s", what, quote(t.text)))
		}
		value = v
	}
	if t.kind != tName && (t.kind != tNumber || kw == kwSubtype) {
		p.unexpected()
	}
	switch kw {
	case kwDir:
		lookup(wlanDirs, "direction")
		if value > fcDirMask {
			p.fail(faultf(t.span, "invalid 802.11 direction value 0x%x", value))
		}
		p.advance()
		return &wlanDir{from.to(t.span), value}
	case kwSubtype:
		lookup(wlanSubtypes, "subtype")
		p.advance()
		return &wlanType{from.to(t.span), value, fcTypeMask | fcSubtypeMask}
	}
	lookup(wlanTypes, "type")
	if value&^fcTypeMask != 0 {
		p.fail(faultf(t.span, "invalid 802.11 type value 0x%02x", value))
	}
	p.advance()
	if !p.is(kwSubtype) {
		return &wlanType{from.to(t.span), value, fcTypeMask}
	}
	typ := value
	p.advance()
	t = p.tok
	value = t.num
	switch t.kind {
	case tName:
		lookup(wlanSubtypes, "subtype")
		if value&fcTypeMask != typ {
			p.fail(faultf(t.span, "unknown 802.11 subtype name %s", quote(t.text)).withHint("it belongs to another type"))
		}
		value &= fcSubtypeMask
	case tNumber:
		if value&^fcSubtypeMask != 0 {
			p.fail(faultf(t.span, "invalid 802.11 subtype value 0x%02x", value))
		}
	default:
		p.unexpected()
	}
	p.advance()
	return &wlanType{from.to(t.span), typ | value, fcTypeMask | fcSubtypeMask}
}
