package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/tocsinhq/tocsin/config"
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
			"SIGTERM or SIGINT stops it in good order, a second one at once.\n" +
			"SIGHUP or POST /-/reload loads the configuration again: what did not change goes on undisturbed,\n" +
			"and with a mistake anywhere in it the former configuration goes on as a whole.\n\n" +
			"Example:\n  tocsin run examples/quickstart -var gateway=10.0.0.11:9113",
		Flags:  append(logFlags("info"), varFlag(), captureFlag()),
		Action: runEngine,
	}
}

func runEngine(ctx context.Context, cmd *cli.Command) (err error) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP) // also while it starts: the reload comes after that
	defer signal.Stop(hangup)
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
	collectGarbageEarly()
	ctx, stopped := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stopped()

	e, err := engine.New(ctx, engine.Options{
		Config: cfg, Logger: logger, Executable: executable, Version: version, CacheDir: cacheDir, Capture: record.Recorder,
		Load: func() (*config.Config, error) { return loadAgain(cmd) },
	})
	if err != nil {
		return err
	}
	startErr := e.Start(ctx)
	if startErr == nil {
		reloadAtSignals(ctx, e, hangup)
		logger.Info().Msg("stopping; a second signal stops at once")
	}
	stopped() // from here on a signal kills, as it does by default
	stopCtx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	return errors.Join(startErr, e.Stop(stopCtx))
}

// reloadAtSignals loads the configuration again at each signal, until ctx ends. The engine says itself how that went.
func reloadAtSignals(ctx context.Context, e *engine.Engine, hangup <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			_ = e.Reload(ctx)
		}
	}
}

// collectGarbageEarly keeps the heap small: nearly all of it is windows and layouts, which stay, and little comes and
// goes. GOGC in the environment wins.
func collectGarbageEarly() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(40)
	}
}
