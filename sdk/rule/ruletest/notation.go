package ruletest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// series is one line of the notation.
type series struct {
	labels frame.Labels
	values []float64 // of samples; 0 where there is none
	marks  []mark
}

// mark says what stands at one time of a series.
type mark uint8

const (
	sampled mark = iota // a value, which may be NaN
	hole                // nothing
	stale               // the target answered without the series
	down                // the target did not answer
	removed             // the target is no longer configured
)

// parse reads series in the notation of Prometheus' rule tests:
// https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/#series
func parse(text string) ([]series, error) {
	var all []series
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		s, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("series %q: %w", line, err)
		}
		all = append(all, s)
	}
	return all, nil
}

func parseLine(line string) (series, error) {
	var s series
	at := strings.IndexAny(line, "{ \t")
	if at < 0 {
		return s, fmt.Errorf("no samples")
	}
	labels := []frame.Label{}
	if at > 0 {
		labels = append(labels, frame.Label{Name: frame.MetricName, Value: line[:at]})
	}
	rest := line[at:]
	if rest[0] == '{' {
		var err error
		if labels, rest, err = parseLabels(labels, rest[1:]); err != nil {
			return s, err
		}
	}
	s.labels = frame.NewLabels(labels...)
	for item := range strings.FieldsSeq(rest) {
		if err := s.add(item); err != nil {
			return s, fmt.Errorf("samples %q: %w", item, err)
		}
	}
	return s, nil
}

// parseLabels reads name="value",… up to the closing brace.
func parseLabels(labels []frame.Label, rest string) ([]frame.Label, string, error) {
	for {
		rest = strings.TrimLeft(rest, " ,")
		if after, ok := strings.CutPrefix(rest, "}"); ok {
			return labels, after, nil
		}
		name, value, ok := strings.Cut(rest, "=")
		if !ok {
			return nil, "", fmt.Errorf("the labels do not end with }")
		}
		quoted, err := strconv.QuotedPrefix(value)
		if err != nil {
			return nil, "", fmt.Errorf("the value of label %s is not in double quotes", name)
		}
		text, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, "", fmt.Errorf("the value of label %s: %w", name, err)
		}
		labels = append(labels, frame.Label{Name: strings.TrimSpace(name), Value: text})
		rest = value[len(quoted):]
	}
}

// add reads one item: 5, 5x3, 1+2x3, 1-2x3, NaN, -Inf, _, _x3, stale, and of our own stalex3, down, removed, downx3, …
// NxK stands for K further samples.
func (s *series) add(item string) error {
	if strings.HasPrefix(item, "{{") {
		return fmt.Errorf("native histograms cannot be written down")
	}
	body, count, repeated := strings.Cut(item, "x")
	times := 0
	if repeated {
		var err error
		if times, err = strconv.Atoi(count); err != nil || times < 0 || times > 1_000_000 {
			return fmt.Errorf("%q is not a number of samples", count)
		}
	}
	if m, ok := map[string]mark{"_": hole, "stale": stale, "down": down, "removed": removed}[body]; ok {
		if !repeated {
			times = 1
		}
		for range times { // _x3 are three holes, 5x3 are four samples
			s.values, s.marks = append(s.values, 0), append(s.marks, m)
		}
		return nil
	}
	step := 0.0
	if at := stepAt(body); at > 0 {
		var err error
		if step, err = strconv.ParseFloat(body[at:], 64); err != nil {
			return err
		}
		body = body[:at]
	}
	v, err := strconv.ParseFloat(body, 64)
	if err != nil {
		return err
	}
	for i := range times + 1 {
		s.values, s.marks = append(s.values, v+float64(i)*step), append(s.marks, sampled)
	}
	return nil
}

// stepAt is where a+b and a-b are to be cut, 0 for nowhere. The sign of an exponent is not the place.
func stepAt(s string) int {
	for i := 1; i < len(s); i++ {
		if (s[i] == '+' || s[i] == '-') && s[i-1] != 'e' && s[i-1] != 'E' {
			return i
		}
	}
	return 0
}

// samples is what a window holds of one series.
type samples struct {
	times  []int64
	values []float64
	flags  uint8

	base     float64 // the last sample before, if it is young enough to count from; or 0 of a series born in the window
	baseTime int64   // or the time just before the birth
	hasBase  bool

	down, removed bool
}

// cut returns the samples in (from, to], Unix milliseconds.
func (s *series) cut(from, to int64, interval time.Duration) (c samples) {
	oldest := from - max(to-from, 3*interval.Milliseconds())
	before := false // a sample lies before the window
	for i, v := range s.values {
		t := Start.UnixMilli() + int64(i)*interval.Milliseconds()
		if t > to {
			return c
		}
		c.down, c.removed = s.marks[i] == down, s.marks[i] == removed
		switch {
		case s.marks[i] == stale:
			c.flags |= abi.FlagEnded
			continue
		case s.marks[i] != sampled:
			continue
		case t <= from:
			before = true
			c.base, c.baseTime, c.hasBase = v, t, t > oldest
			continue
		}
		c.flags &^= abi.FlagEnded
		if n := len(c.values); n > 0 && v < c.values[n-1] {
			c.flags |= abi.FlagReset
		}
		if len(c.values) == 0 && !before {
			if i > 0 && s.marks[i-1] != down {
				c.flags |= abi.FlagBorn
				c.base, c.baseTime, c.hasBase = 0, t-interval.Milliseconds(), true
			}
			if t == to {
				c.flags |= abi.FlagNew
			}
		}
		c.times, c.values = append(c.times, t), append(c.values, v)
	}
	return c
}
