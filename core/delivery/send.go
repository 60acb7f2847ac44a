package delivery

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

const (
	patienceCritical = 5 * time.Second  // with storage that refuses, before a critical alert is sent without a recorded intent
	patienceFiring   = 15 * time.Second // the same for other alerts; closes wait until storage is back
)

// intent is an attempt between its decision and its result.
type intent struct {
	content
	attempt Attempt
	before  []former // what was known of the alerts whose status the intent changed
	last    *Attempt // the attempt before
	sums    uint64   // of a storm: what was summed up until then
}

// former is what was known of an alert before an attempt.
type former struct {
	fp     alert.Fingerprint
	status Status
}

// deliver makes one attempt for a record: intent committed, sent, result noted.
func (l *Ledger) deliver(rec *record) {
	l.mu.Lock()
	rec.queued, rec.busy = false, true
	in, unrecorded, ok := l.prepare(rec)
	if !ok {
		rec.busy = false
		l.conclude(rec, time.Now())
		l.unlock()
		return
	}
	n := l.notification(rec, &in.content, &in.attempt)
	if unrecorded {
		n.Note = strings.TrimPrefix(n.Note+"; delivery log unavailable, may repeat", "; ")
	}
	l.decide(rec, alert.Decision{
		Kind: alert.KindIntent, Cause: causeOf(in.reason), Delivery: n.ID, Attempt: n.Attempt, Reason: summary(&in.content, n.PossibleRepeat),
	})
	sender, timeout := rec.receiver.Sender, rec.receiver.Timeout
	l.unlock()

	ctx, cancel := context.WithTimeout(l.hard, timeout)
	result, err := sender.Send(ctx, n)
	cancel()

	l.mu.Lock()
	defer l.unlock()
	now := time.Now()
	rec.busy = false
	switch {
	case err != nil:
		l.unanswered(rec, in, err, now)
	case result.Outcome == notifier.Delivered:
		l.accepted(rec, in, result, now)
	case result.Outcome == notifier.Opened:
		l.opened(rec, in, result, now)
	case result.Outcome == notifier.Rejected:
		l.rejected(rec, in, result, now)
	default:
		l.refused(rec, in, result, now)
	}
	l.touch(rec)
	l.sweep(rec, rec.group.Members, now)
	l.conclude(rec, now)
	l.fallBack(rec, now)
}

// prepare commits the intent to tell what is wanted now. It returns false where nothing is to be told, or the ledger
// stops. The mutex is held, and let go meanwhile.
func (l *Ledger) prepare(rec *record) (in *intent, unrecorded, ok bool) {
	const rebuilds = 3 // after which what was committed is sent although it changed again
	for n := 0; ; n++ {
		c := rec.contentAt(time.Now())
		if c.empty() || c.hash == rec.Dead {
			return nil, false, false
		}
		version := rec.version
		in := rec.begin(c, time.Now())
		in.sums = rec.receiver.mu.sums
		written := l.touch(rec)
		l.unlock()
		unrecorded, stopped := l.await(written, &c)
		l.mu.Lock()
		if stopped {
			l.takeBack(rec, in)
			return nil, false, false
		}
		if rec.version == version {
			return in, unrecorded, true
		}
		newest := rec.contentAt(time.Now())
		if newest.hash == c.hash {
			in.content = newest // with the newest values and annotations
			return in, unrecorded, true
		}
		if n == rebuilds {
			return in, unrecorded, true
		}
		l.takeBack(rec, in)
	}
}

// await waits until an intent is durable. While storage refuses, what fires is sent without that in the end.
func (l *Ledger) await(written <-chan struct{}, c *content) (unrecorded, stopped bool) {
	var outOfPatience <-chan time.Time
	if patience := c.patience(); patience > 0 {
		l.mu.Lock()
		if since := l.mu.writingSince; !since.IsZero() {
			patience -= time.Since(since) // others have waited before us
		}
		l.unlock()
		timer := time.NewTimer(patience)
		defer timer.Stop()
		outOfPatience = timer.C
	}
	select {
	case <-written:
		return false, l.soft.Err() != nil
	case <-l.soft.Done():
		return false, true
	case <-outOfPatience:
		return true, false
	}
}

// patience is how long content may wait for storage, 0 for as long as it takes.
func (c *content) patience() time.Duration {
	patience := time.Duration(0)
	for _, p := range c.parts {
		switch {
		case p.role != opening:
		case alert.Rank(p.member.Alert.Severity()) >= alert.RankCritical:
			return patienceCritical
		default:
			patience = patienceFiring
		}
	}
	return patience
}

// begin notes that content is about to be told. Whatever it says about what is open is uncertain from here on.
func (r *record) begin(c content, now time.Time) *intent {
	in := &intent{content: c, last: r.Attempt}
	in.attempt = Attempt{ID: r.dedup[:8] + c.hash, Hash: c.hash, Number: 1, Since: now}
	if r.Attempt != nil && r.Attempt.Hash == c.hash {
		in.attempt.Number = r.Attempt.Number + 1
	}
	attempt := in.attempt
	r.Attempt = &attempt
	for i := range c.parts {
		p := &c.parts[i]
		if p.role == standing {
			continue
		}
		status := r.status(p.fingerprint())
		if status != Maybe {
			in.before = append(in.before, former{p.fingerprint(), status})
		}
		inst := r.put(p.fingerprint(), Maybe)
		switch {
		case p.role == opening, p.role == late:
			inst.know(p.member.Alert)
		case c.reason == notifier.ReasonAllResolved && !c.late():
			inst.Ended = true
		}
	}
	return in
}

// know keeps what an alert was told as.
func (i *Instance) know(a *alert.Alert) {
	i.Revision, i.Rule, i.Labels, i.Annotations = a.Revision, a.Name(), a.Labels, a.Annotations
	i.StartsAt, i.Value, i.Ended = beganAt(a), a.Value, false
}

// takeBack undoes an intent that was not carried out, as if what happened meanwhile had happened before. The mutex is
// held.
func (l *Ledger) takeBack(rec *record, in *intent) {
	rec.restore(in)
	rec.Attempt = in.last
	l.touch(rec)
	l.sweep(rec, rec.group.Members, time.Now())
}

// restore makes certain again what an intent made uncertain: the receiver did not accept it.
func (r *record) restore(in *intent) {
	for _, f := range in.before {
		if r.status(f.fp) != Maybe {
			continue // changed meanwhile, and not uncertain any more
		}
		if f.status == "" || f.status == Closed {
			f.status = Due
		}
		r.put(f.fp, f.status)
	}
}

// accepted notes that the receiver took what it was told.
func (l *Ledger) accepted(rec *record, in *intent, result notifier.Result, now time.Time) {
	if rec.Failures > 0 {
		l.options.Logger.Info().Str("receiver", rec.Receiver).Str("group", rec.Group).Int("failures", rec.Failures).Msg("delivered in the end")
	}
	reason := "accepted"
	if result.Detail != "" {
		reason += ": " + result.Detail
	}
	told := 0
	for i := range in.parts {
		p := &in.parts[i]
		d := alert.Decision{Kind: alert.KindAccepted, Cause: alert.CauseAccepted, Delivery: in.attempt.ID, Attempt: in.attempt.Number, Fingerprint: p.fingerprint()}
		if p.member != nil {
			d.Rule, d.Labels, d.Value = p.member.Alert.Name(), p.member.Alert.Labels, p.member.Alert.Value
		} else {
			d.Rule, d.Labels, d.Value = p.known.Rule, p.known.Labels, p.known.Value
		}
		if p.firing() {
			inst := rec.put(p.fingerprint(), Open)
			inst.know(p.member.Alert)
			inst.Lifted = ""
			if inst.ToldAt.IsZero() {
				inst.ToldAt = now
			}
			d.To = "firing"
		} else {
			rec.put(p.fingerprint(), Closed)
			d.To = "resolved"
		}
		d.Reason = reason
		if p.role != standing {
			told++
			l.decide(rec, d)
		}
	}
	if told == 0 {
		l.decide(rec, alert.Decision{
			Kind: alert.KindAccepted, Cause: alert.CauseAccepted, Delivery: in.attempt.ID, Attempt: in.attempt.Number, Reason: string(in.reason) + ", " + reason,
		})
	}
	rec.AcceptedAt, rec.Accepted = now, rec.Accepted+1
	rec.Attempt, rec.Failures, rec.NextAt, rec.Error, rec.Dead = nil, 0, time.Time{}, "", ""
	rec.Unknown = slices.ContainsFunc(rec.Instances, func(i Instance) bool { return i.Status == Maybe }) // withheld by now
	if result.Reference != "" {
		rec.Reference = result.Reference
	}
	if !rec.opened() {
		rec.Reference = "" // what comes next is a new incident
	}
	rec.paged(now)
	if rec.isStorm() {
		l.stormAccepted(rec, in, now)
	}
	l.answers(rec.receiver, now)
}

// opened notes that the receiver took, of alerts that are over, that they fired. What it was told that way is closed as
// everything else is, and at once: ToldAt stays zero, so that its end is no update that group_interval would hold back, and
// is told as late.
func (l *Ledger) opened(rec *record, in *intent, result notifier.Result, now time.Time) {
	for i := range in.parts {
		p := &in.parts[i]
		if p.firing() {
			continue // a plugin that says so of what fires is told it again, as what it knows
		}
		inst := rec.put(p.fingerprint(), Open)
		if p.member != nil {
			inst.know(p.member.Alert)
		}
		l.decide(rec, alert.Decision{
			Kind: alert.KindAccepted, Cause: alert.CauseAccepted, Delivery: in.attempt.ID, Attempt: in.attempt.Number, Fingerprint: inst.Fingerprint,
			Rule: inst.Rule, Labels: inst.Labels, Value: inst.Value, To: "firing", Reason: "accepted, its end follows: " + result.Detail,
		})
	}
	rec.Accepted++
	rec.Attempt, rec.Failures, rec.NextAt, rec.Error, rec.Dead = nil, 0, time.Time{}, "", ""
	rec.Reference = result.Reference
	rec.paged(now)
	l.answers(rec.receiver, now)
}

// refused notes that the receiver did not take it, but may later.
func (l *Ledger) refused(rec *record, in *intent, result notifier.Result, now time.Time) {
	rec.restore(in)
	rec.Attempt.Answered = true
	wait := l.failed(rec, result.Detail)
	if asked := min(result.RetryAfter, longestPause); asked > 0 {
		wait = asked
		rec.receiver.mu.pausedUntil = latest(rec.receiver.mu.pausedUntil, now.Add(asked))
	}
	rec.NextAt = now.Add(wait)
	l.decide(rec, alert.Decision{
		Kind: alert.KindRetry, Cause: alert.CauseNotAccepted, Delivery: in.attempt.ID, Attempt: in.attempt.Number, Until: rec.NextAt,
		Reason: fmt.Sprintf("not accepted, again in %s: %s", wait.Round(time.Millisecond), result.Detail),
	})
}

// unanswered notes that nobody knows whether the receiver took it.
func (l *Ledger) unanswered(rec *record, in *intent, err error, now time.Time) {
	rec.Unknown = true
	wait := l.failed(rec, err.Error())
	rec.NextAt = now.Add(wait)
	l.decide(rec, alert.Decision{
		Kind: alert.KindRetry, Cause: alert.CauseUnanswered, Delivery: in.attempt.ID, Attempt: in.attempt.Number, Until: rec.NextAt,
		Reason: fmt.Sprintf("no answer, again in %s as a possible repeat: %v", wait.Round(time.Millisecond), err),
	})
}

// failed counts a failure and returns how long to wait.
func (l *Ledger) failed(rec *record, detail string) time.Duration {
	rec.Failures++
	rec.receiver.mu.failures++
	rec.Error = detail
	l.options.Logger.Warn().Str("receiver", rec.Receiver).Str("group", rec.Group).Int("failures", rec.Failures).
		Str("detail", detail).Msg("notification not delivered, it is tried again")
	return backoff(rec.Failures, rand.New(rand.NewPCG(l.options.Seed, rec.spread())))
}

// rejected notes that the receiver will never take it. The record keeps it visible; it is tried again when there is
// something else to tell, or by Retry. Alerts that are over and of which the receiver never knew are given up.
func (l *Ledger) rejected(rec *record, in *intent, result notifier.Result, now time.Time) {
	rec.restore(in)
	rec.unpaged()
	rec.Attempt, rec.Failures, rec.NextAt = nil, 0, time.Time{}
	rec.Error, rec.Dead = result.Detail, in.hash
	l.decide(rec, alert.Decision{
		Kind: alert.KindDeadLetter, Cause: alert.CauseRejected, Delivery: in.attempt.ID, Attempt: in.attempt.Number, Reason: "rejected: " + result.Detail,
	})
	l.options.Logger.Error().Str("receiver", rec.Receiver).Str("group", rec.Group).Str("detail", result.Detail).
		Msg("notification rejected: it is not tried again until there is something else to tell, or you ask for it")
	if rec.isStorm() {
		l.stormRejected(rec, now)
	}
	if slices.ContainsFunc(in.parts, func(p part) bool { return p.role != late }) {
		return
	}
	for i := range in.parts {
		p := &in.parts[i]
		d := about(p.member.Alert, alert.KindDeadLetter, alert.CauseRejected, "over, and the receiver will never take it: it is given up")
		d.Delivery, d.Attempt = in.attempt.ID, in.attempt.Number
		l.decide(rec, d)
		rec.put(p.fingerprint(), Closed)
	}
}

// answers notes that a receiver accepts notifications. If it was down, whatever waits for it need not wait longer.
func (l *Ledger) answers(r *receiver, now time.Time) {
	const down = 3 // failures in a row
	wasDown := r.mu.failures >= down
	r.mu.failures = 0
	if !wasDown {
		return
	}
	for _, rec := range l.mu.records {
		if rec.receiver == r && rec.NextAt.After(now) {
			rec.NextAt = now
			l.plan(rec, now)
		}
	}
}

// summary says in short what a notification tells.
func summary(c *content, possibleRepeat bool) string {
	count := map[role]int{}
	for _, p := range c.parts {
		count[p.role]++
	}
	said := []string{string(c.reason)}
	for _, word := range []struct {
		role role
		word string
	}{{opening, "opened"}, {standing, "still firing"}, {closing, "closed"}, {late, "over before it could be delivered"}} {
		if n := count[word.role]; n > 0 {
			said = append(said, fmt.Sprintf("%d %s", n, word.word))
		}
	}
	if possibleRepeat {
		said = append(said, "possible repeat")
	}
	return strings.Join(said, ", ")
}

// causeOf is why a notification is sent, in the words of the journal.
func causeOf(reason notifier.Reason) alert.Cause {
	switch reason {
	case notifier.ReasonFirst:
		return alert.CauseFirst
	case notifier.ReasonAdded:
		return alert.CauseAdded
	case notifier.ReasonSomeEnded:
		return alert.CauseSomeEnded
	case notifier.ReasonAllResolved:
		return alert.CauseAllEnded
	case notifier.ReasonRepeat:
		return alert.CauseRepeat
	}
	return alert.CauseRelabelled
}
