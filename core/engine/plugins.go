package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/pluginhost"
	"github.com/tocsinhq/tocsin/sdk/schema"
)

// askTimeout bounds how long a third-party plugin may take to start and say what it takes.
const askTimeout = 20 * time.Second

// plugins knows which program serves a plugin kind: this binary for the built-in ones, tocsin-source-KIND and
// tocsin-notifier-KIND in a plugin_dir for the others.
type plugins struct {
	executable string
	dirs       []string
	blocks     []config.Plugin
}

// command says how a plugin process is started.
func (p plugins) command(what, kind string) (path string, args []string, err error) {
	if isBuiltin(what, kind) {
		return p.executable, []string{"plugin-serve", what, kind}, nil
	}
	path, err = pluginhost.Find(p.dirs, what, kind)
	return path, nil, err
}

// checksum is what a plugin block demands of the program.
func (p plugins) checksum(what, kind string) string { return p.block(what, kind).SHA256 }

// env is the environment that a plugin block passes on.
func (p plugins) env(what, kind string) []string { return p.block(what, kind).Env }

func (p plugins) block(what, kind string) config.Plugin {
	for _, b := range p.blocks {
		if b.What == what && b.Name == kind {
			return b
		}
	}
	return config.Plugin{}
}

// schema starts a third-party plugin, asks it what it takes, and stops it. An unknown kind wraps config.ErrUnknown.
func (p plugins) schema(what, kind string) (_ schema.Block, err error) {
	if _, err := pluginhost.Find(p.dirs, what, kind); errors.Is(err, pluginhost.ErrNotFound) {
		return schema.Block{}, fmt.Errorf("%s plugin %q: %w", what, kind, config.ErrUnknown)
	}
	host, err := pluginhost.New(pluginhost.Options{Command: p.command, Checksum: p.checksum})
	if err != nil {
		return schema.Block{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	defer func() { err = errors.Join(err, host.Close(ctx)) }()
	return host.Schema(ctx, what, kind, p.env(what, kind))
}

// version changes when another program, or another environment, may serve one of the kinds: with a plugin block, with
// plugin_dir, and when a third-party program was replaced.
func (p plugins) version(cfg *config.Config) string {
	var programs []string
	note := func(what, kind string) {
		if isBuiltin(what, kind) {
			return
		}
		path, _ := pluginhost.Find(p.dirs, what, kind) // if there is none, starting it says so
		if info, err := os.Stat(path); err == nil {
			programs = append(programs, fmt.Sprint(path, info.Size(), info.ModTime().UnixNano()))
		}
	}
	for _, s := range cfg.Sources {
		note("source", s.Kind)
	}
	for _, n := range cfg.Notifiers {
		note("notifier", n.Kind)
	}
	return config.Version(p.dirs, p.blocks, programs)
}

// processes are the plugin processes of a configuration. Where other programs are to serve its plugins they all are
// started anew, beside the old ones, which end when nobody uses an instance of them any more.
type processes struct {
	*pluginhost.Host
	programs plugins
	users    sync.WaitGroup // instances that are not closed
}

// preparePlugins opens the host of plugin processes; processes start as sources and notifiers ask for them.
func (e *Engine) preparePlugins(_ context.Context, s *setup) (err error) {
	if e.options.World.Collector != nil && e.options.World.Sender != nil {
		return nil
	}
	programs := plugins{executable: e.options.Executable, dirs: s.config.Engine.PluginDirs, blocks: s.config.Plugins}
	s.processes, err = obtain(s, pluginsPart, programs.version(s.config), func() (*processes, func(context.Context) error, error) {
		host, err := pluginhost.New(pluginhost.Options{Logger: e.logger, Command: programs.command, Checksum: programs.checksum})
		if err != nil {
			return nil, nil, err
		}
		p := &processes{Host: host, programs: programs}
		return p, func(ctx context.Context) error {
			p.users.Wait() // each in a call that has a deadline, or about to be told that nobody needs it
			return host.Close(ctx)
		}, nil
	})
	return err
}

// pluginsPart is the name of the part that has the plugin processes.
const pluginsPart = "plugins"

// uses is the instance of a plugin, from which calls are under way now and then.
type uses struct {
	calls     sync.WaitGroup
	processes *processes // nil: it is not in a process
	closeIt   func(context.Context) error
}

// inProcess notes the process that has the instance, and how it is given back.
func (u *uses) inProcess(p *processes, closeIt func(context.Context) error) {
	p.users.Add(1)
	u.processes, u.closeIt = p, closeIt
}

// close waits for the calls that are under way, each of which has a deadline, and gives the instance back. No call must
// begin any more.
func (u *uses) close(ctx context.Context) error {
	u.calls.Wait()
	if u.processes == nil {
		return nil
	}
	defer u.processes.users.Done()
	return u.closeIt(ctx)
}
