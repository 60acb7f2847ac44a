package httpsource

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// readProtobuf reads a page of delimited MetricFamily messages.
//
// Of a histogram its classic buckets are taken; where it has none, as Prometheus does, the +Inf bucket, _count and
// _sum. Native histograms follow at the end of the row if they are wanted, see learnNative.
func (p *page) readProtobuf(b body) (row, error) {
	end, err := families(b.bytes)
	if err != nil {
		return row{}, fmt.Errorf("parse the page as %s: %w", b.format, err)
	}
	if b.truncated {
		b.bytes = b.bytes[:end]
	}
	d := p.newDraft(protobuf)
	d.odd = true // there is no text to predict from
	if p.format == protobuf {
		d.metas = p.metas
	}
	if err := d.learnProtobuf(b.bytes); err != nil {
		return row{}, fmt.Errorf("parse the page as %s: %w", b.format, err)
	}
	return p.settle(d), nil
}

// learnProtobuf reads a page with Prometheus' parser. Labels are made only of series that are not the ones that stood
// at the same place on the page before: fixed has what identifies each.
func (d *draft) learnProtobuf(in []byte) (err error) {
	defer func() {
		if r := recover(); r != nil { // labels panic from 16 MB on
			err = fmt.Errorf("the parser gave up: %v", r)
		}
	}()
	old := d.old
	predictable := d.predictable()
	parser := textparse.NewProtobufParser(in, true, false, false, false, labels.NewSymbolTable())
	var set labels.Labels
	previous := int32(-1)
	for {
		entry, err := parser.Next()
		switch {
		case errors.Is(err, io.EOF):
			return d.learnNative(in)
		case err != nil:
			return clip(err)
		case entry == textparse.EntryType:
			family, kind := parser.Type()
			d.meta = d.metaOf(family, kind, d.meta)
			continue
		case entry != textparse.EntrySeries:
			continue
		case len(d.lines) >= maxLines:
			return fmt.Errorf("the page has more than %d samples", maxLines)
		}
		series, stamp, value := parser.Series()
		l := line{meta: d.meta}
		i := len(d.lines)
		if predictable && i < len(old.lines) && bytes.Equal(series, old.before(i)) && d.same(d.meta, old.lines[i].meta) {
			l.ref, l.kind = old.lines[i].ref, old.lines[i].kind
		} else {
			parser.Labels(&set)
			d.collect(set)
			if l.ref, err = d.resolve(previous); err != nil {
				return err
			}
			l.kind = d.metas[d.meta].kindOf(d.labelsOf(l.ref).Get(frame.MetricName))
		}
		previous = l.ref
		d.fixed = append(d.fixed, series...)
		d.add(l, value, d.own(stamp))
	}
}

// predictable tells whether the lines of the page before have their columns as refs.
func (d *draft) predictable() bool { return d.old.format == protobuf && !d.old.dropped }

// families tells where the last complete message ends. It refuses what would exhaust the stack of the parser, which
// calls itself for each message without metrics.
func families(in []byte) (end int, err error) {
	const most = 10_000
	for empty := 0; end < len(in); {
		size, n := protowire.ConsumeVarint(in[end:])
		if n < 0 || size > uint64(len(in)-end-n) {
			return end, nil // incomplete, or wrong: the parser says how
		}
		family := in[end+n:][:size]
		if hasMetric(family) {
			empty = 0
		} else if empty++; empty > most {
			return end, fmt.Errorf("more than %d metric families in a row have no metrics", most)
		}
		end += n + len(family)
	}
	return end, nil
}

// hasMetric tells whether a MetricFamily has field 4, metric.
func hasMetric(family []byte) bool {
	for len(family) > 0 {
		field, kind, n := protowire.ConsumeTag(family)
		if n < 0 {
			return false
		}
		if field == 4 {
			return true
		}
		size := protowire.ConsumeFieldValue(field, kind, family[n:])
		if size < 0 {
			return false
		}
		family = family[n+size:]
	}
	return false
}
