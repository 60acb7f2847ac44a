package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/engine"
)

func planCommand() *cli.Command {
	return &cli.Command{
		Name:      "plan",
		Usage:     "tell what a reload would change, and what it would do to open incidents",
		ArgsUsage: "[OLD NEW]",
		Description: "Asks a running engine to read its configuration again and to say what would change: sources, rules,\n" +
			"routes, receivers; which open incidents would be closed and opened; or why all of it would be rejected.\n" +
			"Nothing is touched. Ends with 1 if it would be rejected.\n\n" +
			"With two configurations, each a file or a directory, it tells how they differ, and no engine is asked.\n" +
			"Values are never printed, only what they belong to.\n\n" +
			"Examples:\n  tocsin plan -addr 127.0.0.1:9095\n  tocsin plan /srv/released/tocsin .",
		Flags:  append(clientFlags(), outputFlag(), varFlag()),
		Action: planReload,
	}
}

func planReload(ctx context.Context, cmd *cli.Command) error {
	var p engine.Plan
	var err error
	switch args := cmd.Args().Slice(); len(args) {
	case 0:
		var c *client
		if c, err = newClient(cmd); err == nil {
			err = c.call(ctx, http.MethodPost, "/api/tocsin/v1/plan", nil, nil, &p)
		}
	case 2:
		p.Changes, err = differences(cmd, args[0], args[1])
	default:
		err = errors.New("of what? A running engine reads the configuration that it was started with: give none. Or give two to compare: tocsin plan OLD NEW")
	}
	if err != nil {
		return err
	}
	if err := printAs(cmd, p, func(w io.Writer) error { return p.Write(w) }); err != nil {
		return err
	}
	if p.Rejected != "" {
		return errReported
	}
	return nil
}

// differences are those between two configurations, apart from where they are.
func differences(cmd *cli.Command, before, after string) ([]config.Change, error) {
	old, err := loadPaths(cmd, []string{before})
	if err != nil {
		return nil, err
	}
	next, err := loadPaths(cmd, []string{after})
	if err != nil {
		return nil, err
	}
	return config.Diff(fromWithin(old, before), fromWithin(next, after)), nil
}

// fromWithin is a configuration with paths relative to the directory that it is in, where they can be.
func fromWithin(cfg *config.Config, path string) *config.Config {
	dir := path
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		dir = filepath.Dir(path)
	}
	relative := func(paths ...*string) {
		for _, p := range paths {
			if short, err := filepath.Rel(dir, *p); err == nil && *p != "" && filepath.IsLocal(short) {
				*p = short
			}
		}
	}
	c := *cfg
	c.Engine.PluginDirs, c.Engine.ModuleDirs = slices.Clone(c.Engine.PluginDirs), slices.Clone(c.Engine.ModuleDirs)
	relative(&c.Engine.DataDir)
	for _, dirs := range [][]string{c.Engine.PluginDirs, c.Engine.ModuleDirs} {
		for i := range dirs {
			relative(&dirs[i])
		}
	}
	c.Modules, c.Sources = slices.Clone(c.Modules), slices.Clone(c.Sources)
	for i := range c.Modules {
		relative(&c.Modules[i].Path)
	}
	for i := range c.Sources {
		s := &c.Sources[i]
		s.Discoveries = slices.Clone(s.Discoveries)
		for k := range s.Discoveries {
			relative(&s.Discoveries[k].Dir)
		}
	}
	if c.Web.TLS != nil {
		tls := *c.Web.TLS
		relative(&tls.CertFile, &tls.KeyFile, &tls.ClientCAFile)
		c.Web.TLS = &tls
	}
	return &c
}
