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
	since := s.time(s.oldest)
	for _, id := range b.slots {
		first := max(s.slots[id].first, s.oldest)
		if first == s.oldest || first == s.rows {
			continue
		}
		if _, born := s.birthAt(id, first); !born {
			since = max(since, s.time(first))
		}
	}
	return since
}
