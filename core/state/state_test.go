package state_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/core/state"
)

// open opens a store for the duration of a test.
func open(t testing.TB, path string) state.Store {
	t.Helper()
	s, err := state.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func load(t testing.TB, s state.Store, prefix string) []string {
	t.Helper()
	var got []string
	if err := s.Load(prefix, func(key string, value []byte) error {
		got = append(got, key+"="+string(value))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

func commit(t testing.TB, s state.Store, writes map[string][]byte) {
	t.Helper()
	if err := s.Commit(writes); err != nil {
		t.Fatal(err)
	}
}

// TestStore holds every kind of store to the same promises.
func TestStore(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) state.Store{
		"bolt":   func(t *testing.T) state.Store { return open(t, filepath.Join(t.TempDir(), "state.db")) },
		"memory": func(*testing.T) state.Store { return state.Memory() },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			if got := load(t, s, ""); got != nil {
				t.Errorf("new store holds %q", got)
			}
			commit(t, s, map[string][]byte{"a/2": []byte("two"), "a/1": []byte("one"), "b/1": {}, "a": []byte("x")})
			commit(t, s, map[string][]byte{"a/2": nil, "a/3": []byte("three"), "none": nil})
			if diff := cmp.Diff([]string{"a/1=one", "a/3=three"}, load(t, s, "a/")); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string{"a=x", "a/1=one", "a/3=three", "b/1="}, load(t, s, "")); diff != "" {
				t.Error(diff)
			}
			stop := errors.New("stop")
			visits := 0
			if err := s.Load("a/", func(string, []byte) error { visits++; return stop }); err != stop || visits != 1 { //nolint:errorlint // the very same error
				t.Errorf("Load returned %v after %d visits", err, visits)
			}
			for _, key := range []string{"", strings.Repeat("x", 20<<10)} {
				if err := s.Commit(map[string][]byte{key: nil}); err == nil {
					t.Errorf("a key of %d bytes was taken", len(key))
				}
			}
			if err := s.Notice(); err != nil {
				t.Errorf("notice: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if err := s.Commit(map[string][]byte{"a": nil}); !errors.Is(err, state.ErrClosed) {
				t.Errorf("commit after close: %v", err)
			}
			if err := s.Load("", func(string, []byte) error { return nil }); !errors.Is(err, state.ErrClosed) {
				t.Errorf("load after close: %v", err)
			}
		})
	}
}

func TestReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	path := filepath.Join(dir, "state.db")
	s, err := state.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, s, map[string][]byte{"k": []byte("v")})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{path: 0o600, dir: 0o700} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", name, got, want)
		}
	}
	s = open(t, path)
	if diff := cmp.Diff([]string{"k=v"}, load(t, s, "")); diff != "" {
		t.Error(diff)
	}
}

func TestOpenInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	open(t, path)
	_, err := state.Open(path)
	if !errors.Is(err, state.ErrInUse) || !strings.Contains(err.Error(), path) {
		t.Errorf("second open: %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the file in use was moved: %v", err)
	}
}

// TestCommitsShareTransactions commits from many goroutines; all are there afterwards.
func TestCommitsShareTransactions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := state.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			for j := range 5 {
				if err := s.Commit(map[string][]byte{fmt.Sprintf("%d/%d", i, j): []byte("x")}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := len(load(t, open(t, path), "")); got != 250 {
		t.Errorf("%d of 250 values survived", got)
	}
}

// TestCloseRace closes while others commit: a commit that returned nil is there, one that did not says ErrClosed.
func TestCloseRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := state.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	accepted := make([]int, 8)
	for i := range accepted {
		wg.Go(func() {
			for {
				err := s.Commit(map[string][]byte{fmt.Sprintf("%d/%06d", i, accepted[i]): []byte("x")})
				if err != nil {
					if !errors.Is(err, state.ErrClosed) {
						t.Errorf("commit: %v", err)
					}
					return
				}
				accepted[i]++
			}
		})
	}
	commit(t, s, map[string][]byte{"one": nil})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	s = open(t, path)
	for i, want := range accepted {
		if got := len(load(t, s, fmt.Sprintf("%d/", i))); got != want {
			t.Errorf("writer %d: %d values of %d survived", i, got, want)
		}
	}
}

func TestDamaged(t *testing.T) {
	valid := func(t *testing.T) []byte {
		path := filepath.Join(t.TempDir(), "state.db")
		s, err := state.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 300 {
			commit(t, s, map[string][]byte{fmt.Sprintf("key/%04d", i): []byte(strings.Repeat("incident ", 50))})
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return content
	}(t)
	for name, damage := range map[string]func([]byte) []byte{
		"rubbish":         func([]byte) []byte { return []byte(strings.Repeat("not a database ", 10_000)) },
		"short":           func(b []byte) []byte { return b[:100] },
		"data pages lost": func(b []byte) []byte { return b[:8*os.Getpagesize()] },
		"both meta pages lost": func(b []byte) []byte {
			return append(make([]byte, 2*os.Getpagesize()), b[2*os.Getpagesize():]...)
		},
		"one bit of a value": func(b []byte) []byte {
			return bytes.ReplaceAll(b, []byte("incident "), []byte("incidenu ")) // every copy, so that the live one is hit
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "state.db")
			broken := damage(append([]byte{}, valid...))
			if err := os.WriteFile(path, broken, 0o600); err != nil {
				t.Fatal(err)
			}
			s := open(t, path)
			var damaged *state.DamagedError
			if !errors.As(s.Notice(), &damaged) {
				t.Fatalf("notice: %v", s.Notice())
			}
			aside, err := os.ReadFile(damaged.Aside)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(broken, aside) {
				t.Error("what was set aside differs from what was found")
			}
			if got := load(t, s, ""); got != nil {
				t.Errorf("began with %d values", len(got))
			}
			commit(t, s, map[string][]byte{"k": []byte("v")})
		})
	}
}

// TestBitRot flips bits anywhere: the store opens, and what it holds is what was written, or nothing at all.
func TestBitRot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := state.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for i := range 200 {
		commit(t, s, map[string][]byte{fmt.Sprintf("key/%04d", i): []byte(strings.Repeat("v", 300))})
		want[fmt.Sprintf("key/%04d=%s", i, strings.Repeat("v", 300))] = true
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	valid, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 60 {
		broken := append([]byte{}, valid...)
		for range 1 + round*3 {
			broken[random.IntN(len(broken))] ^= 1 << random.IntN(8)
		}
		path := filepath.Join(t.TempDir(), "state.db")
		if err := os.WriteFile(path, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := state.Open(path)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for _, kv := range load(t, s, "key/") {
			if !want[kv] {
				t.Fatalf("round %d: invented %.40q", round, kv)
			}
		}
		commit(t, s, map[string][]byte{"after": []byte("x")})
		if err := s.Close(); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
}

func TestOpenUnreadable(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "state.db"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := state.Open(filepath.Join(dir, "state.db")); err == nil {
		t.Fatal("a folder was opened as a file")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("what is no damaged store was set aside: %v", entries)
	}
}

func TestMemoryFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := state.Memory()
		m.Fail(2)
		for range 2 {
			if err := m.Commit(map[string][]byte{"k": []byte("v")}); !errors.Is(err, state.ErrInjected) {
				t.Errorf("commit: %v", err)
			}
		}
		release := m.Block()
		done := make(chan error, 1)
		go func() { done <- m.Commit(map[string][]byte{"k": []byte("v")}) }()
		synctest.Wait()
		select {
		case err := <-done:
			t.Errorf("a blocked commit returned %v", err)
		default:
		}
		release()
		if err := <-done; err != nil {
			t.Error(err)
		}

		m.Block()
		go func() { done <- m.Commit(map[string][]byte{"k": []byte("lost")}) }()
		synctest.Wait()
		after := m.Crash()
		if err := <-done; !errors.Is(err, state.ErrClosed) {
			t.Errorf("commit across a crash: %v", err)
		}
		if diff := cmp.Diff([]string{"k=v"}, load(t, after, "")); diff != "" {
			t.Error(diff)
		}
	})
}

func BenchmarkCommit(b *testing.B) {
	value := []byte(strings.Repeat("x", 1000))
	for _, writers := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "state.db"))
			var wg sync.WaitGroup
			next := make(chan int)
			for range writers {
				wg.Go(func() {
					for i := range next {
						if err := s.Commit(map[string][]byte{fmt.Sprintf("key/%06d", i%10_000): value}); err != nil {
							b.Error(err)
						}
					}
				})
			}
			for i := 0; b.Loop(); i++ {
				next <- i
			}
			close(next)
			wg.Wait()
		})
	}
}
