package engine

import (
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"pgregory.net/rapid"

	"github.com/tocsinhq/tocsin/core/ack"
	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/route"
	"github.com/tocsinhq/tocsin/core/silence"
	"github.com/tocsinhq/tocsin/core/state"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// TestDeciderSaysWhatDesiredSays draws histories: alerts fire, resolve and are forgotten, silences are made and ended,
// time passes, in which silences and schedules begin and end, and the configuration changes. After each step what was
// said so far, all of it or differences, is what a decision about everything says.
func TestDeciderSaysWhatDesiredSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			anew := false
			for range rapid.IntRange(0, 3).Draw(t, "changes before they are looked at") {
				anew = h.change() || anew
			}
			h.look(anew)
		}
	})
}

// history is an engine that only knows alerts, silences and routes, at a time of its own.
type history struct {
	*rapid.T
	engine  *Engine
	decider decider
	now     time.Time
	ids     []string                  // of silences
	said    map[[2]string]alert.Group // by receiver and key
}

func newHistory(t *rapid.T) *history {
	h := &history{T: t, engine: &Engine{}, now: time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC), said: map[[2]string]alert.Group{}}
	storage := state.Memory()
	var err error
	if h.engine.alerts, err = alert.OpenStore(storage); err != nil {
		t.Fatal(err)
	}
	if h.engine.silences, err = silence.Open(storage); err != nil {
		t.Fatal(err)
	}
	if h.engine.acks, err = ack.Open(storage); err != nil {
		t.Fatal(err)
	}
	h.reconfigure()
	h.decider = decider{input: h.engine.routingInput, watch: h.engine.alerts.Watch()}
	return h
}

// change makes one change. It returns true where the engine would ask for everything to be decided again.
func (h *history) change() (anew bool) {
	switch rapid.SampledFrom([]string{"alerts", "alerts", "alerts", "alerts", "silence", "expire", "time", "configuration"}).Draw(h.T, "change") {
	case "alerts":
		h.alerts()
	case "silence":
		starts := h.now.Add(time.Duration(rapid.IntRange(0, 3).Draw(h.T, "starts in")) * time.Minute)
		id, err := h.engine.silences.Set(silence.Silence{
			Matchers: []*labels.Matcher{h.matcher()}, CreatedBy: "me", Comment: "because",
			StartsAt: starts, EndsAt: starts.Add(time.Duration(rapid.IntRange(1, 5).Draw(h.T, "minutes")) * time.Minute),
		}, h.now)
		if err != nil {
			h.Fatal(err)
		}
		h.ids = append(h.ids, id)
		return true
	case "expire":
		if len(h.ids) > 0 {
			_ = h.engine.silences.Expire(rapid.SampledFrom(h.ids).Draw(h.T, "silence"), h.now) // it may have ended
			return true
		}
	case "time":
		h.now = h.now.Add(time.Duration(rapid.IntRange(1, 150).Draw(h.T, "seconds")) * time.Second)
	case "configuration":
		h.reconfigure()
		return true
	}
	return false
}

// alerts changes one alert or some, as the owners of instances and the ledger do.
func (h *history) alerts() {
	var changed []alert.Alert
	for range rapid.IntRange(1, 4).Draw(h.T, "alerts") {
		identity := frame.FromMap(map[string]string{"host": rapid.SampledFrom([]string{"a", "b"}).Draw(h.T, "host")})
		rule := rapid.SampledFrom([]string{"Down", "Slow", "Full"}).Draw(h.T, "rule")
		a := alert.Alert{
			Fingerprint: alert.NewFingerprint(rule, identity), Rule: rule, Identity: identity,
			Labels: identity.With(frame.Label{Name: "alertname", Value: rule},
				frame.Label{Name: "severity", Value: rapid.SampledFrom([]string{"critical", "warning"}).Draw(h.T, "severity")}),
			State: rapid.SampledFrom([]alert.State{alert.Pending, alert.Firing, alert.Firing, alert.Resolved}).Draw(h.T, "state"),
			Value: rapid.Float64Range(0, 1).Draw(h.T, "value"),
		}
		changed = append(changed, a)
	}
	var err error
	switch rapid.SampledFrom([]string{"put", "put", "put", "observe", "forget", "drop"}).Draw(h.T, "how") {
	case "put":
		err = h.engine.alerts.Put(changed...)
	case "observe":
		h.engine.alerts.Observe(changed...)
	case "forget":
		err = h.engine.alerts.Forget(changed[0].Fingerprint)
	case "drop":
		err = h.engine.alerts.Drop(changed[0].Fingerprint)
	}
	if err != nil {
		h.Fatal(err)
	}
}

func (h *history) matcher() *labels.Matcher {
	return rapid.SampledFrom([]*labels.Matcher{
		match("alertname", "Down"), match("alertname", "Slow"), match("host", "a"), match("severity", "critical"), match("severity", "warning"),
	}).Draw(h.T, "matcher")
}

// reconfigure draws routes, inhibitions, and the schedules and silences of a configuration.
func (h *history) reconfigure() {
	soon := h.now.Hour()*60 + h.now.Minute() + rapid.IntRange(0, 4).Draw(h.T, "schedule begins in")
	groupBy := func() []string {
		return rapid.SliceOfN(rapid.SampledFrom([]string{"host", "alertname", "severity"}), 0, 2).Draw(h.T, "group_by")
	}
	in := route.Input{
		Root: &route.Node{Receivers: []string{"ops"}, GroupBy: groupBy()},
		Schedules: map[string]route.Schedule{
			"soon": route.NewCalendar(nil, []route.TimeRange{{Start: soon, End: soon + 2}}, time.UTC),
		},
		Silences: []route.Silence{{ID: "configured", Matchers: []*labels.Matcher{h.matcher()}, EndsAt: h.now.Add(3 * time.Minute)}},
	}
	for range rapid.IntRange(0, 2).Draw(h.T, "routes") {
		in.Root.Routes = append(in.Root.Routes, &route.Node{
			Receivers: []string{rapid.SampledFrom([]string{"ops", "dba"}).Draw(h.T, "receiver")}, Matchers: []*labels.Matcher{h.matcher()},
			GroupBy: groupBy(), Mute: []string{"soon"}, Continue: rapid.Bool().Draw(h.T, "continue"),
		})
	}
	for range rapid.IntRange(0, 2).Draw(h.T, "inhibitions") {
		in.Inhibitions = append(in.Inhibitions, route.Inhibition{
			Source: []*labels.Matcher{h.matcher()}, Target: []*labels.Matcher{h.matcher()}, Equal: []string{"host"},
		})
	}
	h.engine.setup.Store(&setup{routes: in})
}

// look lets the decider look, and compares.
func (h *history) look(anew bool) {
	groups, all := h.decider.decide(h.now, anew)
	if all {
		clear(h.said)
	}
	for _, g := range groups {
		if key := [2]string{g.Receiver, g.Key}; len(g.Members) > 0 {
			h.said[key] = g
		} else {
			delete(h.said, key)
		}
	}
	want := map[[2]string]alert.Group{}
	for _, g := range route.Desired(h.engine.routingInput(h.now)) {
		want[[2]string{g.Receiver, g.Key}] = g
	}
	if diff := gocmp.Diff(want, h.said); diff != "" {
		h.Fatalf("all at once: %t (-decided +said):\n%s", all, diff)
	}
}
