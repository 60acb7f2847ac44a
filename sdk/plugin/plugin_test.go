package plugin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/tocsinhq/tocsin/sdk/plugin"
	"github.com/tocsinhq/tocsin/sdk/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type part struct {
	configure func(config string) error
	closed    *int
}

func (p *part) Schema() schema.Block { return schema.Block{} }

func (p *part) Configure(_ context.Context, config []byte) error { return p.configure(string(config)) }

func (p *part) Close() error { *p.closed++; return nil }

func serve(t *testing.T, configure func(string) error) (*plugin.Server[*part], *plugin.Client, *int) {
	t.Helper()
	closed := new(int)
	server := plugin.NewServer(plugin.Info{Name: "n", Version: "v"}, plugin.RoleSource, func() *part { return &part{configure, closed} })
	g := server.GRPC(nil)
	listener := bufconn.Listen(1 << 16)
	done := make(chan struct{})
	go func() { defer close(done); _ = g.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(); g.Stop(); <-done; server.Wait() })
	return server, plugin.NewClient(conn), closed
}

func TestConfigure(t *testing.T) {
	server, client, closed := serve(t, func(config string) error {
		switch config {
		case "warn":
			return schema.Diagnostics{{Summary: "careful", Warning: true}}
		case "blame":
			return schema.Diagnostics{{Path: []string{"a", "b"}, Summary: "wrong", Detail: "very"}}
		case "error":
			return errors.New("no")
		}
		return nil
	})
	if _, err := server.Instance("i"); status.Code(err) != codes.NotFound {
		t.Errorf("got %v", err)
	}
	for _, step := range []struct {
		config string
		want   schema.Diagnostics
		closed int // values that were told that they are no longer needed
	}{
		{"good", nil, 0},
		{"warn", schema.Diagnostics{{Summary: "careful", Warning: true}}, 1},
		{"blame", schema.Diagnostics{{Path: []string{"a", "b"}, Summary: "wrong", Detail: "very"}}, 2},
		{"error", schema.Diagnostics{{Summary: "no"}}, 3},
	} {
		diags, err := client.Configure(t.Context(), "i", "name", []byte(step.config))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, diags); diff != "" {
			t.Error(diff)
		}
		if *closed != step.closed {
			t.Errorf("%s: %d closed", step.config, *closed)
		}
	}
	if _, err := server.Instance("i"); err != nil {
		t.Error("a bad configuration replaced the good one")
	}
	if _, err := client.Configure(t.Context(), "", "name", nil); err == nil {
		t.Error("an instance without an id")
	}
	if err := client.Remove(t.Context(), "i"); err != nil || *closed != 4 {
		t.Errorf("%v, %d closed", err, *closed)
	}
}

func TestPanicIsAnError(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	_, client, _ := serve(t, func(string) error { panic("boom") })
	if _, err := client.Configure(t.Context(), "i", "name", nil); !errors.Is(err, plugin.ErrPanic) || err.Error() != "the plugin panicked: boom" {
		t.Errorf("got %v", err)
	}
	if err := client.Health(t.Context()); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "plugin_test.go") {
		t.Errorf("the log has no stack: %s", log.String())
	}
}

// Stop answers, lets calls end and then ends the server.
func TestStop(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	server, client, _ := serve(t, func(string) error {
		close(entered)
		<-leave
		return nil
	})
	called := make(chan error, 1)
	go func() {
		_, err := client.Configure(t.Context(), "i", "name", nil)
		called <- err
	}()
	<-entered
	if err := client.Stop(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	close(leave)
	if err := <-called; err != nil {
		t.Errorf("the call in flight: %v", err)
	}
	server.Wait()
	if err := client.Health(t.Context()); !errors.Is(err, plugin.ErrConnection) {
		t.Errorf("got %v", err)
	}
}

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		sent  error
		wraps error
		text  string
	}{
		{errors.New("plain"), nil, "plain"},
		{fmt.Errorf("get x: %w", context.DeadlineExceeded), context.DeadlineExceeded, "get x: context deadline exceeded"},
		{context.DeadlineExceeded, context.DeadlineExceeded, "context deadline exceeded"},
		{status.Error(codes.NotFound, "the author's"), nil, "rpc error: code = NotFound desc = the author's"},
		{errors.New("bad \xff text"), nil, "bad \ufffd text"},
	} {
		err := plugin.FromStatus(plugin.ToStatus(c.sent))
		if err.Error() != c.text || c.wraps != nil && !errors.Is(err, c.wraps) || errors.Is(err, plugin.ErrNoInstance) {
			t.Errorf("%v: got %v", c.sent, err)
		}
	}
	if plugin.FromStatus(plugin.ToStatus(nil)) != nil {
		t.Error("nil is an error")
	}
	if got := plugin.FromStatus(plugin.ToStatus(errors.New(strings.Repeat("ü", 10_000)))).Error(); len(got) > 5000 {
		t.Errorf("a text of %d bytes", len(got))
	}
	if err := plugin.FromStatus(status.Error(codes.Unavailable, "gone")); !errors.Is(err, plugin.ErrConnection) || errors.Is(err, plugin.ErrNotSent) {
		t.Errorf("got %v", err)
	}
	if err := plugin.FromStatus(status.Error(codes.Unimplemented, "method X")); err == nil || !strings.Contains(err.Error(), "does not speak") {
		t.Errorf("got %v", err)
	}
}
