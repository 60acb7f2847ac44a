package delivery

import (
	"slices"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
)

// Reconcile says what every receiver should know from now on: all of it, what was opened and is not named any more is
// closed. The groups must not be changed afterwards.
func (l *Ledger) Reconcile(groups []alert.Group, now time.Time) {
	l.mu.Lock()
	defer l.unlock()
	l.mu.reconciled = true
	l.mu.generation++
	for i := range groups {
		rec := l.recordOf(&groups[i])
		rec.generation = l.mu.generation
		l.adopt(rec, &groups[i], now)
		l.fallBack(rec, now)
	}
	for _, rec := range l.mu.records {
		if rec.generation != l.mu.generation && !rec.isStorm() {
			l.adopt(rec, nil, now)
			l.fallBack(rec, now)
		}
	}
	elsewhere := l.whereabouts()
	for _, rec := range l.mu.records {
		rec.explain(elsewhere)
	}
	l.settleListed(groups)
}

// Update says what is different from what was said before: groups as they should be known from now on, where one
// without members is not wanted any more. It does the same as a [Ledger.Reconcile] that names everything, which has to
// come first, at a cost that follows from these groups. They must not be changed afterwards.
func (l *Ledger) Update(groups []alert.Group, now time.Time) {
	l.mu.Lock()
	defer l.unlock()
	l.mu.generation++
	named := make([]*record, 0, len(groups))
	for i := range groups {
		g := &groups[i]
		rec := l.mu.records[recordKey{g.Receiver, g.Key}]
		switch {
		case len(g.Members) > 0:
			rec = l.recordOf(g)
			l.adopt(rec, g, now)
		case rec != nil:
			l.adopt(rec, nil, now)
		default:
			continue
		}
		named = append(append(named, rec), l.fallBack(rec, now)...)
	}
	elsewhere := l.whereabouts()
	for _, rec := range named {
		rec.explain(elsewhere)
	}
	l.settleListed(groups)
}

// recordOf is the record of a group. The mutex is held.
func (l *Ledger) recordOf(g *alert.Group) *record {
	key := recordKey{g.Receiver, g.Key}
	rec := l.mu.records[key]
	if rec == nil {
		rec = newRecord(g, l.receivers[g.Receiver])
		if rec.receiver == nil {
			l.options.Logger.Error().Str("receiver", g.Receiver).Str("group", g.Key).
				Msg("alerts are routed to a receiver that is not configured: nobody is told")
		}
		l.mu.records[key] = rec
	}
	return rec
}

// whereabouts returns which alerts are wanted somewhere, found out when it is first asked. The mutex is held.
func (l *Ledger) whereabouts() func(alert.Fingerprint) bool {
	var found map[alert.Fingerprint]struct{}
	return func(fp alert.Fingerprint) bool {
		if found == nil {
			found = map[alert.Fingerprint]struct{}{}
			for _, rec := range l.mu.records {
				for i := range rec.group.Members { // of one that is not wanted there are none
					found[rec.group.Members[i].Alert.Fingerprint] = struct{}{}
				}
			}
		}
		_, there := found[fp]
		return there
	}
}

// gonePending marks an alert that is not wanted any more, for a reason yet to be found.
const gonePending = "?"

// explain finds out why alerts are not wanted in a record any more.
func (r *record) explain(elsewhere func(alert.Fingerprint) bool) {
	for i := range r.Instances {
		if inst := &r.Instances[i]; inst.Gone == gonePending {
			switch {
			case r.wants(inst.Fingerprint):
				inst.Gone = `the rule became a shadow (mode = "shadow")`
			case elsewhere(inst.Fingerprint):
				inst.Gone = "no longer routed here"
			default:
				inst.Gone = alert.RuleRemoved
			}
		}
	}
}

// settleListed reports the resolved alerts that no record waits for.
func (l *Ledger) settleListed(groups []alert.Group) {
	var settled []alert.Fingerprint
	for i := range groups {
		for j := range groups[i].Members {
			if a := groups[i].Members[j].Alert; a.State == alert.Resolved && l.mu.owed[a.Fingerprint] == 0 {
				settled = append(settled, a.Fingerprint)
			}
		}
	}
	slices.Sort(settled)
	l.settle(slices.Compact(settled)...)
}

// adopt takes over what should be known of a group; nil where nothing should be. The mutex is held.
func (l *Ledger) adopt(rec *record, g *alert.Group, now time.Time) {
	var before []alert.Member
	if rec.present {
		before = rec.group.Members
	}
	wanted := g != nil
	same := wanted == rec.present && (!wanted || sameMembers(before, g.Members))
	timers := wanted && (rec.group.Wait != g.Wait || rec.group.Interval != g.Interval || rec.group.Repeat != g.Repeat)
	first := !rec.adopted
	rec.adopted, rec.present = true, wanted
	if wanted {
		rec.group = *g
	} else {
		rec.group.Members = nil
	}
	if same && !timers && !first {
		return
	}
	rec.version++
	l.sweep(rec, before, now)
	l.conclude(rec, now)
}

// sameMembers tells that nothing changed that could matter to a receiver.
func sameMembers(a, b []alert.Member) bool {
	return slices.EqualFunc(a, b, func(a, b alert.Member) bool {
		return a.Alert.Fingerprint == b.Alert.Fingerprint && a.Alert.State == b.Alert.State && a.Held == b.Held &&
			a.Alert.Revision == b.Alert.Revision && a.Alert.FiredAt.Equal(b.Alert.FiredAt) && a.Alert.Labels.Equal(b.Alert.Labels)
	})
}

// sweep notes what follows from the step from what was wanted before to what is wanted now, apart from sending: what is
// owed although nobody was told yet, what need not be told, what may not be opened. The mutex is held.
func (l *Ledger) sweep(rec *record, before []alert.Member, now time.Time) {
	s := rec.survey()
	type change struct {
		fp     alert.Fingerprint
		status Status
		lifted string
	}
	var changes []change
	stormy := false
	rest := before
	rec.parts(func(m *alert.Member, known *Instance) {
		if known != nil && m != nil {
			known.Gone, known.GoneAt = "", time.Time{}
		}
		fp := fingerprintOf(m, known)
		was := memberOf(&rest, fp)
		status := Status("")
		if known != nil {
			status = known.Status
		}
		var after Status
		var lifted string
		switch {
		case m == nil:
			after = l.vanish(rec, known, now)
		case status == Summed:
			after, lifted = l.summed(rec, was, m, known)
		case m.Alert.State == alert.Firing:
			after, lifted = l.fires(rec, was, m, status, &s, now)
		default:
			after = l.over(rec, was, m, status, &s, now)
		}
		stormy = stormy || status == Summed
		if after != status || lifted != "" {
			changes = append(changes, change{fp, after, lifted})
		}
	})
	for i := range before { // what waited for its timer
		m := &before[i]
		if m.Alert.State != alert.Firing || m.Held.Holds() || rec.wants(m.Alert.Fingerprint) {
			continue
		}
		if status := rec.status(m.Alert.Fingerprint); status == "" || status == Closed {
			l.decide(rec, about(m.Alert, alert.KindGrouped, alert.CauseNotWanted, "not wanted here any more before anybody was told"))
		}
	}
	for _, c := range changes {
		if inst := rec.put(c.fp, c.status); inst != nil && c.lifted != "" {
			inst.Lifted = c.lifted
		}
	}
	if len(changes) > 0 {
		l.touch(rec)
	}
	if stormy {
		l.stormy(rec)
	}
}

// vanish is what becomes of an alert that is not wanted any more although it did not resolve.
func (l *Ledger) vanish(rec *record, known *Instance, now time.Time) Status {
	switch {
	case !known.open():
		if known.Status == Due || known.Status == Summed && known.ToldAt.IsZero() {
			l.decide(rec, alert.Decision{
				Kind: alert.KindGrouped, Cause: alert.CauseNotWanted, Fingerprint: known.Fingerprint,
				Reason: "not wanted here any more before it could be delivered",
			})
		}
		return ""
	case rec.receiver != nil && !rec.receiver.SendResolved:
		if known.Status == Maybe {
			l.decide(rec, alert.Decision{
				Kind: alert.KindGrouped, Cause: alert.CauseNotWanted, Rule: known.Rule, Fingerprint: known.Fingerprint, Labels: known.Labels,
				Reason: "not wanted here any more before the receiver answered, and send_resolved is false",
			})
		}
		return ""
	case known.Gone == "":
		known.Gone, known.GoneAt = gonePending, now
		l.touch(rec)
	}
	return known.Status
}

// fires is what becomes of an alert that fires. What was withheld and is not any more is due at once; lifted says what
// withheld it.
func (l *Ledger) fires(rec *record, was, m *alert.Member, status Status, s *survey, now time.Time) (after Status, lifted string) {
	fired := was != nil && was.Alert.State == alert.Firing
	fresh := !fired || was.Held != m.Held
	switch {
	case m.Held.Holds():
		if fresh && status == Open {
			l.withhold(rec, m, "; what is open stays open, its end will be told")
		} else if fresh {
			l.withhold(rec, m, "")
		}
		if status == Due {
			return "", "" // it may not be opened any more
		}
	case fresh && fired:
		l.lift(rec, was, m)
		switch status {
		case "", Closed:
			return Due, was.Held.String()
		case Maybe:
			return Maybe, was.Held.String()
		}
	case fresh && (status == "" || status == Closed):
		l.decide(rec, rec.timed(m.Alert, s, now))
	}
	return status, ""
}

// withhold writes down what withholds an alert.
func (l *Ledger) withhold(rec *record, m *alert.Member, more string) {
	d := about(m.Alert, alert.KindWithheld, m.Held.Cause, m.Held.String()+more)
	d.By = m.Held.By
	l.decide(rec, d)
}

// lift writes down that what withheld an alert does not any more.
func (l *Ledger) lift(rec *record, was, m *alert.Member) {
	d := about(m.Alert, alert.KindLifted, was.Held.Cause, "no longer "+was.Held.String())
	d.By = was.Held.By
	l.decide(rec, d)
}

// over is what becomes of an alert that is resolved.
func (l *Ledger) over(rec *record, was, m *alert.Member, status Status, s *survey, now time.Time) Status {
	sendResolved := rec.receiver == nil || rec.receiver.SendResolved
	missed := was != nil && was.Alert.State == alert.Firing && !was.Held.Holds() // it fired, and this was going to be told
	switch status {
	case Open, Maybe:
		if sendResolved {
			return status
		}
		if status == Maybe {
			l.decide(rec, about(m.Alert, alert.KindGrouped, alert.CauseNoResolves, "resolved before the receiver answered, and send_resolved is false"))
		}
		return Closed
	case "", Closed:
		if !missed {
			if was == nil && status == "" { // it ended between two looks, or before the start
				l.decide(rec, about(m.Alert, alert.KindGrouped, alert.CauseOverBeforeDue, "resolved, and nothing of it is owed here"))
			}
			return status
		}
		ended := m.Alert.ResolvedAt
		if ended.IsZero() {
			ended = now
		}
		due, timer := rec.dueOf(m.Alert, s)
		if ended.Before(due) {
			l.decide(rec, about(m.Alert, alert.KindGrouped, alert.CauseOverBeforeDue, "resolved before "+string(timer)+" ended at "+clock(due)+": nobody is told"))
			return status
		}
	}
	return l.notTold(rec, m)
}

// notTold is what becomes of an alert that was due and is resolved, and nobody was told.
func (l *Ledger) notTold(rec *record, m *alert.Member) Status {
	switch sendResolved := rec.receiver == nil || rec.receiver.SendResolved; {
	case m.Held.Holds():
		d := about(m.Alert, alert.KindGrouped, alert.CauseOverWithheld, "resolved before it could be delivered, and "+m.Held.String())
		d.By = m.Held.By
		l.decide(rec, d)
		return Closed
	case !sendResolved:
		l.decide(rec, about(m.Alert, alert.KindGrouped, alert.CauseNoResolves, "resolved before it could be delivered, and send_resolved is false"))
		return Closed
	}
	return Due
}

// dueOf returns when an alert that fires is to be told at the latest if nothing fails, and which timer says so.
func (r *record) dueOf(a *alert.Alert, s *survey) (time.Time, alert.Cause) {
	if s.accepted {
		return latest(beganAt(a), r.AcceptedAt.Add(r.group.Interval)), alert.CauseGroupInterval
	}
	return beganAt(a).Add(r.group.Wait), alert.CauseGroupWait
}

// timed is the decision that an alert belongs to this record, and until when it waits there.
func (r *record) timed(a *alert.Alert, s *survey, now time.Time) alert.Decision {
	due, timer := r.dueOf(a, s)
	if !due.After(now) {
		return about(a, alert.KindGrouped, alert.CauseAtOnce, "due at once")
	}
	d := about(a, alert.KindGrouped, timer, string(timer)+" until "+clock(due))
	d.Until = due
	return d
}

// wants tells that an alert is a member of the group.
func (r *record) wants(fp alert.Fingerprint) bool {
	if !r.present {
		return false
	}
	members := r.group.Members
	return memberOf(&members, fp) != nil
}

// memberOf finds an alert among members ordered by fingerprint, and drops those before it, for the next search.
func memberOf(members *[]alert.Member, fp alert.Fingerprint) *alert.Member {
	for len(*members) > 0 && (*members)[0].Alert.Fingerprint < fp {
		*members = (*members)[1:]
	}
	if len(*members) > 0 && (*members)[0].Alert.Fingerprint == fp {
		return &(*members)[0]
	}
	return nil
}

func fingerprintOf(m *alert.Member, known *Instance) alert.Fingerprint {
	if m != nil {
		return m.Alert.Fingerprint
	}
	return known.Fingerprint
}

// about makes a decision about one alert.
func about(a *alert.Alert, kind alert.Kind, cause alert.Cause, reason string) alert.Decision {
	return alert.Decision{
		Kind: kind, Cause: cause, Rule: a.Name(), Fingerprint: a.Fingerprint, Labels: a.Labels, Value: a.Value, Reason: reason,
	}
}

// clock writes a time of day for people.
func clock(t time.Time) string { return t.UTC().Format("15:04:05") }
