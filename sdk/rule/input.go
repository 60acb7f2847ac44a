package rule

import (
	"iter"
	"time"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// Input is an input of a rule: a field with the tag `input:"name"`. Further tags: reduce, reduce_arg, choices
// (reductions, separated by commas, that a configuration may choose instead), select (a PromQL selector, the default),
// like (an input before it whose selector is the default), window (a duration, the default), optional, doc.
//
// It holds the series of the evaluation that is running, numbered from 0 to Len()-1.
type Input struct {
	in    *abi.Input
	table *table
}

// Len is the number of series.
func (in *Input) Len() int { return len(in.in.Series) }

// Value is the reduced value of series i, or its last sample where the input is not reduced.
// It is false where the window holds none.
func (in *Input) Value(i int) (float64, bool) {
	s := in.in.Spans[i]
	if s.Count == 0 {
		return 0, false
	}
	return in.in.Values[s.Start+s.Count-1], true
}

// Series is series i.
func (in *Input) Series(i int) Series { return Series{in, i} }

// All ranges over the series.
func (in *Input) All() iter.Seq[Series] {
	return func(yield func(Series) bool) {
		for i := range in.Len() {
			if !yield(Series{in, i}) {
				return
			}
		}
	}
}

// Range is the time that the window covers, (from, to].
func (in *Input) Range() (from, to time.Time) {
	return time.UnixMilli(in.in.Start).UTC(), time.UnixMilli(in.in.End).UTC()
}

// Complete tells whether all targets of the input answered.
func (in *Input) Complete() bool { return in.in.TargetsAnswered >= in.in.TargetsExpected }

// GroupBy sorts the series into groups that agree in the given labels. Without labels there is one group.
// Groups that were asked for with the same labels have the same numbers in all inputs of the rule.
func (in *Input) GroupBy(labels ...string) Groups {
	return Groups{in.table.group(labels, false), in.in.Series}
}

// GroupWithout sorts the series into groups that agree in all labels but the given ones. Without [frame.MetricName],
// series of different metrics that PromQL would match with each other are one group, also across inputs.
func (in *Input) GroupWithout(labels ...string) Groups {
	return Groups{in.table.group(labels, true), in.in.Series}
}

// Match tells the series apart that a matcher selects.
func (in *Input) Match(m Matcher) Matches {
	return Matches{in.table.match(m), in.in.Series}
}

// Groups numbers the groups of an input's series. It is valid during one evaluation.
type Groups struct {
	*grouping
	series []uint32
}

// Of is the group of series i.
func (g Groups) Of(i int) int { return int(g.of[g.series[i]]) }

// Len is the number of groups.
func (g Groups) Len() int { return g.len() }

// At is group g as an instance, with the labels that it was grouped by.
func (g Groups) At(i int) Instance { return *g.at(i) }

// Matches says which of an input's series a matcher selects. It is valid during one evaluation.
type Matches struct {
	yes    []bool
	series []uint32
}

// Has tells whether series i is selected.
func (m Matches) Has(i int) bool { return m.yes[m.series[i]] }

// Series is one series of an input.
type Series struct {
	in *Input
	i  int
}

// Value is the reduced value, or the last sample where the input is not reduced; false where there is none.
func (s Series) Value() (float64, bool) { return s.in.Value(s.i) }

// Values are the samples, oldest first. They must not be changed and are valid during one evaluation.
func (s Series) Values() []float64 {
	span := s.in.in.Spans[s.i]
	return s.in.in.Values[span.Start:][:span.Count]
}

// Times are the times of the samples, Unix milliseconds. There are none where the input is reduced.
func (s Series) Times() []int64 {
	span := s.in.in.Spans[s.i]
	if s.in.in.Reduce != abi.Raw {
		return nil
	}
	return s.in.in.Times[s.in.in.TimeRef[s.i]:][:span.Count]
}

// Time is when the last sample was taken, Unix milliseconds; false where there is none.
func (s Series) Time() (int64, bool) {
	span := s.in.in.Spans[s.i]
	if span.Count == 0 {
		return 0, false
	}
	at := s.in.in.TimeRef[s.i]
	if s.in.in.Reduce == abi.Raw {
		at += span.Count - 1
	}
	if int(at) >= len(s.in.in.Times) {
		return 0, false
	}
	return s.in.in.Times[at], true
}

// Samples ranges over times (Unix milliseconds) and values of an input that is not reduced.
func (s Series) Samples() iter.Seq2[int64, float64] {
	return func(yield func(int64, float64) bool) {
		values := s.Values()
		for k, t := range s.Times() {
			if !yield(t, values[k]) {
				return
			}
		}
	}
}

// Label is the value of a label, "" where the series does not have it.
func (s Series) Label(name string) string {
	t := s.in.table.series
	index := int(s.in.in.Series[s.i])
	for p := t.SeriesPairs[index]; p < t.SeriesPairs[index+1]; p++ {
		if t.Text(t.Pairs[2*p]) == name {
			return t.Text(t.Pairs[2*p+1])
		}
	}
	return ""
}

// Labels is the label set. It is made at each call; the strings are valid as long as the series exist.
func (s Series) Labels() frame.Labels { return s.in.table.series.Labels(int(s.in.in.Series[s.i])) }

// Instance is the series as an instance: its labels, without the metric name, are the identity.
func (s Series) Instance() Instance {
	index := s.in.in.Series[s.i]
	return Instance{series: index, id: s.in.table.series.UID[index]}
}

func (s Series) flag(f uint8) bool { return s.in.in.Flags[s.i]&f != 0 }

// New tells whether the series was not in the window before this one.
func (s Series) New() bool { return s.flag(abi.FlagNew) }

// Ended tells whether a later scrape of its target did not have the series, or failed.
func (s Series) Ended() bool { return s.flag(abi.FlagEnded) }

// Missing tells whether its target did not answer this time.
func (s Series) Missing() bool { return s.flag(abi.FlagMissing) }

// Reset tells whether the counter fell inside the window.
func (s Series) Reset() bool { return s.flag(abi.FlagReset) }

// Counter tells whether it was exposed as a counter, or as the counting part of a histogram or summary.
func (s Series) Counter() bool { return s.flag(abi.FlagCounter) }

// Born tells whether the series began inside the window while its target was being scraped: it counts from 0.
func (s Series) Born() bool { return s.flag(abi.FlagBorn) }

// Truncated tells whether samples were left out for a limit.
func (s Series) Truncated() bool { return s.flag(abi.FlagTruncated) }
