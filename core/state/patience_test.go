package state_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/core/state"
)

// Storage that hangs holds nobody up for long, and what it takes in the end is the newest.
func TestImpatient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const patience = 2 * time.Second
		beneath := state.Memory()
		s := state.Impatient(beneath, patience)
		commit(t, s, map[string][]byte{"k": []byte("0")})

		release := beneath.Block()
		began := time.Now()
		refused := func(value string, after time.Duration) {
			t.Helper()
			if err := s.Commit(map[string][]byte{"k": []byte(value)}); !errors.Is(err, state.ErrSlow) {
				t.Errorf("commit %s: %v", value, err)
			}
			if took := time.Since(began); took != after {
				t.Errorf("commit %s was refused after %s, want %s", value, took, after)
			}
		}
		refused("1", patience)
		refused("2", patience) // at once: 1 may still be written, and then after 2
		time.Sleep(time.Hour)
		refused("3", patience+time.Hour)

		release()
		synctest.Wait()
		if diff := cmp.Diff([]string{"k=1"}, load(t, s, "")); diff != "" {
			t.Error(diff)
		}
		commit(t, s, map[string][]byte{"k": []byte("4")})
		if diff := cmp.Diff([]string{"k=4"}, load(t, s, "")); diff != "" {
			t.Error(diff)
		}

		release = beneath.Block()
		var wg sync.WaitGroup
		for i := range 3 { // which all wait from then on
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				if err := s.Commit(map[string][]byte{fmt.Sprint(i): nil}); !errors.Is(err, state.ErrSlow) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if err := s.Close(); !errors.Is(err, state.ErrSlow) {
			t.Errorf("close: %v", err)
		}
		release()
		synctest.Wait() // the store beneath is closed now
		if err := beneath.Commit(map[string][]byte{"k": nil}); !errors.Is(err, state.ErrClosed) {
			t.Errorf("commit after close: %v", err)
		}
	})
}
