package httpsource

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// learn reads part of a text page with Prometheus' parser and appends it to the draft: in[from:to] is of the page,
// what is around it puts the parser into the state that it would have there. The part must begin and end where a
// line does. in needs room for one more byte, which the parser overwrites.
//
// What the parser refuses is an error: its word is final.
func (d *draft) learn(in []byte, from, to int) (err error) {
	defer func() {
		if r := recover(); r != nil { // labels panic from 16 MB on
			err = fmt.Errorf("the parser gave up: %v", r)
		}
	}()
	if cap(in) == len(in) {
		in = append(in, '\n')[:len(in)]
	}
	parser := d.parser(in)
	done := from // up to here the page is in the draft
	previous := int32(-1)
	var bits lineBits
	var set labels.Labels
	for {
		entry, err := parser.Next()
		switch {
		case errors.Is(err, io.EOF):
			d.fixed = append(d.fixed, in[done:to]...)
			return nil
		case err != nil:
			return clip(err)
		case entry == textparse.EntryType:
			if family, kind := parser.Type(); cap(in)-cap(family) >= from {
				d.meta = d.metaOf(family, kind, d.meta)
				bits |= declares
			}
			continue
		case entry != textparse.EntrySeries:
			continue
		}
		series, stamp, value := parser.Series()
		start := cap(in) - cap(series) // both share their end
		if len(d.lines) >= maxLines {
			return fmt.Errorf("the page has more than %d samples", maxLines)
		}
		if start < done { // a line ended where we did not see it; that would be a fault of ours
			d.odd, done = true, start
		}
		if d.normalizes() || !d.split(series) {
			parser.Labels(&set)
			d.collect(set)
		}
		if previous, err = d.resolve(previous); err != nil {
			return err
		}
		l := line{ref: previous, head: uint32(len(d.fixed) - d.end() + start - done), meta: d.meta, bits: bits}
		l.kind = d.metas[d.meta].kindOf(d.labelsOf(previous).Get(frame.MetricName))
		at := start + len(series)
		for in[at] == ' ' || in[at] == '\t' && d.format == promText {
			at++
		}
		d.fixed = append(d.fixed, in[done:at]...)
		d.add(l, value, d.own(stamp))
		done = at + bytes.IndexByte(in[at:], '\n') + 1
		bits = 0
	}
}

func (d *draft) parser(in []byte) textparse.Parser {
	symbols := labels.NewSymbolTable()
	if d.format == openMetrics {
		return textparse.NewOpenMetricsParser(in, symbols)
	}
	return textparse.NewPromParser(in, symbols, false)
}

// normalizes tells whether the parser rewrites label values: le and quantile, as the declaration in force says.
func (d *draft) normalizes() bool {
	kind := d.metas[d.meta].kind
	return kind == model.MetricTypeHistogram || kind == model.MetricTypeSummary
}

// own is the timestamp that counts.
func (d *draft) own(stamp *int64) int64 {
	if stamp == nil || !d.honor {
		return noStamp
	}
	return *stamp
}

// clip shortens what the parser says: it quotes the page, whose lines may be very long.
func clip(err error) error {
	const most = 300
	text := err.Error()
	if len(text) <= most {
		return err
	}
	return fmt.Errorf("%.*s … (%d bytes more)", most, text, len(text)-most)
}
