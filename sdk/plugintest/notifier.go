package plugintest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tocsinhq/tocsin/sdk/notifier"
	"github.com/tocsinhq/tocsin/sdk/plugin"
)

// NotifierOptions say what to test a notifier with.
type NotifierOptions struct {
	New func() notifier.Notifier
	// Config is one that works. It leads to a server of the test that accepts everything.
	Config json.RawMessage
	// Failing is one that leads to a server that fails; "": that is not tested.
	Failing json.RawMessage
}

// Notifier tests a notifier plugin.
func Notifier(t *testing.T, o NotifierOptions) {
	info := plugin.Info{Name: "plugintest", Version: "0"}
	server, stop := notifier.Register(info, o.New)
	conn := connect(t, server, stop)
	client, sender := plugin.NewClient(conn), notifier.NewClient(conn)
	common(t, client, info, plugin.RoleNotifier, o.Config)

	const instance = "plugintest#1"
	if diags, err := client.Configure(deadline(t, callTime), instance, "plugintest", o.Config); err != nil || len(diags) > 0 {
		t.Fatalf("configure: %v, %v", diags, err)
	}
	send := func(t *testing.T, n notifier.Notification) notifier.Result {
		t.Helper()
		result, err := sender.Send(deadline(t, callTime), instance, n, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return result
	}

	t.Run("unknown instance", func(t *testing.T) {
		if _, err := sender.Send(deadline(t, callTime), "no such", sample("unknown"), time.Second); !errors.Is(err, plugin.ErrNoInstance) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("life of an incident", func(t *testing.T) {
		first := sample("life")
		result := send(t, first)
		if result.Outcome != notifier.Delivered {
			t.Fatalf("the first notification: %+v", result)
		}
		repeat := first
		repeat.ID, repeat.Attempt, repeat.PossibleRepeat, repeat.Reason, repeat.Reference = "life-2", 2, true, notifier.ReasonRepeat, result.Reference
		if result = send(t, repeat); result.Outcome != notifier.Delivered {
			t.Errorf("the repetition: %+v", result)
		}
		end := first
		end.ID, end.Reason, end.Reference = "life-3", notifier.ReasonAllResolved, result.Reference
		end.Alerts = resolved(first.Alerts)
		if result = send(t, end); result.Outcome != notifier.Delivered {
			t.Errorf("the end: %+v", result)
		}
	})
	t.Run("odd content", func(t *testing.T) {
		for name, n := range odd() {
			result, err := sender.Send(deadline(t, callTime), instance, n, 10*time.Second)
			if err != nil || result.Outcome == notifier.Retry {
				t.Errorf("%s: %+v, %v: what can never be accepted is Rejected; better is to make it fit", name, result, err)
			}
		}
	})
	t.Run("many at once", func(t *testing.T) {
		var calls sync.WaitGroup
		for i := range 8 {
			calls.Go(func() {
				if _, err := sender.Send(deadline(t, callTime), instance, sample(fmt.Sprint("many-", i)), 10*time.Second); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
	})
	t.Run("deadline", func(t *testing.T) {
		endsInTime(t, func(ctx context.Context) error {
			_, err := sender.Send(ctx, instance, sample("deadline"), 0)
			return err
		})
	})
	t.Run("failing service", func(t *testing.T) {
		if o.Failing == nil {
			t.Skip("no NotifierOptions.Failing")
		}
		if diags, err := client.Configure(deadline(t, callTime), "failing", "failing", o.Failing); err != nil || len(diags) > 0 {
			t.Fatalf("configure: %v, %v", diags, err)
		}
		result, err := sender.Send(deadline(t, callTime), "failing", sample("failing"), 10*time.Second)
		if err == nil && result.Outcome != notifier.Retry {
			t.Errorf("a service that fails: %+v", result)
		}
	})
}

// sample is a notification as the engine would send it first.
func sample(name string) notifier.Notification {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return notifier.Notification{
		ID: name, Attempt: 1, Reason: notifier.ReasonFirst, Receiver: "plugintest", GroupKey: `{}:{alertname="Sample"}`,
		DedupKey: fmt.Sprintf("%064x", len(name)), GroupLabels: map[string]string{"alertname": "Sample"}, ExternalURL: "http://tocsin.example",
		Alerts: []notifier.Alert{
			alert("0123456789abcdef", "one", at), alert("fedcba9876543210", "two", at),
		},
	}
}

func alert(fingerprint, endpoint string, at time.Time) notifier.Alert {
	return notifier.Alert{
		Fingerprint: fingerprint, Status: notifier.StatusFiring, Rule: "Sample", StartsAt: at, Value: 0.07,
		Labels:       map[string]string{"alertname": "Sample", "severity": "critical", "endpoint": endpoint},
		Annotations:  map[string]string{"summary": "7% errors on " + endpoint},
		GeneratorURL: "http://tocsin.example/rules/Sample",
	}
}

func resolved(alerts []notifier.Alert) []notifier.Alert {
	ended := append([]notifier.Alert(nil), alerts...)
	for i := range ended {
		ended[i].Status, ended[i].EndsAt = notifier.StatusResolved, ended[i].StartsAt.Add(time.Minute)
	}
	return ended
}

// odd is what users' labels and annotations may hold.
func odd() map[string]notifier.Notification {
	bare := sample("bare")
	bare.GroupLabels, bare.ExternalURL = nil, ""
	bare.Alerts = []notifier.Alert{{Fingerprint: "0", Status: notifier.StatusFiring}}
	long := sample("long")
	long.Alerts[0].Annotations = map[string]string{"summary": strings.Repeat("long ", 20_000), "description": strings.Repeat("ü", 50_000)}
	many := sample("many")
	for i := range 1000 {
		many.Alerts = append(many.Alerts, alert(fmt.Sprintf("%016x", i), fmt.Sprint(i), many.Alerts[0].StartsAt))
	}
	many.Truncated = 7
	text := sample("text")
	text.Alerts[0].Labels = map[string]string{"alertname": "<&>\"'`*_~{{ . }}%s\x00\n\u202e", "severity": "no such severity"}
	text.Note = "delivered late"
	return map[string]notifier.Notification{"hardly anything": bare, "very long text": long, "very many alerts": many, "markup and control characters": text}
}
