// Package demo runs the reference scenario on one machine and tells it as it happens: simulated services, a stand-in
// for PagerDuty, and between them the real engine with real plugin processes and the configuration of
// examples/quickstart, at a faster pace.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/engine"
	"github.com/tocsinhq/tocsin/core/scrape"
	"github.com/tocsinhq/tocsin/examples/quickstart"
)

// pace of the story: seconds instead of the minutes of examples/quickstart.
var pace = map[string]string{
	"interval":       "1s",
	"window":         "6s",
	"hold":           "3s",
	"group_wait":     "1s",
	"group_interval": "1s",
}

// limit of the story, from the first scrape. A step that does not come in time fails it.
const limit = 45 * time.Second

// Options of the demo.
type Options struct {
	Out        io.Writer // the story
	Logger     zerolog.Logger
	Executable string // the tocsin binary; "": this process's own
	Version    string
	CacheDir   string // of compiled rule modules; "": compile them for this demo
}

// Run tells the story and returns nil if everything happened as it should, or what did not.
func Run(ctx context.Context, o Options) (err error) {
	s := &story{out: o.Out, start: time.Now(), collections: make(chan scrape.Observation, 256), decisions: make(chan alert.Decision, 256)}
	stage, err := newStage(ctx, s, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stage.close(context.WithoutCancel(ctx))) }()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return s.tell(ctx, stage)
}

// stage is everything that runs during the story.
type stage struct {
	gateway, odoo *service
	pager         *pager
	dir           string
	engine        *engine.Engine
}

func newStage(ctx context.Context, s *story, o Options) (_ *stage, err error) {
	g := &stage{}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.close(context.WithoutCancel(ctx)))
		}
	}()
	if g.gateway, err = startService(ctx, "nginx gateway"); err != nil {
		return nil, err
	}
	if g.odoo, err = startService(ctx, "Odoo backend"); err != nil {
		return nil, err
	}
	if g.pager, err = startPager(ctx); err != nil {
		return nil, err
	}
	if g.dir, err = os.MkdirTemp("", "tocsin-demo-"); err != nil {
		return nil, err
	}
	cfg, err := g.config()
	if err != nil {
		return nil, err
	}
	g.engine, err = engine.New(ctx, engine.Options{
		Config: cfg, Logger: o.Logger, Executable: o.Executable, Version: o.Version, CacheDir: o.CacheDir,
		OnCollect: s.onCollect, OnDecision: s.onDecision,
	})
	return g, err
}

// config is examples/quickstart with the addresses of the stage and the pace of the story.
func (g *stage) config() (*config.Config, error) {
	file := filepath.Join(g.dir, "tocsin.hcl")
	if err := os.WriteFile(file, quickstart.Config, 0o600); err != nil {
		return nil, err
	}
	vars := map[string]string{
		"listen":        "127.0.0.1:0",
		"gateway":       g.gateway.address,
		"odoo":          g.odoo.address,
		"pagerduty_url": g.pager.url,
		"pagerduty_key": "0123456789abcdef0123456789abcdef",
	}
	maps.Copy(vars, pace)
	cfg, diags := config.Load([]string{file}, config.Options{Vars: vars, Env: noEnv, Catalog: engine.Catalog})
	if diags.HasErrors() {
		var text strings.Builder
		_ = diags.Write(&text, false, 100) // a strings.Builder takes everything
		return nil, errors.New(text.String())
	}
	return cfg, nil
}

func noEnv(string) (string, bool) { return "", false }

func (g *stage) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	var err error
	if g.engine != nil {
		err = g.engine.Stop(ctx)
	}
	for _, s := range []*service{g.gateway, g.odoo} {
		if s != nil {
			s.stop(ctx)
		}
	}
	if g.pager != nil {
		g.pager.stop(ctx)
	}
	if g.dir != "" {
		err = errors.Join(err, os.RemoveAll(g.dir))
	}
	if err != nil {
		return fmt.Errorf("clean up after the demo: %w", err)
	}
	return nil
}
