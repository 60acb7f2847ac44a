package main

import (
	"context"
	"errors"

	"github.com/urfave/cli/v3"

	"github.com/tocsinhq/tocsin/core/engine"
)

// pluginServeCommand is not for people: the engine re-executes its own binary with it.
func pluginServeCommand() *cli.Command {
	return &cli.Command{
		Name:        "plugin-serve",
		Usage:       "serve a built-in plugin to the engine that started this process",
		Description: "Example, as the engine runs it:\n  tocsin plugin-serve source http",
		Hidden:      true,
		Action: func(_ context.Context, cmd *cli.Command) error {
			if cmd.Args().Len() != 2 {
				return errors.New("usage: tocsin plugin-serve source|notifier KIND")
			}
			return engine.ServePlugin(cmd.Args().Get(0), cmd.Args().Get(1), version)
		},
	}
}
