// Package drill tests routes: it raises an alert that says of itself that it is a test, ends it when everybody who should
// know of it does, and keeps what became of it at each receiver. From there on it is an alert like any other, so the
// ledger closes what was opened, whatever happens meanwhile.
package drill

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// Alerts is where instances live, an [alert.Store].
type Alerts interface {
	Put(alerts ...alert.Alert) error
	OfRule(name string) []alert.Alert
}

// Way is a receiver that a route leads an alert to.
type Way struct {
	Receiver string
	Group    string // key of the group that it hears of the alert in
	Withheld string // what withholds the opening: "silenced by migration"; "" for nothing
	OpenOnly bool   // it is not told when the alert is over (send_resolved = false)
}

// Options of a manager.
type Options struct {
	Alerts Alerts
	Ways   func(*alert.Alert) []Way // where the routes lead an alert that fires

	Record   func(alert.Decision) // the journal; must not block. May be nil
	OnChange func()               // alerts changed; must not block. May be nil
	Logger   zerolog.Logger
}

// Bounds of drills.
const (
	DefaultTimeout = time.Minute
	MostTimeout    = 10 * time.Minute
	mostRunning    = 8  // at once
	mostKept       = 50 // also those that are over
	mostLabels     = 64
	mostText       = 1024 // bytes of a label's value
)

// Errors of [Manager.Begin] that are no fault of what was asked for.
var (
	ErrBusy    = fmt.Errorf("there are %d drills under way, the most there may be: try again later", mostRunning)
	ErrNobody  = errors.New("no route has a receiver for an alert with these labels: nobody would be told")
	ErrStopped = errors.New("the engine stops")
)

// Manager begins drills and follows them.
type Manager struct {
	options Options
	soft    context.Context // its end ends all drills
	stop    context.CancelFunc
	ended   sync.WaitGroup
	running atomic.Int32 // so that decisions cost nothing while there is none

	mu struct {
		sync.Mutex
		stopped bool
		drills  []*drill // the oldest first
	}
}

// New returns a manager.
func New(o Options) *Manager {
	if o.Record == nil {
		o.Record = func(alert.Decision) {}
	}
	if o.OnChange == nil {
		o.OnChange = func() {}
	}
	m := &Manager{options: o}
	m.soft, m.stop = context.WithCancel(context.Background())
	return m
}

// Start ends the drills that a former process did not end. It must come before routes are computed, so that nothing is
// opened that nobody waits for any more.
func (m *Manager) Start() {
	for _, a := range m.options.Alerts.OfRule(alert.Drill) {
		if a.State == alert.Firing {
			m.end(a, "the engine was restarted")
		}
	}
}

// Stop ends all drills, and waits for that. What was opened is closed by the ledger, if need be after the next start.
func (m *Manager) Stop(context.Context) error {
	m.mu.Lock()
	m.mu.stopped = true
	m.mu.Unlock()
	m.stop()
	m.ended.Wait()
	return nil
}

// Request says what to drill.
type Request struct {
	Labels  map[string]string // of the alert
	By      string            // who wants it, for those who are told
	Timeout time.Duration     // for receivers to accept that it fires, and again that it is over; 0: DefaultTimeout
}

// Begin begins a drill and returns it as it stands then.
func (m *Manager) Begin(r Request) (Drill, error) {
	if err := r.check(); err != nil {
		return Drill{}, err
	}
	a := r.alert(time.Now())
	d := &drill{alert: a, timeout: cmp.Or(r.Timeout, DefaultTimeout), changed: make(chan struct{}, 1)}
	d.now = Drill{
		ID: a.Labels.Get(alert.DrillLabel), Fingerprint: a.Fingerprint, Labels: a.Labels.Map(), State: Opening, StartedAt: a.FiredAt,
	}
	for _, w := range m.options.Ways(&a) {
		d.now.Receivers = append(d.now.Receivers, Receiver{Receiver: w.Receiver, Group: w.Group, Withheld: w.Withheld, OpenOnly: w.OpenOnly})
	}
	if len(d.now.Receivers) == 0 {
		return Drill{}, ErrNobody
	}
	if err := m.add(d); err != nil {
		return Drill{}, err
	}
	if err := m.options.Alerts.Put(a); err != nil {
		m.options.Logger.Error().Err(err).Msg("a drill began in memory only")
	}
	m.options.Record(transition(&a, "inactive", alert.CauseDrill, a.Annotations["summary"]))
	m.options.OnChange()
	m.ended.Go(func() { m.follow(d) })
	return m.Get(d.now.ID)
}

// check refuses what could not be told.
func (r *Request) check() error {
	switch {
	case len(r.Labels) > mostLabels:
		return fmt.Errorf("there are %d labels, %d are the most", len(r.Labels), mostLabels)
	case r.Timeout < 0 || r.Timeout > MostTimeout:
		return fmt.Errorf("the timeout is %s, it must be from 0 to %s", r.Timeout, MostTimeout)
	case len(r.By) > mostText:
		return fmt.Errorf("the name of who wants it has %d bytes, %d are the most", len(r.By), mostText)
	}
	for name, value := range r.Labels {
		switch {
		case name == "" || name == alert.DrillLabel:
			return fmt.Errorf("a label cannot be called %q here", name)
		case len(name) > mostText || len(value) > mostText:
			return fmt.Errorf("the label %.100q has more than %d bytes", name, mostText)
		case strings.ToValidUTF8(name+value, "") != name+value:
			return fmt.Errorf("the label %q is not valid UTF-8", name)
		}
	}
	return nil
}

// Name is the alertname of drills that were not given one.
const Name = "TocsinDrill"

// alert is the alert that is told.
func (r *Request) alert(now time.Time) alert.Alert {
	labels := maps.Clone(r.Labels)
	maps.DeleteFunc(labels, func(_, value string) bool { return value == "" })
	if labels == nil {
		labels = map[string]string{}
	}
	labels["alertname"] = cmp.Or(labels["alertname"], Name)
	labels[alert.DrillLabel] = newID()
	ls := frame.FromMap(labels)
	by := ""
	if r.By != "" {
		by = " by " + strings.ToValidUTF8(r.By, "\ufffd")
	}
	summary := "TEST: a drill" + by + ", nothing is wrong and nobody has to do anything"
	return alert.Alert{
		Fingerprint: alert.NewFingerprint(alert.Drill, ls), Rule: alert.Drill, Identity: ls, Labels: ls,
		Annotations: map[string]string{
			"summary":     summary,
			"description": "TEST: somebody tests with tocsin drill who hears of alerts with these labels. It closes by itself.",
		},
		State: alert.Firing, ActiveAt: now, FiredAt: now, Text: summary, Revision: 1,
	}
}

// newID names a drill.
func newID() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// add makes a drill known, so that what is decided about it is noted.
func (m *Manager) add(d *drill) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.mu.stopped:
		return ErrStopped
	case m.running.Load() >= mostRunning:
		return ErrBusy
	}
	m.running.Add(1)
	m.mu.drills = append(m.mu.drills, d)
	if over := len(m.mu.drills) - mostKept; over > 0 { // as many are over at least
		at := slices.IndexFunc(m.mu.drills, func(d *drill) bool { return d.now.State == Done })
		m.mu.drills = slices.Delete(m.mu.drills, at, at+1)
	}
	return nil
}

// Get returns a drill as it stands. The error says that none of that name is remembered.
func (m *Manager) Get(id string) (Drill, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.mu.drills {
		if d.now.ID == id {
			return d.now.clone(), nil
		}
	}
	return Drill{}, fmt.Errorf("no drill %q is remembered: the engine may have been restarted, and has ended it then", id)
}

// All returns the drills that are remembered, the oldest first.
func (m *Manager) All() []Drill {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]Drill, len(m.mu.drills))
	for i, d := range m.mu.drills {
		all[i] = d.now.clone()
	}
	return all
}

// follow waits until everybody knows, or will not, ends the alert and waits again.
func (m *Manager) follow(d *drill) {
	defer m.running.Add(-1)
	why := m.wait(d, (*Drill).opened, "not every receiver accepted it")
	m.mu.Lock()
	d.now.State, d.now.EndedAt = Closing, time.Now()
	m.mu.Unlock()
	m.end(d.alert, cmp.Or(why, "every receiver has answered"))
	if left := m.wait(d, (*Drill).closed, "not every receiver accepted its end, which stays owed"); why == "" {
		why = left
	}
	m.mu.Lock()
	d.now.State, d.now.Reason = Done, why
	m.mu.Unlock()
}

// wait waits until something holds, and says why it does not.
func (m *Manager) wait(d *drill, holds func(*Drill) bool, otherwise string) (why string) {
	timer := time.NewTimer(d.timeout)
	defer timer.Stop()
	for {
		m.mu.Lock()
		ok := holds(&d.now)
		m.mu.Unlock()
		if ok {
			return ""
		}
		select {
		case <-d.changed:
		case <-m.soft.Done():
			return ErrStopped.Error()
		case <-timer.C:
			return otherwise + " within " + d.timeout.String()
		}
	}
}

// end resolves the alert of a drill.
func (m *Manager) end(a alert.Alert, why string) {
	a.State, a.ResolvedAt, a.Reason = alert.Resolved, time.Now(), "the drill is over: "+why
	a.Revision++
	if err := m.options.Alerts.Put(a); err != nil {
		m.options.Logger.Error().Err(err).Msg("a drill ended in memory only")
	}
	m.options.Record(transition(&a, "firing", alert.CauseDrillOver, a.Reason))
	m.options.OnChange()
}

func transition(a *alert.Alert, from string, cause alert.Cause, why string) alert.Decision {
	return alert.Decision{
		Time: time.Now(), Kind: alert.KindTransition, Cause: cause, Rule: a.Name(), Fingerprint: a.Fingerprint, Labels: a.Labels,
		From: from, To: a.State.String(), Reason: why,
	}
}
