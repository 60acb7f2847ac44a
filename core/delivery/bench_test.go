package delivery_test

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/delivery"
	"github.com/tocsinhq/tocsin/core/state"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

// storm makes groups with as many alerts each, as a burst of incidents would.
func storm(groups, alerts int) []alert.Group {
	began := time.Now().Add(-time.Hour) // long enough for every group_wait
	all := make([]alert.Group, groups)
	for i := range all {
		group := frame.NewLabels(frame.Label{Name: "alertname", Value: "HighAPIErrorRate"}, frame.Label{Name: "service", Value: fmt.Sprintf("service-%05d", i)})
		all[i] = alert.Group{
			Receiver: "fake.r", Key: "{}/{severity=\"critical\"}:" + group.String(), Labels: group,
			Wait: 30 * time.Second, Interval: time.Nanosecond, Repeat: 4 * time.Hour,
		}
		for j := range alerts {
			identity := group.With(
				frame.Label{Name: "instance", Value: fmt.Sprintf("10.0.%d.%d:8080", i%256, j)},
				frame.Label{Name: "job", Value: "gateway"},
				frame.Label{Name: "endpoint", Value: "/critical/api"},
			)
			all[i].Members = append(all[i].Members, alert.Member{Alert: &alert.Alert{
				Fingerprint: alert.NewFingerprint("HighAPIErrorRate", identity), Rule: "HighAPIErrorRate", Identity: identity,
				Labels: identity.With(frame.Label{Name: "severity", Value: "critical"}), State: alert.Firing, FiredAt: began, Revision: 1,
				Annotations: map[string]string{"summary": "/critical/api: 12.5% of requests fail", "runbook": "https://runbooks.example.org/high-api-error-rate"},
			}})
		}
		ordered(all[i].Members)
	}
	return all
}

// counter is a receiver that accepts everything.
type counter struct{ sent atomic.Int64 }

func (c *counter) Send(context.Context, notifier.Notification) (notifier.Result, error) {
	c.sent.Add(1)
	return notifier.Result{Outcome: notifier.Delivered}, nil
}

// wait returns when as many notifications were sent and everything is settled in memory.
func (c *counter) wait(n int64) {
	for c.sent.Load() < n {
		runtime.Gosched()
		time.Sleep(time.Millisecond)
	}
}

func cpu() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkStorm opens and closes 10,000 groups of 5 alerts.
func BenchmarkStorm(b *testing.B) {
	const groups, alerts = 10_000, 5
	for _, kind := range []string{"memory", "bolt"} {
		b.Run(kind, func(b *testing.B) {
			firing := storm(groups, alerts)
			resolved := make([]alert.Group, groups)
			for i, g := range firing {
				g.Members = append([]alert.Member{}, g.Members...)
				for j := range g.Members {
					g.Members[j] = resolve(g.Members[j])
				}
				resolved[i] = g
			}
			var before time.Duration
			for b.Loop() {
				var store state.Store = state.Memory()
				if kind == "bolt" {
					var err error
					if store, err = state.Open(filepath.Join(b.TempDir(), "state.db")); err != nil {
						b.Fatal(err)
					}
				}
				receiver := &counter{}
				l, err := delivery.New(delivery.Options{State: store, Receivers: []delivery.Receiver{{Name: "r", Ref: "fake.r", Sender: receiver, SendResolved: true}}})
				if err != nil {
					b.Fatal(err)
				}
				l.Start()
				runtime.GC()
				before -= cpu()
				l.Reconcile(firing, time.Now())
				receiver.wait(groups)
				l.Reconcile(resolved, time.Now())
				receiver.wait(2 * groups)
				before += cpu()
				if err := l.Stop(b.Context()); err != nil {
					b.Fatal(err)
				}
				if err := store.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(before.Microseconds())/float64(b.N)/(groups*alerts), "cpu-µs/alert")
		})
	}
}

// BenchmarkReconcile says again what is known already.
func BenchmarkReconcile(b *testing.B) {
	firing := storm(10_000, 5)
	receiver := &counter{}
	l, err := delivery.New(delivery.Options{State: state.Memory(), Receivers: []delivery.Receiver{{Name: "r", Ref: "fake.r", Sender: receiver, SendResolved: true}}})
	if err != nil {
		b.Fatal(err)
	}
	l.Start()
	l.Reconcile(firing, time.Now())
	receiver.wait(10_000)
	b.ReportAllocs()
	for b.Loop() {
		l.Reconcile(firing, time.Now())
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/50_000, "ns/alert")
	if err := l.Stop(b.Context()); err != nil {
		b.Fatal(err)
	}
}
