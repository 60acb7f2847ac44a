package main

import (
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/tocsinhq/tocsin/sdk/rule"
)

// Seasonal compares each value with what it was at the same hour of former days or weeks.
type Seasonal struct {
	Season       string         `param:"season" default:"week" enum:"day,week" doc:"what repeats: the hours of the day, or those of the week"`
	Seasons      int            `param:"seasons" default:"4" min:"1" max:"52" doc:"how many former seasons count; older ones fade"`
	MinSeasons   int            `param:"min_seasons" default:"2" min:"1" doc:"with fewer seasons known of this hour: unknown"`
	Deviations   float64        `param:"deviations" default:"4" min:"0" doc:"how many standard deviations from the mean of the hour are normal"`
	Tolerance    float64        `param:"tolerance" default:"0.1" min:"0" doc:"share of the mean that is normal in any case"`
	MinDeviation float64        `param:"min_deviation" default:"0" min:"0" doc:"difference from the mean that is normal in any case"`
	Direction    rule.Direction `param:"direction" default:"both" enum:"both,above,below" doc:"which differences count"`
	Aggregate    string         `param:"aggregate" enum:"sum,avg,min,max,count" doc:"watch groups of series instead of series"`
	By           []string       `param:"by" doc:"with aggregate: one instance for each combination of these labels; without it, one for all series"`
	Series       rule.Input     `input:"series" reduce:"avg" choices:"last,increase,rate,delta,avg,min,max,count" window:"5m" doc:"what is watched"`

	profiles rule.Memory[profile]
	readings []rule.Reading // scratch
	message  []byte         // scratch
}

// Describe names the module.
func (*Seasonal) Describe() rule.Info {
	return rule.Info{Name: "seasonal", Version: "1.0.0", Description: "a value far from what it is at this hour"}
}

// Configure refuses what can never be known.
func (s *Seasonal) Configure() error {
	s.profiles.Keep = s.length()
	switch {
	case s.MinSeasons > s.Seasons:
		return errors.New("min_seasons must not be more than seasons")
	case len(s.By) > 0 && s.Aggregate == "":
		return errors.New("by needs aggregate: how are the series of a group to be summed up?")
	}
	return nil
}

// length is how long a season is.
func (s *Seasonal) length() time.Duration { return time.Duration(s.hours()) * time.Hour }

func (s *Seasonal) hours() int {
	if s.Season == "day" {
		return 24
	}
	return weekHours
}

// State describes what survives a restart: what is usual.
func (*Seasonal) State() rule.StateInfo { return rule.StateInfo{Version: 1} }

// Snapshot writes it.
func (s *Seasonal) Snapshot(w *rule.StateWriter) {
	hours := s.hours()
	s.profiles.Save(w, func(w *rule.StateWriter, p *profile) { p.save(w, hours) })
}

// Restore reads it.
func (s *Seasonal) Restore(r *rule.StateReader) error {
	hours := s.hours()
	return s.profiles.Load(r, func(r *rule.StateReader, p *profile) { p.load(r, hours) })
}

// Eval gives one verdict a series or group. Its value is what is watched.
func (s *Seasonal) Eval(w rule.Window, out *rule.Verdicts) error {
	s.readings = s.Series.Readings(s.Aggregate, s.By, s.readings)
	for _, r := range s.readings {
		p, _ := s.profiles.At(w, r.Instance)
		if !r.Known || math.IsNaN(r.Value) || math.IsInf(r.Value, 0) {
			out.Unknown(r.Instance)
			continue
		}
		s.judge(w, out, r.Instance, p, r.Value)
	}
	return nil
}

func (s *Seasonal) judge(w rule.Window, out *rule.Verdicts, i rule.Instance, p *profile, v float64) {
	usual := p.at(w.Time(), s.hours(), s.Seasons)
	mean, deviation := float64(usual.mean), float64(usual.deviation)
	far := max(s.Deviations*deviation, s.Tolerance*math.Abs(mean), s.MinDeviation)
	by := v - mean
	known := int(usual.seasons) >= s.MinSeasons
	learn := v
	if known && far > 0 { // what is odd is learned as the edge of what is not: an incident does not spoil the profile
		learn = mean + max(-far, min(far, by))
	}
	p.learn(w.Time(), learn)
	switch {
	case !known:
		out.Unknown(i)
	case s.Direction.Counts(by, far):
		out.Active(i, v).Threshold(mean + math.Copysign(far, by)).Text(s.text(usual))
	default:
		out.Healthy(i, v)
	}
}

// text says what is usual: "at this hour usually 120, give or take 8.5 (3 weeks)".
func (s *Seasonal) text(usual slot) string {
	t := strconv.AppendFloat(append(s.message[:0], "at this hour usually "...), float64(usual.mean), 'g', 4, 64)
	t = strconv.AppendFloat(append(t, ", give or take "...), float64(usual.deviation), 'g', 3, 64)
	t = strconv.AppendInt(append(t, " ("...), int64(usual.seasons), 10)
	t = append(append(t, ' '), s.Season...)
	if usual.seasons != 1 {
		t = append(t, 's')
	}
	s.message = append(t, ')')
	return string(s.message)
}
