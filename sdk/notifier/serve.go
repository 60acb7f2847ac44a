package notifier

import (
	"context"
	"time"

	"google.golang.org/grpc"

	"github.com/tocsinhq/tocsin/sdk/plugin"
	"github.com/tocsinhq/tocsin/sdk/pluginpb"
)

// Info says which plugin this is.
type Info = plugin.Info

// Serve turns this process into a notifier plugin: the one line of main. It returns when the engine stops the plugin,
// and ends the process when the engine is gone. Log with log/slog: Serve sets its default logger.
//
// A panic in a method ends that call with an error, not the process; one in a goroutine of the author's own does.
func Serve(info Info, newNotifier func() Notifier) {
	s := newServer(info, newNotifier)
	plugin.Main(s.base, s.grpc)
}

// Register makes a gRPC server that serves the plugin, for tests and for engines that bring their own process.
// The second result ends what it began.
func Register(info Info, newNotifier func() Notifier, opts ...grpc.ServerOption) (*grpc.Server, func()) {
	s := newServer(info, newNotifier)
	server := s.grpc(opts)
	return server, func() { server.Stop(); s.base.Wait() }
}

// server serves the Notifier service.
type server struct {
	pluginpb.UnimplementedNotifierServer
	base *plugin.Server[Notifier]
}

func newServer(info Info, newNotifier func() Notifier) *server {
	return &server{base: plugin.NewServer(info, plugin.RoleNotifier, newNotifier)}
}

func (s *server) grpc(opts []grpc.ServerOption) *grpc.Server {
	server := s.base.GRPC(opts)
	pluginpb.RegisterNotifierServer(server, s)
	return server
}

// Send implements the service.
func (s *server) Send(ctx context.Context, r *pluginpb.SendRequest) (*pluginpb.SendResponse, error) {
	instance, err := s.base.Instance(r.GetInstanceId())
	if err != nil {
		return nil, err
	}
	if timeout := time.Duration(r.GetTimeoutNs()); timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	result, err := instance.Send(ctx, fromMessage(r.GetNotification()))
	if err != nil {
		return nil, plugin.ToStatus(err)
	}
	return resultMessage(result), nil
}
