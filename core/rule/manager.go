package rule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
)

// Manager evaluates rules, each when it is due, a bounded number at once and none twice at once.
type Manager struct {
	options Options

	ctx    context.Context // of evaluations
	cancel context.CancelFunc
	wg     sync.WaitGroup // workers and clock

	changes sync.Mutex // held by Apply and Stop: one of them at a time

	mu       sync.Mutex // guards what follows, and the scheduling part of rules
	wake     *sync.Cond // the queue or what workers do changed, or the manager stops
	freed    *sync.Cond // an evaluation ended
	rules    []*running
	bySource map[string][]*running
	rounds   map[string]*rounds
	queue    []*running
	slow     int                 // evaluations that run of rules that are not known to be quick
	batches  map[*batch]struct{} // with evaluations that are not done
	started  bool
	stopping bool
	refused  bool // storage refused the last change; said once
}

// New returns a manager without rules.
func New(o Options) *Manager {
	if o.Workers <= 0 {
		o.Workers = max(1, runtime.GOMAXPROCS(0)-1)
		o.Slow = cmp.Or(o.Slow, defaultSlow)
	}
	if o.Record == nil {
		o.Record = func(alert.Decision) {}
	}
	if o.OnChange == nil {
		o.OnChange = func() {}
	}
	m := &Manager{options: o, rounds: map[string]*rounds{}, bySource: map[string][]*running{}, batches: map[*batch]struct{}{}}
	m.wake, m.freed = sync.NewCond(&m.mu), sync.NewCond(&m.mu)
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m
}

// Start takes over the rules, ends the alerts of rules that are no more, and begins to evaluate. After an error
// nothing runs and the programs are still the caller's.
func (m *Manager) Start(definitions []Definition) error {
	if err := Check(definitions); err != nil {
		return err
	}
	var rules []*running
	for _, d := range definitions {
		rules = append(rules, newRunning(d))
	}
	m.mu.Lock()
	if m.started {
		m.mu.Unlock()
		return errors.New("start rules: they were started before")
	}
	now := time.Now()
	for _, r := range rules {
		r.plan(now)
	}
	m.rules, m.bySource, m.started = rules, bySources(rules), true
	m.mu.Unlock()

	for _, err := range m.options.Alerts.Damaged() {
		m.options.Logger.Error().Err(err).Msg("an alert was lost: its record is damaged and was set aside")
	}
	if m.endRemoved(rules, now) {
		m.options.OnChange()
	}
	for range m.options.Workers {
		m.wg.Go(func() { m.work(false) })
	}
	if m.options.Slow > 0 {
		m.wg.Go(func() { m.work(true) })
	}
	m.wg.Go(m.clock)
	m.wg.Go(m.mend)
	return nil
}

// Check finds what would make definitions unusable, in [Manager.Start] and [Manager.Apply].
func Check(definitions []Definition) error {
	names := map[string]bool{}
	for _, d := range definitions {
		if err := d.check(); err != nil {
			return err
		}
		if names[d.Name] {
			return fmt.Errorf("rule %q is defined twice", d.Name)
		}
		names[d.Name] = true
	}
	return nil
}

// bySources lists the rules that wait for data by the sources that they wait for.
func bySources(rules []*running) map[string][]*running {
	waiting := map[string][]*running{}
	for _, r := range rules {
		if r.Every > 0 {
			continue
		}
		for _, source := range r.Sources {
			waiting[source] = append(waiting[source], r)
		}
	}
	return waiting
}

// endRemoved resolves what fires of rules that are not among those given, and drops what is pending.
func (m *Manager) endRemoved(rules []*running, now time.Time) (changed bool) {
	defined := map[string]bool{}
	for _, r := range rules {
		defined[r.Name] = true
	}
	for _, name := range m.options.Alerts.Rules() {
		if defined[name] || alert.Foreign(name) {
			continue
		}
		var resolved []alert.Alert
		var dropped []alert.Fingerprint
		for _, a := range m.options.Alerts.OfRule(name) {
			before, o := a, observation{at: now, reason: alert.RuleRemoved}
			switch a.State {
			case alert.Firing:
				a = instance{Alert: a}.resolve(o).Alert
				resolved = append(resolved, a)
			case alert.Pending:
				dropped = append(dropped, a.Fingerprint)
				a.State = alert.Inactive
			default:
				if !a.AgainAt.IsZero() { // nobody is left to say that it does not hold again
					a.AgainAt, a.Held = time.Time{}, 0
					resolved = append(resolved, a)
				}
				continue
			}
			a.Reason = alert.RuleRemoved
			m.options.Record(transition(before, a, alert.CauseRuleRemoved))
		}
		m.store(name, resolved, dropped)
		changed = changed || len(resolved)+len(dropped) > 0
	}
	return changed
}

// Stop ends the evaluations that run, closes the programs and writes what is known of the instances. It waits for
// all that until ctx ends.
func (m *Manager) Stop(ctx context.Context) error {
	m.changes.Lock()
	defer m.changes.Unlock()
	m.mu.Lock()
	if m.stopping {
		m.mu.Unlock()
		return nil
	}
	m.stopping = true
	m.wake.Broadcast()
	rules := m.rules
	m.mu.Unlock()
	m.cancel()

	done := make(chan struct{})
	go func() { // ends with the workers; they hold it if a program does not return
		defer close(done)
		m.wg.Wait()
	}()
	select {
	case <-done:
	case <-ctx.Done():
		return fmt.Errorf("stop rules: an evaluation does not end: %w", ctx.Err())
	}
	var errs []error
	for _, r := range rules {
		if err := r.Program.Close(ctx); err != nil {
			errs = append(errs, fmt.Errorf("close the program of rule %q: %w", r.Name, err))
		}
	}
	if err := m.options.Alerts.Flush(); err != nil {
		errs = append(errs, fmt.Errorf("write the state of alerts: %w", err))
	}
	return errors.Join(errs...)
}
