package pcapfilter

// slab makes many small things in few pieces of memory. A list of thousands of
// hosts makes several things for each, and the collector would have them all to
// look for.
type slab[T any] struct {
	free []T
	size int // of the last piece
}

// make returns memory for v. What is made together is freed together.
func (s *slab[T]) make(v T) *T {
	p := &s.take(1)[0]
	*p = v
	return p
}

// take returns room for n, zeroed, to which nothing can be appended.
func (s *slab[T]) take(n int) []T {
	if len(s.free) < n {
		s.size = max(n, min(max(2*s.size, 8), 512))
		s.free = make([]T, s.size)
	}
	p := s.free[:n:n]
	s.free = s.free[n:]
	return p
}
