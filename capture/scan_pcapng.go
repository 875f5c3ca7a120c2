package capture

// enhancedHeader is how many bytes of an enhanced packet block come before the data.
const enhancedHeader = 28

// size is that of the block whose first bytes b are, which may change what follows;
// false if there is no such block, or one so large that only the Reader knows
// whether it may be.
func (s *blocks) size(b []byte) (n int, ok bool) {
	if s.u32(b) == blockSection {
		if s.order, ok = sectionOrder(b[8:]); !ok {
			return 0, false
		}
		s.section++
	}
	total := s.u32(b[4:])
	return int(total), total >= blockOverhead && total%4 == 0 && total <= maxBlock
}

// runBlocks filters what walk has found in a pcapng file: packets that the Reader
// has nothing to do with but those that match, and a hit for each other block.
func (s *scanner) runBlocks(f *found, data []byte) {
	known, at := s.known.Load(), f.before
	for _, start := range f.starts {
		b := data[start:]
		size, _ := at.size(b)
		h := hit{at: int32(start), before: int32(f.packets), size: int32(size)}
		if isPacket(at.u32(b)) {
			f.packets++
		}
		if at.filter(known, b[:size], &h) {
			if f.bytes += int64(h.capLen); h.verdict == 0 {
				continue
			}
		}
		h.bytes = f.bytes
		f.hits = append(f.hits, h)
	}
}

// filter fills in h for the enhanced packet block b; false if it is another, has
// something wrong with it, or is of an interface not yet known. Those that are were
// described in earlier chunks: the Reader has not come to this one.
func (s *blocks) filter(known *known, b []byte, h *hit) bool {
	if s.u32(b) != blockEnhanced || known == nil || known.section != s.section || len(b) < enhancedHeader+4 {
		return false
	}
	index := s.u32(b[8:])
	body := b[enhancedHeader : len(b)-4]
	h.data, h.capLen, h.wireLen = enhancedHeader, s.u32(b[20:]), s.u32(b[24:])
	if index >= uint32(len(known.ifs)) || h.capLen > uint32(len(body)) || s.u32(b[len(b)-4:]) != uint32(len(b)) {
		return false
	}
	ifc := &known.ifs[index]
	if ifc.filter == nil || h.capLen > ifc.limit {
		return false
	}
	h.ifc = int32(known.first) + int32(index)
	h.verdict = ifc.filter.Run(body[:h.capLen:h.capLen], int(h.wireLen))
	if h.verdict != 0 {
		h.ts = ifc.clock.ns(uint64(s.u32(b[12:]))<<32 | uint64(s.u32(b[16:])))
	}
	return true
}

// learn lets the scanner know of an interface whose filter has been made.
func (s *scanner) learn(r *Reader, ifc int) {
	index, ng := ifc-r.ng.first, &r.ng
	if index >= maxKnown {
		return
	}
	if k := s.known.Load(); k != nil && k.section == ng.number && index < len(k.ifs) && k.ifs[index].filter != nil {
		return
	}
	ifs := r.ifs[ng.first:]
	k := &known{section: ng.number, first: ng.first}
	for i := range ifs[:min(len(ifs), maxKnown)] {
		k.ifs = append(k.ifs, knownInterface{ifs[i].clock, ifs[i].limit(), r.filters.made[ifs[i].LinkType]})
	}
	s.known.Store(k)
}
