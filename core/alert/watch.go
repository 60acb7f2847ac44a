package alert

// Watch collects which alerts change, for one who keeps something up to date with them.
type Watch struct {
	store   *Store
	changed map[Fingerprint]struct{} // since the last Take; guarded by Store.mu
}

// Watch returns a new watch, to which every alert that there is has changed. It lasts as long as the store.
func (s *Store) Watch() *Watch {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &Watch{s, map[Fingerprint]struct{}{}}
	for fp := range s.mu.alerts {
		w.changed[fp] = struct{}{}
	}
	s.mu.watches = append(s.mu.watches, w)
	return w
}

// note tells those who watch that an alert changed. The mutex is held, or the store not yet shared.
func (s *Store) note(fp Fingerprint) {
	for _, w := range s.mu.watches {
		w.changed[fp] = struct{}{}
	}
}

// Take returns the alerts that changed since it was last called, as they are now, in no order, and those that are gone.
// What it points to is shared with the store and never changed.
func (w *Watch) Take() (changed []*Alert, gone []Fingerprint) {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	for fp := range w.changed {
		if a, known := w.store.mu.alerts[fp]; known {
			changed = append(changed, a)
		} else {
			gone = append(gone, fp)
		}
	}
	w.changed = map[Fingerprint]struct{}{} // a new one: the map of a storm would stay as large as it was
	return changed, gone
}
