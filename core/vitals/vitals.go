// Package vitals keeps the alerts about the engine itself: that it cannot see, that a rule fails, that a receiver cannot
// be told. From there on they are alerts like those of rules.
//
// It is told what is wrong again and again, and by whom that is found out is not its concern. What is wrong for long
// enough fires; what is not wrong any more for a while resolves. Where nobody can tell, as after a start, things stay as
// they are.
package vitals

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// Alerts is where instances live, an [alert.Store].
type Alerts interface {
	Put(alerts ...alert.Alert) error
	Get(alert.Fingerprint) (alert.Alert, bool)
	OfRule(name string) []alert.Alert
}

// Finding is something that is wrong with the engine, or may be.
type Finding struct {
	Name     string            // of the alert: TocsinBlind
	About    map[string]string // tells it from other findings of that name; labels
	Severity string            // a label too
	Summary  string            // an annotation
	After    time.Duration     // how long it has to be found before it fires
	Unsure   bool              // nobody can tell now: it goes on if it fires, and does not begin to
}

// Labels of all alerts about the engine.
const (
	SourceLabel = "source"
	Source      = "tocsin"
)

const (
	lookEvery = 5 * time.Second
	calmFor   = time.Minute // that something has to be well before its alert resolves
)

// Options of a watch.
type Options struct {
	Alerts Alerts
	Look   func(now time.Time) []Finding

	Record   func(alert.Decision) // the journal; must not block. May be nil
	OnChange func()               // alerts changed; must not block. May be nil
	Logger   zerolog.Logger
}

// Watch looks at the engine all the time.
type Watch struct {
	options Options
	stop    context.CancelFunc
	ended   sync.WaitGroup

	// Of the goroutine that looks.
	found map[alert.Fingerprint]time.Time // since when, while it does not fire
	well  map[alert.Fingerprint]time.Time // since when, while it fires
}

// New returns a watch, which goes on with the alerts of a former process.
func New(o Options) *Watch {
	if o.Record == nil {
		o.Record = func(alert.Decision) {}
	}
	if o.OnChange == nil {
		o.OnChange = func() {}
	}
	return &Watch{options: o, found: map[alert.Fingerprint]time.Time{}, well: map[alert.Fingerprint]time.Time{}}
}

// Start begins to look.
func (w *Watch) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	w.ended.Go(func() {
		ticker := time.NewTicker(lookEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				now := time.Now()
				w.observe(w.options.Look(now), now)
			}
		}
	})
}

// Stop ends that, and waits for its end.
func (w *Watch) Stop(context.Context) error {
	w.stop()
	w.ended.Wait()
	return nil
}

// round is what one look changes.
type round struct {
	at        time.Time
	put       []alert.Alert
	decisions []alert.Decision
	seen      map[alert.Fingerprint]bool
}

// observe takes what was found.
func (w *Watch) observe(findings []Finding, now time.Time) {
	r := round{at: now, seen: map[alert.Fingerprint]bool{}}
	for _, unsure := range []bool{false, true} { // of two about one thing, the one that knows counts
		for i := range findings {
			if findings[i].Unsure == unsure {
				w.take(&r, &findings[i])
			}
		}
	}
	maps.DeleteFunc(w.found, func(fp alert.Fingerprint, _ time.Time) bool { return !r.seen[fp] })
	for _, a := range w.options.Alerts.OfRule(alert.Self) {
		if a.State == alert.Firing && !r.seen[a.Fingerprint] {
			w.rest(&r, a)
		}
	}
	if len(r.put) == 0 {
		return
	}
	if err := w.options.Alerts.Put(r.put...); err != nil {
		w.options.Logger.Error().Err(err).Msg("alerts about the engine itself changed in memory only")
	}
	for _, d := range r.decisions {
		w.options.Record(d)
	}
	w.options.OnChange()
}

// take works out what one finding changes.
func (w *Watch) take(r *round, f *Finding) {
	identity := frame.FromMap(f.About).With(frame.Label{Name: "alertname", Value: f.Name})
	fp := alert.NewFingerprint(alert.Self, identity)
	if r.seen[fp] {
		return
	}
	r.seen[fp] = true
	a, known := w.options.Alerts.Get(fp)
	if known && a.State == alert.Firing {
		delete(w.well, fp)
		w.revise(r, a, f, identity)
		return
	}
	since, before := w.found[fp]
	if !before {
		since = r.at
		if !f.Unsure {
			w.found[fp] = since
		}
	}
	if f.Unsure || r.at.Sub(since) < f.After {
		return
	}
	delete(w.found, fp)
	fires := alert.Alert{
		Fingerprint: fp, Rule: alert.Self, Identity: identity, Labels: f.labels(identity), Annotations: f.annotations(),
		State: alert.Firing, ActiveAt: since, FiredAt: r.at, Text: f.Summary, Revision: a.Revision + 1,
	}
	r.change(fires, "inactive", alert.CauseHolds, f.Summary)
	w.options.Logger.Error().Str("alert", f.Name).Stringer("labels", identity).Msg(f.Summary)
}

func (f *Finding) labels(identity frame.Labels) frame.Labels {
	return identity.With(frame.Label{Name: SourceLabel, Value: Source}, frame.Label{Name: "severity", Value: f.Severity})
}

func (f *Finding) annotations() map[string]string { return map[string]string{"summary": f.Summary} }

// revise takes over what is new about an alert that fires.
func (w *Watch) revise(r *round, a alert.Alert, f *Finding, identity frame.Labels) {
	ls := f.labels(identity)
	if f.Unsure || a.Text == f.Summary && a.Labels.Equal(ls) {
		return
	}
	a.Labels, a.Annotations, a.Text = ls, f.annotations(), f.Summary
	a.Revision++
	r.put = append(r.put, a)
}

// rest is an alert that fires, and of which nothing was found.
func (w *Watch) rest(r *round, a alert.Alert) {
	since, before := w.well[a.Fingerprint]
	if !before {
		since = r.at
		w.well[a.Fingerprint] = since
	}
	if r.at.Sub(since) < calmFor {
		return
	}
	delete(w.well, a.Fingerprint)
	a.State, a.ResolvedAt, a.Reason = alert.Resolved, r.at, "it was not found any more for "+calmFor.String()
	a.Revision++
	r.change(a, "firing", alert.CauseHealthy, a.Reason)
}

func (r *round) change(a alert.Alert, from string, cause alert.Cause, why string) {
	r.put = append(r.put, a)
	r.decisions = append(r.decisions, alert.Decision{
		Time: r.at, Kind: alert.KindTransition, Rule: a.Name(), Fingerprint: a.Fingerprint, Labels: a.Labels,
		From: from, To: a.State.String(), Cause: cause, Reason: why,
	})
}
