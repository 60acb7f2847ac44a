// Package capture keeps what all targets answered, in order, compactly, in a file from which a replay can be played.
//
// A capture is a sequence of blocks, each compressed and with a checksum; README.md has the format. It is written while
// an engine runs ([Recorder], which never makes a collection wait) and read as a stream ([Reader], which holds one row
// of each target). What a crash tore off at the end is cut off when the file is written to again, and said by both.
package capture

import (
	"fmt"
	"time"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/source"
)

// Target is where answers came from.
type Target struct {
	Source   string        // "http.gateway"
	Address  string        // as the source was asked for it
	Interval time.Duration // between collections; 0: not known
}

// Record is one thing of a capture. Exactly one of Answer, Found, Lost and End is set, or none: then an engine began to
// write, and knows nothing of what was before.
type Record struct {
	Time   time.Time // when it was asked for, to the millisecond; of a loss: when it ended
	Answer *Answer
	Found  *Found
	Lost   int  // answers before this one that are not in the capture
	End    bool // the engine stopped in good order: until now it would have asked
}

// Answer is what came of one collection.
type Answer struct {
	Target    Target
	Took      time.Duration // to the microsecond
	Frame     frame.Frame   // Time is 0 unless the source gave one
	Truncated bool          // the source left out what was over its limits
	Failure   string        // why there is no frame; "" if there is one
}

// Found is everything that one discovery of a source had found at a time.
type Found struct {
	Source    string
	Discovery int // its place in the source
	Groups    []source.Group
}

// DamageError says that a capture cannot be read any further. What was read before is good.
type DamageError struct {
	Offset int64 // of the block in the file
	Rest   int64 // bytes from there to the end; -1: not known
	Reason string
}

func (e *DamageError) Error() string {
	rest := ""
	if e.Rest >= 0 {
		rest = fmt.Sprintf(", %d bytes before its end", e.Rest)
	}
	return fmt.Sprintf("the capture ends at byte %d%s: %s", e.Offset, rest, e.Reason)
}

// Bounds of what is read: a capture may be anybody's.
const (
	maxBlock   = 64 << 20 // bytes of a block, uncompressed
	maxColumns = 1 << 23  // of the present layouts of all targets together
	maxTargets = 1 << 20
	maxText    = 64 << 10 // bytes of a name or value of a label, an address, a reason
)

// Kinds of records in a block.
const (
	kindBegin   = 1
	kindTarget  = 2
	kindAnswer  = 3
	kindFailure = 4
	kindLost    = 5
	kindFound   = 6
	kindEnd     = 7
)

// Bits that say what an answer has beside its values.
const (
	flagLayout    = 1 << iota // another layout than the answer before
	flagTime                  // a time of the source's own
	flagTimes                 // a time for each value
	flagTruncated             // the source left something out
)
