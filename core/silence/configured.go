package silence

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// configuredPrefix is where it stands how far the silences of the configuration have come that end with what they hide.
const configuredPrefix = "silence-configured/"

// Configured is a silence that the configuration makes, and that ends as soon as nothing that it hid fires any more.
type Configured struct {
	Name    string
	Version string // changes with what it asks for: then it begins anew
}

// progress is how far one has come, as it is stored.
type progress struct {
	Version string    `json:"version"`
	Hid     bool      `json:"hid,omitempty"` // an alert; it waits for one first
	Over    time.Time `json:"over,omitzero"` // since when
}

// loadConfigured loads how far they had come. What cannot be read is named by Damaged, and such a silence begins anew.
func (s *Store) loadConfigured() error {
	err := s.committer.Load(configuredPrefix, func(key string, value []byte) error {
		var p progress
		if err := json.Unmarshal(value, &p); err != nil {
			s.damaged = append(s.damaged, fmt.Errorf("%s: %w", key, err))
			return nil
		}
		s.configured[strings.TrimPrefix(key, configuredPrefix)] = p
		return nil
	})
	if err != nil {
		return fmt.Errorf("load silences of the configuration: %w", err)
	}
	return nil
}

// Over tells whether a silence of the configuration has ended with what it hid.
func (s *Store) Over(c Configured) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, known := s.configured[c.Name]
	return known && p.Version == c.Version && !p.Over.IsZero()
}

// ObserveConfigured takes over which silences of the configuration hide an alert at this time. Those end that hid one and
// hide nothing any more; it returns them. It is durable when it returns.
func (s *Store) ObserveConfigured(hiding map[Configured]bool, now time.Time) (over []Configured, err error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	changes := map[string]*progress{}
	for c, hides := range hiding {
		p := s.progressOf(c)
		switch {
		case !p.Over.IsZero() || hides == p.Hid:
			continue
		case hides:
			p.Hid = true
		default:
			p.Over = now
			over = append(over, c)
		}
		changes[c.Name] = &p
	}
	return over, s.commitConfigured(changes)
}

// progressOf is how far one has come; one that asks for something else than before begins anew.
func (s *Store) progressOf(c Configured) progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.configured[c.Name]; p.Version == c.Version {
		return p
	}
	return progress{Version: c.Version}
}

// KeepConfigured forgets how far silences had come that the configuration does not have any more.
func (s *Store) KeepConfigured(names map[string]bool) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	gone := map[string]*progress{}
	s.mu.Lock()
	for name := range s.configured {
		if !names[name] {
			gone[name] = nil
		}
	}
	s.mu.Unlock()
	return s.commitConfigured(gone)
}

// commitConfigured makes changes durable, then visible. Nil forgets.
func (s *Store) commitConfigured(changes map[string]*progress) error {
	if len(changes) == 0 {
		return nil
	}
	writes := map[string][]byte{}
	for name, p := range changes {
		writes[configuredPrefix+name] = nil
		if p == nil {
			continue
		}
		data, err := json.Marshal(p)
		if err != nil {
			return fmt.Errorf("encode silence %s: %w", name, err)
		}
		writes[configuredPrefix+name] = data
	}
	if err := s.committer.Commit(writes); err != nil {
		return fmt.Errorf("store silences of the configuration: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, p := range changes {
		if p == nil {
			delete(s.configured, name)
		} else {
			s.configured[name] = *p
		}
	}
	return nil
}
