package delivery

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

// A storm is what a receiver's budget has no pages for. Its alerts are summed up: each of them keeps the status Summed in
// the record of its group, and one more record of the receiver, the storm's, has one alert of the ledger's own that says how
// many there are. That record is like any other, so the storm page is retried, repeated, updated no more often than the
// routes allow, and closed.
//
// An alert stays summed up until it is over, also when the budget has pages again: pages for what was told already would
// be the storm once more. Only where its severity rises it is told by itself, if the budget allows. What was open before
// the storm is updated and closed as ever.
//
// Until a storm page that counts it is accepted, an alert counts as not told: it is kept although it is over, and a
// fallback steps in as for any other.

const (
	stormGroup = "storm" // key; those of routes begin with {}
	stormAlert = "TocsinStorm"
	stormWait  = 10 * time.Second // to gather what comes together, and between updates at least
)

// storm is what a receiver knows about its own. Everything is guarded by Ledger.mu.
type storm struct {
	records map[*record]struct{} // those with alerts that are summed up
	sums    uint64               // counts the records that were summed up
	version uint64               // of the alert
	singly  time.Time            // until then the budget does not count: the receiver rejected the storm page
}

func (r *record) isStorm() bool { return r.Group == stormGroup }

// stormFingerprint is that of the alert which stands for others at a receiver.
func stormFingerprint(receiver string) alert.Fingerprint {
	h := fnv.New64a()
	_, _ = h.Write([]byte("storm\x00" + receiver)) // never fails
	return alert.Fingerprint(h.Sum64())
}

// sumUp has the storm page tell what a record would have told: the receiver knows nothing of it. The mutex is held.
func (l *Ledger) sumUp(rec *record, now time.Time) {
	r := rec.receiver
	var alerts []*alert.Alert
	rec.parts(func(m *alert.Member, known *Instance) {
		if role := rec.roleOf(m, known); role == opening || role == late {
			alerts = append(alerts, m.Alert)
		}
	})
	r.mu.sums++
	for _, a := range alerts {
		inst := rec.put(a.Fingerprint, Summed)
		inst.know(a)
		inst.Lifted, inst.summed = "", r.mu.sums
		l.decide(rec, summedUp(a, r))
	}
	l.stormy(rec)
	l.touch(rec)
	l.conclude(rec, now)
}

func summedUp(a *alert.Alert, r *receiver) alert.Decision {
	d := about(a, alert.KindWithheld, alert.CauseStorm, string(alert.CauseStorm)+": the budget of "+r.Budget.String()+" is spent")
	d.By = stormAlert
	return d
}

// stormy has the storm of a record's receiver counted again before the mutex is let go.
func (l *Ledger) stormy(rec *record) {
	if rec.receiver == nil {
		return
	}
	if !rec.isStorm() {
		rec.receiver.mu.records[rec] = struct{}{}
	}
	l.mu.stormy[rec.receiver] = struct{}{}
}

// holdsSummed tells that alerts of a record are summed up.
func (r *record) holdsSummed() bool {
	return slices.ContainsFunc(r.Instances, func(i Instance) bool { return i.Status == Summed })
}

// summed is what becomes of an alert that is summed up, in the step from what was wanted before.
func (l *Ledger) summed(rec *record, was, m *alert.Member, known *Instance) (after Status, lifted string) {
	fired := was != nil && was.Alert.State == alert.Firing
	switch {
	case m.Alert.State != alert.Firing && !known.ToldAt.IsZero():
		return Closed, "" // the storm page says so
	case m.Alert.State != alert.Firing:
		if after = l.notTold(rec, m); after == Due {
			after = Summed
		}
		return after, ""
	case m.Held.Holds():
		if !fired || was.Held != m.Held {
			l.withhold(rec, m, "; the storm page goes on to count it")
		}
	case alert.Rises(known.Labels, m.Alert.Labels):
		l.decide(rec, about(m.Alert, alert.KindLifted, alert.CauseStorm, "its severity rose: no longer "+string(alert.CauseStorm)))
		return Due, string(alert.CauseStorm)
	case fired && was.Held.Holds():
		l.lift(rec, was, m)
		l.decide(rec, summedUp(m.Alert, rec.receiver))
	}
	return Summed, ""
}

// tellStorms brings the storm records up to date that changed. The mutex is held.
func (l *Ledger) tellStorms(now time.Time) {
	for l.mu.reconciled && len(l.mu.stormy) > 0 {
		for r := range l.mu.stormy {
			delete(l.mu.stormy, r)
			l.tellStorm(r, now)
		}
	}
}

func (l *Ledger) tellStorm(r *receiver, now time.Time) {
	t := r.tally()
	rec := l.mu.records[recordKey{r.Ref, stormGroup}]
	switch {
	case !t.empty():
		g := alert.Group{
			Receiver: r.Ref, Key: stormGroup, Labels: frame.NewLabels(frame.Label{Name: "alertname", Value: stormAlert}),
			Wait: stormWait, Interval: max(t.interval, stormWait), Repeat: t.repeat,
		}
		rec = l.recordOf(&g)
		g.Members = []alert.Member{l.stormMember(rec, &t, now)}
		l.adopt(rec, &g, now)
	case rec == nil:
	case rec.opened():
		g := rec.group
		over := rec.stormOver(now)
		l.stormTurns(rec, &over)
		rec.news = ""
		if g.Receiver, g.Key, g.Members = r.Ref, stormGroup, []alert.Member{{Alert: &over}}; g.Interval == 0 {
			g.Interval = stormWait
		}
		l.adopt(rec, &g, now)
		if !rec.opened() { // whose end nobody is told
			l.adopt(rec, nil, now)
		}
	default:
		if len(rec.group.Members) > 0 {
			over := rec.stormOver(now)
			l.stormTurns(rec, &over)
		}
		rec.news = ""
		l.adopt(rec, nil, now)
	}
}

// stormMember is the alert that stands for all that is summed up at a receiver. It begins anew where the receiver may
// have heard of the end of the former.
func (l *Ledger) stormMember(rec *record, t *tally, now time.Time) alert.Member {
	r := rec.receiver
	a := alert.Alert{
		Fingerprint: stormFingerprint(r.Ref), Rule: alert.Self, State: alert.Firing, ActiveAt: now, FiredAt: now,
		Value: float64(t.firing), FireValue: float64(t.firing), Peak: float64(t.firing), Labels: t.labels(r.Ref),
		Annotations: map[string]string{"summary": t.summary(r), "description": t.description()},
	}
	at, known := rec.find(a.Fingerprint)
	told := known && rec.Instances[at].Status == Open
	switch before := rec.group.Members; {
	case rec.present && len(before) > 0 && before[0].Alert.State == alert.Firing:
		was := before[0].Alert
		a.ActiveAt, a.FiredAt, a.FireValue, a.Peak = was.ActiveAt, was.FiredAt, was.FireValue, max(was.Peak, a.Peak)
	case told:
		a.ActiveAt, a.FiredAt = rec.Instances[at].StartsAt, rec.Instances[at].StartsAt
		if len(before) > 0 {
			l.stormTurns(rec, &a)
		}
	default:
		l.stormTurns(rec, &a)
	}
	rec.news = ""
	switch {
	case t.untold > 0:
		rec.news = notifier.ReasonAdded
	case told && rec.Instances[at].Value != a.Value:
		rec.news = notifier.ReasonSomeEnded
	}
	r.mu.version++
	a.Revision = r.mu.version
	return alert.Member{Alert: &a, Held: t.hold()}
}

// stormOver is the alert of a storm record when nothing is summed up any more.
func (r *record) stormOver(now time.Time) alert.Alert {
	a := alert.Alert{Fingerprint: stormFingerprint(r.Receiver), Rule: alert.Self, Labels: frame.NewLabels(frame.Label{Name: "alertname", Value: stormAlert})}
	if members := r.group.Members; len(members) > 0 {
		a = *members[0].Alert
	} else if at, known := r.find(a.Fingerprint); known { // before the start
		inst := &r.Instances[at]
		a.Labels, a.Annotations, a.ActiveAt, a.FiredAt = inst.Labels, inst.Annotations, inst.StartsAt, inst.StartsAt
	}
	if a.State != alert.Resolved {
		a.State, a.ResolvedAt, a.Reason, a.Value = alert.Resolved, now, "no alert is summed up any more", 0
		a.Revision++
	}
	return a
}

// stormTurns writes down that a storm begins or is over.
func (l *Ledger) stormTurns(rec *record, a *alert.Alert) {
	if l.options.Record == nil {
		return
	}
	d := about(a, alert.KindTransition, alert.CauseOverBudget, a.Annotations["summary"])
	d.Time, d.From, d.To = time.Now(), "inactive", "firing"
	if a.State == alert.Resolved {
		if members := rec.group.Members; len(members) > 0 && members[0].Alert.State == alert.Resolved {
			return // written before
		}
		d.Cause, d.From, d.To, d.Reason = alert.CauseStormOver, "firing", "resolved", a.Reason
	}
	l.mu.journal = append(l.mu.journal, d)
}

// stormAccepted notes that the receiver took a storm page, which told it of everything that was summed up before the
// intent. The mutex is held.
func (l *Ledger) stormAccepted(rec *record, in *intent, now time.Time) {
	l.stormy(rec)
	if !slices.ContainsFunc(in.parts, func(p part) bool { return p.firing() }) {
		return
	}
	l.eachSummed(rec.receiver, func(other *record, m *alert.Member, known *Instance) (Status, string) {
		if !known.ToldAt.IsZero() || known.summed > in.sums {
			return Summed, ""
		}
		known.ToldAt = now
		l.touch(other)
		if m != nil && m.Alert.State == alert.Firing {
			return Summed, ""
		}
		return Closed, ""
	}, now)
}

// stormRejected notes that the receiver will never take the storm page: what it should have told is told one by one, and
// for a while nothing is summed up. The mutex is held.
func (l *Ledger) stormRejected(rec *record, now time.Time) {
	r := rec.receiver
	r.mu.singly = now.Add(r.Budget.Per)
	l.eachSummed(r, func(other *record, m *alert.Member, known *Instance) (Status, string) {
		if !known.ToldAt.IsZero() || m == nil {
			return Summed, ""
		}
		if !m.Held.Holds() {
			l.decide(other, about(m.Alert, alert.KindLifted, alert.CauseStorm, "the storm page was rejected: told by itself"))
		}
		return Due, string(alert.CauseStorm)
	}, now)
}

// eachSummed gives the alerts that are summed up at a receiver another status.
func (l *Ledger) eachSummed(r *receiver, become func(rec *record, m *alert.Member, known *Instance) (after Status, lifted string), now time.Time) {
	for rec := range r.mu.records {
		after, lifted := map[alert.Fingerprint]Status{}, ""
		rec.parts(func(m *alert.Member, known *Instance) {
			if known == nil || known.Status != Summed {
				return
			}
			var status Status
			if status, lifted = become(rec, m, known); status != Summed {
				after[known.Fingerprint] = status
			}
		})
		for fp, status := range after {
			if inst := rec.put(fp, status); status == Due {
				inst.Lifted = lifted
			}
		}
		if len(after) > 0 {
			l.touch(rec)
			l.sweep(rec, rec.group.Members, now)
		}
		l.stormy(rec)
		l.conclude(rec, now)
		l.fallBack(rec, now)
	}
}

// tally counts what is summed up.
type tally struct {
	groups, firing, over int
	untold               int // of them, those that no accepted storm page counted
	free                 int // of those that fire, those that nothing withholds
	held                 alert.Hold
	bySeverity, byName   map[string]int
	worst                string // severity
	interval, repeat     time.Duration
}

func (t *tally) empty() bool { return t.firing+t.over == 0 }

// hold withholds the storm page while everything that it stands for is withheld.
func (t *tally) hold() alert.Hold {
	if t.free+t.over > 0 {
		return alert.Hold{}
	}
	return t.held
}

// tally counts what is summed up at a receiver, and forgets the records where nothing is.
func (r *receiver) tally() tally {
	t := tally{bySeverity: map[string]int{}, byName: map[string]int{}}
	for rec := range r.mu.records {
		before := t.firing + t.over
		rec.parts(func(m *alert.Member, known *Instance) {
			if m != nil && known != nil && known.Status == Summed {
				t.add(m, known)
			}
		})
		if t.firing+t.over == before {
			if !rec.holdsSummed() {
				delete(r.mu.records, rec)
			}
			continue
		}
		t.groups++
		if g := &rec.group; t.groups == 1 || g.Interval < t.interval {
			t.interval = g.Interval
		}
		if g := &rec.group; g.Repeat > 0 && (t.repeat == 0 || g.Repeat < t.repeat) {
			t.repeat = g.Repeat
		}
	}
	return t
}

func (t *tally) add(m *alert.Member, known *Instance) {
	if known.ToldAt.IsZero() {
		t.untold++
	}
	if severity := m.Alert.Severity(); t.worst == "" || cmp.Or(cmp.Compare(alert.Rank(severity), alert.Rank(t.worst)), cmp.Compare(severity, t.worst)) > 0 {
		t.worst = severity
	}
	if m.Alert.State != alert.Firing {
		t.over++
		return
	}
	t.firing++
	t.bySeverity[m.Alert.Severity()]++
	t.byName[m.Alert.Labels.Get("alertname")]++
	if m.Held.Holds() {
		if t.held.Cause == "" || cmp.Or(cmp.Compare(m.Held.Cause, t.held.Cause), cmp.Compare(m.Held.By, t.held.By)) < 0 {
			t.held = m.Held
		}
	} else {
		t.free++
	}
}

// labels are those of the storm alert: the worst severity is its own, so that a rise is told at once.
func (t *tally) labels(receiver string) frame.Labels {
	ls := []frame.Label{{Name: "alertname", Value: stormAlert}, {Name: "receiver", Value: receiver}, {Name: "source", Value: "tocsin"}}
	if t.worst != "" {
		ls = append(ls, frame.Label{Name: "severity", Value: t.worst})
	}
	return frame.NewLabels(ls...)
}

func (t *tally) summary(r *receiver) string {
	text := fmt.Sprintf("Storm: %s in %s are told by this page alone", count(t.firing, "alert"), count(t.groups, "group"))
	if t.over > 0 {
		text += fmt.Sprintf(", and %d more that are over already", t.over)
	}
	return text + ": " + r.Ref + " gets no more than " + r.Budget.String()
}

// description says how severe the alerts are and which there are most of.
func (t *tally) description() string {
	severities := slices.SortedFunc(maps.Keys(t.bySeverity), func(a, b string) int {
		return cmp.Or(cmp.Compare(alert.Rank(b), alert.Rank(a)), cmp.Compare(a, b))
	})
	parts := make([]string, len(severities))
	for i, s := range severities {
		parts[i] = fmt.Sprintf("%d %s", t.bySeverity[s], cmp.Or(s, "without a severity"))
	}
	const most = 5
	names := slices.SortedFunc(maps.Keys(t.byName), func(a, b string) int {
		return cmp.Or(cmp.Compare(t.byName[b], t.byName[a]), cmp.Compare(a, b))
	})
	var top []string
	for _, name := range names[:min(most, len(names))] {
		top = append(top, fmt.Sprintf("%s (%d)", name, t.byName[name]))
	}
	if more := len(names) - len(top); more > 0 {
		top = append(top, fmt.Sprintf("%d other names", more))
	}
	return strings.Join(parts, ", ") + ". Most: " + strings.Join(top, ", ")
}

// count writes a number of things.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
