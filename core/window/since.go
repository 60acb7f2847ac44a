package window

import "time"

// Since is from when on the windows of a view hold all that its targets showed, zero if they hold nothing. It is the time
// of the first row of the target that was read last; a series that was born later does not count, one whose beginning
// was not seen does.
func (v *View) Since() time.Time {
	since := int64(never)
	for _, in := range v.inputs {
		for _, t := range *in.selector.targets.Load() {
			if !t.rlock() {
				continue
			}
			for _, s := range t.slabs() {
				if b := s.bound[in.selector]; b != nil && s.rows > 0 {
					since = max(since, s.since(b))
				}
			}
			t.mu.RUnlock()
		}
	}
	if since == never {
		return time.Time{}
	}
	return time.UnixMilli(since)
}

// since is that of the series of a binding.
func (s *slab) since(b *binding) int64 {
	since, earliest := int64(never), s.time(s.oldest)
	for _, id := range b.slots {
		slot := &s.slots[id]
		first := max(slot.first, s.oldest)
		if first == s.rows {
			continue
		}
		t := s.time(first)
		_, born := s.birthAt(id, first)
		if p := slot.past; p != nil && p.chunks[0].from < t {
			t = p.chunks[0].from
			_, born = s.birthBetween(id, never+1, t, true)
		}
		if earliest = min(earliest, t); !born {
			since = max(since, t)
		}
	}
	return max(since, earliest)
}
