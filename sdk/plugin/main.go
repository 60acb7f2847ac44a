package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// Main turns this process into the plugin that server serves, until the engine stops it or goes away. It sets
// [slog.Default] to what the engine reads as the plugin's log.
//
// newGRPC makes the gRPC server with all services.
func Main[T Instance](server *Server[T], newGRPC func(opts []grpc.ServerOption) *grpc.Server) {
	if os.Getenv(CookieKey) != CookieValue {
		fmt.Fprintf(os.Stderr, "This is the Tocsin %s plugin %q, version %s. Tocsin starts it: put it into a plugin_dir as tocsin-%s-%s.\n",
			server.role, server.info.Name, server.info.Version, server.role, server.info.Name)
		os.Exit(1)
	}
	slog.SetDefault(newLogger(os.Stderr, os.Getenv(LogLevelEnv)))
	watchEngine()
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig:  Handshake(),
		VersionedPlugins: map[int]goplugin.PluginSet{ProtocolVersion: {string(server.role): served{}}},
		GRPCServer:       newGRPC,
		// Its log is about itself. What matters is in the engine's log anyway: the start failed, the connection broke.
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Error, Output: os.Stderr, JSONFormat: true}),
	})
	server.Wait()
}

// served tells go-plugin that we speak gRPC; services are registered when the server is made.
type served struct {
	goplugin.NetRPCUnsupportedPlugin
}

func (served) GRPCServer(*goplugin.GRPCBroker, *grpc.Server) error { return nil }

func (served) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("this is the plugin's end")
}

// newLogger writes records that the engine's log bridge understands. It holds on to the file, for go-plugin replaces
// os.Stderr by a pipe of its own.
func newLogger(stderr io.Writer, level string) *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	if level == "debug" {
		options.Level = slog.LevelDebug
	}
	return slog.New(slog.NewJSONHandler(stderr, options))
}

// watchEngine ends the process soon after the engine is gone, however it went: the engine holds the other end of our
// standard input, and the kernel gives orphans another parent. The goroutines live as long as the process.
func watchEngine() {
	stdin, parent := os.Stdin, os.Getppid()
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		os.Exit(0)
	}()
	go func() {
		for range time.Tick(500 * time.Millisecond) {
			if os.Getppid() != parent {
				os.Exit(0)
			}
		}
	}()
}
