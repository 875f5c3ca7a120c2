package packetline

// dump appends the packet's bytes, 16 in a line, as tcpdump lays them out.
func (p *Printer) dump(data []byte) {
	withText := false
	switch p.opts.Dump {
	case NoDump:
		return
	case HexText, HexTextLink:
		withText = true
	}
	if (p.opts.Dump == Hex || p.opts.Dump == HexText) && p.linkAt >= 0 {
		data = data[min(p.linkAt, len(data)):]
	}
	const textColumn = 2 + 16/2*5 // two blanks, and five columns for two bytes
	for at := 0; at < len(data); at += 16 {
		line := data[at:min(at+16, len(data))]
		p.text("\t0x")
		if at > 0xffff { // a jumbo packet's offsets have more digits
			p.b = append(p.b, hexDigit(at>>20), hexDigit(at>>16))
		}
		p.b = append(p.b, hexDigit(at>>12), hexDigit(at>>8), hexDigit(at>>4), hexDigit(at), ':', ' ')
		start := len(p.b) - 1
		for i := 0; i < len(line); i += 2 {
			p.b = append(p.b, ' ')
			p.hexes(line[i:min(i+2, len(line))])
		}
		if withText {
			for len(p.b)-start < textColumn {
				p.b = append(p.b, ' ')
			}
			p.b = append(p.b, ' ')
			for _, c := range line {
				if c <= ' ' || c > '~' {
					c = '.'
				}
				p.b = append(p.b, c)
			}
		}
		p.b = append(p.b, '\n')
	}
}

func hexDigit(v int) byte { return "0123456789abcdef"[v&15] }
