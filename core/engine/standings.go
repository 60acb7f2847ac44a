package engine

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/api"
	"github.com/tocsinhq/tocsin/core/delivery"
	"github.com/tocsinhq/tocsin/core/route"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// receiverStandings tells for each receiver what it was told and what it is owed.
func (e *Engine) receiverStandings() []api.Receiver {
	byRef := map[string]*api.Receiver{}
	for _, ref := range e.receivers() {
		byRef[ref] = &api.Receiver{Receiver: ref}
	}
	for _, rec := range e.ledger.Records() {
		r := byRef[rec.Receiver]
		if r == nil {
			r = &api.Receiver{Receiver: rec.Receiver, Removed: true}
			byRef[rec.Receiver] = r
		}
		addRecord(r, &rec)
	}
	all := make([]api.Receiver, 0, len(byRef))
	for _, ref := range slices.Sorted(maps.Keys(byRef)) {
		all = append(all, *byRef[ref])
	}
	return all
}

// addRecord adds where a receiver stands with one group.
func addRecord(r *api.Receiver, rec *delivery.Record) {
	r.Groups++
	if slices.ContainsFunc(rec.Instances, func(i delivery.Instance) bool {
		return i.Status == delivery.Open || i.Status == delivery.Maybe
	}) {
		r.Open++
	}
	if rec.AcceptedAt.After(r.AcceptedAt) {
		r.AcceptedAt = rec.AcceptedAt
	}
	if rec.State == delivery.DeadLetter {
		r.Rejected++
	}
	if rec.OwedSince.IsZero() {
		return
	}
	r.Owed++
	if r.OwedSince.IsZero() || rec.OwedSince.Before(r.OwedSince) {
		r.OwedSince = rec.OwedSince
		r.Error = cmp.Or(rec.Error, r.Error)
	}
	r.Error = cmp.Or(r.Error, rec.Error)
	if !rec.NextAt.IsZero() && (r.NextAt.IsZero() || rec.NextAt.Before(r.NextAt)) {
		r.NextAt = rec.NextAt
	}
}

// runningRoutes is the route tree that runs.
func (e *Engine) runningRoutes() api.Route { return describeRoute(e.setup.Load().routes.Root, nil) }

func describeRoute(n *route.Node, inherited []string) api.Route {
	r := api.Route{
		Matchers: []string{}, Receivers: n.Receivers, GroupBy: n.GroupBy,
		GroupWait: duration(n.Wait), GroupInterval: duration(n.Interval),
		RepeatInterval: duration(n.Repeat), Continue: n.Continue, Mute: n.Mute,
	}
	if len(r.Receivers) == 0 {
		r.Receivers = inherited
	}
	if r.GroupBy == nil {
		r.GroupBy = []string{}
	}
	for _, m := range n.Matchers {
		r.Matchers = append(r.Matchers, m.String())
	}
	if n.Fallback != nil {
		r.Fallback = &api.Fallback{After: duration(n.Fallback.After), To: n.Fallback.To}
	}
	for _, child := range n.Routes {
		r.Routes = append(r.Routes, describeRoute(child, r.Receivers))
	}
	return r
}

// testRoute tells who would hear of an alert with these labels if it fired now, beside those that do.
func (e *Engine) testRoute(ls frame.Labels) api.Routed {
	now := time.Now()
	tried := alert.Alert{
		Fingerprint: alert.NewExternalFingerprint(ls), Rule: alert.External, Identity: ls, Labels: ls,
		State: alert.Firing, ActiveAt: now, FiredAt: now, Revision: 1,
	}
	alerts := slices.DeleteFunc(e.alerts.All(), func(a alert.Alert) bool { return a.Fingerprint == tried.Fingerprint })
	routed := api.Routed{Labels: ls, Receivers: []string{}, Groups: []api.RoutedGroup{}}
	for _, g := range route.Desired(e.inputOf(e.setup.Load().routes, append(alerts, tried), now)) {
		at := slices.IndexFunc(g.Members, func(m alert.Member) bool { return m.Alert.Fingerprint == tried.Fingerprint })
		if at < 0 {
			continue
		}
		routed.Receivers = append(routed.Receivers, g.Receiver)
		routed.Groups = append(routed.Groups, api.RoutedGroup{
			Receiver: g.Receiver, Group: g.Key, GroupLabels: g.Labels,
			GroupWait: duration(g.Wait), GroupInterval: duration(g.Interval),
			RepeatInterval: duration(g.Repeat), Withheld: g.Members[at].Held.String(),
		})
	}
	routed.Receivers = slices.Compact(routed.Receivers)
	return routed
}

// duration writes a length of time as configurations do: "1h30m".
func duration(d time.Duration) string { return model.Duration(d).String() }
