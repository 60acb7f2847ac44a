package wasm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// A rule that is verified has a twin: the same rule in another instance, which is given the same calls in the same
// order. Both have their instances to themselves, since what others do in an instance may show in the fuel. All that a
// guest can see comes from its inputs, so the two must agree to the last byte. Where they do not the sandbox leaks, or
// one of them ran into what instances share, such as the memory that all have together.

// pair gives a rule its twin, which says nothing in logs.
func (r *Rule) pair() {
	r.alone = true
	r.twin = newRule(r.module, r.id, r.params)
	r.twin.handle, r.twin.alone, r.twin.logger = r.handle, true, r.logger.Output(io.Discard)
	r.twin.kept, r.twin.evaluated = r.kept, r.evaluated
}

// verified evaluates the rule and its twin. The result is that of the rule.
func (r *Rule) verified(ctx context.Context, evaluate func(context.Context, *Rule) (Evaluation, error)) (Evaluation, error) {
	result, err := evaluate(ctx, r)
	if _, ran := errors.AsType[*Error](err); err != nil && !ran {
		return result, err
	}
	again, errAgain := evaluate(context.WithoutCancel(ctx), r.twin)
	difference := r.differs(result, again, err, errAgain)
	if difference == "" {
		return result, err
	}
	return Evaluation{}, r.disagree(ctx, difference)
}

// disagree gives both instances up and says what they differ in.
func (r *Rule) disagree(ctx context.Context, difference string) error {
	r.abandon(ctx)
	r.twin.abandon(ctx)
	r.twin.kept = r.kept // from here on they are given the same again
	return r.module.named(r.id, failed(NotDeterministic, "not deterministic: two instances that were given the same disagree: %s", difference))
}

// differs says in what two evaluations differ, "" for nothing.
func (r *Rule) differs(a, b Evaluation, errA, errB error) string {
	text := func(err error) string {
		if err == nil {
			return "no error"
		}
		return err.Error()
	}
	switch {
	case text(errA) != text(errB):
		return fmt.Sprintf("%q, and %q", text(errA), text(errB))
	case errA != nil:
		return ""
	case a.Fuel != b.Fuel:
		return fmt.Sprintf("%d fuel, and %d", a.Fuel, b.Fuel)
	case a.NoVerdict != b.NoVerdict:
		return "one has no verdict"
	case !bytes.Equal(r.in.emitted, r.twin.in.emitted): // still there: nobody else uses these instances
		return fmt.Sprintf("results of %d and %d bytes, which are not the same", len(r.in.emitted), len(r.twin.in.emitted))
	}
	return ""
}

// abandon throws the rule's instance away, so that the next evaluation begins afresh.
func (r *Rule) abandon(ctx context.Context) {
	if r.in == nil {
		return
	}
	r.in.mu.Lock()
	r.in.close(ctx)
	r.in.mu.Unlock()
	r.module.leave(ctx, r.in)
	r.in = nil
}
