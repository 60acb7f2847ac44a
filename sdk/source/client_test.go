package source_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/test/bufconn"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/plugin"
	"github.com/tocsinhq/tocsin/sdk/pluginpb"
	"github.com/tocsinhq/tocsin/sdk/schema"
	"github.com/tocsinhq/tocsin/sdk/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func dial(t *testing.T, server *grpc.Server) *grpc.ClientConn {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	conn, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(plugin.MaxMessage)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(); server.Stop(); <-done })
	return conn
}

// hostile answers as it likes.
type hostile struct {
	pluginpb.UnimplementedSourceServer
	answer func(stream grpc.ServerStreamingServer[pluginpb.CollectResponse]) error
}

func (h hostile) Collect(_ *pluginpb.CollectRequest, stream grpc.ServerStreamingServer[pluginpb.CollectResponse]) error {
	return h.answer(stream)
}

func TestHostileAnswers(t *testing.T) {
	type stream = grpc.ServerStreamingServer[pluginpb.CollectResponse]
	good := &pluginpb.CollectResponse{Part: &pluginpb.CollectResponse_Layout{Layout: &pluginpb.LayoutPart{
		Epoch: 1, Strings: []string{"__name__", "a"}, LabelCounts: []uint32{1}, Labels: []uint32{0, 1}, Kinds: []byte{0},
	}}}
	for want, answer := range map[string]func(stream) error{
		"has no End": func(s stream) error { return s.Send(good) },
		"is too large": func(s stream) error {
			return s.Send(&pluginpb.CollectResponse{Part: &pluginpb.CollectResponse_Row{Row: &pluginpb.RowPart{Values: make([]byte, plugin.MaxMessage+1)}}})
		},
		"context deadline exceeded": func(s stream) error { // never ends, never grows
			for s.Context().Err() == nil {
				if err := s.Send(&pluginpb.CollectResponse{Part: &pluginpb.CollectResponse_Row{Row: &pluginpb.RowPart{}}}); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		t.Run(want, func(t *testing.T) {
			server := grpc.NewServer()
			first := true
			pluginpb.RegisterSourceServer(server, hostile{answer: func(s stream) error {
				if strings.HasPrefix(want, "context") && first {
					first = false
					if err := s.Send(good); err != nil {
						return err
					}
				}
				return answer(s)
			}})
			client := source.NewClient(dial(t, server))
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			if !strings.HasPrefix(want, "context") {
				ctx = t.Context()
			}
			if _, err := client.Collect(ctx, "i", &source.Known{}, source.Target{ID: "t"}); err == nil || !strings.Contains(err.Error(), want) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

// fresh makes a new layout for each collection: bad manners that must cost little.
type fresh struct{ names []string }

func (*fresh) Schema() schema.Block                    { return schema.Block{} }
func (*fresh) Configure(context.Context, []byte) error { return nil }

func (f *fresh) Collect(_ context.Context, t source.Target) (source.Collection, error) {
	if t.Address == "wrong" {
		return source.Collection{Frame: frame.Frame{Layout: &frame.Layout{}, Values: []float64{1}}}, nil
	}
	if t.Address == "status" {
		return source.Collection{}, context.Canceled
	}
	var b frame.Builder
	for i, name := range f.names {
		b.Add(frame.NewLabels(frame.Label{Name: frame.MetricName, Value: name}), frame.Gauge, float64(i))
	}
	return source.Collection{Frame: b.Build(7), Bytes: 3, Truncated: true}, nil
}

func TestLayoutsAreKept(t *testing.T) {
	author := &fresh{names: []string{"a", "b"}}
	server, stop := source.Register(source.Info{}, func() source.Source { return author })
	t.Cleanup(stop)
	conn := dial(t, server)
	if _, err := plugin.NewClient(conn).Configure(t.Context(), "i", "i", nil); err != nil {
		t.Fatal(err)
	}
	client, restarted := source.NewClient(conn), source.NewClient(conn)
	var known source.Known
	collect := func(c *source.Client, id string) *frame.Layout {
		t.Helper()
		got, err := c.Collect(t.Context(), "i", &known, source.Target{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		if got.Frame.Time != 7 || got.Bytes != 3 || !got.Truncated {
			t.Errorf("got %+v", got)
		}
		return got.Frame.Layout
	}
	first := collect(client, "one")
	if collect(client, "one") != first {
		t.Error("another layout for the same columns")
	}
	if collect(restarted, "one") != first {
		t.Error("another layout after a restart of the plugin")
	}
	if collect(client, "two") == first {
		t.Error("two targets share a layout")
	}
	author.names = []string{"b", "a"}
	if collect(client, "one") == first {
		t.Error("the same layout for other columns")
	}
	if _, err := client.Collect(t.Context(), "i", &known, source.Target{ID: "one", Address: "wrong"}); err == nil || !strings.Contains(err.Error(), "1 values for 0 series") {
		t.Errorf("got %v", err)
	}
	if _, err := client.Collect(t.Context(), "i", &known, source.Target{ID: "one", Address: "status"}); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("what the author cancelled is not what we cancelled: got %v", err)
	}
}

// A page whose layout is far larger than a message may be goes over the wire all the same, and what changes afterwards in
// a message.
func TestLargeLayouts(t *testing.T) {
	const series = 30_000
	author := &fresh{}
	for i := range series {
		author.names = append(author.names, fmt.Sprint(strings.Repeat("x", plugin.MaxMessage/series), i))
	}
	var messages counter
	server, stop := source.Register(source.Info{}, func() source.Source { return author }, grpc.StatsHandler(&messages))
	t.Cleanup(stop)
	conn := dial(t, server)
	if _, err := plugin.NewClient(conn).Configure(t.Context(), "i", "i", nil); err != nil {
		t.Fatal(err)
	}
	var known source.Known
	client := source.NewClient(conn)
	collect := func() (sent int64) {
		t.Helper()
		messages.bytes.Store(0)
		got, err := client.Collect(t.Context(), "i", &known, source.Target{ID: "t"})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(author.names); len(got.Frame.Layout.Series) != n || got.Frame.Values[n-1] != float64(n-1) {
			t.Fatalf("got %d series", len(got.Frame.Layout.Series))
		}
		return messages.bytes.Load()
	}
	if sent := collect(); sent < plugin.MaxMessage {
		t.Errorf("only %d bytes were sent", sent)
	}
	if largest := messages.largest.Load(); largest > 1<<20 {
		t.Errorf("a message of %d bytes", largest)
	}
	author.names = append(author.names, "one more")
	if sent := collect(); sent > 9*series {
		t.Errorf("%d bytes were sent for a row and one more series", sent)
	}
}

// counter counts what a server sends.
type counter struct{ bytes, largest atomic.Int64 }

func (*counter) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (*counter) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (*counter) HandleConn(context.Context, stats.ConnStats)                       {}

func (c *counter) HandleRPC(_ context.Context, s stats.RPCStats) {
	if out, ok := s.(*stats.OutPayload); ok {
		c.bytes.Add(int64(out.Length))
		c.largest.Store(max(c.largest.Load(), int64(out.Length)))
	}
}
