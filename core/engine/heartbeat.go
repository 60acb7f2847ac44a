package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/route"
	"github.com/tocsinhq/tocsin/core/rule"
	"github.com/tocsinhq/tocsin/core/scrape"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// heartbeat is the program of the rule behind a heartbeat block. The rule is evaluated by the clock, by the workers that
// evaluate all rules. While collections and rules are on time its one instance is active, each time with another label
// beat, so that each time its receivers have to be told; how that goes is no different from any other alert. So a beat
// that arrives is proof of every part on the way, and none arrives when one of them stands still.
type heartbeat struct {
	rules   func() []rule.Status
	targets func() []scrape.Status
	storage func() error         // why alerts cannot be stored
	known   map[string]time.Time // since when, by what may stand still
	dark    int                  // beats in a row at which no target was up
}

const (
	heartbeatAlert = "Heartbeat"
	heartbeatLabel = "heartbeat"
	beatLabel      = "beat"

	sourceLabel = "source" // on all alerts about the engine itself
	selfSource  = "tocsin"
)

// heartbeatRules begins the names of rules behind heartbeats, which no rule of a configuration can have.
const heartbeatRules = "@heartbeat "

// prepareHeartbeats makes the rules behind the heartbeat blocks.
func (e *Engine) prepareHeartbeats(s *setup) error {
	for _, h := range s.config.Heartbeats {
		program, err := obtain(s, heartbeatRules+h.Name, "", func() (*heartbeat, func(context.Context) error, error) {
			return &heartbeat{rules: e.rules.Status, targets: e.scrape.Targets, storage: e.storageStands, known: map[string]time.Time{}}, nil, nil
		})
		if err != nil {
			return err
		}
		s.rules = append(s.rules, rule.Definition{
			Name: heartbeatRules + h.Name, Alertname: heartbeatAlert, Every: h.Every, ExternalURL: s.config.Engine.ExternalURL,
			Labels: map[string]string{
				sourceLabel: selfSource, heartbeatLabel: h.Name,
				beatLabel: `{{ (toTime $value).UTC.Format "2006-01-02T15:04:05Z" }}`,
			},
			Annotations: map[string]string{"summary": "Tocsin collects, evaluates and delivers. It is time to worry when this is not told any more."},
			Program:     program,
		})
	}
	return nil
}

// heartbeatRoutes are the routes of heartbeats. They stand before those of the configuration, at the same root, so
// that the keys of other groups stay what they are.
func heartbeatRoutes(cfg *config.Config) (all []*route.Node) {
	for _, h := range cfg.Heartbeats {
		all = append(all, &route.Node{
			Receivers: h.To,
			Matchers: []*labels.Matcher{
				labels.MustNewMatcher(labels.MatchEqual, sourceLabel, selfSource),
				labels.MustNewMatcher(labels.MatchEqual, heartbeatLabel, h.Name),
			},
			GroupBy: []string{"alertname", heartbeatLabel},
		})
	}
	return all
}

// Eval beats, unless something stands still.
func (h *heartbeat) Eval(_ context.Context, at time.Time) (rule.Evaluation, error) {
	if still := h.standsStill(time.Now()); still != "" {
		return rule.Evaluation{Missing: still}, nil
	}
	return rule.Evaluation{Complete: true, Verdicts: []abi.Verdict{{Status: abi.Active, Value: float64(at.Unix())}}}, nil
}

// Close implements [rule.Program].
func (h *heartbeat) Close(context.Context) error { return nil }

// standsStill says what is not done any more that has to be done again and again; "" if all is.
func (h *heartbeat) standsStill(now time.Time) string {
	var still []string
	known := map[string]time.Time{}
	check := func(what string, last time.Time, longest time.Duration) {
		first, before := h.known[what]
		if !before {
			first = now
		}
		known[what] = first
		if first.After(last) {
			last = first
		}
		if idle := now.Sub(last); idle > longest {
			still = append(still, fmt.Sprintf("%s for %s", what, idle.Truncate(time.Second)))
		}
	}
	targets, up := h.targets(), false
	for _, t := range targets {
		check(fmt.Sprintf("%s was not collected from %s", t.Target, t.Source), t.LastScrape, 2*t.Interval+t.Timeout)
		up = up || t.Health == scrape.Up
	}
	if h.dark++; up || len(targets) == 0 {
		h.dark = 0
	}
	if h.dark > 1 { // a single collection may fail
		still = append(still, "no target of any source answers")
	}
	for _, r := range h.rules() {
		if !strings.HasPrefix(r.Name, heartbeatRules) && !r.RestsUntil.After(now) {
			check("rule "+r.Name+" was not evaluated", r.LastEvaluation, 3*r.Interval)
		}
	}
	if h.storage != nil {
		if err := h.storage(); err != nil {
			still = append(still, err.Error())
		}
	}
	h.known = known
	return listed(still, "; ")
}
