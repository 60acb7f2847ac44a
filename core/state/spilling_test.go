package state_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/core/state"
)

const always = 1 << 30 // commits that fail

// spilling is a store that spills next to a store in memory, and how to end it as a crash or a stop would.
type spilling struct {
	state.Store
	t       *testing.T
	beneath *state.MemoryStore
	path    string
}

func newSpilling(t *testing.T) *spilling {
	s := &spilling{t: t, beneath: state.Memory(), path: filepath.Join(t.TempDir(), "state.spill")}
	s.open()
	return s
}

func (s *spilling) open() { s.Store = state.Spilling(s.beneath, s.path, zerolog.Nop()) }

func (s *spilling) refuse(writes map[string][]byte) {
	s.t.Helper()
	if err := s.Commit(writes); !errors.Is(err, state.ErrInjected) {
		s.t.Errorf("commit: %v", err)
	}
}

// restart ends the store and opens another on what is durable: what the store beneath took, and the file.
func (s *spilling) restart() {
	s.t.Helper()
	next := s.beneath.Crash()
	_ = s.Close() // which has no storage any more: it only waits for the file
	s.beneath = next
	s.open()
}

func (s *spilling) expect(of state.Store, want ...string) {
	s.t.Helper()
	if diff := cmp.Diff(want, load(s.t, of, "")); diff != "" {
		s.t.Error(diff)
	}
}

func TestSpilling(t *testing.T) {
	s := newSpilling(t)
	commit(t, s, map[string][]byte{"a": []byte("1"), "b": []byte("1"), "c": []byte("1")})
	s.beneath.Fail(always)
	s.refuse(map[string][]byte{"a": []byte("2"), "d": {}})
	s.refuse(map[string][]byte{"a": []byte("3"), "b": nil, "none": nil})
	s.expect(s.beneath, "a=1", "b=1", "c=1")
	s.expect(s, "a=3", "c=1", "d=")

	s.restart() // the new store beneath takes everything
	s.expect(s.beneath, "a=3", "c=1", "d=")
	s.expect(s, "a=3", "c=1", "d=")
	commit(t, s, map[string][]byte{"a": []byte("4")})
	s.restart()
	s.expect(s, "a=4", "c=1", "d=") // what was put down before does not come again
}

// What was refused is committed with the next writes that storage takes, and may be refused in the next process too.
func TestSpillingHeals(t *testing.T) {
	s := newSpilling(t)
	s.beneath.Fail(1)
	s.refuse(map[string][]byte{"a": []byte("1"), "b": []byte("1")})
	commit(t, s, map[string][]byte{"b": []byte("2"), "c": []byte("2")})
	s.expect(s.beneath, "a=1", "b=2", "c=2")

	s.beneath.Fail(always)
	s.refuse(map[string][]byte{"b": nil, "d": []byte("3")})
	next := s.beneath.Crash()
	next.Fail(always)
	_ = s.Close()
	s.beneath = next
	s.open()
	s.expect(s.beneath, "a=1", "b=2", "c=2")
	s.expect(s, "a=1", "c=2", "d=3")
	s.refuse(map[string][]byte{"e": []byte("4")})
	s.restart()
	s.expect(s.beneath, "a=1", "c=2", "d=3", "e=4")
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// The file keeps the newest values, however often they change; what there is no room for waits in memory.
func TestSpillingIsBounded(t *testing.T) {
	s := newSpilling(t)
	s.beneath.Fail(always)
	big := func(i int) []byte { return bytes.Repeat([]byte{byte('a' + i%26)}, 300<<10) }
	for i := range 40 {
		s.refuse(map[string][]byte{"k": big(i), fmt.Sprintf("%02d", i): {}})
	}
	if info, err := os.Stat(s.path); err == nil && info.Size() > 8<<20 {
		t.Errorf("the file has %d bytes", info.Size())
	}
	s.restart()
	values := load(t, s, "")
	if len(values) != 41 || values[40] != "k="+string(big(39)) {
		t.Errorf("%d values, the last one %.5s", len(values), values[len(values)-1])
	}

	s.beneath.Fail(always)
	for i := range 40 {
		s.refuse(map[string][]byte{fmt.Sprintf("big/%02d", i): big(i)})
	}
	if got := len(load(t, s, "big/")); got != 40 {
		t.Errorf("%d of 40 values", got)
	}
	s.beneath.Fail(0)
	if err := s.Close(); err != nil { // writes all that waits, however long ago it was refused
		t.Error(err)
	}
}

// A file that was damaged invents nothing: what it yields was refused, in that order, up to the damage.
func TestSpillDamaged(t *testing.T) {
	s := newSpilling(t)
	s.beneath.Fail(always)
	for i := range 50 {
		s.refuse(map[string][]byte{fmt.Sprintf("k%02d", i): []byte(strings.Repeat("v", 100))})
	}
	next := s.beneath.Crash()
	_ = s.Close()
	whole, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	used := len(bytes.TrimRight(whole, "\x00"))
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 40 {
		broken := bytes.Clone(whole)
		broken[random.IntN(used)] ^= 1 << random.IntN(8)
		if round == 0 {
			broken = broken[:100]
		}
		if err := os.WriteFile(s.path, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		next = next.Crash()
		next.Fail(always)
		again := state.Spilling(next, s.path, zerolog.Nop())
		for _, kv := range load(t, again, "") {
			if len(kv) != 104 || kv[3:] != "="+strings.Repeat("v", 100) {
				t.Fatalf("round %d: invented %q", round, kv)
			}
		}
		next = next.Crash()
		_ = again.Close()
	}
}

// A key that no store takes is refused, and does not keep others waiting.
func TestSpillingBadKey(t *testing.T) {
	s := newSpilling(t)
	s.beneath.Fail(always)
	if err := s.Commit(map[string][]byte{"": nil}); err == nil || errors.Is(err, state.ErrInjected) {
		t.Errorf("commit: %v", err)
	}
	s.restart()
	s.expect(s)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
