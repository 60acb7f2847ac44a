package route

import (
	"cmp"
	"slices"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
)

// Router keeps up to date what every receiver should know while alerts change. It always says what [Desired] would,
// but an update costs what the alerts cost that changed, those that they inhibit, and the groups that hold them.
//
// Whatever else decides is as it was at the time of its [Input]: where a silence or a schedule begins or ends (see
// [Next]), an alert is acknowledged, or the configuration changes, a new router has to be made. That an acknowledgement
// does not outlast its incident, nor a rise of the severity, follows from the alerts.
type Router struct {
	tree      *branch // nil: nobody is told of anything
	silences  silencer
	acks      map[alert.Fingerprint]alert.Ack
	now       time.Time
	inhibitor inhibitor
	entries   map[alert.Fingerprint]*entry
	hiding    map[string]int // firing alerts that each silence hides, by ID
	changed   map[*group]struct{}
}

// entry is an alert with what is decided about it.
type entry struct {
	alert    *alert.Alert
	branches []*branch // that take it
	silences []string  // that match it, sorted
	groups   []*group  // that hold it
}

// hides tells that the silences of an entry withhold something that is real.
func (e *entry) hides() bool {
	return e.alert.State == alert.Firing && !e.alert.Shadow && e.alert.Rule != alert.Drill
}

// New returns a router for everything in the input. All its groups count as changed.
func New(in Input) *Router {
	r := &Router{
		silences: newSilencer(&in), acks: in.Acks, now: in.Now, inhibitor: newInhibitor(in.Inhibitions),
		entries: map[alert.Fingerprint]*entry{}, hiding: map[string]int{}, changed: map[*group]struct{}{},
	}
	if in.Root != nil {
		r.tree = lanes{}.compile(&in, in.Root, "{}", nil)
	}
	alerts := make([]*alert.Alert, len(in.Alerts))
	for i := range in.Alerts {
		alerts[i] = &in.Alerts[i]
	}
	r.Update(alerts, nil)
	return r
}

// Update takes alerts as they are now, and which are gone. They must not be changed afterwards.
func (r *Router) Update(alerts []*alert.Alert, gone []alert.Fingerprint) {
	touched := map[alert.Fingerprint]struct{}{}
	for _, a := range alerts {
		touched[a.Fingerprint] = struct{}{}
		if a.State == alert.Firing || a.State == alert.Resolved {
			r.take(a, touched)
		} else {
			r.drop(a.Fingerprint, touched)
		}
	}
	for _, fp := range gone {
		r.drop(fp, touched)
	}
	for fp := range touched {
		if e := r.entries[fp]; e != nil {
			r.place(e)
		}
	}
}

// take notes what became of an alert. Others whose inhibition that changes are touched.
func (r *Router) take(a *alert.Alert, touched map[alert.Fingerprint]struct{}) {
	e := r.entries[a.Fingerprint]
	if e == nil {
		e = &entry{}
		r.entries[a.Fingerprint] = e
		r.inhibitor.update(nil, a, touched)
	} else {
		r.inhibitor.update(e.alert, a, touched)
		r.count(e, -1)
	}
	if e.branches == nil || !e.alert.Labels.Equal(a.Labels) {
		e.silences = r.silences.find(a.Labels)
		if r.tree != nil {
			e.branches = r.tree.match(a.Labels, nil)
		}
	}
	e.alert = a
	r.count(e, +1)
}

// drop forgets an alert.
func (r *Router) drop(fp alert.Fingerprint, touched map[alert.Fingerprint]struct{}) {
	e := r.entries[fp]
	if e == nil {
		return
	}
	r.inhibitor.update(e.alert, nil, touched)
	r.count(e, -1)
	delete(r.entries, fp)
	for _, g := range e.groups {
		r.edit(g, edit{fp: fp})
	}
}

// count keeps in mind what silences hide.
func (r *Router) count(e *entry, by int) {
	if !e.hides() {
		return
	}
	for _, id := range e.silences {
		if r.hiding[id] += by; r.hiding[id] == 0 {
			delete(r.hiding, id)
		}
	}
}

// place puts an alert into the groups where it belongs.
func (r *Router) place(e *entry) {
	held := r.held(e)
	var places []edit
	var groups []*group
	for _, b := range e.branches {
		heldHere := held
		if !held.Holds() {
			heldHere = b.muted()
		}
		ls := b.groupLabels(e.alert)
		for _, l := range b.lanes {
			g := l.group(ls, e.alert.Rule == alert.Drill)
			if at := slices.Index(groups, g); at < 0 {
				groups, places = append(groups, g), append(places, edit{e.alert.Fingerprint, e, heldHere})
			} else if !heldHere.Holds() {
				places[at].held = alert.Hold{}
			}
		}
	}
	for _, g := range e.groups {
		if !slices.Contains(groups, g) {
			r.edit(g, edit{fp: e.alert.Fingerprint})
		}
	}
	e.groups = groups
	for at, g := range groups {
		r.edit(g, places[at])
	}
}

func (r *Router) edit(g *group, e edit) {
	g.edits = append(g.edits, e)
	r.changed[g] = struct{}{}
}

// Changed returns the groups that changed since it was last called, as they should be known now, ordered by receiver
// and key. One without members is not wanted any more. The groups must not be changed.
func (r *Router) Changed() []alert.Group {
	groups := make([]alert.Group, 0, len(r.changed))
	for g := range r.changed {
		groups = append(groups, g.apply())
	}
	clear(r.changed)
	slices.SortFunc(groups, func(a, b alert.Group) int {
		return cmp.Or(cmp.Compare(a.Receiver, b.Receiver), cmp.Compare(a.Key, b.Key))
	})
	return groups
}

// Hides tells whether an alert fires that this silence matches.
func (r *Router) Hides(id string) bool { return r.hiding[id] > 0 }
