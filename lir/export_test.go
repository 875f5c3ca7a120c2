package lir

// Span is the stretch from birth to last use that the allocation gave r, in
// points: 4*i is before instruction i, 4*i+1 its reads, 4*i+2 its write, 4*i+3
// after it. It is empty, last below first, if r is not in use.
func (a *Allocation) Span(r Reg) (first, last int) {
	return int(a.spans[r].first), int(a.spans[r].last)
}
