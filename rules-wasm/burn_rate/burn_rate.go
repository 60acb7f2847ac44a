package main

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/tocsinhq/tocsin/sdk/rule"
)

// BurnRate tells that an error budget is spent too fast: in a long window, so that it matters, and in a short one too, so
// that it is still going on.
type BurnRate struct {
	Objective    float64       `param:"objective" required:"true" min:"0" max:"1" doc:"share of events that shall be good, such as 0.999"`
	Errors       rule.Matcher  `param:"errors" default:"code=~'5..|5xx'" doc:"which events are bad"`
	Good         rule.Matcher  `param:"good" doc:"instead of errors: which series count good events, such as le='0.3'; the other series count all events"`
	By           []string      `param:"by" doc:"one budget for each combination of these labels; without it, one for all series"`
	MinEvents    float64       `param:"min_events" default:"0" min:"0" doc:"a long window with fewer events tells nothing"`
	FastFactor   float64       `param:"fast_factor" default:"14.4" min:"0" doc:"burn rate of the fast pair above which it is critical"`
	SlowFactor   float64       `param:"slow_factor" default:"6" min:"0" doc:"burn rate of the slow pair above which it is critical"`
	TicketFactor float64       `param:"ticket_factor" default:"1" min:"0" doc:"burn rate of the ticket pair above which it is a warning"`
	Period       time.Duration `param:"period" default:"720h" min:"1h" doc:"what the budget is meant for; only the text says it"`

	Fast      rule.Input `input:"fast" reduce:"increase" window:"1h" doc:"event counters, long window of the fast pair"`
	FastCheck rule.Input `input:"fast_check" like:"fast" reduce:"increase" window:"5m" doc:"short window of the fast pair"`
	Slow      rule.Input `input:"slow" like:"fast" reduce:"increase" window:"6h" doc:"long window of the slow pair, short one of the ticket pair"`
	SlowCheck rule.Input `input:"slow_check" like:"fast" reduce:"increase" window:"30m" doc:"short window of the slow pair"`
	Ticket    rule.Input `input:"ticket" like:"fast" reduce:"increase" window:"3d" optional:"true" doc:"long window of the ticket pair"`

	sums    [5][]rule.Sum // scratch, of the inputs in their order
	message []byte        // scratch
}

// What the numbers of a severity mean.
const (
	warning  = 1
	critical = 2
)

// Describe names the module.
func (*BurnRate) Describe() rule.Info {
	return rule.Info{
		Name: "burn_rate", Version: "1.0.0", Description: "an error budget is spent too fast, by several windows",
		Severities: []string{"warning", "critical"},
	}
}

// Configure refuses an objective without a budget.
func (b *BurnRate) Configure() error {
	if b.Objective <= 0 || b.Objective >= 1 {
		return errors.New("the objective must lie between 0 and 1: at 1 there is no budget to spend")
	}
	return nil
}

// pair is a long and a short window with the burn rate that is too much in both.
type pair struct {
	long, short int // indexes of sums
	input       *rule.Input
	factor      float64
	severity    uint8
}

// Eval gives one verdict a group. Its value is the burn rate in the long window of the pair that decided: 1 spends the
// budget exactly in the period that it is meant for.
func (b *BurnRate) Eval(_ rule.Window, out *rule.Verdicts) error {
	inputs := [5]*rule.Input{&b.Fast, &b.FastCheck, &b.Slow, &b.SlowCheck, &b.Ticket}
	pairs := [3]pair{
		{0, 1, inputs[0], b.FastFactor, critical}, {2, 3, inputs[2], b.SlowFactor, critical}, {4, 2, inputs[4], b.TicketFactor, warning},
	}
	matcher := b.Errors
	if b.Good != "" {
		matcher = b.Good
	}
	for i, in := range inputs {
		b.sums[i] = in.Sums(in.GroupBy(b.By...), in.Match(matcher), b.sums[i])
	}
	used := pairs[:]
	if b.Ticket.Len() == 0 {
		used = pairs[:2]
	}
	heardAll := b.Fast.Complete() || slices.Contains(b.By, "instance") // a group of its own for each target
	groups := b.Fast.GroupBy(b.By...)
	for g := range groups.Len() {
		b.judge(out, groups.At(g), g, used, heardAll)
	}
	return nil
}

// judge gives the verdict about group g. Too much in one pair is too much, whoever is silent; health needs all of them.
func (b *BurnRate) judge(out *rule.Verdicts, i rule.Instance, g int, pairs []pair, sure bool) {
	listed := false
	for _, p := range pairs {
		long, short := &b.sums[p.long][g], &b.sums[p.short][g]
		listed = listed || long.Listed
		events, rate := b.burn(long)
		_, recent := b.burn(short)
		switch {
		case long.Series == 0 || events < b.MinEvents, rate > p.factor && short.Series == 0:
			sure = false
		case rate > p.factor && recent > p.factor:
			out.Active(i, rate).Threshold(p.factor).Severity(p.severity).Text(b.text(rate, p.input))
			return
		}
		sure = sure && !long.Missing
	}
	switch {
	case !listed: // the engine sees it go
	case sure:
		_, rate := b.burn(&b.sums[0][g])
		out.Healthy(i, rate).Threshold(b.FastFactor)
	default:
		out.Unknown(i)
	}
}

// burn is how many events a window counted, and how many times more of them were bad than the objective allows.
func (b *BurnRate) burn(s *rule.Sum) (events, rate float64) {
	events, bad := s.All, s.Matched
	if b.Good != "" {
		events -= s.Matched
		bad = max(0, events-s.Matched)
	}
	if events <= 0 {
		return 0, 0 // of no events none were bad
	}
	return events, bad / events / (1 - b.Objective)
}

// text says what the rate means: "1.44% of events were bad over 1h, 14.4 times what an objective of 99.9% allows; at this
// rate a budget for 30d lasts 2d2h".
func (b *BurnRate) text(rate float64, in *rule.Input) string {
	from, to := in.Range()
	t := appendPercent(b.message[:0], rate*(1-b.Objective))
	t = rule.AppendDuration(append(t, " of events were bad over "...), to.Sub(from))
	t = strconv.AppendFloat(append(t, ", "...), rate, 'g', 3, 64)
	t = appendPercent(append(t, " times what an objective of "...), b.Objective)
	t = rule.AppendDuration(append(t, " allows; at this rate a budget for "...), b.Period)
	b.message = rule.AppendDuration(append(t, " lasts "...), time.Duration(float64(b.Period)/rate))
	return string(b.message)
}

func appendPercent(b []byte, share float64) []byte {
	return append(strconv.AppendFloat(b, math.Round(share*1e5)/1e3, 'g', -1, 64), '%')
}
