package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/tocsinhq/tocsin/core/engine"
)

// stopTimeout bounds a stop: what is being sent may end, then everything is closed.
const stopTimeout = 20 * time.Second

func runCommand() *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "run the engine",
		ArgsUsage: "PATH…",
		Description: "Each PATH is a file or a directory of *.hcl files; together they are one configuration.\n" +
			"SIGTERM or SIGINT stops it in good order, a second one at once.\n\n" +
			"Example:\n  tocsin run examples/quickstart -var gateway=10.0.0.11:9113",
		Flags:  append(logFlags("info"), varFlag(), captureFlag()),
		Action: runEngine,
	}
}

func runEngine(ctx context.Context, cmd *cli.Command) (err error) {
	logger, err := newLogger(cmd, os.Stderr)
	if err != nil {
		return err
	}
	cfg, err := load(cmd)
	if err != nil {
		return err
	}
	record, err := openRecording(cmd.String("capture"), logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, record.close()) }()
	ctx, stopped := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stopped()

	e, err := engine.New(ctx, engine.Options{
		Config: cfg, Logger: logger, Executable: executable, Version: version, CacheDir: cacheDir, Capture: record.Recorder,
	})
	if err != nil {
		return err
	}
	startErr := e.Start(ctx)
	if startErr == nil {
		<-ctx.Done()
		logger.Info().Msg("stopping; a second signal stops at once")
	}
	stopped() // from here on a signal kills, as it does by default
	stopCtx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	return errors.Join(startErr, e.Stop(stopCtx))
}
