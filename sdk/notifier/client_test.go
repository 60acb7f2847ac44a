package notifier_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/tocsinhq/tocsin/sdk/notifier"
	"github.com/tocsinhq/tocsin/sdk/plugin"
	"github.com/tocsinhq/tocsin/sdk/pluginpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hostile answers every call the same.
type hostile struct {
	pluginpb.UnimplementedNotifierServer
	answer *pluginpb.SendResponse
}

func (h hostile) Send(context.Context, *pluginpb.SendRequest) (*pluginpb.SendResponse, error) {
	return h.answer, nil
}

func dial(t *testing.T, answer *pluginpb.SendResponse) *notifier.Client {
	t.Helper()
	server := grpc.NewServer(grpc.MaxRecvMsgSize(plugin.MaxMessage))
	pluginpb.RegisterNotifierServer(server, hostile{answer: answer})
	listener := bufconn.Listen(1 << 20)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(); server.Stop(); <-done })
	return notifier.NewClient(conn)
}

func TestAnswersAreBounded(t *testing.T) {
	result, err := dial(t, &pluginpb.SendResponse{
		Outcome: pluginpb.Outcome_OUTCOME_DELIVERED, RetryAfterNs: -1, Detail: strings.Repeat("ü", 10_000), Reference: strings.Repeat("x", 100_000),
	}).Send(t.Context(), "i", notifier.Notification{}, 0)
	if err != nil || result.Outcome != notifier.Delivered {
		t.Fatalf("what was delivered stays delivered: got %v, %v", result.Outcome, err)
	}
	if result.RetryAfter != 0 || result.Reference != "" || len(result.Detail) > 5000 || !strings.HasPrefix(result.Detail, "a reference of more than") {
		t.Errorf("got %s, a reference of %d bytes, %.100s", result.RetryAfter, len(result.Reference), result.Detail)
	}
	result, err = dial(t, &pluginpb.SendResponse{RetryAfterNs: 1 << 62}).Send(t.Context(), "i", notifier.Notification{}, 0)
	if err != nil || result.Outcome != notifier.Retry || result.RetryAfter != 24*time.Hour {
		t.Errorf("got %+v, %v", result, err)
	}
	if _, err := dial(t, &pluginpb.SendResponse{Outcome: 9}).Send(t.Context(), "i", notifier.Notification{}, 0); err == nil || !strings.Contains(err.Error(), "unknown outcome 9") {
		t.Errorf("got %v", err)
	}
}

func TestNotificationThatIsTooLarge(t *testing.T) {
	_, err := dial(t, nil).Send(t.Context(), "i", notifier.Notification{Note: strings.Repeat("x", plugin.MaxMessage+1)}, 0)
	if err == nil || !strings.Contains(err.Error(), "send fewer alerts at once") {
		t.Errorf("got %v", err)
	}
}
