//go:build !linux

package capture

import "io"

// vectorWriter writes as stage does: not every system has a writev(2), and none
// of those that do is where captures are written at the rate of a link.
type vectorWriter struct{ stage }

func newVectorWriter(w io.Writer) vectorWriter { return vectorWriter{stage{w: w}} }
