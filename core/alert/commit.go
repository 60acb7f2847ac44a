package alert

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"
)

const (
	prefix      = "alert/"         // + place: an alert as JSON
	asidePrefix = "alert-damaged/" // + old key, hexadecimal: what stood there and could not be read
)

// place is where an alert stands in the durable state: the number of the place and the fingerprint. Alerts that come
// together get places next to each other, so that a storm of them is written to a few pages of the state and not, as by
// fingerprint, to a page for each. Number 0 is that of releases that had none.
type place uint64

func (p place) key(fp Fingerprint) string {
	if p == 0 {
		return prefix + fp.String()
	}
	return fmt.Sprintf("%s%016x-%s", prefix, uint64(p), fp)
}

// placeOf reads the number out of a key.
func placeOf(key string) place {
	number, _, found := strings.Cut(strings.TrimPrefix(key, prefix), "-")
	if !found {
		return 0
	}
	n, _ := strconv.ParseUint(number, 16, 64) // decode holds the key against the whole
	return place(n)
}

func asideKey(key string) string { return asidePrefix + hex.EncodeToString([]byte(key)) }

// decode reads one record; the key says whose it should be.
func decode(key string, value []byte) (Alert, error) {
	var a Alert
	if err := json.Unmarshal(value, &a); err != nil {
		return Alert{}, fmt.Errorf("read alert %s: %w", key, err)
	}
	switch {
	case placeOf(key).key(a.Fingerprint) != key:
		return Alert{}, fmt.Errorf("read alert %s: the record is that of %s", key, a.Fingerprint)
	case a.Rule == "":
		return Alert{}, fmt.Errorf("read alert %s: it names no rule", key)
	case a.State == Inactive:
		return Alert{}, fmt.Errorf("read alert %s: it is inactive, such alerts are not stored", key)
	}
	return a, nil
}

// encode writes one record. Of numbers that JSON cannot say nothing is kept; what else it cannot say is refused.
func encode(a *Alert) ([]byte, error) {
	if int(a.State) >= len(states) {
		return nil, fmt.Errorf("write alert %s of rule %s: there is no state %d", a.Fingerprint, a.Rule, uint8(a.State))
	}
	for _, at := range [...]time.Time{a.ActiveAt, a.FiredAt, a.ResolvedAt, a.AgainAt, a.ClearSince, a.ExpiresAt} {
		if year := at.UTC().Year(); year < 0 || year > 9999 {
			return nil, fmt.Errorf("write alert %s of rule %s: the year %d does not have four digits", a.Fingerprint, a.Rule, year)
		}
	}
	return a.append(make([]byte, 0, 512)), nil
}

// change is what one caller wants.
type change struct {
	steps []step
	flush bool // write also what is known to differ from storage

	done bool // by whoever committed it; guarded by Store.committing, as is err
	err  error
}

// step changes one alert. next is given what the steps before it left, nil where there is no such alert, and returns
// what shall be there: the same pointer to leave it alone, nil for no alert.
type step struct {
	fp   Fingerprint
	next func(*Alert) *Alert
}

func (c *change) add(fp Fingerprint, next func(*Alert) *Alert) {
	c.steps = append(c.steps, step{fp, next})
}

// commit makes a change, together with all that wait: first durable, then visible.
func (s *Store) commit(c *change) error {
	s.mu.Lock()
	s.mu.queue = append(s.mu.queue, c)
	s.mu.Unlock()

	s.committing.Lock()
	defer s.committing.Unlock()
	if c.done {
		return c.err
	}
	s.mu.Lock()
	batch := s.mu.queue
	s.mu.queue = nil
	after, writes := s.prepare(batch)
	s.mu.Unlock()

	var err error
	if len(writes) > 0 {
		byKey := make(map[string][]byte, len(writes))
		for fp, value := range writes {
			byKey[s.placeFor(fp).key(fp)] = value
		}
		if err = s.committer.Commit(byKey); err != nil {
			err = fmt.Errorf("%w: %w", ErrNotDurable, err)
		}
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	s.apply(after, writes, err)
	for _, c := range batch {
		if c.done = true; c.err == nil {
			c.err = err
		}
	}
	return c.err
}

// placeFor returns the place of an alert, a new one for one that has none. The alert keeps it while it is stored, or may
// be. committing is held.
func (s *Store) placeFor(fp Fingerprint) place {
	at, stored := s.places[fp]
	if !stored {
		s.lastPlace++
		at = s.lastPlace
		s.places[fp] = at
	}
	return at
}

// prepare runs the changes of a batch one after the other and returns the alerts after them, nil for removed ones, and
// what is to be written. While storage refuses, everything that it does not have is written along. mu is held.
func (s *Store) prepare(batch []*change) (after map[Fingerprint]*Alert, writes map[Fingerprint][]byte) {
	after, writes = map[Fingerprint]*Alert{}, map[Fingerprint][]byte{}
	all := s.mu.refused != nil
	for _, c := range batch {
		all = all || c.flush
		c.err = s.run(c, after, writes)
	}
	if all {
		for fp := range s.mu.dirty {
			if _, written := writes[fp]; written {
				continue
			}
			writes[fp] = nil
			if a, known := s.mu.alerts[fp]; known {
				writes[fp], _ = encode(a) // what can fail was refused when it was put
			}
		}
	}
	for fp := range writes {
		delete(s.mu.dirty, fp) // marked again if storage refuses, or if it is observed meanwhile
	}
	return after, writes
}

// run adds what one change leads to, or nothing if part of it cannot be written.
func (s *Store) run(c *change, after map[Fingerprint]*Alert, writes map[Fingerprint][]byte) error {
	mine := make(map[Fingerprint]*Alert, len(c.steps))
	values := make(map[Fingerprint][]byte, len(c.steps))
	for _, st := range c.steps {
		a, changed := mine[st.fp]
		if !changed {
			a, changed = after[st.fp]
		}
		if !changed {
			a = s.mu.alerts[st.fp] // nil: there is none
		}
		next := st.next(a)
		if next == a {
			continue
		}
		mine[st.fp], values[st.fp] = next, nil
		if next == nil {
			continue
		}
		value, err := encode(next)
		if err != nil {
			return err
		}
		values[st.fp] = value
	}
	maps.Copy(after, mine)
	maps.Copy(writes, values)
	return nil
}

// apply makes the outcome of a commit visible and notes what storage refused. mu and committing are held.
func (s *Store) apply(after map[Fingerprint]*Alert, writes map[Fingerprint][]byte, err error) {
	for fp, a := range after {
		if a == nil {
			s.unset(fp)
		} else {
			s.set(a)
		}
	}
	switch {
	case len(writes) == 0:
	case err == nil:
		s.mu.refused, s.mu.since = nil, time.Time{}
		for fp, value := range writes {
			if value == nil {
				delete(s.places, fp)
			}
		}
	default:
		for fp := range writes {
			s.mu.dirty[fp] = struct{}{}
		}
		if s.mu.refused == nil {
			s.mu.since = time.Now()
		}
		s.mu.refused = err
	}
}
