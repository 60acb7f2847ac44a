package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/rehearsal"
	"github.com/tocsinhq/tocsin/core/replay"
	"github.com/tocsinhq/tocsin/core/wasm"
)

func replayCommand() *cli.Command {
	return &cli.Command{
		Name:      "replay",
		Usage:     "tell which pages a configuration would have sent over a capture or the history of a Prometheus",
		ArgsUsage: "CAPTURE CONFIG [NEW]   or   -prometheus URL CONFIG [NEW]",
		Description: "CONFIG is a file or a directory of *.hcl files. It is run over what targets answered some day, on a virtual clock: the same\n" +
			"rules, states, silences, groups and ledger as in production, without a former state. Nobody is told anything.\n\n" +
			"With a second configuration only what differs is printed: pages that are gone (-), new (+), moved in time or of other\n" +
			"alerts (~). The command then ends as diff does: with 0 if both page the same, with 1 if they do not, with 2 if\n" +
			"that could not be found out. With one configuration it ends with 0, or with 2.\n\n" +
			"A capture is what \"tocsin run -capture FILE\" wrote. From a Prometheus the samples that the rules read are fetched as they were\n" +
			"stored, or with -step one each so often; what happened in between is not known then.\n\n" +
			"Examples:\n" +
			"  tocsin replay monday.capture examples/quickstart\n" +
			"  tocsin replay monday.capture old new\n" +
			"  tocsin replay -prometheus http://localhost:9090 -from 2026-03-01T00:00:00Z -to 2026-03-02T00:00:00Z examples/quickstart",
		Flags: []cli.Flag{
			varFlag(),
			&cli.StringFlag{Name: "prometheus", Usage: "instead of a capture, fetch the history of the Prometheus at `URL`, which may hold user:password"},
			&cli.DurationFlag{Name: "step", Usage: "fetch a sample every `DURATION` only, for a long time"},
			&cli.StringFlag{Name: "save", Usage: "keep what was fetched as a capture in `FILE`"},
			&cli.StringFlag{Name: "from", Usage: "begin at `TIME`, such as 2026-03-01T00:00:00Z"},
			&cli.StringFlag{Name: "to", Usage: "end at `TIME`"},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			differ, err := runReplay(ctx, cmd)
			switch {
			case errors.Is(err, errReported):
				return cli.Exit("", 2)
			case err != nil:
				return cli.Exit(err.Error(), 2)
			case differ:
				return errReported
			}
			return nil
		},
	}
}

// runReplay replays one configuration, or two; differ tells that they page differently.
func runReplay(ctx context.Context, cmd *cli.Command) (differ bool, err error) {
	args := cmd.Args().Slice()
	url := cmd.String("prometheus")
	var o replay.Options
	switch {
	case url == "" && (len(args) < 2 || len(args) > 3):
		return false, errors.New("which capture and configuration? Usage: tocsin replay CAPTURE CONFIG [NEW]")
	case url != "" && (len(args) < 1 || len(args) > 2):
		return false, errors.New("which configuration? Usage: tocsin replay -prometheus URL -from TIME CONFIG [NEW]")
	case url == "":
		o.Capture, args = args[0], args[1:]
	}
	if o.From, err = timeFlag(cmd, "from"); err != nil {
		return false, err
	}
	if o.To, err = timeFlag(cmd, "to"); err != nil {
		return false, err
	}
	var configs []*config.Config
	for _, path := range args {
		cfg, err := loadPaths(cmd, []string{path})
		if err != nil {
			return false, err
		}
		configs = append(configs, cfg)
	}
	if url != "" {
		forget, err := fetch(ctx, cmd, url, &o, configs)
		if err != nil {
			return false, err
		}
		defer forget()
	}
	return replayAll(ctx, cmd, o, configs)
}

// fetch makes a capture of the history of a Prometheus and notes it in the options. forget takes it away again.
func fetch(ctx context.Context, cmd *cli.Command, url string, o *replay.Options, configs []*config.Config) (forget func(), err error) {
	if o.To.IsZero() {
		o.To = time.Now()
	}
	if step := cmd.Duration("step"); step != 0 && step < time.Second {
		return nil, fmt.Errorf("-step: want a second or more, got %s", step)
	}
	if o.From.IsZero() || !o.From.Before(o.To) {
		return nil, errors.New("from when on? Give -from TIME, before -to TIME (now, if it is not given)")
	}
	forget = func() {}
	if o.Capture = cmd.String("save"); o.Capture == "" {
		dir, err := os.MkdirTemp("", "tocsin-replay-")
		if err != nil {
			return nil, err
		}
		o.Capture, forget = filepath.Join(dir, "history.capture"), func() { _ = os.RemoveAll(dir) }
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	o.Notes, err = replay.Fetch(ctx, replay.FetchOptions{
		URL: url, From: o.From, To: o.To, Step: cmd.Duration("step"), Configs: configs, Capture: o.Capture,
	})
	if err != nil {
		forget()
		return nil, err
	}
	o.From, o.To = time.Time{}, time.Time{} // all of it
	return forget, nil
}

// replayAll replays the configurations and prints what came of them.
func replayAll(ctx context.Context, cmd *cli.Command, o replay.Options, configs []*config.Config) (differ bool, err error) {
	modules, err := moduleHostWith(ctx, wasm.Options{Keep: true})
	if err != nil {
		return false, err
	}
	defer func() { _ = modules.Close(context.WithoutCancel(ctx)) }() // the process ends
	o.Director = rehearsal.New(rehearsal.Options{Bubble: rehearsal.NewBubble(), Modules: modules})
	var timelines []replay.Timeline
	for _, cfg := range configs {
		t, err := replay.Run(o, cfg)
		if err != nil {
			return false, err
		}
		timelines = append(timelines, t)
	}
	out := cmd.Root().Writer
	if len(timelines) == 1 {
		if cmd.Bool("json") {
			return false, replay.WriteJSON(out, timelines[0])
		}
		return false, timelines[0].WriteText(out)
	}
	d := replay.Compare(timelines[0], timelines[1])
	if cmd.Bool("json") {
		return !d.Empty(), replay.WriteJSON(out, d)
	}
	return !d.Empty(), d.WriteText(out)
}

// timeFlag is a flag with a time; zero where it is not given.
func timeFlag(cmd *cli.Command, name string) (time.Time, error) {
	text := cmd.String(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("-%s: want a time such as 2026-03-01T00:00:00Z, got %q", name, text)
	}
	return t, nil
}
