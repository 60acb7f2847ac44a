package ack

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/state"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func taken(fp alert.Fingerprint, owner string, at time.Time) alert.Ack {
	return alert.Ack{
		Fingerprint: fp, Labels: frame.FromMap(map[string]string{"alertname": "Slow", "severity": "warning"}),
		FiredAt: noon.Add(-time.Hour), Owner: owner, Reason: "rolling back", At: at, Until: noon.Add(time.Hour),
	}
}

func open(t testing.TB, c Committer) *Store {
	t.Helper()
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhatWasAnsweredSurvivesKill(t *testing.T) {
	disk := state.Memory()
	s := open(t, disk)
	if err := s.Take([]alert.Ack{taken(1, "ada", noon), taken(2, "ada", noon), taken(2, "bob", noon.Add(time.Second))}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.End(taken(1, "ada", noon)); err != nil {
		t.Fatal(err)
	}
	after := open(t, disk.Crash())
	if diff := cmp.Diff([]alert.Ack{taken(2, "bob", noon.Add(time.Second))}, after.All()); diff != "" {
		t.Errorf("after kill -9 (-want +got):\n%s", diff)
	}
}

func TestWhatStorageRefusesDidNotHappen(t *testing.T) {
	disk := state.Memory()
	s := open(t, disk)
	disk.Fail(1)
	if err := s.Take([]alert.Ack{taken(1, "ada", noon)}); !errors.Is(err, state.ErrInjected) || len(s.All()) > 0 {
		t.Errorf("take = %v and %v is there, want the error of storage and nothing", err, s.All())
	}
	if err := s.Take([]alert.Ack{taken(1, "ada", noon)}); err != nil {
		t.Fatal(err)
	}
	disk.Fail(1)
	if _, err := s.End(taken(1, "ada", noon)); !errors.Is(err, state.ErrInjected) || len(s.All()) != 1 {
		t.Errorf("end = %v and %v is there, want the error of storage and what was there", err, s.All())
	}
}

func TestWhatIsRefused(t *testing.T) {
	for want, change := range map[string]func(*alert.Ack){
		"owner is required":    func(k *alert.Ack) { k.Owner = " " },
		"the limit is 256":     func(k *alert.Ack) { k.Owner = strings.Repeat("x", 257) },
		"the limit is 8192":    func(k *alert.Ack) { k.Reason = strings.Repeat("x", 8193) },
		"until is in the past": func(k *alert.Ack) { k.Until = k.At },
	} {
		s := open(t, state.Memory())
		bad := taken(2, "ada", noon)
		change(&bad)
		if err := s.Take([]alert.Ack{taken(1, "ada", noon), bad}); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("take = %v, want %q", err, want)
		}
		if all := s.All(); len(all) > 0 {
			t.Errorf("%q: half of it was done: %v", want, all)
		}
	}
	many := make([]alert.Ack, maxAcks+1)
	for i := range many {
		many[i] = taken(alert.Fingerprint(i), "a script", noon)
	}
	if err := open(t, state.Memory()).Take(many); !errors.Is(err, ErrInvalid) {
		t.Errorf("take of %d = %v, want it refused", len(many), err)
	}
}

// What ended while somebody took it anew is not what they took.
func TestEndIsOfWhatItNames(t *testing.T) {
	s := open(t, state.Memory())
	if err := s.Take([]alert.Ack{taken(1, "ada", noon)}); err != nil {
		t.Fatal(err)
	}
	if err := s.Take([]alert.Ack{taken(1, "bob", noon.Add(time.Second))}); err != nil {
		t.Fatal(err)
	}
	ended, err := s.End(taken(1, "ada", noon), taken(7, "ada", noon))
	if err != nil || len(ended) > 0 || len(s.All()) != 1 {
		t.Errorf("ended %v, %v; left %v", ended, err, s.All())
	}
}

func TestDamagedRecordsAreNamed(t *testing.T) {
	disk := state.Memory()
	s := open(t, disk)
	if err := s.Take([]alert.Ack{taken(1, "ada", noon)}); err != nil {
		t.Fatal(err)
	}
	if err := disk.Commit(map[string][]byte{prefix + "0000000000000002": []byte(`{"fingerprint":"00`), prefix + "0000000000000003": []byte(`{"fingerprint":"0000000000000009"}`)}); err != nil {
		t.Fatal(err)
	}
	again := open(t, disk)
	if len(again.Damaged()) != 2 || len(again.All()) != 1 {
		t.Errorf("damaged %v, all %v; want two and one", again.Damaged(), again.All())
	}
}
