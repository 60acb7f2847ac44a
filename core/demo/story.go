package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/scrape"
)

// story listens to the engine and tells what it hears.
type story struct {
	out         io.Writer
	start       time.Time
	collections chan scrape.Observation
	decisions   chan alert.Decision
}

// onCollect and onDecision are called by the engine and must not block: what nobody waits for any more is dropped.
func (s *story) onCollect(o scrape.Observation) {
	select {
	case s.collections <- o:
	default:
	}
}

func (s *story) onDecision(d alert.Decision) {
	select {
	case s.decisions <- d:
	default:
	}
}

// say prints one step with the time since the start.
func (s *story) say(format string, args ...any) {
	fmt.Fprintf(s.out, "%5.1fs  %s\n", time.Since(s.start).Seconds(), fmt.Sprintf(format, args...))
}

// tell runs the scenario from the first scrape to the recovery.
func (s *story) tell(ctx context.Context, g *stage) error {
	s.say("nginx gateway on %s and Odoo backend on %s serve /metrics; PagerDuty is played by %s", g.gateway.address, g.odoo.address, g.pager.url)
	if err := g.engine.Start(ctx); err != nil {
		return err
	}
	if err := s.collect(ctx); err != nil {
		return err
	}
	g.gateway.setBroken(true)
	g.odoo.setBroken(true)
	s.say("%.0f %% of the requests on /critical/api now end with 503", errorShare*100)

	pending, err := s.transition(ctx, alert.Pending)
	if err != nil {
		return err
	}
	s.say("the rule sees %.1f %% errors on %s, more than the 5 %% allowed: pending, %s to go", pending.Value*100, pending.Labels.Get("endpoint"), pace["hold"])

	firing, err := s.transition(ctx, alert.Firing)
	if err != nil {
		return err
	}
	s.say("still %.1f %%: FIRING. One notification is due after group_wait (%s)", firing.Value*100, pace["group_wait"])

	trigger, err := s.page(ctx, g.pager, "trigger")
	if err != nil {
		return err
	}
	if err := checkTrigger(trigger); err != nil {
		return err
	}
	g.gateway.setBroken(false)
	g.odoo.setBroken(false)
	s.say("the services are healed; the errors leave the window of %s", pace["window"])

	resolved, err := s.transition(ctx, alert.Resolved)
	if err != nil {
		return err
	}
	s.say("%.1f %% errors: RESOLVED", resolved.Value*100)

	resolve, err := s.page(ctx, g.pager, "resolve")
	if err != nil {
		return err
	}
	if resolve.DedupKey != trigger.DedupKey {
		return fmt.Errorf("the resolve has dedup_key %s, the trigger had %s: PagerDuty would not close the incident", resolve.DedupKey, trigger.DedupKey)
	}
	select {
	case e := <-g.pager.events:
		return fmt.Errorf("PagerDuty got one more event than it should:\n    %s", e.body)
	default:
	}
	s.say("one trigger, one resolve, the same dedup_key, nothing else. That is the whole way: source, window, rule, alert, route, delivery, notifier.")
	return nil
}

// collect waits until both services were scraped.
func (s *story) collect(ctx context.Context) error {
	seen := map[string]bool{}
	for len(seen) < 2 {
		select {
		case o := <-s.collections:
			if o.Err != nil || seen[o.Source] {
				continue
			}
			seen[o.Source] = true
			s.say("scraped %s: %d samples in %s", o.Source, o.Samples, o.Duration.Round(time.Millisecond))
		case <-ctx.Done():
			return errors.New("the services were not scraped in time")
		}
	}
	return nil
}

// transition waits for an instance to reach a state; what happens meanwhile on other endpoints fails the story.
func (s *story) transition(ctx context.Context, to alert.State) (alert.Decision, error) {
	for {
		select {
		case d := <-s.decisions:
			switch {
			case d.Kind == alert.KindRuleFailed:
				return d, fmt.Errorf("rule %s failed: %s", d.Rule, d.Reason)
			case d.Kind != alert.KindTransition:
			case d.Labels.Get("endpoint") != "/critical/api":
				return d, fmt.Errorf("an alert for %s, which is healthy, became %s", d.Labels.Get("endpoint"), d.To)
			case d.To == to.String():
				return d, nil
			}
		case <-ctx.Done():
			return alert.Decision{}, fmt.Errorf("the alert did not become %s in time", to)
		}
	}
}

// page waits for PagerDuty's next event, which must be of that action, and shows it.
func (s *story) page(ctx context.Context, p *pager, action string) (event, error) {
	select {
	case e := <-p.events:
		if e.Action != action {
			return e, fmt.Errorf("PagerDuty got a %s, the story wants a %s:\n    %s", e.Action, action, e.body)
		}
		s.say("PagerDuty got this and answered 202:\n    %s", e.body)
		return e, nil
	case <-ctx.Done():
		return event{}, fmt.Errorf("PagerDuty did not get a %s in time", action)
	}
}

var dedupKey = regexp.MustCompile(`^[0-9a-f]{64}$`)

func checkTrigger(e event) error {
	switch {
	case e.Payload.Severity != "critical":
		return fmt.Errorf("the page has severity %q, not critical", e.Payload.Severity)
	case !dedupKey.MatchString(e.DedupKey):
		return fmt.Errorf("the page has dedup_key %q, not 64 hexadecimal digits", e.DedupKey)
	case !strings.Contains(e.Payload.Summary, "/critical/api"):
		return fmt.Errorf("the page's summary %q does not name the endpoint", e.Payload.Summary)
	}
	return nil
}
