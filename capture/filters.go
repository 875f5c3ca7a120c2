package capture

import (
	"errors"
	"fmt"

	"github.com/bpfjit/bpfjit/jit"
)

// Filter makes Next give only packets that match the filter for their link type.
// It calls newFilter once for each link type that turns up: for that of the first
// packet at once, if FirstLinkType tells it, for any other when Next comes by such a
// packet. An error of newFilter is Filter's, which then changes nothing, or Next's,
// which then is at its end. The filters see no metadata.
//
// With WithReadAhead, packets are filtered in the goroutines that read them: several
// at a time, not in order, and also some that Next never comes to.
//
// Filter has to come before the first call of Next.
func (r *Reader) Filter(newFilter func(LinkType) (*jit.Filter, error)) error {
	if r.err != nil {
		return r.err
	}
	if r.count > 0 || r.ahead != nil {
		return errors.New("a filter has to be set before the first packet is read")
	}
	f := &filters{make: newFilter, made: map[LinkType]*jit.Filter{}}
	f.scan = &scanner{ng: r.format == Pcapng, rec: r.rec}
	if link, ok := r.FirstLinkType(); ok {
		var err error
		if f.scan.filter, err = f.get(link); err != nil {
			return err
		}
	}
	r.filters = f
	return nil
}

// Verdict is what the filter returned for the last packet: how many of its bytes to
// keep, as filters say it. It is 0 if there is no filter.
func (r *Reader) Verdict() uint32 { return r.verdict }

// PassedBytes returns how many bytes the packets had that Packets counts, as far
// as they were captured.
func (r *Reader) PassedBytes() int64 { return r.bytes }

// filters are a Reader's, one for each link type.
type filters struct {
	make func(LinkType) (*jit.Filter, error)
	made map[LinkType]*jit.Filter
	link LinkType
	last *jit.Filter // the one for link
	scan *scanner    // which filters ahead, if anything does
}

// verdict is the filter's on the Reader's packet.
func (f *filters) verdict(r *Reader) (uint32, error) {
	p := &r.pkt
	filter, err := f.get(p.LinkType)
	if err != nil {
		return 0, err
	}
	if f.scan.ng {
		f.scan.learn(r, p.Interface)
	}
	return filter.Run(p.Data, int(p.WireLen)), nil
}

// get is the filter for a link type.
func (f *filters) get(link LinkType) (*jit.Filter, error) {
	if f.last != nil && link == f.link {
		return f.last, nil
	}
	filter := f.made[link]
	if filter == nil {
		var err error
		if filter, err = f.make(link); err != nil {
			return nil, err
		}
		if filter == nil {
			return nil, fmt.Errorf("no filter for packets of link type %v", link)
		}
		f.made[link] = filter
	}
	f.link, f.last = link, filter
	return filter, nil
}
