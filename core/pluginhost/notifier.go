package pluginhost

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tocsinhq/tocsin/sdk/notifier"
	"github.com/tocsinhq/tocsin/sdk/plugin"
)

// Notifier is one configured notifier.
type Notifier struct{ instance *instance }

// Notifier starts the process of the kind if it does not run, and configures an instance in it. See [Host.Source].
func (h *Host) Notifier(ctx context.Context, kind, name string, settings json.RawMessage, env []string, secrets ...string) (*Notifier, error) {
	n := &Notifier{instance: &instance{name: name, settings: settings, secrets: secrets}}
	if err := h.open(ctx, n.instance, key{plugin.RoleNotifier, kind}, env); err != nil {
		return nil, err
	}
	return n, nil
}

// Send makes one attempt. After an error that wraps [ErrUnavailable] but not [ErrInterrupted] the service has not
// seen it.
func (n *Notifier) Send(ctx context.Context, notification notifier.Notification) (notifier.Result, error) {
	run, err := n.instance.acquire()
	if err != nil {
		return notifier.Result{}, err
	}
	ctx, cancel := bounded(ctx, 0)
	defer cancel()
	var timeout time.Duration // of the plugin: a little less than ours, so that we hear what it says at the end
	if deadline, ok := ctx.Deadline(); ok {
		timeout = time.Until(deadline)
		timeout = max(timeout-min(answerMargin, timeout/10), time.Millisecond)
	}
	result, err := run.notifier.Send(ctx, n.instance.id, notification, timeout)
	result.Detail = n.instance.scrub.text(result.Detail)
	return result, n.instance.answered(err)
}

// Close removes the instance. The process of the kind ends with its last one.
func (n *Notifier) Close(ctx context.Context) error { return n.instance.close(ctx) }
