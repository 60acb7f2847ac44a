package scrape

import (
	"context"
	"slices"
	"time"

	"github.com/tocsinhq/tocsin/sdk/source"
)

// schedule is one source with its targets.
type schedule struct {
	source  Source
	slots   slots // of a source without targets
	targets []*target
	rounds  *rounds
}

// open makes the targets of a source. Their first slots are the first ones after now.
func (m *Manager) open(src Source, now time.Time) *schedule {
	if src.Timeout == 0 || src.Timeout > src.Interval {
		src.Timeout = src.Interval
	}
	s := &schedule{source: src, slots: newSlots(src.Interval, src.Name, "")}
	logger := m.options.Logger.With().Str("source", src.Name).Logger()
	var addresses []string
	var done []int64
	for _, address := range src.Targets {
		if slices.Contains(addresses, address) {
			logger.Warn().Str("target", address).Msg("target is listed twice, collecting once")
			continue
		}
		addresses = append(addresses, address)
		t := m.openTarget(&s.source, address)
		t.number, t.logger = len(s.targets), logger.With().Str("target", address).Logger()
		s.targets = append(s.targets, t)
		done = append(done, t.slots.next(now)-1)
	}
	if len(s.targets) == 0 {
		done = []int64{s.slots.next(now) - 1}
	}
	s.rounds = newRounds(done, func(at time.Time) {
		if m.options.OnRound != nil {
			m.options.OnRound(src.Name, at)
		}
	})
	for _, t := range s.targets {
		t.rounds = s.rounds
	}
	return s
}

func (m *Manager) openTarget(src *Source, address string) *target {
	labels := targetLabels(*src, address)
	return &target{
		source: src,
		id: source.Target{
			ID: src.Name + "/" + address, Address: address, Timeout: src.Timeout,
			Limits: source.Limits{Series: src.Limits.Series, Bytes: src.Limits.Bytes},
		},
		labels:  labels,
		slots:   newSlots(src.Interval, src.Name, address),
		windows: m.options.Open(labels, src.Interval),
		observe: m.options.OnCollect,
		columns: columns{target: labels, limits: src.Limits},
		health:  newHealth(labels),
		working: &m.collects,
		status: Status{
			Source: src.Name, Job: src.Job, Target: address, Labels: labels,
			Interval: src.Interval, Timeout: src.Timeout, Health: Unknown,
		},
	}
}

// tick ends the slots of a source without targets, so that its rules are evaluated all the same.
func (s *schedule) tick(stop context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for slot := s.rounds.doneBy(0) + 1; ; slot = max(slot+1, s.slots.next(time.Now())) {
		timer.Reset(min(time.Until(s.slots.time(slot)), s.slots.interval))
		select {
		case <-timer.C:
			s.rounds.end(0, slot, s.slots.time(slot))
		case <-stop.Done():
			return
		}
	}
}
