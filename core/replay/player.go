package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/capture"
	"github.com/tocsinhq/tocsin/core/scrape"
	"github.com/tocsinhq/tocsin/sdk/source"
)

// player plays a capture as the targets of a replay. It reads as far ahead as it has to, about an interval, and so holds
// about two rows of each target.
type player struct {
	intervals map[string]time.Duration    // of the sources of the configuration
	found     []capture.Record            // what discoveries found
	known     map[[2]string]time.Duration // targets that the capture has, and their intervals

	mu     sync.Mutex
	reader *capture.Reader       // guarded by mu
	now    time.Time             // of the newest question; guarded by mu
	read   time.Time             // all answers that were complete by then were read; guarded by mu
	over   error                 // why nothing more can be read; guarded by mu
	tracks map[[2]string]*track  // by source and address; guarded by mu
	asked  map[[2]string]outcome // guarded by mu
}

// track is what one target answered.
type track struct {
	answers []answer // that may still be served, in the order of time
}

// answer is one of them.
type answer struct {
	at     time.Time
	served bool
	capture.Answer
}

// outcome counts how a target fared in the replay.
type outcome struct{ answered, unknown int }

var errUnknown = errors.New("the capture does not know what it answered then")

func newPlayer(from io.Reader, o capture.Overview, cfg *config.Config) (*player, error) {
	reader, err := capture.NewReader(from)
	if err != nil {
		return nil, err
	}
	p := &player{
		intervals: map[string]time.Duration{}, found: o.Found, known: map[[2]string]time.Duration{}, reader: reader,
		tracks: map[[2]string]*track{}, asked: map[[2]string]outcome{},
	}
	for _, s := range cfg.Sources {
		p.intervals[sourceName(s)] = s.Interval
	}
	for _, h := range o.Targets {
		p.known[[2]string{h.Target.Source, h.Target.Address}] = h.Target.Interval
	}
	return p, nil
}

func sourceName(s config.Source) string { return s.Kind + "." + s.Name }

func (p *player) close() { p.reader.Close() }

// Answer implements [rehearsal.Targets]: the last answer to a question that was asked by then, if it is not older than
// its interval. A question counts as asked by then if it was late by less than a quarter of the interval: questions of a
// busy engine are.
func (p *player) Answer(from, target string, at time.Time) (source.Collection, time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := [2]string{from, target}
	interval := p.intervals[from]
	due := at.Add(interval / 4)
	p.now = at
	p.readAhead(key, due, due.Add(max(interval, p.known[key])))
	count := p.asked[key]
	a := p.tracks[key].last(due)
	if a == nil || at.Sub(a.at) > max(interval, a.Target.Interval)*5/4 {
		count.unknown++
		p.asked[key] = count
		return source.Collection{}, 0, errUnknown
	}
	count.answered++
	p.asked[key] = count
	if a.Failure != "" {
		return source.Collection{}, a.Took, errors.New(a.Failure)
	}
	c := source.Collection{Frame: a.Frame, Truncated: a.Truncated}
	switch {
	case a.served: // asked more often than it was then: what it said stands
		c.Frame.Time, c.Frame.Times = 0, nil
	case c.Frame.Time == 0 && a.at.Before(at):
		c.Frame.Time = a.at.UnixMilli()
	}
	a.served = true
	return c, a.Took, nil
}

// last returns the last answer to a question that was asked by then; those before it are of no use any more.
func (t *track) last(due time.Time) *answer {
	if t == nil {
		return nil
	}
	i := len(t.answers) - 1
	for i >= 0 && t.answers[i].at.After(due) {
		i--
	}
	if i < 0 {
		return nil
	}
	t.answers = slices.Delete(t.answers, 0, i)
	return &t.answers[0]
}

// readAhead reads until the target's last answer to a question that was asked by due is known: there is a later one, or
// all that were complete when it must have been were read. The caller holds mu.
func (p *player) readAhead(key [2]string, due, complete time.Time) {
	for p.over == nil && !p.read.After(complete) {
		if t := p.tracks[key]; t != nil && len(t.answers) > 0 && t.answers[len(t.answers)-1].at.After(due) {
			return
		}
		record, err := p.reader.Next()
		if err != nil {
			p.over = err
			return
		}
		a := record.Answer
		if a == nil {
			continue
		}
		if end := record.Time.Add(a.Took); end.After(p.read) {
			p.read = end
		}
		if _, wanted := p.intervals[a.Target.Source]; wanted {
			p.keep(record.Time, *a)
		}
	}
}

// keep keeps an answer, and forgets what nobody can ask for any more; the caller holds mu.
func (p *player) keep(at time.Time, a capture.Answer) {
	key := [2]string{a.Target.Source, a.Target.Address}
	t := p.tracks[key]
	if t == nil {
		t = &track{}
		p.tracks[key] = t
	}
	if n := len(t.answers); n > 0 && at.Before(t.answers[n-1].at) {
		return // an engine whose clock was set back wrote it
	}
	a.Frame.Values = slices.Clone(a.Frame.Values)
	t.answers = append(t.answers, answer{at: at, Answer: a})
	t.last(p.now)
}

// Discoveries implements [rehearsal.Targets]: each finds when and what it found then.
func (p *player) Discoveries(s config.Source) (all []scrape.Discovery) {
	for i := range s.Discoveries {
		d := &finder{}
		for _, f := range p.found {
			if f.Found.Source == sourceName(s) && f.Found.Discovery == i {
				d.found = append(d.found, f)
			}
		}
		all = append(all, d)
	}
	return all
}

// finder is a discovery that finds again what one found then.
type finder struct{ found []capture.Record }

// Run implements [scrape.Discovery].
func (f *finder) Run(ctx context.Context, announce func([]source.Group)) {
	for i, record := range f.found {
		if i+1 < len(f.found) && !f.found[i+1].Time.After(time.Now()) {
			continue // it was not the last word
		}
		wait := time.NewTimer(time.Until(record.Time))
		select {
		case <-wait.C:
			announce(record.Found.Groups)
		case <-ctx.Done():
			wait.Stop()
			return
		}
	}
	<-ctx.Done()
}

// notes say what the replay did not know.
func (p *player) notes() (notes []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var missing, partly []string
	for key, count := range p.asked {
		name := key[0] + "/" + key[1]
		switch {
		case count.answered == 0:
			missing = append(missing, name)
		case count.unknown > 0:
			partly = append(partly, fmt.Sprintf("%s (%d of %d)", name, count.unknown, count.unknown+count.answered))
		}
	}
	var unread []string
	for key := range p.known {
		if _, ok := p.asked[key]; !ok {
			unread = append(unread, key[0]+"/"+key[1])
		}
	}
	return append(notes,
		some("targets of the configuration of which the capture has nothing, so that they count as down", missing),
		some("targets of which it does not know every answer, so that they count as down for a while", partly),
		some("targets of the capture that the configuration does not collect from", unread))
}
