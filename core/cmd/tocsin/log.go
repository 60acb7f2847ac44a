package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"
	"github.com/urfave/cli/v3"
)

// logFlags are the flags of commands that log, with the level they have if nobody says another.
func logFlags(level string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "log-level", Value: level, Usage: "least `LEVEL` to log: debug, info, warn, error"},
		&cli.StringFlag{Name: "log-format", Usage: "`FORMAT` of the log: console or json (default: console on a terminal)"},
	}
}

// newLogger makes the logger that logFlags describe. It writes to w.
func newLogger(cmd *cli.Command, w io.Writer) (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(cmd.String("log-level"))
	if err != nil {
		return zerolog.Nop(), fmt.Errorf("-log-level: %q is not one of debug, info, warn, error", cmd.String("log-level"))
	}
	format := cmd.String("log-format")
	if format == "" {
		format = "json"
		if onTerminal(w) {
			format = "console"
		}
	}
	switch format {
	case "json":
	case "console":
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly, NoColor: !wantsColor(w)}
	default:
		return zerolog.Nop(), fmt.Errorf("-log-format: %q is neither console nor json", format)
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger(), nil
}

func onTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// wantsColor follows https://no-color.org.
func wantsColor(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && onTerminal(w)
}
