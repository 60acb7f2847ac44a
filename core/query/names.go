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
	labels     []labels.Labels
	builder    labels.ScratchBuilder
}

// of returns the label sets by index.
func (n *names) of(d *abi.Dictionary) []labels.Labels {
	if n.dictionary == d {
		return n.labels
	}
	known := 0
	if n.dictionary != nil {
		for known < min(len(n.labels), len(d.Series)) && n.dictionary.Series[known].Labels.Equal(d.Series[known].Labels) {
			known++
		}
	}
	n.labels = n.labels[:known]
	for _, s := range d.Series[known:] {
		n.labels = append(n.labels, n.make(s.Labels))
	}
	n.dictionary = d
	return n.labels
}

func (n *names) make(ls frame.Labels) labels.Labels {
	n.builder.Reset()
	for _, l := range ls {
		n.builder.Add(l.Name, l.Value)
	}
	return n.builder.Labels()
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
