package plugintest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tocsinhq/tocsin/sdk/plugin"
	"github.com/tocsinhq/tocsin/sdk/source"
)

// SourceOptions say what to test a source with.
type SourceOptions struct {
	New    func() source.Source
	Config json.RawMessage // one that works; "" is {}
	Target source.Target   // one that can be collected from, with the same series each time: a server of the test
	// Hanging is a target that never answers; the zero value: such a target is not tested.
	Hanging source.Target
}

// Source tests a source plugin.
func Source(t *testing.T, o SourceOptions) {
	info := plugin.Info{Name: "plugintest", Version: "0"}
	server, stop := source.Register(info, o.New)
	conn := connect(t, server, stop)
	client, collector := plugin.NewClient(conn), source.NewClient(conn)
	common(t, client, info, plugin.RoleSource, o.Config)

	const instance = "plugintest#1"
	if diags, err := client.Configure(deadline(t, callTime), instance, "plugintest", o.Config); err != nil || len(diags) > 0 {
		t.Fatalf("configure: %v, %v", diags, err)
	}
	target := o.Target
	if target.Timeout == 0 {
		target.Timeout = 10 * time.Second
	}

	t.Run("unknown instance", func(t *testing.T) {
		if _, err := collector.Collect(deadline(t, callTime), "no such", &source.Known{}, target); !errors.Is(err, plugin.ErrNoInstance) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("layout is stable", func(t *testing.T) {
		var known source.Known
		first := collect(t, collector, instance, &known, target)
		if err := first.Frame.Check(); err != nil {
			t.Error(err)
		}
		if len(first.Frame.Values) == 0 {
			t.Error("the target has no series: give one that has")
		}
		if second := collect(t, collector, instance, &known, target); second.Frame.Layout != first.Frame.Layout {
			t.Errorf("the columns of the second collection are others than those of the first, or in another order:\n%v\n%v",
				first.Frame.Layout.Series, second.Frame.Layout.Series)
		}
		if again := collect(t, collector, instance, &source.Known{}, target); !again.Frame.Layout.Equal(first.Frame.Layout) {
			t.Error("a second engine gets another layout")
		}
	})
	t.Run("configured again", func(t *testing.T) {
		var known source.Known
		first := collect(t, collector, instance, &known, target)
		if diags, err := client.Configure(deadline(t, callTime), instance, "plugintest", o.Config); err != nil || len(diags) > 0 {
			t.Fatalf("configure: %v, %v", diags, err)
		}
		if second := collect(t, collector, instance, &known, target); !second.Frame.Layout.Equal(first.Frame.Layout) {
			t.Error("the layout is another after the same configuration")
		}
	})
	t.Run("many at once", func(t *testing.T) {
		var known source.Known
		var calls sync.WaitGroup
		for i := range 8 {
			calls.Go(func() {
				mine := target
				mine.ID = fmt.Sprint(target.ID, "#", i)
				for range 4 {
					if _, err := collector.Collect(deadline(t, callTime), instance, &known, mine); err != nil {
						t.Errorf("target %d: %v", i, err)
						return
					}
				}
			})
		}
		calls.Wait()
	})
	t.Run("series limit", func(t *testing.T) {
		limited := target
		limited.Limits.Series = 1
		c, err := collector.Collect(deadline(t, callTime), instance, &source.Known{}, limited)
		switch {
		case err != nil: // to refuse is as good as to cut off
			if _, ok := errors.AsType[*source.ProtocolError](err); ok {
				t.Errorf("more series than the engine wanted: %v", err)
			}
		case len(c.Frame.Values) > 1:
			t.Errorf("%d series", len(c.Frame.Values))
		}
	})
	t.Run("deadline", func(t *testing.T) {
		endsInTime(t, func(ctx context.Context) error {
			_, err := collector.Collect(ctx, instance, &source.Known{}, target)
			return err
		})
		collect(t, collector, instance, &source.Known{}, target) // nothing is the worse for it
	})
	t.Run("hanging target", func(t *testing.T) {
		if o.Hanging == (source.Target{}) {
			t.Skip("no SourceOptions.Hanging")
		}
		hanging := o.Hanging
		hanging.Timeout = 200 * time.Millisecond
		began := time.Now()
		if _, err := collector.Collect(deadline(t, callTime), instance, &source.Known{}, hanging); err == nil {
			t.Error("it answered")
		}
		if took := time.Since(began); took > 10*hanging.Timeout {
			t.Errorf("a collection with a timeout of %s took %s: pass ctx on to whatever waits", hanging.Timeout, took)
		}
	})
	t.Run("removed", func(t *testing.T) {
		if err := client.Remove(deadline(t, callTime), instance); err != nil {
			t.Fatal(err)
		}
		if _, err := collector.Collect(deadline(t, callTime), instance, &source.Known{}, target); !errors.Is(err, plugin.ErrNoInstance) {
			t.Errorf("got %v", err)
		}
	})
}

func collect(t *testing.T, c *source.Client, instance string, known *source.Known, target source.Target) source.Collection {
	t.Helper()
	collection, err := c.Collect(deadline(t, callTime), instance, known, target)
	if err != nil {
		t.Fatal(err)
	}
	return collection
}
