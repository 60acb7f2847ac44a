package frame

// Builder makes frames for sources that think in single samples. As long as the columns are the same, frames share
// their layout: the one thing a source owes the engine.
//
// Keep one Builder for each target. It is not safe for concurrent use. The zero value is ready.
type Builder struct {
	layout *Layout          // of the last frame
	index  map[uint64][]int // columns of layout by hash of their labels; nil until a sample comes out of order
	values []float64        // of the frame being built, for the columns of layout
	seen   []bool           // the columns of layout that were added
	count  int              // of true in seen
	next   int              // the column that the next sample has if all is as before

	kinds []Kind   // for the columns of layout; nil while all are as before
	fresh []Series // columns that layout does not have
	added []float64
	place map[uint64][]int // of fresh, by hash
}

// Add adds a sample to the frame that is being built. Of a series added twice the last sample counts.
func (b *Builder) Add(labels Labels, kind Kind, value float64) {
	if column, ok := b.column(labels); ok {
		b.put(column, kind, value)
		return
	}
	hash := labels.Hash()
	for _, i := range b.place[hash] {
		if b.fresh[i].Labels.Equal(labels) {
			b.fresh[i].Kind, b.added[i] = kind, value
			return
		}
	}
	if b.place == nil {
		b.place = map[uint64][]int{}
	}
	b.place[hash] = append(b.place[hash], len(b.fresh))
	b.fresh = append(b.fresh, Series{Labels: labels, Kind: kind})
	b.added = append(b.added, value)
}

// column finds the column of a label set in the last layout. Samples mostly come in the same order each time.
func (b *Builder) column(labels Labels) (int, bool) {
	if b.layout == nil {
		return 0, false
	}
	if b.next < len(b.layout.Series) && b.layout.Series[b.next].Labels.Equal(labels) {
		b.next++
		return b.next - 1, true
	}
	if b.index == nil {
		b.index = make(map[uint64][]int, len(b.layout.Series))
		for i := range b.layout.Series {
			hash := b.layout.Series[i].Labels.Hash()
			b.index[hash] = append(b.index[hash], i)
		}
	}
	for _, i := range b.index[labels.Hash()] {
		if b.layout.Series[i].Labels.Equal(labels) {
			b.next = i + 1
			return i, true
		}
	}
	return 0, false
}

func (b *Builder) put(column int, kind Kind, value float64) {
	b.values[column] = value
	if !b.seen[column] {
		b.seen[column] = true
		b.count++
	}
	if b.kinds == nil && b.layout.Series[column].Kind == kind {
		return
	}
	if b.kinds == nil {
		b.kinds = make([]Kind, len(b.layout.Series))
		for i := range b.kinds {
			b.kinds[i] = b.layout.Series[i].Kind
		}
	}
	b.kinds[column] = kind
}

// Build returns what was added as a frame and begins the next one. The time is in Unix milliseconds.
func (b *Builder) Build(time int64) Frame {
	values := b.values
	if b.changed() {
		values = b.relayout()
	}
	n := len(b.layout.Series)
	b.values, b.seen = make([]float64, n), make([]bool, n)
	b.count, b.next, b.kinds = 0, 0, nil
	b.fresh, b.added, b.place = nil, nil, nil
	return Frame{Layout: b.layout, Time: time, Values: values}
}

// changed tells whether the columns added are not those of the layout.
func (b *Builder) changed() bool {
	if b.layout == nil || len(b.fresh) > 0 || b.count < len(b.layout.Series) {
		return true
	}
	for i, kind := range b.kinds {
		if kind != b.layout.Series[i].Kind {
			return true
		}
	}
	return false
}

// relayout replaces the layout: columns that were added keep their order, new ones follow.
func (b *Builder) relayout() []float64 {
	layout := &Layout{Series: make([]Series, 0, b.count+len(b.fresh))}
	values := make([]float64, 0, b.count+len(b.fresh))
	for i, seen := range b.seen {
		if !seen {
			continue
		}
		series := b.layout.Series[i]
		if b.kinds != nil {
			series.Kind = b.kinds[i]
		}
		layout.Series = append(layout.Series, series)
		values = append(values, b.values[i])
	}
	layout.Series = append(layout.Series, b.fresh...)
	values = append(values, b.added...)
	b.layout, b.index = layout, nil
	return values
}
