package state

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// ErrSlow says that storage did not answer in time. Whether the commit is written is not known, and may be decided later.
var ErrSlow = errors.New("storage does not answer")

// Impatient is a store whose commits wait for the one beneath only so long, and then fail with [ErrSlow]: a disk that
// hangs holds nobody up. From then on commits fail at once, until the store beneath has answered all that it was asked.
// So whoever commits the same key again after an error is written last.
//
// The writes of a commit that failed must never be changed.
func Impatient(beneath Store, patience time.Duration) Store {
	return &impatient{Store: beneath, patience: patience}
}

type impatient struct {
	Store
	patience time.Duration

	mu struct {
		sync.Mutex
		asked []*time.Time // when each commit under way began, the first one first
	}
	underWay sync.WaitGroup
}

// Commit implements [Store].
func (s *impatient) Commit(writes map[string][]byte) error {
	began := time.Now()
	s.mu.Lock()
	if len(s.mu.asked) > 0 && began.Sub(*s.mu.asked[0]) >= s.patience {
		err := s.slow(*s.mu.asked[0])
		s.mu.Unlock()
		return err
	}
	s.mu.asked = append(s.mu.asked, &began)
	answer := make(chan error, 1)
	s.underWay.Go(func() {
		err := s.Store.Commit(writes)
		s.mu.Lock()
		i := slices.Index(s.mu.asked, &began)
		s.mu.asked = slices.Delete(s.mu.asked, i, i+1)
		s.mu.Unlock()
		answer <- err
	})
	s.mu.Unlock()

	timer := time.NewTimer(s.patience)
	defer timer.Stop()
	select {
	case err := <-answer:
		return err
	case <-timer.C:
		return s.slow(began)
	}
}

func (s *impatient) slow(since time.Time) error {
	return fmt.Errorf("%w since %s", ErrSlow, since.UTC().Format(time.TimeOnly))
}

// Close closes the store beneath when that has answered, or leaves it if it does not in time.
func (s *impatient) Close() error {
	closed := make(chan error, 1)
	go func() {
		s.underWay.Wait()
		closed <- s.Store.Close()
	}()
	timer := time.NewTimer(s.patience)
	defer timer.Stop()
	select {
	case err := <-closed:
		return err
	case <-timer.C:
		return fmt.Errorf("close state: %w", ErrSlow)
	}
}
