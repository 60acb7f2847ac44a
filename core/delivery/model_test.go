package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/delivery"
	"github.com/tocsinhq/tocsin/core/state"
	"github.com/tocsinhq/tocsin/core/why"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

const (
	modelWait     = 30 * time.Second
	modelInterval = 5 * time.Minute
	modelRepeat   = time.Hour
)

// holds are all that can withhold an alert; a shadow is another story.
var holds = []alert.Hold{
	{Cause: alert.CauseSilenced, By: "s1"},
	{Cause: alert.CauseInhibited, By: "Down"},
	{Cause: alert.CauseMuted, By: "night"},
	{Cause: alert.CauseAcknowledged, By: "ada"},
}

var modelBudget = delivery.Budget{Pages: 1, Per: 20 * time.Minute}

var modelFallback = &alert.Fallback{After: 10 * time.Minute, To: []string{"sms"}}

// world is everything around a ledger: the alerts as they truly are, the services that are told, and the storage.
// Services and truth survive a crash of the ledger.
type world struct {
	t        *rapid.T
	ledger   *delivery.Ledger
	services []*oracle
	names    []string
	told     []alert.Group // what the ledger was told should be known

	mu     sync.Mutex
	truth  map[alert.Fingerprint]alert.Member
	store  *state.MemoryStore
	dead   bool        // the process was killed; the driver has to start another
	teller *why.Teller // of the journal
	log    []string
	failed string

	crashAtCommit int  // kill at this commit from now, 0 for never
	durable       bool // after it was written, otherwise before
}

// mode is how a service behaves.
type mode string

var modes = []mode{"ok", "ok", "500", "429", "429 for long", "hang", "taken, answer lost", "lost", "reject", "crash before", "crash after"}

// oracle is a service that knows what it must never be told.
type oracle struct {
	w            *world
	ref          string
	sendResolved bool
	standsIn     bool // for the others, where they do not take what is due
	pairs        bool // it must hear that something fires before it hears that it is over
	generation   int  // of the process that may call it
	budget       delivery.Budget
	pages        []time.Time // that it took of this process
	lenient      time.Time   // until then it may get more: it rejected something
	storm        bool        // a storm page is open
	stormSays    int         // how many alerts it stands for

	mode   mode
	belief map[string]*belief // by dedup key and fingerprint
	ids    map[string]bool    // of what was taken
}

// belief is what a service was told of an alert.
type belief struct {
	firing   bool
	startsAt time.Time // of what it was told last
	toldAt   time.Time
	excused  bool // it rejected something about it
}

// caller is a service as one process reaches it.
type caller struct {
	*oracle
	generation int
}

var errKilled = errors.New("killed")

// Send implements [delivery.Sender].
func (c caller) Send(ctx context.Context, n notifier.Notification) (notifier.Result, error) {
	w := c.w
	w.mu.Lock()
	if w.dead || c.generation != c.oracle.generation {
		w.mu.Unlock()
		return notifier.Result{}, errKilled
	}
	mode, opens := c.mode, false
	w.logf("%s %s %s", c.ref, mode, oneLine(n))
	switch mode {
	case "ok", "taken, answer lost", "crash after":
		if opens = c.pairs && n.Late && n.Reference == ""; opens {
			n.Alerts = slices.Clone(n.Alerts)
			for i := range n.Alerts {
				n.Alerts[i].Status = notifier.StatusFiring
			}
		}
		c.takes(n, opens)
	case "reject":
		for _, a := range n.Alerts {
			c.about(n, a).excused = true
		}
		c.lenient = time.Now().Add(2 * c.budget.Per)
	case "hang":
		w.mu.Unlock()
		<-ctx.Done()
		return notifier.Result{}, ctx.Err()
	}
	if strings.HasPrefix(string(mode), "crash") {
		w.kill()
		c.mode = "ok"
	}
	w.mu.Unlock()
	switch mode {
	case "ok":
		if opens {
			return notifier.Result{Outcome: notifier.Opened, Reference: "ref"}, nil
		}
		return notifier.Result{Outcome: notifier.Delivered, Reference: "ref"}, nil
	case "500":
		return notifier.Result{Outcome: notifier.Retry}, nil
	case "429":
		return notifier.Result{Outcome: notifier.Retry, RetryAfter: 42 * time.Second}, nil
	case "429 for long":
		return notifier.Result{Outcome: notifier.Retry, RetryAfter: 15 * time.Minute}, nil
	case "reject":
		return notifier.Result{Outcome: notifier.Rejected}, nil
	}
	return notifier.Result{}, errors.New(string(mode))
}

func oneLine(n notifier.Notification) string {
	s := fmt.Sprintf("%.6s #%d %s:", n.DedupKey, n.Attempt, n.Reason)
	for _, a := range n.Alerts {
		s += " " + a.Rule + "/" + string(a.Status)
	}
	if n.PossibleRepeat {
		s += " possible repeat"
	}
	return s + " [" + n.Note + "]"
}

func (o *oracle) about(n notifier.Notification, a notifier.Alert) *belief {
	key := n.DedupKey + a.Fingerprint
	if o.belief[key] == nil {
		o.belief[key] = &belief{}
	}
	return o.belief[key]
}

// takes is the service believing a notification, after checking that it is one that it may be sent; first says that it takes
// only the first half, that alerts fired which are over. w.mu is held.
func (o *oracle) takes(n notifier.Notification, first bool) {
	marked := n.PossibleRepeat || strings.Contains(n.Note, "may repeat")
	if o.ids[n.ID] && !marked {
		o.w.fail("%s took %s twice, unmarked", o.ref, n.ID)
	}
	firing := slices.ContainsFunc(n.Alerts, func(a notifier.Alert) bool { return a.Status == notifier.StatusFiring })
	if o.budget.Pages > 0 && n.GroupKey != "storm" && !o.open(n) && !n.PossibleRepeat && (firing || n.Late) {
		o.page()
	}
	o.ids[n.ID] = true
	news := n.Reason == notifier.ReasonRepeat
	open := o.open(n)
	for _, a := range n.Alerts {
		b := o.about(n, a)
		firing := a.Status == notifier.StatusFiring
		if n.GroupKey == "storm" {
			o.takesStorm(a, b, marked)
			news = true
			continue
		}
		switch {
		case firing && b.firing && !o.sendResolved && b.startsAt.Before(a.StartsAt):
			news = true // of its end nobody told it
		case firing && !b.firing:
			news = true
			if !b.startsAt.Before(a.StartsAt) && (!first || !open) { // what is part of an open incident opens no other
				o.w.fail("%s is told that %s fires after it was told that it is over", o.ref, a.Rule)
			}
			if m := o.w.member(a.Fingerprint); m.Held.Holds() && (!first || !o.w.anyFree(n)) {
				o.w.fail("%s is told of %s which is %s", o.ref, a.Rule, m.Held)
			}
			if m := o.w.member(a.Fingerprint); m.Alert.State != alert.Firing && !first {
				o.w.fail("%s is told that %s fires, and it does not", o.ref, a.Rule)
			}
		case !firing && !b.firing && !b.startsAt.Before(a.StartsAt) && !marked:
			o.w.fail("%s is told twice that %s is over, unmarked", o.ref, a.Rule)
		case !firing:
			news = true
			if !o.sendResolved {
				o.w.fail("%s is told of an end", o.ref)
			}
			if m := o.w.member(a.Fingerprint); m.Alert.State == alert.Firing && !m.Alert.FiredAt.After(a.StartsAt) {
				o.w.fail("%s is told that %s is over, and it is not", o.ref, a.Rule)
			}
		}
		b.firing, b.startsAt, b.toldAt = firing, a.StartsAt, time.Now()
	}
	if !news && !marked {
		o.w.fail("%s is told nothing new, unmarked", o.ref)
	}
}

// page counts a page against the budget. w.mu is held.
func (o *oracle) page() {
	o.pages = slices.DeleteFunc(append(o.pages, time.Now()), func(at time.Time) bool { return time.Since(at) >= o.budget.Per })
	if len(o.pages) > o.budget.Pages && time.Now().After(o.lenient) {
		o.w.fail("%s gets %d pages in %s: %v", o.ref, len(o.pages), o.budget.Per, o.pages)
	}
}

// takesStorm is the service believing a storm page, after checking it. w.mu is held.
func (o *oracle) takesStorm(a notifier.Alert, b *belief, marked bool) {
	firing := a.Status == notifier.StatusFiring
	switch {
	case firing && !b.firing && !b.startsAt.Before(a.StartsAt):
		o.w.fail("%s is told that a storm goes on after it was told that it is over", o.ref)
	case !firing && !b.firing && !b.startsAt.Before(a.StartsAt) && !marked:
		o.w.fail("%s is told twice that a storm is over, unmarked", o.ref)
	}
	b.firing, b.startsAt, b.toldAt = firing, a.StartsAt, time.Now()
	o.storm, o.stormSays = firing, int(a.Value)
}

// checkStorm checks that the storm page stands for what fires and is not told by itself. w.mu is held.
func (o *oracle) checkStorm() {
	n := 0
	for i := range o.w.names {
		fp := alert.Fingerprint(i + 1)
		if firing, _, _ := o.believes(fp); o.w.about(fp).Alert.State == alert.Firing && !firing {
			n++
		}
	}
	if o.storm != (n > 0) || o.storm && o.stormSays != n {
		o.w.fail("%s knows of a storm: %t, of %d alerts, and there are %d that it is not told of one by one", o.ref, o.storm, o.stormSays, n)
	}
}

// open tells whether the incident of a notification is open at the service.
func (o *oracle) open(n notifier.Notification) bool {
	for key, b := range o.belief {
		if strings.HasPrefix(key, n.DedupKey) && b.firing {
			return true
		}
	}
	return false
}

// anyFree tells whether a notification is also about something that is not withheld. w.mu is held.
func (w *world) anyFree(n notifier.Notification) bool {
	return slices.ContainsFunc(n.Alerts, func(a notifier.Alert) bool { return !w.member(a.Fingerprint).Held.Holds() })
}

// about returns an alert as it truly is; in no state where there is none. w.mu is held.
func (w *world) about(fp alert.Fingerprint) alert.Member {
	if m, there := w.truth[fp]; there {
		return m
	}
	return alert.Member{Alert: &alert.Alert{}}
}

// member is the same for an alert in a notification. w.mu is held.
func (w *world) member(fp string) alert.Member {
	known, _ := alert.ParseFingerprint(fp)
	return w.about(known)
}

// kill ends the process. w.mu is held.
func (w *world) kill() {
	w.logf("KILLED")
	w.dead = true
	w.store = w.store.Crash()
}

func (w *world) logf(format string, args ...any) {
	w.log = append(w.log, time.Now().Format("15:04:05 ")+fmt.Sprintf(format, args...))
}

// fail notes the first thing that must not happen. w.mu is held.
func (w *world) fail(format string, args ...any) {
	if w.failed == "" {
		w.failed = fmt.Sprintf(format, args...)
		w.logf("WRONG: %s", w.failed)
	}
}

// check fails the test where something happened that must not. It runs on the goroutine of the test.
func (w *world) check() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed != "" {
		w.t.Fatalf("%s\n%s", w.failed, strings.Join(w.log, "\n"))
	}
}

// killer is storage that kills the process at a commit.
type killer struct {
	w     *world
	store *state.MemoryStore
}

func (k killer) Load(prefix string, visit func(string, []byte) error) error {
	return k.store.Load(prefix, visit)
}

func (k killer) Commit(writes map[string][]byte) error {
	w := k.w
	w.mu.Lock()
	now := false
	if w.crashAtCommit > 0 && !w.dead {
		w.crashAtCommit--
		now = w.crashAtCommit == 0
	}
	if now && !w.durable {
		w.kill()
	}
	w.mu.Unlock()
	err := k.store.Commit(writes)
	if now && w.durable {
		w.mu.Lock()
		w.kill()
		w.mu.Unlock()
		return errKilled
	}
	return err
}

// open starts a process on what is durable, and tells it what should be known.
func (w *world) open() {
	w.mu.Lock()
	w.dead, w.crashAtCommit = false, 0
	var receivers []delivery.Receiver
	for _, o := range w.services {
		o.generation++
		o.pages = nil
		receivers = append(receivers, delivery.Receiver{
			Name: o.ref, Ref: o.ref, SendResolved: o.sendResolved, Sender: caller{o, o.generation}, Budget: o.budget,
		})
	}
	store := w.store
	w.mu.Unlock()
	l, err := delivery.New(delivery.Options{State: killer{w, store}, Receivers: receivers, Record: w.record, Settled: func(fps []alert.Fingerprint) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.dead {
			return
		}
		for _, fp := range fps {
			if w.about(fp).Alert.State == alert.Resolved {
				w.logf("settled %s", w.about(fp).Alert.Rule)
				delete(w.truth, fp)
			}
		}
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.ledger, w.told = l, nil
	l.Start()
	w.reconcile()
}

// record takes a line of the journal; those of a process that was killed are lost.
func (w *world) record(d alert.Decision) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.dead {
		w.teller.Add(&d)
	}
}

// turns records that an alert fires, or is over. w.mu is held.
func (w *world) turns(before, after alert.Alert) {
	d := alert.Decision{
		Time: time.Now(), Kind: alert.KindTransition, Cause: alert.CauseHeld, Rule: after.Rule, Fingerprint: after.Fingerprint,
		Labels: after.Labels, From: before.State.String(), To: after.State.String(),
	}
	if after.State == alert.Resolved {
		d.Cause = alert.CauseHealthy
	}
	w.teller.Add(&d)
}

// restart kills the process, if it is not dead, and starts another.
func (w *world) restart() {
	w.mu.Lock()
	if !w.dead {
		w.kill()
	}
	w.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = w.ledger.Stop(ctx)
	synctest.Wait()
	w.open()
}

// reconcile says what should be known: each alert at each service, in one of two groups.
func (w *world) reconcile() {
	w.mu.Lock()
	var groups []alert.Group
	for _, o := range w.services {
		if o.standsIn {
			continue
		}
		for g := range 2 {
			var members []alert.Member
			for i, name := range w.names {
				if m, there := w.truth[alert.Fingerprint(i+1)]; there && i%2 == g {
					_ = name
					members = append(members, m)
				}
			}
			if len(members) > 0 {
				groups = append(groups, alert.Group{
					Receiver: o.ref, Key: fmt.Sprintf("{}:{g=%d}", g), Members: members,
					Wait: modelWait, Interval: modelInterval, Repeat: modelRepeat, Fallback: modelFallback,
				})
			}
		}
	}
	told, all := w.told, w.told == nil || len(w.log)%4 == 0
	w.told = groups
	w.mu.Unlock()
	if all {
		w.ledger.Reconcile(groups, time.Now())
	} else {
		w.ledger.Update(differences(told, groups), time.Now())
	}
	synctest.Wait()
}

// differences are the groups that changed; one that is gone has no members.
func differences(before, after []alert.Group) (changed []alert.Group) {
	same := func(a, b alert.Group) bool { return a.Receiver == b.Receiver && a.Key == b.Key }
	for _, g := range before {
		if !slices.ContainsFunc(after, func(other alert.Group) bool { return same(g, other) }) {
			g.Members = nil
			changed = append(changed, g)
		}
	}
	for _, g := range after {
		if !slices.ContainsFunc(before, func(other alert.Group) bool { return cmp.Equal(g, other) }) {
			changed = append(changed, g)
		}
	}
	return changed
}

// settleDown starts the process again should it be dead, as an init system would.
func (w *world) settleDown() {
	synctest.Wait()
	for {
		w.mu.Lock()
		dead := w.dead
		w.mu.Unlock()
		if !dead {
			return
		}
		w.restart()
	}
}

// pass lets time go by.
func (w *world) pass(d time.Duration) {
	for d > 0 {
		step := min(d, time.Minute)
		time.Sleep(step)
		w.settleDown()
		d -= step
	}
}

// step changes one alert. It returns what happened.
func (w *world) step(fp alert.Fingerprint, what string) {
	w.mu.Lock()
	name := w.names[fp-1]
	_, there := w.truth[fp]
	m := w.about(fp)
	switch {
	case what == "flip" && there && m.Alert.State == alert.Firing:
		m = resolve(m)
		w.turns(alert.Alert{State: alert.Firing}, *m.Alert)
		w.logf("%s resolves", name)
	case what == "flip":
		before := *m.Alert
		m.Alert = &alert.Alert{
			Fingerprint: fp, Rule: name, Labels: frame.NewLabels(frame.Label{Name: "alertname", Value: name}),
			State: alert.Firing, FiredAt: time.Now(), Revision: m.Alert.Revision + 1,
		}
		w.turns(before, *m.Alert)
		w.logf("%s fires", name)
	case what == "hold" && there:
		if m.Held.Holds() {
			m.Held = alert.Hold{}
		} else {
			m.Held = holds[m.Alert.Revision%uint64(len(holds))]
		}
		w.logf("%s held: %q", name, m.Held)
	case what == "remove" && there:
		delete(w.truth, fp)
		if m.Alert.State == alert.Firing {
			w.turns(alert.Alert{State: alert.Firing}, *resolve(m).Alert)
		}
		w.logf("%s removed", name)
		w.mu.Unlock()
		w.reconcile()
		return
	default:
		w.mu.Unlock()
		return
	}
	w.truth[fp] = m
	w.mu.Unlock()
	w.reconcile()
}

// believes returns what a service believes of an alert, over all its keys.
func (o *oracle) believes(fp alert.Fingerprint) (firing bool, toldAt time.Time, excused bool) {
	for key, b := range o.belief {
		if strings.HasSuffix(key, fp.String()) {
			firing = firing || b.firing
			excused = excused || b.excused
			toldAt = b.toldAt
		}
	}
	return firing, toldAt, excused
}

// owed is an alert that fired, unheld, for so long that every service has to be told of it.
type owed struct {
	fp    alert.Fingerprint
	since time.Time
	known map[string]bool // services that already believed that it fires when it began
}

// TestModel draws histories of alerts, services, storage and crashes, and holds the ledger to its promise: at least
// once, duplicates only marked, no firing after a newer close, everything that was opened closed, nothing lost.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { rapid.SyncTest(t, model) })
}

func model(t *rapid.T) {
	w := &world{t: t, teller: why.NewTeller(true), truth: map[alert.Fingerprint]alert.Member{}, store: state.Memory(), names: []string{"A", "B", "C", "D", "E"}}
	for _, ref := range []string{"closing", "opening", "pairs", "capped", "sms"} {
		w.services = append(w.services, &oracle{
			w: w, ref: ref, sendResolved: ref != "opening", pairs: ref == "pairs", standsIn: ref == "sms", mode: "ok", belief: map[string]*belief{}, ids: map[string]bool{},
		})
		if ref == "capped" {
			w.services[len(w.services)-1].budget = modelBudget
		}
	}
	crashes := rapid.Bool().Draw(t, "crashes") // or storage that refuses: what both together lose, the alerts' own store would keep
	w.open()
	defer func() {
		w.mu.Lock()
		w.store.Fail(0)
		w.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		_ = w.ledger.Stop(ctx)
	}()

	var debts []owed
	began := map[alert.Fingerprint]owed{}
	for range rapid.IntRange(1, 40).Draw(t, "steps") {
		fp := alert.Fingerprint(rapid.IntRange(1, len(w.names)).Draw(t, "alert"))
		switch what := rapid.SampledFrom([]string{"flip", "flip", "flip", "hold", "remove", "service", "service", "storage", "crash", "pass", "pass", "pass"}).Draw(t, "what"); what {
		case "flip", "hold", "remove":
			w.pass(time.Millisecond) // nothing fires twice at the same time
			w.mu.Lock()
			before, now := w.about(fp), time.Now()
			w.mu.Unlock()
			w.step(fp, what)
			w.settleDown()
			w.mu.Lock()
			after := w.about(fp)
			w.mu.Unlock()
			free := func(m alert.Member) bool { return m.Alert.State == alert.Firing && !m.Held.Holds() }
			if what != "flip" { // what was not told of it by now is withheld
				debts = slices.DeleteFunc(debts, func(o owed) bool { return o.fp == fp })
			}
			if free(before) && !free(after) {
				debt := began[fp]
				if what == "flip" && now.Sub(debt.since) > modelInterval+modelWait {
					debts = append(debts, debt)
				}
			}
			if free(after) && !free(before) {
				known := map[string]bool{}
				for _, o := range w.services {
					known[o.ref], _, _ = o.believes(fp)
				}
				began[fp] = owed{fp, now, known}
			}
		case "service":
			o := rapid.SampledFrom(w.services).Draw(t, "service")
			mode := rapid.SampledFrom(modes).Draw(t, "mode")
			if !crashes && strings.HasPrefix(string(mode), "crash") {
				mode = "ok"
			}
			w.mu.Lock()
			o.mode = mode
			w.logf("%s: %s", o.ref, mode)
			w.mu.Unlock()
		case "storage":
			if !crashes {
				n := rapid.IntRange(0, 40).Draw(t, "refusals")
				w.mu.Lock()
				w.store.Fail(n)
				w.logf("storage refuses %d times", n)
				w.mu.Unlock()
			}
		case "crash":
			if crashes {
				n, durable := rapid.IntRange(0, 3).Draw(t, "at commit"), rapid.Bool().Draw(t, "durable")
				w.mu.Lock()
				w.crashAtCommit, w.durable = n, durable
				w.logf("killed at commit %d, durable %t", n, durable)
				w.mu.Unlock()
				if n == 0 {
					w.restart()
				}
			}
		case "pass":
			d := rapid.SampledFrom([]time.Duration{time.Second, 29 * time.Second, 31 * time.Second, 4 * time.Minute, 7 * time.Minute, 2 * time.Hour}).Draw(t, "time")
			w.pass(d)
		}
		w.check()
	}
	w.heal()
	w.finish(debts)
}

// heal ends all faults and holds, and waits until everything should be known.
func (w *world) heal() {
	w.mu.Lock()
	w.logf("HEAL")
	w.crashAtCommit = 0
	w.store.Fail(0)
	for _, o := range w.services {
		o.mode = "ok"
	}
	for fp, m := range w.truth {
		m.Held = alert.Hold{}
		w.truth[fp] = m
	}
	w.mu.Unlock()
	w.settleDown()
	w.reconcile()
	w.pass(20 * time.Minute)
	for _, rec := range w.ledger.Records() {
		if rec.State == delivery.DeadLetter {
			if err := w.ledger.Retry(rec.Receiver, rec.Group); err != nil {
				w.t.Errorf("retry: %v", err)
			}
		}
	}
	w.pass(20 * time.Minute)
	w.reconcile()
	w.check()
}

// finish checks that services believe what is true, first with what still fires, then with everything over.
func (w *world) finish(debts []owed) {
	w.mu.Lock()
	for i := range w.names {
		fp := alert.Fingerprint(i + 1)
		for _, o := range w.services {
			firing, _, _ := o.believes(fp)
			if truth := w.about(fp).Alert.State == alert.Firing; truth && !firing && !o.standsIn && o.budget.Pages == 0 || !truth && firing && o.sendResolved {
				w.fail("%s believes that %s fires: %t, and it is %t", o.ref, w.names[i], firing, truth)
			}
		}
	}
	for _, debt := range debts {
		for _, o := range w.services {
			if _, told, excused := o.believes(debt.fp); o.budget.Pages == 0 && !debt.known[o.ref] && told.Before(debt.since) && !excused && o.sendResolved && !o.standsIn {
				w.fail("%s was never told of %s, which fired at %s", o.ref, w.names[debt.fp-1], debt.since)
			}
		}
	}
	for _, o := range w.services {
		if o.budget.Pages > 0 {
			o.checkStorm()
		}
	}
	for fp, m := range w.truth {
		if m.Alert.State == alert.Firing {
			w.truth[fp] = resolve(m)
			w.turns(alert.Alert{State: alert.Firing}, *w.truth[fp].Alert)
		}
	}
	w.logf("ALL RESOLVE")
	w.mu.Unlock()
	w.check()

	w.reconcile()
	w.pass(20 * time.Minute)
	w.reconcile()
	w.mu.Lock()
	for i := range w.names {
		for _, o := range w.services {
			if firing, _, _ := o.believes(alert.Fingerprint(i + 1)); firing && o.sendResolved {
				w.fail("%s still believes that %s fires", o.ref, w.names[i])
			}
		}
	}
	for _, m := range w.truth {
		w.fail("%s is never settled", m.Alert.Rule)
	}
	for _, o := range w.services {
		if o.storm {
			w.fail("%s still believes that there is a storm", o.ref)
		}
	}
	_ = w.store.Load("", func(key string, value []byte) error {
		w.fail("storage still holds %s: %s", key, value)
		return nil
	})
	if left := w.ledger.Records(); len(left) > 0 {
		w.fail("records are left: %+v", left)
	}
	w.explained()
	w.mu.Unlock()
	w.check()
}

// explained checks that the journal gives one reason for what became of every incident at every service. w.mu is held.
func (w *world) explained() {
	for _, in := range w.teller.Answer(time.Now()).Instances {
		for _, i := range in.Incidents {
			for _, service := range w.services {
				heard := func(o why.Outcome) bool { return o.Receiver == service.ref }
				if !service.standsIn && in.Name != "TocsinStorm" && !slices.ContainsFunc(i.Outcomes, heard) {
					w.fail("nothing says what became of %s, which began at %s, at %s: %+v", in.Name, i.Began, service.ref, i.Outcomes)
				}
			}
			for _, o := range i.Outcomes {
				if o.Verdict == why.Unknown || o.Cause == "" || o.Verdict == why.Waiting {
					w.fail("what became of %s at %s in the end is %q, %q: %+v", in.Name, o.Receiver, o.Verdict, o.Cause, o.Steps)
				}
			}
		}
	}
	if s := w.teller.Summary(); s.Unknown > 0 {
		w.fail("%d reasons are unknown: %+v", s.Unknown, s.Outcomes)
	}
}
