package capture

import (
	"cmp"
	"errors"
	"io"
	"slices"
	"time"
)

// Overview is what a capture holds.
type Overview struct {
	From, To time.Time // of the first question, and the last answer
	Targets  []Holding // by source and address
	Gaps     []Gap
	Found    []Record // what discoveries found, in order
	Damage   *DamageError
}

// Holding is what a capture has of one target.
type Holding struct {
	Target   Target // Interval: that of its last answer
	Answers  int
	Failures int // of the answers
}

// Gap is a time of which a capture does not have everything.
type Gap struct {
	From, To time.Time
	Lost     int // answers that were not written; 0: nobody asked
}

// Survey reads a capture to its end, or to where it is damaged. The error is one of reading.
func Survey(from io.Reader) (Overview, error) {
	r, err := NewReader(from)
	if err != nil {
		return Overview{}, err
	}
	defer r.Close()
	var o Overview
	holdings := map[[2]string]*Holding{}
	for {
		record, err := r.Next()
		if damage, ok := errors.AsType[*DamageError](err); ok {
			o.Damage = damage
		} else if err != nil && !errors.Is(err, io.EOF) {
			return Overview{}, err
		}
		if err != nil {
			break
		}
		o.add(record, holdings)
	}
	for _, h := range holdings {
		o.Targets = append(o.Targets, *h)
	}
	slices.SortFunc(o.Targets, func(a, b Holding) int {
		return cmp.Or(cmp.Compare(a.Target.Source, b.Target.Source), cmp.Compare(a.Target.Address, b.Target.Address))
	})
	return o, nil
}

func (o *Overview) add(record Record, holdings map[[2]string]*Holding) {
	switch a := record.Answer; {
	case a != nil:
		key := [2]string{a.Target.Source, a.Target.Address}
		h := holdings[key]
		if h == nil {
			h = &Holding{}
			holdings[key] = h
		}
		h.Target = a.Target
		h.Answers++
		if a.Failure != "" {
			h.Failures++
		}
		if end := record.Time.Add(a.Took); end.After(o.To) {
			o.To = end
		}
		if o.From.IsZero() || record.Time.Before(o.From) {
			o.From = record.Time
		}
	case record.End:
		o.To = record.Time
	case record.Found != nil:
		o.Found = append(o.Found, record)
	case record.Lost > 0:
		gap := Gap{From: o.To, To: record.Time, Lost: record.Lost}
		if gap.From.IsZero() || gap.From.After(gap.To) {
			gap.From = gap.To
		}
		o.Gaps = append(o.Gaps, gap)
	case record.Time.After(o.To) && !o.To.IsZero(): // an engine began to write
		o.Gaps = append(o.Gaps, Gap{From: o.To, To: record.Time})
	}
}
