package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/urfave/cli/v3"

	"github.com/tocsinhq/tocsin/core/wasm/pack"
)

func ruleCommand() *cli.Command {
	return &cli.Command{
		Name:  "rule",
		Usage: "author rule modules",
		Commands: []*cli.Command{{
			Name:        "build",
			Usage:       "build a Go rule into a module that carries its manifest",
			ArgsUsage:   "DIR",
			Description: "Example:\n  tocsin rule build ./rules-wasm/error_rate -o rules/error_rate.wasm",
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "o", Usage: "write the module to `FILE` (default: NAME.wasm, NAME being the folder's)"},
			},
			Action: func(ctx context.Context, cmd *cli.Command) error {
				if cmd.Args().Len() != 1 {
					return errors.New("usage: tocsin rule build DIR [-o FILE]")
				}
				dir := cmd.Args().First()
				out := cmd.String("o")
				if out == "" {
					abs, err := filepath.Abs(dir)
					if err != nil {
						return fmt.Errorf("find the name of %s: %w", dir, err)
					}
					out = filepath.Base(abs) + ".wasm"
				}
				return pack.Build(ctx, dir, out)
			},
		}},
	}
}
