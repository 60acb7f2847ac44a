package engine

import (
	"context"
	"errors"
	"fmt"
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
