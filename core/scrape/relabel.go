package scrape

import (
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// relabeller applies relabelling rules with Prometheus' own code, so that they mean what they mean there. Series are
// relabelled when a layout is new, never for each sample.
type relabeller struct {
	rules   []*relabel.Config
	builder *labels.Builder // scratch
	pairs   labels.ScratchBuilder
}

func newRelabeller(rules []*relabel.Config) *relabeller {
	return &relabeller{rules: rules, builder: labels.NewBuilder(labels.EmptyLabels())}
}

// apply returns the label set after all rules, or false where one of them drops it. What a column is of its native
// histogram is no label to the rules: it would be lost by a labelkeep.
func (r *relabeller) apply(ls frame.Labels) (frame.Labels, bool) {
	r.pairs.Reset()
	var after []frame.Label
	for _, l := range ls {
		if l.Name == frame.PartLabel {
			after = append(after, l)
			continue
		}
		r.pairs.Add(l.Name, l.Value)
	}
	r.pairs.Sort() // by Prometheus' order, whatever it is
	r.builder.Reset(r.pairs.Labels())
	if !relabel.ProcessBuilder(r.builder, r.rules...) {
		return nil, false
	}
	r.builder.Range(func(l labels.Label) { after = append(after, frame.Label{Name: l.Name, Value: l.Value}) })
	return frame.NewLabels(after...), true
}
