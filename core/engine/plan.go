package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/delivery"
	"github.com/tocsinhq/tocsin/core/route"
)

// Plan is what a reload would do.
type Plan struct {
	Rejected  string          `json:"rejected,omitempty"` // why nothing would be done
	Changes   []config.Change `json:"changes"`
	Incidents []Incident      `json:"incidents"` // that would be closed, changed or opened at once; what rules find later is not known
	GoOn      int             `json:"goOn"`      // open incidents of which no receiver would hear anything
}

// Incident is what becomes of a group of alerts at a receiver.
type Incident struct {
	Fate     Fate   `json:"fate"`
	Receiver string `json:"receiver"`
	Group    string `json:"group"`
	Alerts   int    `json:"alerts"` // that are closed or opened
	Of       int    `json:"of"`     // that are open before, or after
	Why      string `json:"why,omitempty"`
}

// Fate of an incident.
type Fate string

// The fates.
const (
	Closes  Fate = "closes"
	Shrinks Fate = "shrinks" // it goes on with fewer alerts
	Opens   Fate = "opens"   // when its group_wait is over
)

// Plan tells what a reload would do now. Nothing that runs is touched.
func (e *Engine) Plan(ctx context.Context) (Plan, error) {
	if e.options.Load == nil {
		return Plan{}, errors.New("plan: nobody knows where the configuration came from")
	}
	return e.plan(ctx, e.options.Load)
}

func (e *Engine) plan(ctx context.Context, load func() (*config.Config, error)) (Plan, error) {
	ctx, done, err := e.reloads.begin(ctx)
	if err != nil {
		return Plan{}, err
	}
	defer done()
	if !e.ready.Load() {
		return Plan{}, errors.New("plan: the engine does not run")
	}
	former := e.setup.Load()
	next, err := e.loaded(ctx, load, former)
	if err != nil {
		return Plan{Rejected: err.Error()}, ctx.Err()
	}
	p := Plan{Changes: config.Diff(former.config, next.config)}
	now := time.Now()
	before := e.routingInput(now)
	after := e.inputOf(next.routes, e.rules.Preview(next.rules, before.Alerts), now)
	p.incidents(e.ledger.Records(), route.Desired(before), route.Desired(after), next.receivers)
	return p, next.without(former).close(context.WithoutCancel(ctx))
}

// place is where an incident is.
type place struct{ receiver, group string }

// incidents compares what receivers know with what they should know before and after the reload.
func (p *Plan) incidents(records []delivery.Record, before, after []alert.Group, receivers []delivery.Receiver) {
	was, will := byPlace(before), byPlace(after)
	open := map[place]bool{}
	for _, r := range records {
		at := place{r.Receiver, r.Group}
		if r.Firing == 0 {
			continue
		}
		open[at] = true
		leaving, why := leaving(&r, was[at], will[at])
		if !slices.ContainsFunc(receivers, func(other delivery.Receiver) bool { return other.Ref == r.Receiver }) {
			why = "the receiver is removed"
		}
		switch {
		case leaving == 0:
			p.GoOn++
		case leaving < r.Firing:
			p.Incidents = append(p.Incidents, Incident{Shrinks, r.Receiver, r.Group, leaving, r.Firing, why})
		default:
			p.Incidents = append(p.Incidents, Incident{Closes, r.Receiver, r.Group, leaving, r.Firing, why})
		}
	}
	for at, g := range will {
		if n := telling(g); n > 0 && telling(was[at]) == 0 && !open[at] {
			p.Incidents = append(p.Incidents, Incident{Fate: Opens, Receiver: at.receiver, Group: at.group, Alerts: n, Of: n})
		}
	}
	slices.SortFunc(p.Incidents, func(a, b Incident) int {
		return cmp.Or(cmp.Compare(a.Fate, b.Fate), cmp.Compare(a.Receiver, b.Receiver), cmp.Compare(a.Group, b.Group))
	})
}

func byPlace(groups []alert.Group) map[place]*alert.Group {
	all := map[place]*alert.Group{}
	for i := range groups {
		all[place{groups[i].Receiver, groups[i].Key}] = &groups[i]
	}
	return all
}

// leaving counts the alerts that fire before, are open at the receiver, and do not fire there any more afterwards.
func leaving(r *delivery.Record, before, after *alert.Group) (n int, why string) {
	for _, known := range r.Instances {
		m := memberOf(before, known.Fingerprint)
		if m == nil || m.Alert.State != alert.Firing || known.Status == delivery.Closed || known.Status == delivery.Due {
			continue // it ends anyway, or nobody knows of it
		}
		switch then := memberOf(after, known.Fingerprint); {
		case then == nil:
			n, why = n+1, "no longer routed here"
		case then.Alert.State == alert.Resolved:
			n, why = n+1, then.Alert.Reason
		case then.Alert.Shadow:
			n, why = n+1, `the rule becomes a shadow (mode = "shadow")`
		}
	}
	return n, why
}

func memberOf(g *alert.Group, fp alert.Fingerprint) *alert.Member {
	if g == nil {
		return nil
	}
	for i := range g.Members {
		if g.Members[i].Alert.Fingerprint == fp {
			return &g.Members[i]
		}
	}
	return nil
}

// telling counts the alerts of a group that its receiver is to be told of.
func telling(g *alert.Group) (n int) {
	if g == nil {
		return 0
	}
	for i := range g.Members {
		if m := &g.Members[i]; m.Alert.State == alert.Firing && !m.Alert.Shadow && !m.Held.Holds() {
			n++
		}
	}
	return n
}

// Write writes the plan for people.
func (p *Plan) Write(w io.Writer) error {
	var err error
	line := func(format string, args ...any) {
		if err == nil {
			_, err = fmt.Fprintf(w, format+"\n", args...)
		}
	}
	if p.Rejected != "" {
		line("The configuration would be rejected, and the present one go on:\n\n%s", p.Rejected)
		return err
	}
	if len(p.Changes) == 0 {
		line("Nothing would change.")
	}
	for _, c := range p.Changes {
		line("%s", c)
	}
	if len(p.Incidents) > 0 {
		line("\nOpen incidents:")
	}
	for _, i := range p.Incidents {
		text := fmt.Sprintf("  %-7s %s %s: ", i.Fate, i.Receiver, i.Group)
		switch {
		case i.Fate == Shrinks:
			text += fmt.Sprintf("%d of %d alerts leave", i.Alerts, i.Of)
		case i.Alerts == 1:
			text += "1 alert"
		default:
			text += fmt.Sprintf("%d alerts", i.Alerts)
		}
		if i.Why != "" {
			text += " (" + i.Why + ")"
		}
		line("%s", text)
	}
	if p.GoOn > 0 {
		line("\nOpen incidents that go on without a word: %d", p.GoOn)
	}
	return err
}
