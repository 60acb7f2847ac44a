package httpsource

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// maxSeries bounds the columns of a page where the engine gives no limit.
const maxSeries = 2_000_000

// page is what is known of one target's page, so that the next one costs little and keeps its layout.
type page struct {
	mu     sync.Mutex // one page at a time
	used   time.Time  // guarded by the mutex of Source
	layout *frame.Layout
	hashes []uint64 // of the label sets of layout, see hashOf
	limit  int      // of series, for which lines were dropped
	honor  bool     // timestamps count
	native int      // buckets to keep of a native histogram, 0: none

	skeleton      // of the last good page
	odd      bool // the skeleton must not be predicted from
	dense    bool // line i has column i
	dropped  bool // there are lines without a column
	short    bool // native histograms were left out

	rows [2]row // used in turn: the one handed out last stays as it is while the next page is read
	turn int
	raw  row // the values of lines, where they are not columns
}

// read reads a page and returns its row. The layout is the same one while the series of the page are.
// The memory of the row is used again by the read after the next. On an error all is as before.
func (p *page) read(b body, limit int) (row, error) {
	if limit <= 0 {
		limit = maxSeries
	}
	if p.limit != limit {
		p.layout, p.hashes, p.skeleton, p.dense = nil, nil, skeleton{}, false
		p.limit = limit
	}
	if p.layout == nil {
		p.layout = &frame.Layout{}
	}
	if b.format == protobuf {
		return p.readProtobuf(b)
	}
	text := wholeLines(b)
	if len(text) == 0 {
		return p.settle(p.newDraft(b.format)), nil
	}
	if p.format == b.format && !p.odd {
		if r, ok := p.predict(text); ok {
			return r, nil
		}
	}
	d := p.newDraft(b.format)
	// A line of a sample has some dozens of bytes; less only in pages that mean harm.
	d.expect(len(text), min(bytes.Count(text, []byte("\n")), len(text)/16))
	d.fresh = make([]frame.Series, 0, max(0, cap(d.lines)-len(p.layout.Series)))
	d.hashes = make([]uint64, 0, cap(d.fresh))
	// Prometheus takes a NUL for the end where a line begins. Without a line feed the last value has no end.
	d.odd = bytes.IndexByte(text, 0) >= 0 || text[len(text)-1] != '\n'
	if err := d.learn(text, 0, len(text)); err != nil {
		return row{}, fmt.Errorf("parse the page as %s: %w", b.format, err)
	}
	return p.settle(d), nil
}

// wholeLines is the text of a page; of one that was cut, as a page that ends there.
func wholeLines(b body) []byte {
	text := b.bytes
	if b.truncated {
		text = text[:bytes.LastIndexByte(text, '\n')+1]
		if b.format == openMetrics {
			text = append(text, "# EOF\n"...)
		}
	}
	if b.format == promText && len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n') // the parser does the same
	}
	return text
}

// newDraft begins a page from nothing. It takes the memory that spare gives.
func (p *page) newDraft(f format) *draft {
	spare := p.spare()
	d := &draft{
		skeleton: skeleton{format: f, metas: []meta{{}}}, row: row{values: spare.values[:0], stamps: spare.stamps[:0]},
		old: p, base: int32(len(p.layout.Series)), honor: p.honor,
	}
	*spare = row{}
	return d
}

// settle gives the series of a complete draft their columns, in the order in which they come on the page, and makes
// the draft what is known of the page.
func (p *page) settle(d *draft) row {
	columns := make([]int32, int(d.base)+len(d.fresh)) // by ref: column + 1
	kept, hashes := d.fresh[:0], d.hashes[:0]          // where all are fresh they come in the order of their refs
	if d.base > 0 {
		kept, hashes = make([]frame.Series, 0, len(d.lines)), make([]uint64, 0, len(d.lines))
	}
	changed := false
	dropped := false
	for i := range d.lines {
		l := &d.lines[i]
		l.bits &^= again
		switch ref := l.ref; {
		case columns[ref] != 0:
			l.ref = columns[ref] - 1
			l.bits |= again
		case len(kept) == p.limit:
			l.ref = -1
			dropped = true
		default:
			series := frame.Series{Labels: d.labelsOf(ref), Kind: l.kind}
			l.ref = int32(len(kept))
			changed = changed || ref != l.ref || ref >= d.base || p.layout.Series[ref].Kind != l.kind
			kept, hashes = append(kept, series), append(hashes, d.hashOf(ref))
			columns[ref] = l.ref + 1
		}
	}
	if changed || len(kept) != len(p.layout.Series) {
		p.layout = &frame.Layout{Series: slices.Clip(kept)}
		p.hashes = slices.Clip(hashes)
	}
	skeletons.Put(&skeleton{fixed: p.fixed, ends: p.ends, lines: p.lines})
	p.skeleton = d.skeleton
	p.odd, p.dropped, p.short = d.odd, dropped, d.short
	p.dense = !dropped && len(kept) == len(d.lines)
	*p.spare() = d.row
	return p.place(p.spare())
}
