package capture

import (
	"errors"
	"io"
)

// Copier writes packets of one Reader into a file of the same format and byte
// order: the file header, interface descriptions, name resolutions, secrets and
// statistics as they are, and those packets that it is given. Records are written
// from the Reader's buffer, a run of neighbouring packets as one piece. If the
// Reader reads a file ahead, and what is written is an *os.File, the goroutines
// that read write as well, in order: the file is theirs until Flush has returned.
//
// Blocks of a pcapng file that no packet belongs to, and that nobody but their
// writer knows, are left out.
type Copier struct {
	g     gatherer
	count int64
}

// NewCopier makes a Copier from r to w. It has to come before the first call of
// r.Next, since from there on r passes blocks by; it writes nothing before the
// first packet or Flush.
func NewCopier(w io.Writer, r *Reader) (*Copier, error) {
	if r.count > 0 || r.onBlock != nil {
		return nil, errors.New("a copier has to be made before the first packet is read")
	}
	c := &Copier{g: newGatherer(w)}
	c.g.copy(r.head)
	r.copied = &c.g
	r.onBlock = func(typ uint32, raw []byte) {
		if copyable(typ) {
			c.g.copy(appendBlock(nil, typ, raw))
		}
	}
	return c, nil
}

// Write puts p, the packet that the Reader's Next returned last. An error may be
// that of an earlier packet, since packets are written together.
func (c *Copier) Write(p *Packet) error {
	c.g.ref(p.Raw)
	if c.g.err == nil {
		c.count++
	}
	return c.g.err
}

// Flush writes what is still to be written. It is needed at the end, also after
// an error of Next, and to bring the file up to date.
func (c *Copier) Flush() error {
	c.g.flush()
	return c.g.err
}

// Packets returns how many packets were put, Bytes how many bytes were written.
func (c *Copier) Packets() int64 { return c.count }

// Bytes returns how many bytes have been written so far.
func (c *Copier) Bytes() int64 { return c.g.out.written.Load() }
