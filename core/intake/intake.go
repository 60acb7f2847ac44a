// Package intake takes the alerts that others raise, such as a Prometheus that has this engine as its Alertmanager,
// and ends those whose senders went silent. From there on they are alerts like those of rules.
package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
	Observe(alerts ...alert.Alert)
	Get(alert.Fingerprint) (alert.Alert, bool)
	OfRule(name string) []alert.Alert
}

// DefaultResolveTimeout is how long an alert lasts that was posted without an end, as in Alertmanager.
const DefaultResolveTimeout = 5 * time.Minute

// Options of an intake.
type Options struct {
	Alerts         Alerts
	ResolveTimeout time.Duration // 0: DefaultResolveTimeout
	Hold           bool          // a sender that went silent is no evidence: its alerts become unknown and stay
	Most           int           // alerts at once; 0: DefaultMost

	Record   func(alert.Decision) // the journal; must not block. May be nil
	OnChange func()               // alerts changed; must not block. May be nil
	Logger   zerolog.Logger
}

// DefaultMost is how many alerts of others are kept at once. Those over it are refused, so that their sender keeps them.
const DefaultMost = 200_000

// Posted is an alert as it is posted. Zero times are left out. Its annotations must not be changed afterwards.
type Posted struct {
	Labels       frame.Labels
	Annotations  map[string]string
	StartsAt     time.Time
	EndsAt       time.Time
	GeneratorURL string
}

// Intake holds what it must know to end alerts in time; the alerts themselves are in the store.
type Intake struct {
	options Options
	stop    context.CancelFunc
	ended   sync.WaitGroup

	mu      sync.Mutex                      // guards expires and options, and is held while alerts change: posts follow each other
	expires map[alert.Fingerprint]time.Time // of those that fire
	stats   Stats
}

// Stats count what was posted since the start.
type Stats struct {
	Firing, Resolved uint64 // as posted, also again and again
	Invalid          uint64 // or refused
}

// Stats returns the counts.
func (in *Intake) Stats() Stats {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.stats
}

// ErrFull says that alerts were refused because there are too many. Their sender should post them again later.
var ErrFull = errors.New("too many alerts")

// New returns an intake with the alerts of a former process. Their senders get a whole resolve timeout to post them
// again, for nobody listened to them meanwhile.
func New(o Options, now time.Time) *Intake {
	o.ResolveTimeout = cmp.Or(o.ResolveTimeout, DefaultResolveTimeout)
	if o.Most <= 0 {
		o.Most = DefaultMost
	}
	if o.Record == nil {
		o.Record = func(alert.Decision) {}
	}
	if o.OnChange == nil {
		o.OnChange = func() {}
	}
	in := &Intake{options: o, expires: map[alert.Fingerprint]time.Time{}}
	for _, a := range o.Alerts.OfRule(alert.External) {
		if a.State == alert.Firing {
			in.expires[a.Fingerprint] = latest(a.ExpiresAt, now.Add(o.ResolveTimeout))
		}
	}
	return in
}

// Configure changes what Options said of these. It counts for what is posted, and what is over, from now on.
func (in *Intake) Configure(resolveTimeout time.Duration, hold bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.options.ResolveTimeout, in.options.Hold = cmp.Or(resolveTimeout, DefaultResolveTimeout), hold
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Start begins to end alerts whose senders went silent.
func (in *Intake) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	in.stop = cancel
	in.ended.Go(func() { in.watch(ctx) })
}

// Stop ends that, and waits for its end. Nothing must be posted any more.
func (in *Intake) Stop(context.Context) error {
	in.stop()
	in.ended.Wait()
	return nil
}

// Post takes alerts and returns when they are durable. Those that are valid are taken even if others are not; the error
// names each of those. An error that wraps [alert.ErrNotDurable] means that all valid ones count, but a crash may lose
// them: their sender should post them again.
func (in *Intake) Post(posted []Posted, now time.Time) error {
	var faults []error
	in.mu.Lock()
	defer in.mu.Unlock()
	c := change{at: now, next: make(map[alert.Fingerprint]alert.Alert, len(posted))}
	for i := range posted {
		if err := in.take(&c, &posted[i]); err != nil {
			in.stats.Invalid++
			faults = append(faults, err)
			continue
		}
		if p := &posted[i]; p.EndsAt.IsZero() || p.EndsAt.After(now) {
			in.stats.Firing++
		} else {
			in.stats.Resolved++
		}
	}
	return errors.Join(errors.Join(faults...), in.finish(&c))
}

// change is what a post does to alerts.
type change struct {
	at        time.Time
	next      map[alert.Fingerprint]alert.Alert // after it
	observed  []alert.Alert                     // changed in memory only
	decisions []alert.Decision
}

// take works out what one posted alert changes. mu is held.
func (in *Intake) take(c *change, p *Posted) error {
	if err := p.check(); err != nil {
		return err
	}
	fp := alert.NewExternalFingerprint(p.Labels)
	a, known := c.next[fp]
	if !known {
		a, known = in.options.Alerts.Get(fp)
	}
	starts, ends, open := p.times(c.at, in.options.ResolveTimeout)
	switch {
	case !ends.After(c.at):
		if known && a.State == alert.Firing {
			c.put(in.resolved(a, ends, "its sender says that it is over"), alert.CauseSenderEnded, "resolved by its sender")
		}
	case known && a.State == alert.Firing:
		in.refresh(c, a, p, ends, open)
	default:
		if len(in.expires) >= in.options.Most {
			return fmt.Errorf("alert %s: %w: there are %d, the most that are kept", p.Labels, ErrFull, len(in.expires))
		}
		a = alert.Alert{
			Fingerprint: fp, Rule: alert.External, Identity: p.Labels, Labels: p.Labels, Annotations: p.Annotations,
			GeneratorURL: p.GeneratorURL, State: alert.Firing, ActiveAt: starts, FiredAt: starts, ExpiresAt: ends, Revision: a.Revision + 1,
		}
		in.expires[fp] = ends
		c.put(a, alert.CausePosted, "posted")
	}
	return nil
}

// refresh takes over what is new about an alert that fires already. When it ends is not worth a commit: a process that
// starts again grants everybody a whole resolve timeout.
func (in *Intake) refresh(c *change, a alert.Alert, p *Posted, ends time.Time, open bool) {
	before := in.expires[a.Fingerprint]
	if open { // a sender that names no end does not shorten one that another has named
		ends = latest(ends, before)
	}
	in.expires[a.Fingerprint], a.ExpiresAt = ends, ends
	switch {
	case a.Unknown:
		a.Unknown, a.Reason = false, ""
		c.put(a, alert.CausePosted, "posted again")
		c.decisions[len(c.decisions)-1].From = "unknown"
	case !maps.Equal(a.Annotations, p.Annotations) || a.GeneratorURL != p.GeneratorURL:
		a.Annotations, a.GeneratorURL = p.Annotations, p.GeneratorURL
		a.Revision++
		c.next[a.Fingerprint] = a
	default:
		c.observed = append(c.observed, a)
	}
}

// resolved is an alert that is over. mu is held.
func (in *Intake) resolved(a alert.Alert, at time.Time, why string) alert.Alert {
	delete(in.expires, a.Fingerprint)
	a.State, a.Unknown, a.Reason = alert.Resolved, false, why
	a.ResolvedAt = latest(at, a.FiredAt)
	a.Revision++
	return a
}

func (c *change) put(a alert.Alert, cause alert.Cause, why string) {
	c.next[a.Fingerprint] = a
	from, to := "inactive", a.State.String()
	switch {
	case a.State == alert.Resolved:
		from = "firing"
	case a.Unknown:
		from, to = "firing", "unknown"
	}
	c.decisions = append(c.decisions, alert.Decision{
		Time: c.at, Kind: alert.KindTransition, Cause: cause, Rule: a.Name(), Fingerprint: a.Fingerprint, Labels: a.Labels, From: from, To: to, Reason: why,
	})
}

// finish makes a change durable and tells of it. mu is held.
func (in *Intake) finish(c *change) error {
	in.options.Alerts.Observe(c.observed...)
	if len(c.next) == 0 {
		return nil
	}
	all := make([]alert.Alert, 0, len(c.next))
	for _, a := range c.next {
		all = append(all, a)
	}
	err := in.options.Alerts.Put(all...)
	for _, d := range c.decisions {
		in.options.Record(d)
	}
	in.options.OnChange()
	return err
}

// watch ends alerts that nobody posts again, at most a second late.
func (in *Intake) watch(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := in.expire(time.Now()); err != nil {
				in.options.Logger.Error().Err(err).Msg("alerts whose senders went silent ended in memory only")
			}
		}
	}
}

// expire ends, or marks as unknown, the alerts whose time is over.
func (in *Intake) expire(now time.Time) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	c := change{at: now, next: map[alert.Fingerprint]alert.Alert{}}
	for fp, at := range in.expires {
		if at.After(now) {
			continue
		}
		a, known := in.options.Alerts.Get(fp)
		switch {
		case !known || a.State != alert.Firing:
			delete(in.expires, fp)
		case !in.options.Hold:
			c.put(in.resolved(a, now, silent), alert.CauseSenderSilent, silent)
		case !a.Unknown:
			a.Unknown, a.Reason = true, silent
			c.put(a, alert.CauseSenderSilent, silent)
		}
	}
	return in.finish(&c)
}

// silent is why an alert ends that nobody ended.
const silent = alert.Expired + "its sender went silent"
