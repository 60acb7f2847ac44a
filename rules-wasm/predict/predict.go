package main

import (
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/tocsinhq/tocsin/sdk/rule"
)

// Predict draws a line through the samples of each series and tells when it will reach a limit.
type Predict struct {
	Limit  float64       `param:"limit" default:"0" doc:"what must not be reached; with the input total, a share of it"`
	From   string        `param:"from" default:"above" enum:"above,below" doc:"from where: above for what runs out, below for what fills up"`
	Within time.Duration `param:"within" default:"4h" min:"1s" doc:"an instance is active while the limit will be reached in less than this"`
	Near   *float64      `param:"near" doc:"only for values that are nearer to the limit than this; with the input total, a share of it"`
	Series rule.Input    `input:"series" window:"1h" doc:"what is predicted"`
	Total  rule.Input    `input:"total" reduce:"last" window:"5m" optional:"true" doc:"what the values are shares of, by the same labels"`

	totals  rule.Totals // scratch
	message []byte      // scratch
}

// Describe names the module.
func (*Predict) Describe() rule.Info {
	return rule.Info{Name: "predict", Version: "1.0.0", Description: "a value that will reach a limit before long"}
}

// Configure refuses a limit that near keeps out of reach.
func (p *Predict) Configure() error {
	if p.Near != nil && (p.From == "above" && *p.Near <= p.Limit || p.From == "below" && *p.Near >= p.Limit) {
		return errors.New("near must lie on the side of limit that the values come from")
	}
	return nil
}

// Eval gives one verdict a series. Its value is the seconds that are left: 0 for what has reached the limit, at most
// those of a year.
func (p *Predict) Eval(w rule.Window, out *rule.Verdicts) error {
	p.totals = p.Total.Totals("", nil, p.totals)
	for i := range p.Series.Len() {
		s := p.Series.Series(i)
		total := 1.0
		if p.Total.Len() > 0 {
			total = p.totals.OfSeries(s)
		}
		switch {
		case s.Missing():
			out.Unknown(s.Instance())
		case s.Ended() || total == 0: // the engine sees it go; of nothing there are no shares
		default:
			p.judge(w, out, s, total)
		}
	}
	return nil
}

func (p *Predict) judge(w rule.Window, out *rule.Verdicts, s rule.Series, total float64) {
	last, _ := s.Value()
	line, ok := s.Line()
	now, from := last/total, 1.0
	if p.From == "below" {
		from = -1 // mirrored: from here on the limit lies below
	}
	distance := from * (now - p.Limit)
	left := p.left(w, line, from, p.Limit*total)
	switch {
	case math.IsNaN(distance):
		out.Unknown(s.Instance())
	case distance <= 0:
		out.Active(s.Instance(), 0).Threshold(p.Within.Seconds()).Text("the limit is reached")
	case !ok || !p.covered(w, s):
		out.Unknown(s.Instance())
	case left < p.Within && (p.Near == nil || from*(now-*p.Near) < 0):
		out.Active(s.Instance(), left.Seconds()).Threshold(p.Within.Seconds()).Text(p.text(left, line))
	default:
		out.Healthy(s.Instance(), left.Seconds()).Threshold(p.Within.Seconds())
	}
}

// year is "never" of this module: nothing is predicted so far ahead.
const year = 365 * 24 * time.Hour

// left is how long the line takes to the limit. A line that has passed it while the last sample has not is nearly there.
func (p *Predict) left(w rule.Window, line rule.Line, from, limit float64) time.Duration {
	if from*(line.At(w.Time())-limit) <= 0 && from*line.Slope < 0 {
		return 0
	}
	left, ok := line.Reaches(limit, w.Time())
	if !ok {
		return year
	}
	return min(left, year)
}

// covered tells whether the samples reach over at least half of the window: a line through less is a guess.
func (p *Predict) covered(w rule.Window, s rule.Series) bool {
	from, to := p.Series.Range()
	times := s.Times()
	return 2*time.Duration(w.Time().UnixMilli()-times[0])*time.Millisecond >= to.Sub(from)
}

// text says what is ahead: "reaches 0 in 3h20m, at -1.2e+04 a second".
func (p *Predict) text(left time.Duration, line rule.Line) string {
	t := strconv.AppendFloat(append(p.message[:0], "reaches "...), p.Limit, 'g', 4, 64)
	t = rule.AppendDuration(append(t, " in "...), left)
	t = strconv.AppendFloat(append(t, ", at "...), line.Slope, 'g', 3, 64)
	p.message = append(t, " a second"...)
	return string(p.message)
}
