package plugintest_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/notifier"
	"github.com/tocsinhq/tocsin/sdk/plugintest"
	"github.com/tocsinhq/tocsin/sdk/schema"
	"github.com/tocsinhq/tocsin/sdk/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// badEnv names the fault that a plugin shall have.
const badEnv = "TOCSIN_PLUGINTEST_FAULT"

type config struct {
	Key string `config:"key" required:"true" sensitive:"true"`
}

var goodConfig = json.RawMessage(`{"key":"k"}`)

// gauges is a source with one builder for each target, as sources should be.
type gauges struct {
	fault    string
	config   config
	mu       sync.Mutex
	builders map[string]*frame.Builder
	calls    int
}

func (g *gauges) Schema() schema.Block { return schema.MustOf(config{}) }

func (g *gauges) Configure(_ context.Context, data []byte) error {
	if g.fault == "takes any configuration" {
		return nil
	}
	if g.fault == "quotes secrets" {
		return errors.New("I do not like " + string(data))
	}
	return schema.Decode(data, &g.config)
}

func (g *gauges) Collect(ctx context.Context, t source.Target) (source.Collection, error) {
	if t.Address == "hang" {
		if g.fault == "ignores the deadline" {
			<-time.After(3 * time.Second)
		} else {
			<-ctx.Done()
		}
		return source.Collection{}, errors.New("nobody answered")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.builders == nil {
		g.builders = map[string]*frame.Builder{}
	}
	b := g.builders[t.ID]
	if b == nil {
		b = &frame.Builder{}
		g.builders[t.ID] = b
	}
	names := []string{"a", "b"}
	if t.Limits.Series == 1 && g.fault != "ignores limits" {
		names = names[:1]
	}
	if g.calls++; g.fault == "another layout each time" && g.calls%2 == 0 {
		names = names[1:]
	}
	for _, name := range names {
		b.Add(frame.NewLabels(frame.Label{Name: frame.MetricName, Value: name}), frame.Gauge, 1)
	}
	return source.Collection{Frame: b.Build(0), Truncated: len(names) == 1}, nil
}

func TestSource(t *testing.T) {
	fault := os.Getenv(badEnv)
	plugintest.Source(t, plugintest.SourceOptions{
		New: func() source.Source { return &gauges{fault: fault} }, Config: goodConfig,
		Target: source.Target{ID: "one"}, Hanging: source.Target{ID: "two", Address: "hang"},
	})
}

// bell is a notifier that rings.
type bell struct {
	fault  string
	config config
}

func (b *bell) Schema() schema.Block {
	if b.fault == "bad schema" {
		return schema.Block{Attributes: []schema.Attribute{{Name: "Key", Type: "string"}}}
	}
	return schema.MustOf(config{})
}

func (b *bell) Configure(_ context.Context, data []byte) error { return schema.Decode(data, &b.config) }

func (b *bell) Send(_ context.Context, n notifier.Notification) (notifier.Result, error) {
	switch {
	case b.config.Key == "failing" && b.fault == "says delivered":
		return notifier.Result{Outcome: notifier.Delivered}, nil
	case b.config.Key == "failing":
		return notifier.Result{}, errors.New("the bell is broken")
	case b.fault == "panics" && n.GroupLabels == nil:
		n.GroupLabels["x"] = "y"
	}
	return notifier.Result{Outcome: notifier.Delivered}, nil
}

func TestNotifier(t *testing.T) {
	fault := os.Getenv(badEnv)
	plugintest.Notifier(t, plugintest.NotifierOptions{
		New: func() notifier.Notifier { return &bell{fault: fault} }, Config: goodConfig, Failing: json.RawMessage(`{"key":"failing"}`),
	})
}

// A suite that cannot fail is of no use.
func TestFaultsAreFound(t *testing.T) {
	if os.Getenv(badEnv) != "" {
		t.Skip("this is the inner run")
	}
	for _, c := range []struct{ test, fault, want string }{
		{"TestSource", "takes any configuration", "Configure has no objection"},
		{"TestSource", "quotes secrets", "configuration 1"},
		{"TestSource", "ignores the deadline", "pass ctx on to whatever waits"},
		{"TestSource", "ignores limits", "more series than the engine wanted"},
		{"TestSource", "another layout each time", "are others than those of the first"},
		{"TestNotifier", "bad schema", "names are lower case"},
		{"TestNotifier", "says delivered", "a service that fails"},
		{"TestNotifier", "panics", "hardly anything"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			inner := exec.CommandContext(t.Context(), self, "-test.run=^"+c.test+"$")
			inner.Env = append(os.Environ(), badEnv+"="+c.fault)
			out, err := inner.CombinedOutput()
			if err == nil || !strings.Contains(string(out), c.want) {
				t.Errorf("got %v:\n%s", err, out)
			}
		})
	}
}
