package rehearsal

import (
	"cmp"
	"slices"
	"time"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

// Replay is a configuration that is run over what targets answered some day.
type Replay struct {
	Config   *config.Config
	Targets  Targets
	Start    time.Time // from the year 2000 on
	Duration time.Duration
}

// Told is one notification that a service took.
type Told struct {
	At           time.Time
	Notifier     string // "pagerduty.oncall"
	Notification notifier.Notification
}

// Replay runs an engine without any former state over what targets answered. All services take what they are told. It
// returns what they were told, and what happened, in the order of time.
func (d *Director) Replay(r Replay) ([]Told, []Event, error) {
	test := &config.Test{Name: "replay", Start: r.Start, Duration: r.Duration, Seed: 1}
	p := newPlay(test, []*config.Config{r.Config}, d.options.Modules)
	p.targets = r.Targets
	p.perform(d.options.Bubble)
	slices.SortStableFunc(p.told, func(a, b Told) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Notifier, b.Notifier), cmp.Compare(a.Notification.GroupKey, b.Notification.GroupKey),
			cmp.Compare(a.Notification.ID, b.Notification.ID))
	})
	return p.told, p.script(), p.err
}
