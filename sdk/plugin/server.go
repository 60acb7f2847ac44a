package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tocsinhq/tocsin/sdk/pluginpb"
	"github.com/tocsinhq/tocsin/sdk/schema"
)

// Server keeps the instances of a plugin and serves the Plugin service for them.
type Server[T Instance] struct {
	pluginpb.UnimplementedPluginServer
	info  Info
	role  Role
	newT  func() T
	calls atomic.Int64 // in flight, of authors' code

	mu        sync.Mutex
	instances map[string]T
	grpc      *grpc.Server // to stop

	stopping sync.WaitGroup
}

// NewServer makes the server of one plugin; newInstance makes a value that was never configured.
func NewServer[T Instance](info Info, role Role, newInstance func() T) *Server[T] {
	return &Server[T]{info: info, role: role, newT: newInstance, instances: map[string]T{}}
}

// GRPC makes a gRPC server with the Plugin service: with our message limits, and with panics of the author's code
// turned into errors of the call.
func (s *Server[T]) GRPC(opts []grpc.ServerOption) *grpc.Server {
	opts = append(opts,
		grpc.MaxRecvMsgSize(MaxMessage), grpc.MaxSendMsgSize(MaxMessage),
		grpc.UnaryInterceptor(s.guardUnary), grpc.StreamInterceptor(s.guardStream))
	server := grpc.NewServer(opts...)
	pluginpb.RegisterPluginServer(server, s)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grpc = server
	return server
}

// Instance finds a configured instance.
func (s *Server[T]) Instance(id string) (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	instance, ok := s.instances[id]
	if !ok {
		return instance, status.Error(codes.NotFound, ErrNoInstance.Error())
	}
	return instance, nil
}

// Wait returns when nothing of a [Server] runs any more: after a Stop, its end.
func (s *Server[T]) Wait() { s.stopping.Wait() }

// GetInfo implements the service.
func (s *Server[T]) GetInfo(context.Context, *pluginpb.GetInfoRequest) (*pluginpb.GetInfoResponse, error) {
	return &pluginpb.GetInfoResponse{
		Name: s.info.Name, Version: s.info.Version, Role: string(s.role), Sdk: "go, " + runtime.Version(),
	}, nil
}

// GetSchema implements the service.
func (s *Server[T]) GetSchema(context.Context, *pluginpb.GetSchemaRequest) (*pluginpb.GetSchemaResponse, error) {
	data, err := json.Marshal(s.newT().Schema())
	if err != nil {
		return nil, ToStatus(fmt.Errorf("encode the schema: %w", err))
	}
	return &pluginpb.GetSchemaResponse{SchemaJson: data}, nil
}

// Validate implements the service.
func (s *Server[T]) Validate(ctx context.Context, r *pluginpb.ValidateRequest) (*pluginpb.ValidateResponse, error) {
	instance := s.newT()
	diags, _ := diagnose(instance.Configure(ctx, r.GetConfigJson()))
	closeInstance(instance)
	return &pluginpb.ValidateResponse{Diagnostics: diags}, nil
}

// Configure implements the service. Each configuration gets a value of its own: a call that is in flight ends with
// the one it began with, and a bad configuration leaves the good one alone.
func (s *Server[T]) Configure(ctx context.Context, r *pluginpb.ConfigureRequest) (*pluginpb.ConfigureResponse, error) {
	if r.GetInstanceId() == "" {
		return nil, status.Error(codes.InvalidArgument, "instance_id is empty")
	}
	instance := s.newT()
	diags, failed := diagnose(instance.Configure(ctx, r.GetConfigJson()))
	if failed {
		closeInstance(instance)
		return &pluginpb.ConfigureResponse{Diagnostics: diags}, nil
	}
	s.mu.Lock()
	old, replaced := s.instances[r.GetInstanceId()]
	s.instances[r.GetInstanceId()] = instance
	s.mu.Unlock()
	if replaced {
		closeInstance(old)
	}
	return &pluginpb.ConfigureResponse{Diagnostics: diags}, nil
}

// Remove implements the service.
func (s *Server[T]) Remove(_ context.Context, r *pluginpb.RemoveRequest) (*pluginpb.RemoveResponse, error) {
	s.mu.Lock()
	old, ok := s.instances[r.GetInstanceId()]
	delete(s.instances, r.GetInstanceId())
	s.mu.Unlock()
	if ok {
		closeInstance(old)
	}
	return &pluginpb.RemoveResponse{}, nil
}

// Health implements the service.
func (s *Server[T]) Health(context.Context, *pluginpb.HealthRequest) (*pluginpb.HealthResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &pluginpb.HealthResponse{Instances: uint32(len(s.instances)), CallsInFlight: uint32(s.calls.Load())}, nil
}

// Stop implements the service.
func (s *Server[T]) Stop(_ context.Context, r *pluginpb.StopRequest) (*pluginpb.StopResponse, error) {
	s.stopping.Go(func() { s.drain(time.Duration(r.GetGraceMs()) * time.Millisecond) })
	return &pluginpb.StopResponse{}, nil
}

// drain waits for calls in flight, then ends the server. The pause at the start lets the answer to Stop out.
func (s *Server[T]) drain(grace time.Duration) {
	deadline := time.NewTimer(max(grace, 0))
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for waiting := true; waiting; {
		select {
		case <-deadline.C:
			waiting = false
		case <-tick.C:
			waiting = s.calls.Load() > 0
		}
	}
	s.mu.Lock()
	server := s.grpc
	s.mu.Unlock()
	if server != nil {
		server.Stop()
	}
}

func closeInstance(instance any) {
	if c, ok := instance.(io.Closer); ok {
		_ = c.Close() // nobody is left who could do something about it
	}
}

// diagnose turns what Configure returned into messages and tells whether one is an error.
func diagnose(err error) (_ []*pluginpb.Diagnostic, failed bool) {
	if err == nil {
		return nil, false
	}
	var diags schema.Diagnostics
	if !errors.As(err, &diags) {
		diags = schema.Diagnostics{{Summary: err.Error()}}
	}
	var messages []*pluginpb.Diagnostic
	for _, d := range diags {
		failed = failed || !d.Warning
		messages = append(messages, &pluginpb.Diagnostic{Path: d.Path, Summary: clip(d.Summary), Detail: clip(d.Detail), Warning: d.Warning})
	}
	return messages, failed
}
