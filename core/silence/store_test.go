package silence

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/prometheus/model/labels"
	"pgregory.net/rapid"

	"github.com/tocsinhq/tocsin/core/state"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func match(op labels.MatchType, name, value string) *labels.Matcher {
	return labels.MustNewMatcher(op, name, value)
}

// migration is a silence that nothing is wrong with, from noon for an hour.
func migration() Silence {
	return Silence{
		Matchers: []*labels.Matcher{match(labels.MatchEqual, "job", "odoo"), match(labels.MatchNotRegexp, "severity", "critical|page")},
		StartsAt: noon, EndsAt: noon.Add(time.Hour), CreatedBy: "dba", Comment: "schema migration",
		Annotations: map[string]string{"ticket": "OPS-1"},
	}
}

func open(t testing.TB, c Committer) *Store {
	t.Helper()
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range s.Damaged() {
		t.Error(err)
	}
	return s
}

var sameSilence = cmp.Options{
	cmp.Comparer(func(a, b *labels.Matcher) bool { return a.String() == b.String() }), cmpopts.EquateEmpty(),
}

func TestWhatWasAnsweredSurvivesKill(t *testing.T) {
	disk := state.Memory()
	s := open(t, disk)
	id, err := s.Set(migration(), noon)
	if err != nil {
		t.Fatal(err)
	}
	before, _ := s.Get(id)
	after, ok := open(t, disk.Crash()).Get(id)
	if !ok {
		t.Fatal("the silence is gone")
	}
	if diff := cmp.Diff(before, after, sameSilence); diff != "" {
		t.Errorf("silence changed (-before +after):\n%s", diff)
	}
}

func TestWhatStorageRefusesDidNotHappen(t *testing.T) {
	disk := state.Memory()
	s := open(t, disk)
	disk.Fail(1)
	if _, err := s.Set(migration(), noon); !errors.Is(err, state.ErrInjected) {
		t.Errorf("set = %v, want the error of storage", err)
	}
	if all := s.All(); len(all) != 0 {
		t.Errorf("a silence that is not durable hides alerts: %v", all)
	}
	id, err := s.Set(migration(), noon)
	if err != nil {
		t.Fatal(err)
	}
	disk.Fail(1)
	if err := s.Expire(id, noon.Add(time.Minute)); !errors.Is(err, state.ErrInjected) {
		t.Errorf("expire = %v, want the error of storage", err)
	}
	if got, _ := s.Get(id); got.At(noon.Add(time.Minute)) != Active {
		t.Error("an end that is not durable counts")
	}
}

func TestInvalid(t *testing.T) {
	for name, change := range map[string]func(*Silence){
		"needs at least one matcher":      func(s *Silence) { s.Matchers = nil },
		"must not match the empty string": func(s *Silence) { s.Matchers = []*labels.Matcher{match(labels.MatchRegexp, "job", ".*")} },
		"startsAt and endsAt are required": func(s *Silence) {
			s.EndsAt = time.Time{}
		},
		"must be after startsAt":    func(s *Silence) { s.EndsAt = s.StartsAt },
		"is in the past":            func(s *Silence) { s.StartsAt, s.EndsAt = noon.Add(-2*time.Hour), noon.Add(-time.Hour) },
		"createdBy is required":     func(s *Silence) { s.CreatedBy = " " },
		"comment is required":       func(s *Silence) { s.Comment = "" },
		"the limit is 8192":         func(s *Silence) { s.Comment = strings.Repeat("x", 9<<10) },
		"takes at most 100":         func(s *Silence) { s.Matchers = slices.Repeat(s.Matchers, 51) },
		"bytes, the limit is 65536": func(s *Silence) { s.Annotations = map[string]string{"x": strings.Repeat("x", 70<<10)} },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, state.Memory())
			wanted := migration()
			change(&wanted)
			if _, err := s.Set(wanted, noon); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), name) {
				t.Errorf("set = %v, want an ErrInvalid that says %q", err, name)
			}
		})
	}
	s := open(t, state.Memory())
	unknown := migration()
	unknown.ID = "0b5f7d0e-0000-4000-8000-000000000000"
	if _, err := s.Set(unknown, noon); !errors.Is(err, ErrNotFound) {
		t.Errorf("change of an unknown silence: %v", err)
	}
	if err := s.Expire(unknown.ID, noon); !errors.Is(err, ErrNotFound) {
		t.Errorf("end of an unknown silence: %v", err)
	}
}

func TestChange(t *testing.T) {
	later := noon.Add(10 * time.Minute)
	for _, tt := range []struct {
		name    string
		starts  time.Duration // of the silence that is changed, from noon
		change  func(*Silence)
		inPlace bool
	}{
		{"an active one lasts longer", 0, func(s *Silence) { s.EndsAt = s.EndsAt.Add(time.Hour) }, true},
		{"another comment", 0, func(s *Silence) { s.Comment = "it takes longer" }, true},
		{"the order of matchers means nothing", 0, func(s *Silence) { slices.Reverse(s.Matchers) }, true},
		{"other matchers", 0, func(s *Silence) { s.Matchers = s.Matchers[:1] }, false},
		{"an active one cannot have begun at another time", 0, func(s *Silence) { s.StartsAt = s.StartsAt.Add(time.Minute) }, false},
		{"a pending one begins later", 30 * time.Minute, func(s *Silence) { s.StartsAt = s.StartsAt.Add(time.Minute) }, true},
		{"a pending one cannot have begun already", 30 * time.Minute, func(s *Silence) { s.StartsAt = noon }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, state.Memory())
			first := migration()
			first.StartsAt = noon.Add(tt.starts)
			id, err := s.Set(first, noon)
			if err != nil {
				t.Fatal(err)
			}
			changed, _ := s.Get(id)
			changed.Matchers = slices.Clone(changed.Matchers)
			tt.change(&changed)
			newID, err := s.Set(changed, later)
			if err != nil {
				t.Fatal(err)
			}
			if (newID == id) != tt.inPlace {
				t.Errorf("changed in place: %v, want %v", newID == id, tt.inPlace)
			}
			if tt.inPlace {
				return
			}
			if old, _ := s.Get(id); old.At(later) != Expired {
				t.Errorf("the old silence is %s, want it expired", old.At(later))
			}
			if fresh, _ := s.Get(newID); fresh.StartsAt.Before(later) {
				t.Errorf("the new silence begins at %s, before it was made", fresh.StartsAt)
			}
		})
	}
	s := open(t, state.Memory())
	id, err := s.Set(migration(), noon)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := s.Get(id)
	again.EndsAt = noon.Add(4 * time.Hour)
	newID, err := s.Set(again, noon.Add(2*time.Hour))
	if old, _ := s.Get(id); err != nil || newID == id || !old.EndsAt.Equal(noon.Add(time.Hour)) {
		t.Errorf("an expired silence that is wanted again: id %s after %s, old one ends %s, error %v", newID, id, old.EndsAt, err)
	}
}

// A client that was shown a silence, which began between two milliseconds, prolongs it.
func TestChangeOfWhatWasShown(t *testing.T) {
	s := open(t, state.Memory())
	began := noon.Add(1234567 * time.Nanosecond)
	id, err := s.Set(migration(), began)
	if err != nil {
		t.Fatal(err)
	}
	shown, _ := s.Get(id)
	shown.StartsAt, shown.EndsAt = shown.StartsAt.Truncate(time.Millisecond), noon.Add(4*time.Hour)
	newID, err := s.Set(shown, noon.Add(time.Minute))
	if after, _ := s.Get(id); err != nil || newID != id || !after.StartsAt.Equal(began) || !after.EndsAt.Equal(shown.EndsAt) {
		t.Errorf("got %s, error %v, from %s to %s; want %s from %s on", newID, err, after.StartsAt, after.EndsAt, id, began)
	}
}

func TestExpire(t *testing.T) {
	s := open(t, state.Memory())
	pending := migration()
	pending.StartsAt = noon.Add(30 * time.Minute)
	id, err := s.Set(pending, noon)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Expire(id, noon.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Get(id); got.At(noon.Add(time.Minute)) != Expired || got.StartsAt.After(got.EndsAt) {
		t.Errorf("from %s to %s", got.StartsAt, got.EndsAt)
	}
	if err := s.Expire(id, noon.Add(2*time.Minute)); !errors.Is(err, ErrExpired) {
		t.Errorf("a second end: %v", err)
	}
	if err := s.Forget(noon.Add(Keep)); err != nil || len(s.All()) != 1 {
		t.Errorf("forgotten too early: %v, %v", s.All(), err)
	}
	if err := s.Forget(noon.Add(Keep + time.Hour)); err != nil || len(s.All()) != 0 {
		t.Errorf("not forgotten: %v, %v", s.All(), err)
	}
}

func TestUntilResolved(t *testing.T) {
	disk := state.Memory()
	s := open(t, disk)
	wanted := migration()
	wanted.UntilResolved = true
	id, err := s.Set(wanted, noon)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		at     time.Duration
		hiding bool
		state  State
	}{
		{1 * time.Minute, false, Active}, // nothing to hide yet: it waits
		{2 * time.Minute, true, Active},
		{3 * time.Minute, true, Active},
		{4 * time.Minute, false, Expired},
		{5 * time.Minute, true, Expired},
	} {
		now := noon.Add(step.at)
		if _, err := s.Observe(map[string]bool{id: step.hiding}, now); err != nil {
			t.Fatal(err)
		}
		s = open(t, disk) // a restart forgets nothing of it
		if got, _ := s.Get(id); got.At(now) != step.state {
			t.Errorf("after %s it is %s, want %s", step.at, got.At(now), step.state)
		}
	}
}

func TestDamagedRecordsStayAndAreNamed(t *testing.T) {
	disk := state.Memory()
	id, err := open(t, disk).Set(migration(), noon)
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]string{
		"silence/a": "{", "silence/b": `{"id":"b","matchers":[{"name":"x","op":"~","value":"y"}]}`,
		"silence/c": `{"id":"c","matchers":[{"name":"x","op":"=~","value":"("}]}`, "silence/d": `{"id":"e"}`,
	} {
		if err := disk.Commit(map[string][]byte{key: []byte(value)}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(disk)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Damaged()) != 4 {
		t.Errorf("damaged: %v, want 4", s.Damaged())
	}
	if _, ok := s.Get(id); !ok {
		t.Error("the good silence is gone")
	}
}

// Whatever happens in whatever order: what was answered is what a restart finds, at most one of a silence and its
// successor is not over, and no silence begins before it was made.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		disk := state.Memory()
		s, err := Open(disk)
		if err != nil {
			t.Fatal(err)
		}
		now, ids := noon, []string{}
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "minutes")) * time.Minute)
			switch action := rapid.SampledFrom([]string{"new", "change", "expire", "crash"}).Draw(t, "action"); {
			case action == "crash":
				disk = disk.Crash()
				before := s.All()
				if s, err = Open(disk); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(before, s.All(), sameSilence); diff != "" {
					t.Fatalf("a restart changed silences (-before +after):\n%s", diff)
				}
			case action == "new" || len(ids) == 0:
				wanted := migration()
				wanted.StartsAt = now.Add(time.Duration(rapid.IntRange(-60, 60).Draw(t, "starts")) * time.Minute)
				wanted.EndsAt = wanted.StartsAt.Add(2 * time.Hour)
				id, err := s.Set(wanted, now)
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, id)
			case action == "change":
				old := rapid.SampledFrom(ids).Draw(t, "id")
				wanted, _ := s.Get(old)
				wanted.EndsAt = now.Add(time.Hour)
				wanted.StartsAt = rapid.SampledFrom([]time.Time{wanted.StartsAt, now}).Draw(t, "start")
				if rapid.Bool().Draw(t, "narrower") {
					wanted.Matchers = wanted.Matchers[:1]
				}
				if !wanted.EndsAt.After(wanted.StartsAt) {
					continue
				}
				id, err := s.Set(wanted, now)
				if err != nil {
					t.Fatal(err)
				}
				if before, _ := s.Get(old); id != old && before.At(now) != Expired {
					t.Fatalf("both the old silence and its successor are not over")
				}
				ids = append(ids, id)
			default:
				id := rapid.SampledFrom(ids).Draw(t, "id")
				if err := s.Expire(id, now); err != nil && !errors.Is(err, ErrExpired) {
					t.Fatal(err)
				}
				if over, _ := s.Get(id); over.At(now) != Expired {
					t.Fatalf("an expired silence is %s", over.At(now))
				}
			}
			for _, silence := range s.All() {
				if silence.StartsAt.After(silence.EndsAt) {
					t.Fatalf("a silence ends at %s before it begins at %s", silence.EndsAt, silence.StartsAt)
				}
			}
		}
	})
}
