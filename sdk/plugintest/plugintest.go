// Package plugintest holds source and notifier plugins to their contract, over real gRPC in memory. An author's test
// is one line:
//
//	plugintest.Source(t, plugintest.SourceOptions{New: func() source.Source { return &gateway{} }, Config: …, Target: …})
//
// The suites ask what the engine relies on. That the plugin does what it is for is for its own tests.
package plugintest

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/tocsinhq/tocsin/sdk/plugin"
	"github.com/tocsinhq/tocsin/sdk/schema"
)

const callTime = 30 * time.Second // for what is to succeed

// connect serves a plugin in memory and connects to it.
func connect(t *testing.T, server *grpc.Server, stop func()) *grpc.ClientConn {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // ends with stop
	}()
	conn, err := grpc.NewClient("passthrough:///plugin",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(plugin.MaxMessage)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		stop()
		<-served
	})
	return conn
}

func deadline(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// common checks what sources and notifiers have in common: schema and configuration.
func common(t *testing.T, client *plugin.Client, info plugin.Info, role plugin.Role, config json.RawMessage) {
	t.Run("info", func(t *testing.T) {
		got, gotRole, err := client.Info(deadline(t, callTime))
		if err != nil || got != info || gotRole != role {
			t.Errorf("got %+v, %s, %v", got, gotRole, err)
		}
	})
	t.Run("schema", func(t *testing.T) {
		block, err := client.Schema(deadline(t, callTime))
		if err != nil {
			t.Fatal(err)
		}
		again, err := client.Schema(deadline(t, callTime))
		if err != nil {
			t.Fatal(err)
		}
		if asJSON(t, block) != asJSON(t, again) {
			t.Error("Schema says something else each time")
		}
		if err := schema.Check(block); err != nil {
			t.Error(err)
		}
	})
	t.Run("configure", func(t *testing.T) {
		for i := range 2 { // the second replaces the first
			diags, err := client.Configure(deadline(t, callTime), "plugintest", "plugintest", config)
			if err != nil || len(diags) > 0 {
				t.Fatalf("configuration %d: %v, %v", i+1, diags, err)
			}
		}
		if err := client.Remove(deadline(t, callTime), "plugintest"); err != nil {
			t.Error(err)
		}
		if err := client.Remove(deadline(t, callTime), "plugintest"); err != nil {
			t.Error("to remove what is not there is no error:", err)
		}
	})
	t.Run("wrong configuration", func(t *testing.T) {
		for name, wrong := range map[string]string{
			"an attribute that no schema has": `{"no_such_attribute_of_any_plugin":"plugintest-secret"}`,
			"not an object":                   `["plugintest-secret"]`,
			"no JSON":                         `{`,
		} {
			diags, err := client.Validate(deadline(t, callTime), json.RawMessage(wrong))
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if len(diags) == 0 {
				t.Errorf("%s: Configure has no objection. Use schema.Decode, it has", name)
			}
			if strings.Contains(asJSON(t, diags), "plugintest-secret") {
				t.Errorf("%s: the complaint quotes a value, which may be a secret: %v", name, diags)
			}
		}
	})
	t.Run("health", func(t *testing.T) {
		if err := client.Health(deadline(t, callTime)); err != nil {
			t.Error(err)
		}
	})
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// endsInTime makes a call with a deadline that has nearly passed. The plugin must come back, whatever it says.
func endsInTime(t *testing.T, call func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := call(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		t.Errorf("got %v", err)
	}
}
