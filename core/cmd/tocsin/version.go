package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v3"

	"github.com/tocsinhq/tocsin/core/wasm"
)

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:        "version",
		Usage:       "print version, commit, Go and the WebAssembly engine",
		Description: "Example:\n  tocsin version",
		Action: func(_ context.Context, cmd *cli.Command) error {
			commit := "unknown"
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						commit = s.Value
					}
				}
			}
			_, err := fmt.Fprintf(cmd.Root().Writer, "tocsin %s\ncommit %s\n%s %s/%s\nwasm %s\n",
				version, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH, wasm.Engine())
			return err
		},
	}
}
