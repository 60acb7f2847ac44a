package journal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func everything(alert.Decision) bool { return true }

func decision(i int) alert.Decision {
	return alert.Decision{
		Time: time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC), Kind: alert.KindTransition,
		Rule: "HighAPIErrorRate", Fingerprint: 0xfeed, From: "pending", To: "firing", Value: 0.25, Reason: fmt.Sprint("number ", i),
	}
}

func TestDecisionsAreThereAfterClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	var want, heard []alert.Decision
	for range 2 { // written by two processes
		j, err := journal.Open(journal.Options{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		j.Subscribe(func(d alert.Decision) { heard = append(heard, d) })
		for range 3 {
			d := decision(len(want))
			want = append(want, d)
			j.Record(d)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		j.Record(decision(99)) // too late, and harmless
	}
	got, err := journal.Read(path, everything)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("journal (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, heard); diff != "" {
		t.Errorf("subscriber (-want +got):\n%s", diff)
	}
}

func TestTornLineCostsOnlyItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	if err := os.WriteFile(path, []byte(`{"time":"2026-01-01T00:00:00Z","ki`), 0o600); err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(journal.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	j.Record(decision(1))
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := journal.Read(path, everything)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]alert.Decision{decision(1)}, got); diff != "" {
		t.Errorf("journal (-want +got):\n%s", diff)
	}
}

func TestJournalIsBounded(t *testing.T) {
	const limit, count = 4 << 10, 200
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	j, err := journal.Open(journal.Options{Path: path, MaxBytes: limit})
	if err != nil {
		t.Fatal(err)
	}
	for i := range count {
		j.Record(decision(i))
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{path, path + ".1"} {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > limit {
			t.Errorf("%s has %d bytes, the limit is %d", filepath.Base(file), info.Size(), limit)
		}
	}
	got, err := journal.Read(path, everything)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) == 0 {
		t.Fatal("the journal is empty")
	}
	for i, d := range got { // the newest, without a hole
		if diff := cmp.Diff(decision(count-len(got)+i), d); diff != "" {
			t.Fatalf("line %d (-want +got):\n%s", i, diff)
		}
	}
}
