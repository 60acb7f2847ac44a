// Package replay tells which pages a configuration would have sent over what targets answered some day: a capture, or
// the history that a Prometheus keeps. The production engine runs on a virtual clock; only the targets are played and
// the services that notifiers call. Two configurations are compared by their pages.
package replay

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/capture"
	"github.com/tocsinhq/tocsin/core/rehearsal"
)

// Options of a replay.
type Options struct {
	Capture  string    // a file
	From, To time.Time // zero: of the capture
	Notes    []string  // on how the capture came about
	Director *rehearsal.Director
}

// Timeline is which pages came when.
type Timeline struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Notes []string  `json:"notes"` // what could not be known, and which rules failed
	Pages []Page    `json:"pages"`
}

// lead is how long before the first answer a replay begins: questions have the time at which they were asked, slots begin
// a little earlier.
const lead = 50 * time.Millisecond

// earliest is where the virtual clock begins.
var earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// Run replays a capture to a configuration.
func Run(o Options, cfg *config.Config) (Timeline, error) {
	overview, err := survey(o.Capture)
	if err != nil {
		return Timeline{}, err
	}
	t := Timeline{From: overview.From.Add(-lead).UTC(), To: overview.To.UTC(), Notes: append([]string{}, o.Notes...), Pages: []Page{}}
	if t.From.Before(o.From) {
		t.From = o.From.UTC()
	}
	if !o.To.IsZero() && o.To.Before(t.To) {
		t.To = o.To.UTC()
	}
	switch {
	case len(overview.Targets) == 0:
		return Timeline{}, fmt.Errorf("the capture %s has no answer of any target", o.Capture)
	case !t.From.Before(t.To):
		return Timeline{}, fmt.Errorf("the capture %s is from %s to %s: nothing of it is between -from and -to", o.Capture, clock(overview.From), clock(overview.To))
	case t.From.Before(earliest):
		return Timeline{}, fmt.Errorf("the capture %s begins at %s, a replay in the year 2000 at the earliest; use -from", o.Capture, clock(overview.From))
	}
	file, err := os.Open(o.Capture)
	if err != nil {
		return Timeline{}, fmt.Errorf("open the capture: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	player, err := newPlayer(file, overview, cfg)
	if err != nil {
		return Timeline{}, err
	}
	defer player.close()
	told, events, err := o.Director.Replay(rehearsal.Replay{Config: cfg, Targets: player, Start: t.From, Duration: t.To.Sub(t.From)})
	if err != nil {
		return Timeline{}, err
	}
	for i := range told {
		t.Pages = append(t.Pages, pageOf(&told[i]))
	}
	t.note(gaps(overview)...)
	t.note(player.notes()...)
	t.note(failures(t.From, events)...)
	return t, nil
}

func survey(path string) (capture.Overview, error) {
	file, err := os.Open(path)
	if err != nil {
		return capture.Overview{}, fmt.Errorf("open the capture: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	overview, err := capture.Survey(file)
	if err != nil {
		return capture.Overview{}, fmt.Errorf("%s: %w", path, err)
	}
	return overview, nil
}

func (t *Timeline) note(notes ...string) {
	for _, note := range notes {
		if note != "" {
			t.Notes = append(t.Notes, note)
		}
	}
}

// gaps are what a capture lacks.
func gaps(o capture.Overview) (notes []string) {
	var lost, idle []string
	for _, g := range o.Gaps {
		period := clock(g.From) + " to " + clock(g.To)
		if g.Lost > 0 {
			lost = append(lost, fmt.Sprintf("%s (%d)", period, g.Lost))
		} else if g.To.Sub(g.From) > time.Second {
			idle = append(idle, period)
		}
	}
	notes = append(notes, some("answers that were not written, because the disk did not keep up", lost), some("nobody collected", idle))
	if o.Damage != nil {
		notes = append(notes, o.Damage.Error())
	}
	return notes
}

// failures are the rules that failed, each with its first failure.
func failures(start time.Time, events []rehearsal.Event) (notes []string) {
	seen := map[string]bool{}
	for _, e := range events {
		if d := e.Decision; d != nil && d.Kind == alert.KindRuleFailed && !seen[d.Rule] {
			seen[d.Rule] = true
			notes = append(notes, fmt.Sprintf("rule %s failed at %s: %s", d.Rule, clock(start.Add(e.At)), d.Reason))
		}
	}
	return notes
}

// some names the first of many, "" for none.
func some(what string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	const few = 5
	slices.Sort(names)
	text := what + ": " + strings.Join(names[:min(few, len(names))], ", ")
	if more := len(names) - few; more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return text
}

// clock writes a time for people.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }
