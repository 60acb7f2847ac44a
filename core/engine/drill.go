package engine

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/delivery"
	"github.com/tocsinhq/tocsin/core/drill"
	"github.com/tocsinhq/tocsin/core/route"
)

// openDrills prepares to test routes.
func (e *Engine) openDrills() {
	e.drills = drill.New(drill.Options{
		Alerts: e.alerts, Ways: e.ways, Record: e.journal.Record, OnChange: e.alertsChanged, Logger: e.logger,
	})
}

// ways are the receivers to which the routes lead an alert that fires.
func (e *Engine) ways(a *alert.Alert) (ways []drill.Way) {
	in := e.routingInput(time.Now())
	in.Alerts = append(in.Alerts, *a)
	receivers := e.setup.Load().receivers
	for _, g := range route.Desired(in) {
		m := memberOf(&g, a.Fingerprint)
		if m == nil {
			continue
		}
		openOnly := slices.ContainsFunc(receivers, func(r delivery.Receiver) bool { return r.Ref == g.Receiver && !r.SendResolved })
		ways = append(ways, drill.Way{Receiver: g.Receiver, Group: g.Key, Withheld: m.Held.String(), OpenOnly: openOnly})
	}
	return ways
}

// drills begins drills with the labels of rules.
type drills struct {
	*drill.Manager
	engine *Engine
}

// Begin begins a drill. Where its alert is called as a rule is, it has the labels that the rule gives all of its alerts.
func (d drills) Begin(r drill.Request) (drill.Drill, error) {
	labels := map[string]string{}
	for _, rule := range d.engine.setup.Load().config.Rules {
		if rule.Name != r.Labels["alertname"] {
			continue
		}
		for name, value := range rule.Labels {
			if !strings.Contains(value, "{{") {
				labels[name] = value
			}
		}
	}
	maps.Copy(labels, r.Labels)
	r.Labels = labels
	return d.Manager.Begin(r)
}
