package rule

import (
	"cmp"
	"slices"
	"time"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// Roster remembers who was there, with what a rule wants to know of each, and so can name those that the window no longer
// lists. The zero value is ready. An evaluation calls Begin, then Here, Silent or Left for every instance that it sees, then
// Gone for the others.
//
// An instance that leaves the window without having been called gone was taken out of the configuration or of discovery
// with its target, and is forgotten at once; unless another series shows that the target is still there, which happens
// over a restart of the engine. Targets are told apart by the labels job and instance, if an instance has them.
type Roster[T any] struct {
	Forget time.Duration // how long one that is gone is remembered; 0: an hour

	members Memory[member[T]]
	table   *table
	targets *grouping  // by job and instance
	order   []uint32   // the targets by ID, made when somebody is gone
	seen    []presence // of each target in this evaluation
	certain bool       // the targets that are configured are known
	gone    []Absentee[T]
	full    bool
}

type member[T any] struct {
	who    Instance // by labels of its own, not by a number of the dictionary
	target uint64   // what its target would be called, as an instance; 0 where its labels do not say
	since  int64    // when it was there last, Unix milliseconds
	gone   bool
	value  T
}

type presence uint8

const (
	unlisted presence = iota
	answers
	silent
)

// Absentee is an instance that is remembered and was not seen in this evaluation.
type Absentee[T any] struct {
	Instance Instance
	Since    time.Time // when it was there last
	Silent   bool      // its target does not answer, or may not have been asked yet: nobody knows
	Value    *T
}

// MaxMembers is how many instances a roster remembers. So many, with their labels, fit into a rule's state.
const MaxMembers = 5000

// Begin tells which targets answer. The instances are series of in, or groups of them. targets, if there is such an input,
// selects "up" for the targets that are configured: then a target without any other series is known, too.
func (r *Roster[T]) Begin(w Window, in, targets *Input) {
	r.members.Keep = r.Forget
	r.members.begin(w)
	if r.table != in.table {
		r.learn(in.table)
	}
	clear(r.seen)
	for i, index := range in.in.Series {
		r.note(index, in.Series(i).Missing())
	}
	r.certain = r.certain || targets.Len() > 0 // later there may be none at all
	for i, index := range targets.in.Series {
		up, ok := targets.Value(i)
		r.note(index, !ok || up == 0)
	}
}

// learn finds the targets of another generation of series.
func (r *Roster[T]) learn(t *table) {
	r.table, r.targets, r.order = t, t.group([]string{"job", "instance"}, false), r.order[:0]
	r.seen = make([]presence, r.targets.len())
}

func (r *Roster[T]) note(series uint32, isSilent bool) {
	p := &r.seen[r.targets.of[series]]
	switch {
	case isSilent:
		*p = silent
	case *p == unlisted:
		*p = answers
	}
}

// Here says that an instance is there. It returns what is remembered of it, with whether there was anything; nil when the
// roster is full.
func (r *Roster[T]) Here(w Window, i Instance) (value *T, found bool) {
	m, found := r.ask(w, i)
	if m == nil {
		return nil, false
	}
	m.since, m.gone = w.w.Time, false
	return &m.value, found
}

// Silent says that an instance cannot be seen, as its target does not answer. It returns what Here does.
func (r *Roster[T]) Silent(w Window, i Instance) (value *T, found bool) {
	m, found := r.ask(w, i)
	if m == nil {
		return nil, false
	}
	if !found {
		m.since = w.w.Time
	}
	return &m.value, found
}

func (r *Roster[T]) ask(w Window, i Instance) (*member[T], bool) {
	if r.members.Len() >= MaxMembers && !r.members.has(i.id) {
		if !r.full {
			Log(LevelWarn, "more instances than can be remembered: some will not be missed when they are gone")
		}
		r.full = true
		return nil, false
	}
	m, found := r.members.At(w, i)
	switch {
	case found:
	case int(i.series) < r.table.series.Len(): // there may be thousands in the first evaluation
		m.who = r.table.named(int(i.series))
		if target := r.targets.at(int(r.targets.of[i.series])); target.labels.Get("instance") != "" {
			m.target = target.id
		}
	default:
		m.who, m.target = i, targetOf(i.labels)
	}
	return m, found
}

func targetOf(labels frame.Labels) uint64 {
	if labels.Get("instance") == "" {
		return 0
	}
	return Of(labels.Only("job", "instance")...).id
}

// Sure tells whether an instance of which nothing is remembered is a new one, see [Memory.Sure].
func (r *Roster[T]) Sure(w Window) bool { return r.members.Sure(w) }

// Left says that an instance is gone: its target answers, or all of them do, without it.
func (r *Roster[T]) Left(w Window, i Instance) {
	r.members.begin(w)
	if r.members.has(i.id) {
		r.members.entries[r.members.index[r.members.find(i.id)]-1].value.gone = true
	}
}

// Remembers tells whether an instance is remembered.
func (r *Roster[T]) Remembers(i Instance) bool { return r.members.has(i.id) }

// Gone lists the instances that were not seen in this evaluation, in the order in which they came. It is valid until the
// next call of a method.
func (r *Roster[T]) Gone(w Window) []Absentee[T] {
	r.members.begin(w)
	kept := r.members.entries[:0]
	for i := range r.members.entries {
		if e := &r.members.entries[i]; e.seen == w.w.Time || r.judge(&e.value) {
			kept = append(kept, *e)
		}
	}
	r.members.cut(len(kept))
	r.gone = r.gone[:0]
	for i := range r.members.entries {
		e := &r.members.entries[i]
		if e.seen == w.w.Time {
			continue
		}
		m := &e.value
		r.gone = append(r.gone, Absentee[T]{
			Instance: m.who, Since: time.UnixMilli(m.since).UTC(), Value: &m.value,
			Silent: !m.gone || r.presence(m.target) == silent || m.target == 0 && !w.Complete(),
		})
	}
	return r.gone
}

// judge decides whether a member that was not seen is still remembered, and whether it is gone.
func (r *Roster[T]) judge(m *member[T]) (keep bool) {
	switch p := r.presence(m.target); {
	case p == silent:
		return true
	case p == answers:
		m.gone = true
		return true
	case !r.members.past.complete: // perhaps its target was not asked yet
		return true
	}
	return m.gone && (!r.certain || m.target == 0) // the other series of the target may have gone, too
}

func (r *Roster[T]) presence(target uint64) presence {
	if len(r.order) == 0 {
		for i := range r.seen {
			r.order = append(r.order, uint32(i))
		}
		slices.SortFunc(r.order, func(a, b uint32) int {
			return cmp.Compare(r.targets.at(int(a)).id, r.targets.at(int(b)).id)
		})
	}
	at, found := slices.BinarySearchFunc(r.order, target, func(g uint32, id uint64) int {
		return cmp.Compare(r.targets.at(int(g)).id, id)
	})
	if !found {
		return unlisted
	}
	return r.seen[r.order[at]]
}

// Save writes what is remembered. The value of each instance is written by each.
func (r *Roster[T]) Save(w *StateWriter, each func(w *StateWriter, value *T)) {
	r.members.Save(w, func(w *StateWriter, m *member[T]) {
		w.Count(len(m.who.labels))
		for _, l := range m.who.labels {
			w.Text(l.Name)
			w.Text(l.Value)
		}
		w.Int(m.since)
		w.Bool(m.gone)
		each(w, &m.value)
	})
}

// Load reads what Save wrote.
func (r *Roster[T]) Load(from *StateReader, each func(r *StateReader, value *T)) error {
	return r.members.Load(from, func(from *StateReader, m *member[T]) {
		labels := make([]frame.Label, from.Count(8))
		for i := range labels {
			labels[i] = frame.Label{Name: from.Text(), Value: from.Text()}
		}
		m.who = Of(labels...)
		m.target = targetOf(m.who.labels)
		m.since, m.gone = from.Int(), from.Bool()
		each(from, &m.value)
	})
}
