package window

import (
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// DefaultWindow is the window of a query that asks for none: how far Prometheus looks back for an instant value.
const DefaultWindow = 5 * time.Minute

// Query is one input of a rule: which series, how far back, and whether reduced to one value each.
type Query struct {
	Matchers  []*labels.Matcher
	Except    [][]*labels.Matcher // series for which all matchers of one of these hold are left out
	Window    time.Duration
	Until     time.Duration // how long before the evaluation the window ends, shorter than Window
	Reduce    abi.Reduce
	ReduceArg float64 // the quantile, 0 to 1
	Stale     bool    // raw samples are followed by Prometheus' stale marker where the series was gone or not seen
}

// window is in milliseconds.
func (q Query) window() int64 {
	if q.Window <= 0 {
		return DefaultWindow.Milliseconds()
	}
	return max(q.Window.Milliseconds(), 1)
}

// View hands out the windows of one rule. Its methods must not be called concurrently; different views may.
type View struct {
	store  *Store
	inputs []*input
	book   book
	reads  uint64
	dict   *abi.Dictionary
	closed bool
}

// input is one query of a view.
type input struct {
	query    Query
	window   int64 // milliseconds
	selector *selector
	segments []segment // as of the last read, in the order of reading
	next     []segment // scratch
	bearers  []*slab   // had the series of the last read that saw any
	reader   reader
}

// segment is the series of one slab in an input.
type segment struct {
	slab    *slab
	binding *binding
	index   []uint32 // into the dictionary, of each slot of the binding; none for a series that another slab has too
}

// Bind begins to keep what the queries read, from the next collections on; what is kept already for others is there
// at once.
func (s *Store) Bind(queries []Query) *View {
	v := &View{store: s, book: newBook()}
	selectors := s.demandView(v, queries)
	for i, q := range queries {
		v.inputs = append(v.inputs, &input{query: q, window: q.window(), selector: selectors[i]})
	}
	return v
}

// Close ends the demand. What nobody else reads is given up at the next collection of each target.
func (v *View) Close() {
	if !v.closed {
		v.closed = true
		v.store.releaseView(v)
	}
}

// Read fills the window that ends at at: Inputs (whose memory it reuses), Flags, Time, Generation and IntervalMS; the
// caller counts Sequence. The dictionary that it returns names the series by index and stays as it is; another one, of
// a higher generation, takes its place when series come, or when many went. It may name series that are in no input.
//
// Each input lists the series that have samples in the window, and those that have none only because their target does
// not answer. Spans without samples mean the latter, or a reduction that needs more samples.
//
// TargetsExpected counts targets whose series can match and which have a matching one or were never reached since they
// were opened. TargetsAnswered counts those of them whose latest collection was good and at most two intervals ago; for
// an input that reads only what the engine says about collections, such as up, any collection counts.
func (v *View) Read(at time.Time, w *abi.Window) *abi.Dictionary {
	v.reads++
	known := v.book.size()
	w.Time, w.Flags, w.IntervalMS = at.UnixMilli(), 0, 0
	if len(w.Inputs) != len(v.inputs) {
		w.Inputs = make([]abi.Input, len(v.inputs))
	}
	changed := false
	for i, in := range v.inputs {
		if v.read(in, &w.Inputs[i], w, uint32(known)) {
			changed = true
		}
	}
	if changed || v.dict == nil {
		v.rename(w, known)
	}
	w.Generation = v.dict.Generation
	if v.reads == 1 {
		w.Flags |= abi.WindowFirst
	}
	return v.dict
}

// read fills one input and tells whether its series changed.
func (v *View) read(in *input, out *abi.Input, w *abi.Window, known uint32) bool {
	in.reader.begin(in, out, w.Time, known)
	in.next = in.next[:0]
	changed := false
	for _, t := range *in.selector.targets.Load() {
		if !t.rlock() {
			continue
		}
		fresh := t.page.fresh(w.Time) && t.answer.ok
		page, health := t.page.bound[in.selector], t.health.bound[in.selector]
		if in.expects(t, page, health) {
			out.TargetsExpected++
			if fresh || page == nil && health != nil && t.health.fresh(w.Time) {
				out.TargetsAnswered++
			}
			if interval := uint32(t.interval); w.IntervalMS == 0 || interval < w.IntervalMS {
				w.IntervalMS = interval
			}
		}
		if page != nil {
			seg, same := v.segment(in, t.page, page)
			changed = changed || !same
			in.slab(seg, fresh)
		}
		if health != nil {
			seg, same := v.segment(in, t.health, health)
			changed = changed || !same
			in.slab(seg, t.health.fresh(w.Time))
		}
		t.mu.RUnlock()
	}
	changed = changed || len(in.next) != len(in.segments)
	in.segments, in.next = in.next, in.segments
	if out.TargetsAnswered < out.TargetsExpected {
		w.Flags |= abi.WindowMissing
	}
	return changed
}

// slab adds the series of a segment and remembers who had some.
func (in *input) slab(seg *segment, fresh bool) {
	before := len(in.reader.out.Series)
	in.reader.slab(seg, fresh)
	switch after := len(in.reader.out.Series); {
	case after == before:
		return
	case before == 0:
		clear(in.bearers)
		in.bearers = in.bearers[:0]
	}
	in.bearers = append(in.bearers, seg.slab)
}

// Left tells of an input in which the last read saw no series that it is so because all targets that had some were
// closed: they were taken out of the configuration or of discovery, and do not fail.
func (v *View) Left(i int) bool {
	in := v.inputs[i]
	return len(in.bearers) > 0 && !slices.ContainsFunc(in.bearers, func(s *slab) bool { return !s.gone.Load() })
}

// expects tells whether an input waits for a target.
func (in *input) expects(t *Target, page, health *binding) bool {
	switch {
	case page != nil, health != nil:
		return true
	default:
		return !t.answer.ever && !in.selector.contradicts(t.labels)
	}
}

// fresh tells whether the newest row of a window that ends at a time is at most two intervals old. Rows that came since,
// of a source that is ahead of the others, are not in it.
func (s *slab) fresh(at int64) bool {
	last := s.last
	for row := s.rows; last > at; row-- {
		if row <= s.oldest {
			return false
		}
		last = s.time(row - 1)
	}
	return s.rows > 0 && at-last <= 2*s.interval
}

// segment finds or makes the dictionary indexes of a binding, and tells whether they are those of the last read. The
// target is locked.
func (v *View) segment(in *input, s *slab, b *binding) (*segment, bool) {
	k := len(in.next)
	if k < len(in.segments) && in.segments[k].slab == s && in.segments[k].binding == b {
		in.next = append(in.next, in.segments[k])
		return &in.next[k], true
	}
	seg := segment{slab: s, binding: b, index: make([]uint32, len(b.slots))}
	for i, id := range b.slots {
		seg.index[i] = v.book.enter(s.slots[id].hash, s.series[id], s)
	}
	in.next = append(in.next, seg)
	return &in.next[k], false
}

// rename makes the dictionary anew after series changed: longer if some came, renumbered if many went.
func (v *View) rename(w *abi.Window, known int) {
	for _, in := range v.inputs {
		clear(in.next[:cap(in.next)]) // lets slabs go that are no longer read
	}
	grown := v.book.size() > known
	renumbered := v.book.tidy(v.inputs, w.Inputs)
	if v.dict != nil && !grown && !renumbered {
		return
	}
	n := v.book.size()
	v.dict = &abi.Dictionary{Generation: v.store.generation.Add(1), Series: v.book.series[:n:n]}
	w.Flags |= abi.WindowSeriesChanged
}
