package httpsource

import "slices"

// row is values with their timestamps: of the lines of a page, or of its columns.
type row struct {
	values []float64
	stamps []int64 // empty while no value has one; noStamp for those without
}

// stamp notes the timestamp of the value appended last.
func (r *row) stamp(stamp int64) {
	if len(r.stamps) == 0 {
		if stamp == noStamp {
			return
		}
		r.stamps = slices.Grow(r.stamps, cap(r.values))
		for range len(r.values) - 1 {
			r.stamps = append(r.stamps, noStamp)
		}
	}
	r.stamps = append(r.stamps, stamp)
}

// spare returns the memory for the values of the next page's lines.
//
// Two rows are used in turn, so that the one handed out last stays as it is. Where lines are not columns their values
// go elsewhere first.
func (p *page) spare() *row {
	if p.dense {
		return &p.rows[1-p.turn]
	}
	return &p.raw
}

// place brings the values of lines, which are in the memory that spare gave, into columns, and hands them out.
//
// Of a series that comes twice the first sample counts, as in Prometheus; but where both have timestamps Prometheus
// stores both if they come in order, and the newest is what counts for us.
func (p *page) place(raw *row) row {
	p.turn = 1 - p.turn
	r := &p.rows[p.turn]
	if raw == r {
		return *r
	}
	columns := len(p.layout.Series)
	r.values = slices.Grow(r.values[:0], columns)[:columns]
	r.stamps = r.stamps[:0]
	if len(raw.stamps) > 0 {
		r.stamps = slices.Grow(r.stamps, columns)[:columns]
	}
	for i, l := range p.lines {
		if l.ref < 0 {
			continue
		}
		if l.bits&again != 0 && (len(r.stamps) == 0 || r.stamps[l.ref] == noStamp || raw.stamps[i] <= r.stamps[l.ref]) {
			continue
		}
		r.values[l.ref] = raw.values[i]
		if len(r.stamps) > 0 {
			r.stamps[l.ref] = raw.stamps[i]
		}
	}
	return *r
}
