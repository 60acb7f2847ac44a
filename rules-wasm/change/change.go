package main

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/tocsinhq/tocsin/sdk/rule"
)

// Change compares the last part of its window with the rest: how much of a counter's rate, or of a gauge's mean, is left,
// or has come.
type Change struct {
	Below     *float64      `param:"below" min:"0" doc:"an instance is active while now/before lies below this, such as 0.5"`
	Above     *float64      `param:"above" min:"0" doc:"an instance is active while now/before lies above this, such as 3"`
	Recent    time.Duration `param:"recent" default:"5m" min:"1s" doc:"the last part of the window, which is now; the rest is before"`
	As        string        `param:"as" default:"auto" enum:"auto,counter,gauge" doc:"counter: compare increases a second; gauge: compare means; auto: as the metric says"`
	By        []string      `param:"by" doc:"one instance for each combination of these labels; without it, one for all series"`
	MinBefore float64       `param:"min_before" default:"0" min:"0" doc:"before must be at least this (of counters, a second), else it tells nothing"`
	Series    rule.Input    `input:"series" window:"1h" doc:"what is compared"`

	groups  []stretch // scratch
	message []byte    // scratch
}

// stretch is what the series of a group add up to.
type stretch struct {
	now, before         float64 // increases of counters
	levelNow, levelThen float64 // means of gauges
	first               int64   // time of the earliest sample, Unix milliseconds
	listed, missing     bool
}

// Describe names the module.
func (*Change) Describe() rule.Info {
	return rule.Info{Name: "change", Version: "1.0.0", Description: "a value that is not what it was a while ago"}
}

// Configure refuses a rule that can never be active.
func (c *Change) Configure() error {
	switch {
	case c.Below == nil && c.Above == nil:
		return errors.New("set below or above, or both: which change is meant?")
	case c.Below != nil && c.Above != nil && *c.Below >= *c.Above:
		return errors.New("below must be less than above")
	}
	return nil
}

// Eval gives one verdict a group. Its value is now/before.
func (c *Change) Eval(_ rule.Window, out *rule.Verdicts) error {
	from, end := c.Series.Range()
	split := end.Add(-c.Recent)
	if split.Sub(from) < c.Recent {
		return errors.New("the window must be at least twice as long as recent: before is what is compared with")
	}
	groups := c.Series.GroupBy(c.By...)
	if cap(c.groups) < groups.Len() {
		c.groups = make([]stretch, groups.Len())
	}
	c.groups = c.groups[:groups.Len()]
	for i := range c.groups {
		c.groups[i] = stretch{first: math.MaxInt64}
	}
	for i := range c.Series.Len() {
		g, s := &c.groups[groups.Of(i)], c.Series.Series(i)
		g.listed, g.missing = true, g.missing || s.Missing()
		if c.As == "counter" || c.As == "auto" && s.Counter() {
			g.count(s, split.UnixMilli())
		} else {
			g.level(s, split.UnixMilli())
		}
	}
	heardAll := c.Series.Complete() || slices.Contains(c.By, "instance") // a group of its own for each target
	for i := range c.groups {
		c.judge(out, groups.At(i), &c.groups[i], split, heardAll)
	}
	return nil
}

func (c *Change) judge(out *rule.Verdicts, i rule.Instance, g *stretch, split time.Time, heardAll bool) {
	covered := time.Duration(split.UnixMilli()-g.first) * time.Millisecond
	now := g.levelNow + g.now/c.Recent.Seconds()
	before := g.levelThen + g.before/covered.Seconds()
	ratio := now / before
	if now == 0 && before == 0 {
		ratio = 1
	}
	switch {
	case !g.listed: // the engine sees it go
	case covered < c.Recent || before < c.MinBefore || math.IsNaN(ratio) || math.IsInf(ratio, 0) || before < 0:
		out.Unknown(i) // nothing to compare with
	case c.Above != nil && ratio > *c.Above: // also without those that are silent
		out.Active(i, ratio).Threshold(*c.Above).Text(c.text(now, before, g))
	case g.missing || !heardAll:
		out.Unknown(i)
	case c.Below != nil && ratio < *c.Below:
		out.Active(i, ratio).Threshold(*c.Below).Text(c.text(now, before, g))
	default:
		out.Healthy(i, ratio)
	}
}

// count adds the steps of a counter. A step belongs to where it ends; a fall is a restart from 0, and so is a birth.
func (g *stretch) count(s rule.Series, split int64) {
	last, known := 0.0, s.Born()
	for at, v := range s.Samples() {
		g.first = min(g.first, at)
		step := v - last
		switch {
		case !known:
			step, known = 0, true
		case v < last:
			step = v
		}
		last = v
		if at > split {
			g.now += step
		} else {
			g.before += step
		}
	}
}

// level adds the means of a gauge. One that has no sample in a part adds nothing to it.
func (g *stretch) level(s rule.Series, split int64) {
	var sums, counts [2]float64
	for at, v := range s.Samples() {
		g.first = min(g.first, at)
		part := 0
		if at > split {
			part = 1
		}
		sums[part] += v
		counts[part]++
	}
	if counts[0] > 0 {
		g.levelThen += sums[0] / counts[0]
	}
	if counts[1] > 0 {
		g.levelNow += sums[1] / counts[1]
	}
}

// text says both sides of the comparison: "now 1.5/s, before 48/s".
func (c *Change) text(now, before float64, g *stretch) string {
	unit := ""
	if g.levelNow == 0 && g.levelThen == 0 {
		unit = "/s"
	}
	t := strconv.AppendFloat(append(c.message[:0], "now "...), now, 'g', 4, 64)
	t = append(append(t, unit...), ", before "...)
	c.message = append(strconv.AppendFloat(t, before, 'g', 4, 64), unit...)
	return string(c.message)
}
