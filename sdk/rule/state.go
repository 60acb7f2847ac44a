package rule

import (
	"errors"
	"strconv"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// Stateful is a rule that remembers something from one evaluation to the next and wants to keep it over a restart of
// the engine and over its own failures. Without it a rule starts afresh then, and [Window.First] is true.
//
// The engine asks for a snapshot after evaluations that change alerts, every now and then between them (a minute), and
// before a planned stop. It hands the last one back after Configure and before the first Eval, provided that the
// module has not changed, or still declares the same version, and that the parameters are the same. A rule that was
// restored knows its past: Window.First is false. What it knows may be some evaluations old, if the engine did not
// stop in good order.
//
// What is kept of an instance must be kept under [Instance.ID]: the numbers of series and groups mean something else
// in every generation. [Memory] and the helpers that remember ([Hysteresis], [MofN], [EWMA]) do so, and make a
// snapshot one line each:
//
//	func (r *Hot) State() rule.StateInfo                 { return rule.StateInfo{Version: 1} }
//	func (r *Hot) Snapshot(w *rule.StateWriter)          { r.trigger.Save(w) }
//	func (r *Hot) Restore(from *rule.StateReader) error  { return r.trigger.Load(from) }
type Stateful interface {
	// State describes the state. It must return the same in every instance: it becomes part of the manifest.
	State() StateInfo
	// Snapshot writes what must survive. The same state must give the same bytes; none at all is no state.
	Snapshot(w *StateWriter)
	// Restore takes what Snapshot wrote. The bytes may be damaged, or another program's: an error makes the rule
	// start afresh, in a new struct. So does a byte that is left over.
	Restore(r *StateReader) error
}

// StateInfo describes a rule's state.
type StateInfo struct {
	Version  int // 1 or more; to be raised when what Snapshot writes gets another meaning
	MaxBytes int // of a snapshot; 0: 1 MiB, which is also the most
}

func (i StateInfo) check() error {
	switch {
	case i.Version < 1:
		return errors.New("the version of the state must be 1 or more")
	case i.MaxBytes < 0 || i.MaxBytes > abi.MaxStateBytes:
		return errors.New("a state has at most " + strconv.Itoa(abi.MaxStateBytes) + " bytes")
	}
	return nil
}

// Snapshot returns what the rule must not lose, nil for a rule without state. It is valid until the next call.
func (s *Session) Snapshot() ([]byte, error) {
	r, ok := s.rule.(Stateful)
	if !ok {
		return nil, nil
	}
	s.state.reset(r.State().MaxBytes)
	r.Snapshot(&s.state)
	if s.state.full {
		return nil, errors.New("the state has more than " + strconv.Itoa(s.state.most) + " bytes")
	}
	return s.state.bytes, nil
}

// errStateless is what restoring a rule without state yields.
var errStateless = errors.New("this rule keeps no state")

// Restore gives the rule back what it remembered. After an error the session must not be used: the rule may have
// taken half of it.
func (s *Session) Restore(state []byte) error {
	rule, ok := s.rule.(Stateful)
	if !ok {
		return errStateless
	}
	r := NewStateReader(state)
	if err := rule.Restore(r); err != nil {
		return err
	}
	return r.end()
}
