package source

import (
	"context"
	"time"

	"google.golang.org/grpc"

	"github.com/tocsinhq/tocsin/sdk/plugin"
	"github.com/tocsinhq/tocsin/sdk/pluginpb"
)

// Info says which plugin this is.
type Info = plugin.Info

// Serve turns this process into a source plugin: the one line of main. It returns when the engine stops the plugin,
// and ends the process when the engine is gone. Log with log/slog: Serve sets its default logger.
//
// A panic in a method ends that call with an error, not the process; one in a goroutine of the author's own does.
func Serve(info Info, newSource func() Source) {
	s := newServer(info, newSource)
	plugin.Main(s.base, s.grpc)
}

// Register makes a gRPC server that serves the plugin, for tests and for engines that bring their own process.
// The second result ends what it began.
func Register(info Info, newSource func() Source, opts ...grpc.ServerOption) (*grpc.Server, func()) {
	s := newServer(info, newSource)
	server := s.grpc(opts)
	return server, func() { server.Stop(); s.base.Wait() }
}

// server serves the Source service.
type server struct {
	pluginpb.UnimplementedSourceServer
	base *plugin.Server[*instance]
}

// instance is a source with the layouts it last sent.
type instance struct {
	Source
	sent sentLayouts
}

// Close passes on what the author may want to know.
func (i *instance) Close() error {
	if c, ok := i.Source.(interface{ Close() error }); ok {
		return c.Close()
	}
	return nil
}

func newServer(info Info, newSource func() Source) *server {
	return &server{base: plugin.NewServer(info, plugin.RoleSource, func() *instance { return &instance{Source: newSource()} })}
}

func (s *server) grpc(opts []grpc.ServerOption) *grpc.Server {
	server := s.base.GRPC(opts)
	pluginpb.RegisterSourceServer(server, s)
	return server
}

// Collect implements the service.
func (s *server) Collect(r *pluginpb.CollectRequest, stream grpc.ServerStreamingServer[pluginpb.CollectResponse]) error {
	instance, err := s.base.Instance(r.GetInstanceId())
	if err != nil {
		return err
	}
	target := Target{
		ID: r.GetTargetId(), Address: r.GetAddress(), Timeout: time.Duration(r.GetTimeoutNs()),
		Limits: Limits{Series: int(r.GetMaxSeries()), Bytes: int64(r.GetMaxBytes())},
	}
	ctx := stream.Context()
	if deadline, ok := ctx.Deadline(); ok && target.Timeout <= 0 {
		target.Timeout = time.Until(deadline)
	}
	if target.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, target.Timeout)
		defer cancel()
	}
	c, err := instance.Collect(ctx, target)
	if err != nil {
		return plugin.ToStatus(err)
	}
	if err := c.Frame.Check(); err != nil {
		return plugin.ToStatus(err)
	}
	epoch, before := instance.sent.note(target.ID, c.Frame.Layout, r.GetKnownEpoch(), time.Now())
	if !r.GetDifferences() {
		before = nil
	}
	if epoch != r.GetKnownEpoch() {
		if err := sendLayout(stream, epoch, c.Frame.Layout, before); err != nil {
			return err
		}
	}
	if err := sendRow(stream, &c.Frame); err != nil {
		return err
	}
	return stream.Send(&pluginpb.CollectResponse{Part: &pluginpb.CollectResponse_End{End: &pluginpb.End{
		Epoch: epoch, Series: uint64(len(c.Frame.Values)), TimeMs: c.Frame.Time, Truncated: c.Truncated, PageBytes: c.Bytes,
	}}})
}
