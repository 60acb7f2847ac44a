package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"

	"github.com/tocsinhq/tocsin/sdk/notifier"
	"github.com/tocsinhq/tocsin/sdk/plugin"
	"github.com/tocsinhq/tocsin/sdk/source"
)

const (
	startTimeout     = 10 * time.Second
	configureTimeout = 10 * time.Second
	cleanupTimeout   = 2 * time.Second
)

// running is a process that shook hands. A new one is made from scratch for each start: nothing of go-plugin's can
// be used twice.
type running struct {
	child  *child
	client *goplugin.Client
	dir    string
	info   plugin.Info

	plugin   *plugin.Client
	source   *source.Client
	notifier *notifier.Client
}

// launch starts a process of the kind and connects to it. The scrubber knows the secrets of its instances.
func (h *Host) launch(ctx context.Context, k key, env []string, scrub *scrubber) (_ *running, err error) {
	path, args, err := h.options.Command(string(k.role), k.kind)
	if err != nil {
		return nil, err
	}
	var file *os.File
	if h.options.Checksum != nil {
		if sum := h.options.Checksum(string(k.role), k.kind); sum != "" {
			if file, err = openVerified(path, sum); err != nil {
				return nil, err
			}
			defer file.Close()
		}
	}
	dir := filepath.Join(h.dir.path, strconv.FormatUint(h.starts.Add(1), 36))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a private directory: %w", err)
	}
	log := newBridge(h.options.Logger.With().Str("plugin", string(k.role)+"/"+k.kind).Logger())
	log.scrub.Store(scrub)
	r := &running{dir: dir, child: &child{
		path: path, args: args, env: environment(dir, h.options.Logger.GetLevel(), env), dir: dir, file: file, log: log,
		spawner: h.spawner, handshake: newFirstLine(), exited: make(chan struct{}),
	}}
	r.client = goplugin.NewClient(r.config())
	if err := r.connect(ctx, k); err != nil {
		_ = r.stop(ctx, h.hurry, false)
		return nil, err
	}
	return r, nil
}

// config is go-plugin's part: the handshake, certificates and the connection.
func (r *running) config() *goplugin.ClientConfig {
	return &goplugin.ClientConfig{
		HandshakeConfig:  plugin.Handshake(),
		VersionedPlugins: map[int]goplugin.PluginSet{plugin.ProtocolVersion: {}},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     startTimeout,
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: r.dir},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, socketDir string) (runner.Runner, error) {
			r.child.env = append(r.child.env, cmd.Env...)
			r.child.socketDir = socketDir
			return r.child, nil
		},
		SyncStdout: r.child.log.writer(),
		SyncStderr: r.child.log.writer(),
		Logger:     hclog.NewNullLogger(),
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(plugin.MaxMessage), grpc.MaxCallSendMsgSize(plugin.MaxMessage)),
			grpc.WithDisableServiceConfig(),
		},
	}
}

// connect shakes hands and asks who the plugin is.
func (r *running) connect(ctx context.Context, k key) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	type connected struct {
		conn *grpc.ClientConn
		err  error
	}
	answer := make(chan connected, 1)
	go func() { // go-plugin takes no context; it returns once the process is dead, or after its own timeout
		protocol, err := r.client.Client()
		if client, ok := protocol.(*goplugin.GRPCClient); ok && err == nil {
			answer <- connected{client.Conn, nil}
			return
		}
		answer <- connected{nil, err}
	}()
	var c connected
	select {
	case c = <-answer:
	case <-ctx.Done():
		_ = r.child.Kill(ctx)
		<-answer
		return r.explain(fmt.Errorf("it did not shake hands within %s: %w", startTimeout, ctx.Err()))
	}
	if c.err != nil {
		return r.explain(c.err)
	}
	r.plugin, r.source, r.notifier = plugin.NewClient(c.conn), source.NewClient(c.conn), notifier.NewClient(c.conn)
	info, role, err := r.plugin.Info(ctx)
	switch {
	case err != nil:
		return r.explain(fmt.Errorf("ask the plugin who it is: %w", err))
	case role != k.role:
		return fmt.Errorf("%s says that it is a %.20q plugin, not a %s", r.child.path, role, k.role)
	}
	r.info = info
	return nil
}

// explain finds the reason that helps most.
func (r *running) explain(err error) error {
	if r.child.process == nil {
		return fmt.Errorf("run %s: %w", r.child.path, err)
	}
	if cause := r.child.failure(); cause != nil {
		// A process that is ending needs a moment until we know how.
		r.child.exitedWithin(200 * time.Millisecond)
		return r.child.log.scrub.Load().error(fmt.Errorf("%s: %w (%s)", r.child.path, cause, r.child.fate()))
	}
	return r.child.log.scrub.Load().error(fmt.Errorf("%s: %w", r.child.path, err))
}

// stop ends the process and frees what belongs to it, within 10 s whatever the process does: asked, then told, then
// killed. With ask it may finish its calls first. The hurry channel, when closed, kills at once.
func (r *running) stop(ctx context.Context, hurry <-chan struct{}, ask bool) error {
	const grace, told, killed = 2 * time.Second, 3 * time.Second, 2 * time.Second
	if ask && r.plugin != nil {
		ctx, cancel := context.WithTimeout(ctx, grace)
		if r.plugin.Stop(ctx, grace-500*time.Millisecond) == nil {
			r.await(grace, hurry)
		}
		cancel()
		r.child.terminate()
		r.await(told, hurry)
	}
	err := r.child.end(killed)
	cleaned := make(chan struct{})
	go func() { // with the process dead there is little left to wait for, but Kill knows no bound
		defer close(cleaned)
		r.client.Kill()
		r.child.work.Wait()
	}()
	timer := time.NewTimer(cleanupTimeout)
	defer timer.Stop()
	select {
	case <-cleaned:
	case <-timer.C:
		err = errors.Join(err, fmt.Errorf("%s: its connection could not be closed within %s", r.child.path, cleanupTimeout))
	}
	return errors.Join(err, os.RemoveAll(r.dir))
}

// await waits for the end of the process, shorter in a hurry.
func (r *running) await(d time.Duration, hurry <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-r.child.exited:
	case <-timer.C:
	case <-hurry:
	}
}
