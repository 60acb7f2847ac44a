package main

import (
	"context"
	"encoding/json"
	"os"

	"github.com/urfave/cli/v3"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/engine"
)

func checkCommand() *cli.Command {
	return &cli.Command{
		Name:      "check",
		Usage:     "check a configuration and print everything that is wrong with it",
		ArgsUsage: "PATH…",
		Description: "Prints nothing and ends with 0 when all is well; warnings alone do not fail.\n\n" +
			"Example:\n  tocsin check examples/quickstart",
		Flags: []cli.Flag{
			varFlag(),
			&cli.BoolFlag{Name: "json", Usage: "print the diagnostics as JSON, to standard output"},
		},
		Action: func(_ context.Context, cmd *cli.Command) error {
			if !cmd.Bool("json") {
				_, err := load(cmd)
				return err
			}
			vars, err := variables(cmd)
			if err != nil {
				return err
			}
			_, diags := config.Load(cmd.Args().Slice(), config.Options{Vars: vars, Env: os.LookupEnv, Catalog: engine.Catalog})
			encoder := json.NewEncoder(cmd.Root().Writer)
			encoder.SetIndent("", "  ")
			if err := encoder.Encode(diags); err != nil {
				return err
			}
			if diags.HasErrors() {
				return errReported
			}
			return nil
		},
	}
}
