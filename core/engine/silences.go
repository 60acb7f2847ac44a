package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/route"
	"github.com/tocsinhq/tocsin/core/silence"
	"github.com/tocsinhq/tocsin/core/vitals"
)

// configured names a silence of the configuration that ends with what it hides.
func configured(s *route.Silence) silence.Configured {
	return silence.Configured{Name: s.ID, Version: config.Version(s)}
}

// notOver are the silences of a configuration without those that have ended with what they hid.
func (e *Engine) notOver(all []route.Silence) []route.Silence {
	return slices.DeleteFunc(slices.Clone(all), func(s route.Silence) bool {
		return s.UntilResolved && e.silences.Over(configured(&s))
	})
}

// observeConfigured ends the silences of the configuration that last until what they hid is over. A router was made with
// the silences given.
func (e *Engine) observeConfigured(router *route.Router, made []route.Silence, now time.Time) {
	hiding, names := map[silence.Configured]bool{}, map[string]bool{}
	for i := range made {
		if s := &made[i]; s.UntilResolved && !now.Before(s.StartsAt) && now.Before(s.EndsAt) {
			hiding[configured(s)] = router.Hides(s.ID)
		}
	}
	for _, s := range e.setup.Load().routes.Silences {
		names[s.ID] = s.UntilResolved
	}
	over, err := e.silences.ObserveConfigured(hiding, now)
	if err == nil {
		err = e.silences.KeepConfigured(names)
	}
	if err != nil {
		e.logger.Error().Err(err).Msg("end silences that hide nothing any more: they are tried again")
		return
	}
	for _, c := range over {
		e.journal.Record(alert.Decision{
			Time: now, Kind: alert.KindSilence, Cause: alert.CauseSilenceIdle, By: c.Name,
			Reason: "silence " + c.Name + " of the configuration",
		})
	}
	if len(over) > 0 {
		e.reroute()
	}
}

// tellSilence records what became of a silence that somebody made.
func (e *Engine) tellSilence(s *silence.Silence, cause alert.Cause, at time.Time) {
	e.journal.Record(alert.Decision{
		Time: at, Kind: alert.KindSilence, Cause: cause, By: s.ID, Until: s.EndsAt,
		Reason: fmt.Sprintf("%s by %s: %s", matchersText(s.Matchers), s.CreatedBy, short(s.Comment)),
	})
}

// tellEnded records the silences whose time ended since the last look, at the moment when they did.
func (e *Engine) tellEnded(now time.Time) {
	since := e.silencesSeen
	if e.silencesSeen = now; since.IsZero() {
		return
	}
	for _, s := range e.silences.All() {
		if s.EndsAt.After(since) && !s.EndsAt.After(now) && s.UpdatedAt.Before(s.EndsAt) { // else somebody ended it
			e.tellSilence(&s, alert.CauseSilenceOver, s.EndsAt)
		}
	}
}

func matchersText(matchers []*labels.Matcher) string {
	texts := make([]string, len(matchers))
	for i, m := range matchers {
		texts[i] = m.String()
	}
	return "{" + strings.Join(texts, ", ") + "}"
}

// Of the end of a silence people are told before it comes, if it still hides something then.
const (
	noticeBefore = 30 * time.Minute
	noticeFrom   = 2 * time.Hour // of what lasts less there is no notice: whoever makes it is still there
)

// silences looks at which of them end soon although they still hide something.
func (l *look) silences(e *Engine) {
	for _, s := range e.inputOf(e.setup.Load().routes, nil, l.now).Silences {
		lasts := s.EndsAt.Sub(s.StartsAt)
		if lasts < noticeFrom || l.now.Before(s.StartsAt) || !l.now.Before(s.EndsAt) || s.EndsAt.Sub(l.now) > noticeBefore {
			continue
		}
		var names []string
		for _, a := range e.hiddenBy(s.Matchers) {
			if a.Name() != config.AlertSilenceEnding { // or a silence would be why there is a notice of it
				names = append(names, a.Name()+a.Identity.Without("alertname").String())
			}
		}
		if len(names) == 0 {
			continue
		}
		l.find(vitals.Finding{
			Name: config.AlertSilenceEnding, About: map[string]string{"silence": s.ID}, Severity: "warning",
			Summary: fmt.Sprintf("Silence %s%s ends at %s and still hides what fires, which is told then: %s",
				matchersText(s.Matchers), e.madeBy(s.ID), s.EndsAt.UTC().Format(time.RFC3339), short(listed(names, ", "))),
		})
	}
}

// madeBy says who made a silence and why: " by dba (db migration)".
func (e *Engine) madeBy(id string) string {
	if s, ok := e.silences.Get(id); ok {
		return fmt.Sprintf(" by %s (%s)", s.CreatedBy, short(s.Comment))
	}
	for _, s := range e.setup.Load().config.Silences {
		if s.Name == id {
			return fmt.Sprintf(" by %s (%s)", s.Owner, short(s.Reason))
		}
	}
	return ""
}
