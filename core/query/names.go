package query

import (
	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// names has the label sets of a dictionary in the form of the engine. Series keep their place from one dictionary to
// the next nearly always, so that a set is made once for each series.
type names struct {
	dictionary *abi.Dictionary
	labels     []labels.Labels // by index
	builder    labels.ScratchBuilder
	parts      []part // by index, as far as the last one that is part of a native histogram
}

// of takes the names of a dictionary.
func (n *names) of(d *abi.Dictionary) *names {
	if n.dictionary == d {
		return n
	}
	known := 0
	if n.dictionary != nil {
		for known < min(len(n.labels), len(d.Series)) && n.dictionary.Series[known].Labels.Equal(d.Series[known].Labels) {
			known++
		}
	}
	n.labels = n.labels[:known]
	n.parts = n.parts[:min(known, len(n.parts))]
	for _, s := range d.Series[known:] {
		p, ok := partOf(s)
		if ok {
			n.parts = append(n.parts, make([]part, len(n.labels)-len(n.parts))...)
			n.parts = append(n.parts, p)
		}
		n.labels = append(n.labels, n.make(s.Labels, ok))
	}
	n.dictionary = d
	return n
}

// make converts a label set. The name of a histogram is not that of its part.
func (n *names) make(ls frame.Labels, isPart bool) labels.Labels {
	n.builder.Reset()
	for _, l := range ls {
		if !isPart || l.Name != frame.PartLabel {
			n.builder.Add(l.Name, l.Value)
		}
	}
	return n.builder.Labels()
}

// part is what a series is of its native histogram.
type part struct {
	frame.Part
	gauge bool
}

func partOf(s frame.Series) (part, bool) {
	text := s.Labels.Get(frame.PartLabel)
	if text == "" {
		return part{}, false
	}
	p, ok := frame.ParsePart(text)
	return part{p, s.Kind == frame.Gauge}, ok
}

// part returns what a series is of a native histogram, false if it is a series of its own.
func (n *names) part(index uint32) (part, bool) {
	if int(index) >= len(n.parts) || n.parts[index].Piece == 0 {
		return part{}, false
	}
	return n.parts[index], true
}

// identity is what an element of a result is known by: its labels without the name of the metric.
func identity(ls labels.Labels) frame.Labels {
	set := make(frame.Labels, 0, ls.Len())
	ls.Range(func(l labels.Label) {
		if l.Name != frame.MetricName {
			set = append(set, frame.Label{Name: l.Name, Value: l.Value})
		}
	})
	return set
}
