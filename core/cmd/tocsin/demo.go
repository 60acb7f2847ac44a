package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v3"

	"github.com/tocsinhq/tocsin/core/demo"
)

func demoCommand() *cli.Command {
	return &cli.Command{
		Name:  "demo",
		Usage: "run the reference scenario on this machine and tell it as it happens",
		Description: "Simulated services break and recover, a stand-in for PagerDuty is paged; the engine between them is the real one,\n" +
			"with examples/quickstart at a faster pace. Ends with 0 if all went as it should, in under a minute.\n\n" +
			"Example:\n  tocsin demo -log-level debug",
		Flags: logFlags("error"),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			logger, err := newLogger(cmd, os.Stderr)
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			err = demo.Run(ctx, demo.Options{Out: cmd.Root().Writer, Logger: logger, Executable: executable, Version: version, CacheDir: cacheDir})
			if err != nil {
				return fmt.Errorf("demo: %w", err)
			}
			return nil
		},
	}
}
