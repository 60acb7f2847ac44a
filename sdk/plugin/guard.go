package plugin

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const panicPrefix = "panic: "

// guardUnary counts a call and turns a panic in it into its error. One bad block of a configuration must not take
// down the instances of all others.
func (s *Server[T]) guardUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (_ any, err error) {
	defer s.count(info.FullMethod)()
	defer recoverAs(&err, info.FullMethod)
	return handler(ctx, req)
}

func (s *Server[T]) guardStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	defer s.count(info.FullMethod)()
	defer recoverAs(&err, info.FullMethod)
	return handler(srv, stream)
}

// count counts calls into authors' code; go-plugin's own streams last as long as the process.
func (s *Server[T]) count(method string) (done func()) {
	if !strings.HasPrefix(method, "/tocsin.plugin.") || strings.HasSuffix(method, "/Health") || strings.HasSuffix(method, "/Stop") {
		return func() {}
	}
	s.calls.Add(1)
	return func() { s.calls.Add(-1) }
}

func recoverAs(err *error, method string) {
	cause := recover()
	if cause == nil {
		return
	}
	slog.Error("panic in the plugin", "call", method, "panic", clip(fmt.Sprint(cause)), "stack", string(debug.Stack()))
	*err = status.Error(codes.Internal, panicPrefix+clip(fmt.Sprint(cause)))
}
