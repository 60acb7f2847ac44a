package state

import (
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// tryEvery is the least time between two attempts to commit all that waits, which may be much.
const tryEvery = 500 * time.Millisecond

// Spilling is a store that puts down in the file at path what the one beneath refuses, as far as it has room: the next
// process finds it there. Commit still says that it was refused. What was refused is committed together with the next
// writes that are taken.
func Spilling(beneath Store, path string, logger zerolog.Logger) Store {
	s := &spilling{Store: beneath, path: path, logger: logger, wake: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{})}
	s.mu.waiting = map[string]refused{}
	var err error
	s.file, err = readSpill(path, func(writes map[string][]byte) {
		for key, value := range writes {
			s.mu.waiting[key] = refused{value: value, down: true}
		}
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		logger.Warn().Err(err).Str("path", path).Msg("what an earlier run could not commit cannot be read: a new file takes its place")
	}
	if len(s.mu.waiting) > 0 {
		if err := s.heal(nil); err != nil {
			logger.Error().Err(err).Msg("storage refuses what it refused an earlier run: it counts all the same")
		} else {
			logger.Info().Msg("what storage refused an earlier run is committed")
		}
	}
	go s.run()
	return s
}

type spilling struct {
	Store
	path   string
	logger zerolog.Logger

	wake    chan struct{} // there is something to do for run, capacity 1
	closing chan struct{}
	closed  sync.Once
	done    chan struct{} // run ended

	healing sync.Mutex // held while what waits is committed

	mu struct {
		sync.Mutex
		waiting map[string]refused // by key
		version uint64
		tried   time.Time // when all that waits was refused last, and
		refusal error     // why
	}

	// What follows belongs to run.
	file    *spill // nil: there is none
	trouble bool   // said once
}

// refused is a value that the store beneath does not have; nil is a key to be deleted.
type refused struct {
	value   []byte
	version uint64 // differs from that of every other value
	down    bool   // it is in the file
}

// Commit implements [Store].
func (s *spilling) Commit(writes map[string][]byte) error {
	if err := check(writes); err != nil {
		return err
	}
	s.mu.Lock()
	heals := len(s.mu.waiting) > 0
	s.mu.Unlock()
	if heals {
		return s.heal(writes)
	}
	err := s.Store.Commit(writes)
	if err != nil && !errors.Is(err, ErrClosed) {
		s.keep(writes)
	}
	return err
}

// heal commits writes together with all that waits.
func (s *spilling) heal(writes map[string][]byte) error {
	s.healing.Lock()
	defer s.healing.Unlock()
	s.mu.Lock()
	waiting := maps.Clone(s.mu.waiting)
	tried, refusal := s.mu.tried, s.mu.refusal
	s.mu.Unlock()
	if refusal != nil && time.Since(tried) < tryEvery {
		s.keep(writes)
		return refusal
	}
	all := make(map[string][]byte, len(waiting)+len(writes))
	for key, r := range waiting {
		all[key] = r.value
	}
	maps.Copy(all, writes)
	err := s.Store.Commit(all)
	if err != nil {
		s.keep(writes)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.tried, s.mu.refusal = time.Now(), err; err != nil {
		return err
	}
	for key, r := range waiting {
		if s.mu.waiting[key].version == r.version { // else it was refused again meanwhile
			delete(s.mu.waiting, key)
		}
	}
	s.stir()
	return nil
}

// keep has writes wait, and put down.
func (s *spilling) keep(writes map[string][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, value := range writes {
		s.mu.version++
		s.mu.waiting[key] = refused{value: value, version: s.mu.version}
	}
	s.stir()
}

func (s *spilling) stir() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run owns the file: nobody else waits for it.
func (s *spilling) run() {
	defer close(s.done)
	if s.file == nil {
		var err error
		if s.file, err = makeSpill(s.path); err != nil {
			s.file = nil
			s.say(err, "there is no file for what storage may refuse: should it do so, a crash would lose what changed meanwhile")
		}
	}
	for {
		select {
		case <-s.wake:
			s.putDown()
			continue
		case <-s.closing:
		}
		s.putDown()
		if s.file != nil {
			if err := s.file.close(); err != nil {
				s.say(err, "")
			}
		}
		return
	}
}

// putDown brings the file up to date.
func (s *spilling) putDown() {
	if s.file == nil {
		return
	}
	s.mu.Lock()
	empty, writes := len(s.mu.waiting) == 0, map[string][]byte{}
	newest := s.mu.version
	for key, r := range s.mu.waiting {
		if !r.down {
			writes[key] = r.value
		}
	}
	s.mu.Unlock()
	var err error
	switch {
	case empty && s.file.end > spillHeader:
		err = s.file.clear()
	case len(writes) > 0:
		if err = s.file.append(writes); errors.Is(err, errSpillFull) {
			err = s.rewrite()
		}
	}
	if err != nil {
		s.say(err, "what storage refuses cannot be put down either: a crash would lose what changed")
		return
	}
	s.trouble = false
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range writes {
		if r, waits := s.mu.waiting[key]; waits && r.version <= newest {
			r.down = true
			s.mu.waiting[key] = r
		}
	}
}

// rewrite leaves out of the file what was refused again later. A crash in the middle loses it.
func (s *spilling) rewrite() error {
	s.mu.Lock()
	writes := make(map[string][]byte, len(s.mu.waiting))
	for key, r := range s.mu.waiting {
		writes[key] = r.value
	}
	s.mu.Unlock()
	if len(encodeWrites(nil, writes)) > spillSize/2 {
		return errSpillFull
	}
	if err := s.file.clear(); err != nil {
		return err
	}
	return s.file.append(writes)
}

func (s *spilling) say(err error, what string) {
	if !s.trouble {
		s.logger.Error().Err(err).Str("path", s.path).Msg(what)
	}
	s.trouble = true
}

// Load implements [Store].
func (s *spilling) Load(prefix string, visit func(key string, value []byte) error) error {
	s.mu.Lock()
	waiting := maps.Clone(s.mu.waiting)
	s.mu.Unlock()
	maps.DeleteFunc(waiting, func(key string, _ refused) bool { return !strings.HasPrefix(key, prefix) })
	rest := slices.Sorted(maps.Keys(waiting))
	visitUntil := func(stop func(key string) bool) error {
		for len(rest) > 0 && !stop(rest[0]) {
			key := rest[0]
			rest = rest[1:]
			if value := waiting[key].value; value != nil {
				if err := visit(key, value); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := s.Store.Load(prefix, func(key string, value []byte) error {
		if err := visitUntil(func(next string) bool { return next > key }); err != nil {
			return err
		}
		if _, newer := waiting[key]; newer {
			return nil
		}
		return visit(key, value)
	}); err != nil {
		return err
	}
	return visitUntil(func(string) bool { return false })
}

// Close tries once more to commit what waits, puts it down otherwise, and closes the store beneath.
func (s *spilling) Close() error {
	s.mu.Lock()
	heals := len(s.mu.waiting) > 0
	s.mu.refusal = nil // it is the last time
	s.mu.Unlock()
	var err error
	if heals {
		err = s.heal(nil)
	}
	s.closed.Do(func() { close(s.closing) })
	timer := time.NewTimer(closeWait)
	defer timer.Stop()
	select {
	case <-s.done:
	case <-timer.C:
		err = errors.Join(err, errors.New("close the file of what storage refuses: it does not answer"))
	}
	return errors.Join(err, s.Store.Close())
}

const closeWait = 2 * time.Second
