package scrape

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/source"
)

// schedule is one source with its targets, which come and go as they are found.
type schedule struct {
	manager *Manager
	source  Source
	logger  zerolog.Logger
	rounds  *rounds

	stop    context.Context // done when the source is removed, or the manager stops
	stopNow context.CancelFunc
	running sync.WaitGroup // rounds and discoveries

	mu struct {
		sync.Mutex
		found   [][]source.Group // the configured targets, then what each discovery announced last; nil: not heard of yet
		targets []*target
		dropped []Dropped
		idle    *runner // ends slots while there is no target, so that the source's rules are evaluated all the same
		closed  bool
	}

	// unheard stands for the targets that are not known yet, so that rules wait for them as for one that does not answer:
	// as long as somebody who finds targets was not heard of. nil: all were. Guarded by mu
	unheard Windows
}

// idleTarget takes part in the rounds of a source without targets. No target has an empty name.
const idleTarget = ""

// prepare has rules wait for a source that nothing collects for yet.
func (m *Manager) prepare(src Source) *schedule {
	if src.Timeout == 0 || src.Timeout > src.Interval {
		src.Timeout = src.Interval
	}
	s := &schedule{manager: m, source: src, logger: m.options.Logger.With().Str("source", src.Name).Logger()}
	s.mu.found = make([][]source.Group, 1+len(src.Discoveries))
	s.unheard = m.options.Open(src.fixedLabels(), src.Interval)
	return s
}

// open begins to collect.
func (s *schedule) open() {
	m, src := s.manager, &s.source
	s.stop, s.stopNow = context.WithCancel(m.stop)
	s.rounds = newRounds(func(at time.Time) {
		if m.options.OnRound != nil {
			m.options.OnRound(src.Name, at)
		}
	})
	s.running.Go(s.rounds.run)
	s.announce(0, configured(src.Targets))
	for i, d := range src.Discoveries {
		s.running.Go(func() {
			d.Run(s.stop, func(groups []source.Group) { s.announce(1+i, groups) })
		})
	}
}

// configured makes a group of the targets of a configuration.
func configured(addresses []string) []source.Group {
	var g source.Group
	for _, address := range addresses {
		g.Targets = append(g.Targets, source.Found{Address: address})
	}
	return []source.Group{g}
}

// announce says what one of those who find targets found, all of it. Targets that are still there go on undisturbed.
func (s *schedule) announce(who int, groups []source.Group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return
	}
	s.mu.found[who] = append([]source.Group{}, groups...)
	wanted, dropped := s.source.resolve(slices.Concat(s.mu.found...))
	s.tellDropped(dropped)
	s.apply(wanted)
	if !slices.ContainsFunc(s.mu.found, func(groups []source.Group) bool { return groups == nil }) {
		s.heard()
	}
}

// heard has rules no longer wait for targets that are not known. mu is held.
func (s *schedule) heard() {
	if s.unheard != nil {
		s.unheard.Close()
		s.unheard = nil
	}
}

// fixedLabels are the labels that all targets of the source will carry, as far as they are known beforehand.
func (s *Source) fixedLabels() frame.Labels {
	if len(s.Relabel) > 0 || len(s.Discoveries) > 0 {
		return nil // both may set any label
	}
	all := map[string]string{jobLabel: s.Job}
	maps.Copy(all, s.Labels)
	return frame.FromMap(all)
}

// tellDropped warns of targets that are left out although relabelling did not ask for it. mu is held.
func (s *schedule) tellDropped(dropped []Dropped) {
	for _, d := range dropped {
		if d.Reason != byRelabelling && !slices.ContainsFunc(s.mu.dropped, func(old Dropped) bool {
			return old.Reason == d.Reason && old.Labels.Equal(d.Labels)
		}) {
			s.logger.Warn().Str("target", d.Labels.Get(addressLabel)).Str("reason", d.Reason).Msg("target is left out")
		}
	}
	s.mu.dropped = dropped
}

// apply stops the targets that are not wanted any more and starts those that are new. mu is held.
func (s *schedule) apply(wanted []resolved) {
	old := map[string]*target{}
	for _, t := range s.mu.targets {
		old[t.id.ID] = t
	}
	next := make([]*target, len(wanted))
	for i, w := range wanted {
		if t := old[w.id]; t != nil && t.id.Address == w.address && t.labels.Equal(w.labels) {
			next[i] = t
			delete(old, w.id)
		}
	}
	s.rounds.hold() // a round is not over because some targets left before others came
	for _, t := range s.mu.targets {
		if old[t.id.ID] == t {
			t.leave()
		}
	}
	now := time.Now()
	for i, w := range wanted {
		if next[i] == nil {
			next[i] = s.start(w, now)
		}
	}
	s.mu.targets = next
	s.keepIdle(now)
	s.rounds.release()
}

// start opens a target and begins to collect from it, at its first slot after now.
func (s *schedule) start(w resolved, now time.Time) *target {
	m, src := s.manager, &s.source
	limits := source.Limits{Series: src.Limits.Series, Bytes: src.Limits.Bytes}
	var relabel *relabeller
	if len(src.MetricRelabel) > 0 {
		relabel = newRelabeller(src.MetricRelabel)
		limits.Series = 0 // it is not known yet which of them are wanted
	}
	t := &target{
		source:  src,
		id:      source.Target{ID: w.id, Address: w.address, Timeout: src.Timeout, Limits: limits},
		labels:  w.labels,
		slots:   newSlots(src.Interval, src.Name, w.address),
		rounds:  s.rounds,
		windows: m.options.Open(w.labels, src.Interval),
		observe: m.options.OnCollect,
		logger:  s.logger.With().Str("target", w.address).Logger(),
		columns: columns{target: w.labels, honor: src.HonorLabels, relabel: relabel, limits: src.Limits},
		health:  newHealth(w.labels),
		working: &m.collects,
		status: Status{
			Source: src.Name, Job: src.Job, Target: w.address, Labels: w.labels, Discovered: w.discovered,
			Interval: src.Interval, Timeout: src.Timeout, Health: Unknown,
		},
	}
	s.rounds.join(w.id, t.slots.next(now)-1)
	t.runner = begin(s.stop, &m.collects, t.run)
	return t
}

// leave ends a target that is gone. Its series go with it: that somebody took it away is no failure of it.
func (t *target) leave() {
	t.runner.end()
	t.rounds.leave(t.id.ID)
	t.windows.Close()
}

// keepIdle has slots ended as long as there is no target. mu is held.
func (s *schedule) keepIdle(now time.Time) {
	switch {
	case len(s.mu.targets) == 0 && s.mu.idle == nil:
		slots := newSlots(s.source.Interval, s.source.Name, idleTarget)
		s.rounds.join(idleTarget, slots.next(now)-1)
		s.mu.idle = begin(s.stop, &s.manager.collects, func(stop context.Context) { s.tick(stop, slots) })
	case len(s.mu.targets) > 0 && s.mu.idle != nil:
		s.mu.idle.end()
		s.rounds.leave(idleTarget)
		s.mu.idle = nil
	}
}

// tick ends the slots of a source without targets.
func (s *schedule) tick(stop context.Context, slots slots) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for slot := s.rounds.doneBy(idleTarget) + 1; ; slot = max(slot+1, slots.next(time.Now())) {
		timer.Reset(min(time.Until(slots.time(slot)), slots.interval))
		select {
		case <-timer.C:
			s.rounds.end(idleTarget, slot, slots.time(slot))
		case <-stop.Done():
			return
		}
	}
}

// remove ends a source that is not configured any more, with the series of its targets.
func (s *schedule) remove() {
	s.stopNow()
	s.mu.Lock()
	s.mu.closed = true
	for _, t := range s.mu.targets {
		t.leave()
	}
	if s.mu.idle != nil {
		s.mu.idle.end()
	}
	s.heard()
	s.mu.Unlock()
	s.close()
}

// close tells the rounds that are over and waits for those who found targets. Nobody collects any more.
func (s *schedule) close() {
	s.stopNow()
	s.rounds.close()
	s.running.Wait()
}

// statuses are copies of the targets' statuses.
func (s *schedule) statuses() (list []Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.mu.targets {
		list = append(list, t.snapshot())
	}
	return list
}

func (s *schedule) droppedTargets() []Dropped {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mu.dropped)
}

// runner is a goroutine that can be ended and waited for.
type runner struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// begin runs a goroutine that ends with its context; all counts it too.
func begin(ctx context.Context, all *sync.WaitGroup, run func(context.Context)) *runner {
	ctx, cancel := context.WithCancel(ctx)
	r := &runner{cancel, make(chan struct{})}
	all.Go(func() {
		defer close(r.done)
		run(ctx)
	})
	return r
}

func (r *runner) end() {
	r.cancel()
	<-r.done
}
