// Package silence keeps the silences that people make while the engine runs: durably, with Alertmanager's rules about
// what may be changed and how. What a silence does is decided elsewhere; this package knows which there are.
package silence

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// Silence withholds the opening of the alerts that all its matchers match, from StartsAt until before EndsAt.
type Silence struct {
	ID        string // a UUID
	Matchers  []*labels.Matcher
	StartsAt  time.Time
	EndsAt    time.Time
	UpdatedAt time.Time
	CreatedBy string // who answers for it
	Comment   string // why

	// UntilResolved ends it as soon as none of the alerts that it hid is left, at EndsAt at the latest.
	UntilResolved bool
	// Hid says that it has hidden an alert: with UntilResolved it waits for one first.
	Hid bool

	Annotations map[string]string // of whoever made it; the engine does not look at them
}

// State of a silence at a time.
type State string

// The states, in Alertmanager's words.
const (
	Pending State = "pending" // begins later
	Active  State = "active"
	Expired State = "expired"
)

// At is the state at a time.
func (s *Silence) At(now time.Time) State {
	switch {
	case !now.Before(s.EndsAt):
		return Expired
	case now.Before(s.StartsAt):
		return Pending
	}
	return Active
}

// What one silence may hold. They are far above what people write and keep one request from filling the store.
const (
	maxMatchers  = 100
	maxBytes     = 64 << 10 // of a silence, encoded
	maxTextBytes = 8 << 10  // of the comment
)

// check says what is wrong with a silence that somebody wants to make.
func (s *Silence) check(now time.Time) error {
	switch {
	case len(s.Matchers) == 0:
		return errors.New("a silence needs at least one matcher")
	case len(s.Matchers) > maxMatchers:
		return fmt.Errorf("a silence takes at most %d matchers, this one has %d", maxMatchers, len(s.Matchers))
	case !slices.ContainsFunc(s.Matchers, func(m *labels.Matcher) bool { return !m.Matches("") }):
		return errors.New("at least one matcher must not match the empty string: this silence would hide every alert that lacks those labels")
	case s.StartsAt.IsZero() || s.EndsAt.IsZero():
		return errors.New("startsAt and endsAt are required: a silence without an end is forgotten and hides what matters")
	case !s.EndsAt.After(s.StartsAt):
		return fmt.Errorf("endsAt %s must be after startsAt %s", stamp(s.EndsAt), stamp(s.StartsAt))
	case !s.EndsAt.After(now):
		return fmt.Errorf("endsAt %s is in the past", stamp(s.EndsAt))
	case strings.TrimSpace(s.CreatedBy) == "":
		return errors.New("createdBy is required: somebody must answer for a silence")
	case strings.TrimSpace(s.Comment) == "":
		return errors.New("comment is required: say why, for whoever finds this silence at night")
	case len(s.Comment) > maxTextBytes:
		return fmt.Errorf("comment has %d bytes, the limit is %d", len(s.Comment), maxTextBytes)
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// record is a silence as it is stored.
type record struct {
	ID            string            `json:"id"`
	Matchers      []matcher         `json:"matchers"`
	StartsAt      time.Time         `json:"startsAt"`
	EndsAt        time.Time         `json:"endsAt"`
	UpdatedAt     time.Time         `json:"updatedAt"`
	CreatedBy     string            `json:"createdBy"`
	Comment       string            `json:"comment"`
	UntilResolved bool              `json:"untilResolved,omitempty"`
	Hid           bool              `json:"hid,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

type matcher struct {
	Name  string `json:"name"`
	Op    string `json:"op"` // = != =~ !~
	Value string `json:"value"`
}

func encode(s *Silence) ([]byte, error) {
	r := record{
		ID: s.ID, StartsAt: s.StartsAt, EndsAt: s.EndsAt, UpdatedAt: s.UpdatedAt, CreatedBy: s.CreatedBy, Comment: s.Comment,
		UntilResolved: s.UntilResolved, Hid: s.Hid, Annotations: s.Annotations,
	}
	for _, m := range s.Matchers {
		r.Matchers = append(r.Matchers, matcher{m.Name, m.Type.String(), m.Value})
	}
	data, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode silence: %w", err)
	}
	if len(data) > maxBytes {
		return nil, fmt.Errorf("the silence has %d bytes, the limit is %d", len(data), maxBytes)
	}
	return data, nil
}

func decode(data []byte) (*Silence, error) {
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("decode silence: %w", err)
	}
	s := &Silence{
		ID: r.ID, StartsAt: r.StartsAt, EndsAt: r.EndsAt, UpdatedAt: r.UpdatedAt, CreatedBy: r.CreatedBy, Comment: r.Comment,
		UntilResolved: r.UntilResolved, Hid: r.Hid, Annotations: r.Annotations,
	}
	for _, m := range r.Matchers {
		op := slices.Index(operators, m.Op)
		if op < 0 {
			return nil, fmt.Errorf("decode silence %s: no matcher has the operator %q", r.ID, m.Op)
		}
		decoded, err := labels.NewMatcher(labels.MatchType(op), m.Name, m.Value)
		if err != nil {
			return nil, fmt.Errorf("decode silence %s: %w", r.ID, err)
		}
		s.Matchers = append(s.Matchers, decoded)
	}
	return s, nil
}

// operators are those of matchers, by their type.
var operators = []string{
	labels.MatchEqual: "=", labels.MatchNotEqual: "!=", labels.MatchRegexp: "=~", labels.MatchNotRegexp: "!~",
}

// sameMatchers tells whether two silences hide the same, whatever the order of their matchers.
func sameMatchers(a, b []*labels.Matcher) bool {
	text := func(matchers []*labels.Matcher) []string {
		var all []string
		for _, m := range matchers {
			all = append(all, m.String())
		}
		slices.Sort(all)
		return all
	}
	return slices.Equal(text(a), text(b))
}
