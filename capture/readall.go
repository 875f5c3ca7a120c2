package capture

import "io"

// ReadAll reads the remaining packets into memory of their own, for programs
// that go over them more than once. They lie one behind the other in large
// slabs, in the order of the stream. An error comes with the packets before it;
// the end of the stream is no error.
func ReadAll(r *Reader) ([]Packet, error) {
	slabSize := 64 << 10
	var pkts []Packet
	var slab []byte
	for {
		p, err := r.Next()
		if err == io.EOF {
			return pkts, nil
		} else if err != nil {
			return pkts, err
		}
		n := len(p.Data)
		if cap(slab)-len(slab) < n {
			slab = make([]byte, 0, max(slabSize, n))
			slabSize = min(2*slabSize, 1<<20)
		}
		at := len(slab)
		slab = append(slab, p.Data...)
		pkts = append(pkts, Packet{Meta: p.Meta, Data: slab[at : at+n : at+n]})
	}
}
