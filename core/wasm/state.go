package wasm

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// kept is what survives of a rule's memory when its instance ends: the last snapshot.
type kept struct {
	envelope        // what the rule is now, with the sequence and state of the last snapshot
	encoded  []byte // nil: there is none
	news     bool   // an evaluation succeeded since
	mute     bool   // the guest trapped when it was asked: it is not asked again
	failures int    // evaluations that failed in a row
}

// maxStateFailures is after how many failed evaluations in a row a snapshot is given up: it may be what they fail of.
const maxStateFailures = 3

// Stateful tells whether the module's rules keep state: it declares a version and has both exports.
func (m *Module) Stateful() bool {
	exports := m.code.compiled.ExportedFunctions()
	return m.manifest.State.Version > 0 && exports[abi.ExportSnapshot] != nil && exports[abi.ExportRestore] != nil
}

// maxState is how many bytes of state a rule may have.
func (m *Module) maxState() int { return cmp.Or(m.manifest.State.MaxBytes, abi.MaxStateBytes) }

// remember takes what an earlier run of the engine has kept, if it may be used.
func (r *Rule) remember(earlier []byte) {
	r.kept.envelope = envelope{
		scheme: abi.UIDScheme, version: uint32(r.module.manifest.State.Version),
		module: r.module.sum, params: sha256.Sum256(r.params),
	}
	if earlier == nil {
		return
	}
	e, err := decodeEnvelope(earlier)
	if err == nil {
		err = e.fits(&r.kept.envelope)
	}
	switch {
	case err == nil && !r.module.Stateful():
		err = fmt.Errorf("the module keeps no state")
	case err == nil && len(e.state) > r.module.maxState():
		err = fmt.Errorf("it has %d bytes, the module declares at most %d", len(e.state), r.module.maxState())
	}
	if err != nil {
		r.startAfresh("what was kept cannot be used: " + err.Error())
		return
	}
	r.kept.sequence, r.kept.state, r.kept.encoded = e.sequence, e.state, bytes.Clone(earlier)
}

// startAfresh gives the last snapshot up.
func (r *Rule) startAfresh(why string) {
	r.logger.Warn().Str("reason", why).Msg("a rule forgets what it remembered and starts afresh")
	r.kept.sequence, r.kept.state, r.kept.encoded = 0, nil, nil
}

// Sequence is the number of the last evaluation that the rule remembers, 0 when it starts afresh: evaluations are
// numbered on from there.
func (r *Rule) Sequence() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept.sequence
}

// Snapshot asks the guest for what the rule must not lose, and returns it in an envelope for [RuleOptions.State] of a
// later run. It is also what the rule goes on with when its instance fails: what came after the last snapshot is lost
// then. Nothing is asked of a rule that keeps no state, has none yet, or was not evaluated since: the result is nil, or
// the same as the last time, as it is when the state is the same.
//
// An error, whose type is *[Error], does not concern the rule's verdicts: the last snapshot stays what it was.
func (r *Rule) Snapshot(ctx context.Context) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("snapshot of rule %s: %w", r.id, err)
	}
	state, err := r.snapshot(ctx)
	if r.twin != nil {
		if again, _ := r.twin.snapshot(ctx); !bytes.Equal(state, again) {
			return nil, r.disagree(ctx, "what they remember")
		}
	}
	return state, err
}

// snapshot asks one of the instances of a rule. r.mu is held.
func (r *Rule) snapshot(ctx context.Context) ([]byte, error) {
	if r.closed || r.in == nil || r.kept.mute || !r.kept.news || !r.module.Stateful() {
		return r.kept.encoded, nil
	}
	in := r.in
	in.mu.Lock()
	if in.dead.Load() { // with what came after the last snapshot
		in.mu.Unlock()
		return r.kept.encoded, nil
	}
	state, trapped, err := r.ask(in)
	in.flush()
	in.phase, in.rule = idle, nil
	if trapped {
		in.close(ctx)
	}
	in.mu.Unlock()
	if trapped {
		r.module.leave(ctx, in)
		r.in, r.alone, r.kept.mute = nil, true, true
		err = during("the rule is not asked for its state again until the engine restarts", err)
	}
	if err != nil {
		return nil, r.module.named(r.id, during("snapshot", err))
	}
	r.kept.news = false
	switch {
	case len(state) == 0:
		r.kept.state, r.kept.encoded = nil, nil
	case !bytes.Equal(state, r.kept.state):
		r.kept.sequence, r.kept.state = r.evaluated, state
		r.kept.encoded = r.kept.encode()
	}
	return r.kept.encoded, nil
}

// ask has the guest write its state. It has trapped when it is of no further use.
func (r *Rule) ask(in *instance) (state []byte, trapped bool, err error) {
	in.begin(snapshotting, r, r.module.limits.Fuel)
	in.seed, in.random = seedOf(r.id, r.evaluated), nil
	code, err := in.call(&in.guest.snapshot, uint64(r.handle))
	if err != nil {
		return nil, in.broken == nil || !errors.Is(err, in.broken), err
	}
	if err := in.status(abi.ExportSnapshot, code); err != nil {
		return nil, false, err
	}
	return bytes.Clone(in.emitted), false, nil
}

// restore gives a rule that was just configured its state back. A guest that refuses it in good order stays where it is
// and is configured anew: others may live there too.
func (r *Rule) restore(in *instance) error {
	in.begin(restoring, r, r.module.limits.Fuel)
	in.seed, in.random = seedOf(r.id, r.kept.sequence), nil
	size := uint64(len(r.kept.state))
	ptr, view, err := in.buffer(abi.SlotState, size)
	if err != nil {
		return err
	}
	copy(view, r.kept.state)
	code, err := in.call(&in.guest.restore, uint64(r.handle), uint64(ptr), size)
	if err != nil {
		return err
	}
	in.flush()
	refused := in.status(abi.ExportRestore, code)
	if refused == nil {
		r.first = false
		return nil
	}
	r.startAfresh(during("restore", refused).Error())
	r.restoring = false
	if in.guest.drop.Function != nil {
		in.begin(dropping, r, r.module.limits.Fuel)
		if _, err := in.call(&in.guest.drop, uint64(r.handle)); err != nil {
			return err
		}
	}
	return r.configure(in)
}
