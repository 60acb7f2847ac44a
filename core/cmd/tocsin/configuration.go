package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/engine"
)

// varFlag is the flag of commands that load a configuration.
func varFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "var", Usage: "set a variable of the configuration: `NAME=VALUE` (may be given more than once)"}
}

// load loads the configuration that the arguments name. Diagnostics are printed to standard error; with errors among them errReported is returned.
func load(cmd *cli.Command) (*config.Config, error) {
	if cmd.Args().Len() == 0 {
		return nil, fmt.Errorf("which configuration? Usage: tocsin %s PATH…", cmd.Name)
	}
	return loadPaths(cmd, cmd.Args().Slice())
}

// loadPaths loads the configuration at paths, as load does.
func loadPaths(cmd *cli.Command, paths []string) (*config.Config, error) {
	vars, err := variables(cmd)
	if err != nil {
		return nil, err
	}
	cfg, diags := config.Load(paths, config.Options{Vars: vars, Env: os.LookupEnv, Catalog: engine.Catalog})
	if err := complain(diags); err != nil {
		return nil, err
	}
	return cfg, nil
}

// loadAgain loads the configuration that the arguments name. The error is all diagnostics, as text.
func loadAgain(cmd *cli.Command) (*config.Config, error) {
	vars, err := variables(cmd)
	if err != nil {
		return nil, err
	}
	cfg, diags := config.Load(cmd.Args().Slice(), config.Options{Vars: vars, Env: os.LookupEnv, Catalog: engine.Catalog})
	if !diags.HasErrors() {
		return cfg, nil
	}
	var text strings.Builder
	if err := diags.Write(&text, false, 100); err != nil {
		return nil, err
	}
	return nil, errors.New(strings.TrimSpace(text.String()))
}

func variables(cmd *cli.Command) (map[string]string, error) {
	vars := map[string]string{}
	for _, v := range cmd.StringSlice("var") {
		name, value, ok := strings.Cut(v, "=")
		if !ok {
			return nil, errors.New("-var: want NAME=VALUE, got " + v)
		}
		vars[name] = value
	}
	return vars, nil
}
