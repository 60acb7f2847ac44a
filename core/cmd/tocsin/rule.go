package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/core/wasm/pack"
	ruleswasm "github.com/tocsinhq/tocsin/rules-wasm"
)

func ruleCommand() *cli.Command {
	return &cli.Command{
		Name:        "rule",
		Usage:       "author and examine rule modules",
		Description: "Example:\n  tocsin rule new hello && tocsin rule build hello && tocsin test hello",
		Commands: []*cli.Command{
			ruleNewCommand(), ruleBuildCommand(), ruleInspectCommand(), ruleConformanceCommand(), ruleBenchCommand(),
		},
	}
}

func ruleBuildCommand() *cli.Command {
	return &cli.Command{
		Name:      "build",
		Usage:     "make a module that carries its manifest, of a rule in Go or of what another compiler made",
		ArgsUsage: "DIR|MODULE",
		Description: "A DIR holds a rule in Go, which is compiled. A MODULE was compiled from another language; it is asked for its manifest,\n" +
			"in the sandbox, and gets that as a section. A configuration can name a module only with it.\n\n" +
			"Example:\n  tocsin rule build ./rules-wasm/error_rate -o rules/error_rate.wasm\n  tocsin rule build hot.wasm",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "o", Usage: "write the module to `FILE` (default: DIR/NAME.wasm, NAME being the folder's, or MODULE)"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if cmd.Args().Len() != 1 {
				return errors.New("usage: tocsin rule build DIR|MODULE [-o FILE]")
			}
			dir := cmd.Args().First()
			out := cmd.String("o")
			if info, err := os.Stat(dir); err == nil && info.Mode().IsRegular() {
				return packModule(ctx, cmd, cmp.Or(out, dir))
			}
			if out == "" {
				abs, err := filepath.Abs(dir)
				if err != nil {
					return fmt.Errorf("find the name of %s: %w", dir, err)
				}
				out = filepath.Join(dir, filepath.Base(abs)+".wasm")
			}
			return pack.Build(ctx, dir, out)
		},
	}
}

// packModule gives a module of another compiler its manifest.
func packModule(ctx context.Context, cmd *cli.Command, out string) error {
	return withModule(ctx, cmd, func(host *wasm.Host, name string, code []byte) error {
		packed, err := host.WithManifest(ctx, name, code)
		if err != nil {
			return err
		}
		return pack.Write(out, packed)
	})
}

// withModule reads the module that a command was given, a file or one that is built in, and makes a host for it.
func withModule(ctx context.Context, cmd *cli.Command, do func(host *wasm.Host, name string, code []byte) error) error {
	if cmd.Args().Len() != 1 {
		return fmt.Errorf("which module? Usage: tocsin rule %s FILE", cmd.Name)
	}
	path := cmd.Args().First()
	code, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		builtIn, other := ruleswasm.Module(path)
		if other != nil {
			return fmt.Errorf("%w, and no module of that name is built in (%s)", err, strings.Join(ruleswasm.Names(), ", "))
		}
		code, err = builtIn, nil
	}
	if err != nil {
		return err
	}
	host, err := moduleHost(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = host.Close(context.WithoutCancel(ctx)) }() // the process ends
	return do(host, filepath.Base(path), code)
}

// outputFlag chooses between text for people and JSON for programs.
func outputFlag() cli.Flag {
	return &cli.StringFlag{Name: "o", Value: "text", Usage: "print `FORMAT`: text or json"}
}

// paramsFlag gives a rule parameters.
func paramsFlag() cli.Flag {
	return &cli.StringFlag{Name: "params", Usage: "parameters of the rule, a `JSON` object (what is required and missing is made up)"}
}

// printAs prints v as JSON, or as text if that is what was asked for.
func printAs(cmd *cli.Command, v any, text func(io.Writer) error) error {
	out := cmd.Root().Writer
	switch format := cmd.String("o"); format {
	case "text":
		return text(out)
	case "json":
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(v)
	default:
		return fmt.Errorf("-o %s: want text or json", format)
	}
}
