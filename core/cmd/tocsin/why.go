package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"github.com/tocsinhq/tocsin/core/why"
)

// exitNothing is the exit code of a question that nothing matches.
const exitNothing = 2

func whyCommand() *cli.Command {
	return &cli.Command{
		Name:      "why",
		Usage:     "tell why an alert fired, who was told of it and when, and why others were not",
		ArgsUsage: "ALERT|FINGERPRINT",
		Description: "ALERT is a name, with labels if there are many of it. Times are in UTC. Ends with 2 if nothing matches.\n\n" +
			"Examples:\n  tocsin why 'HighAPIErrorRate{endpoint=\"/critical/api\"}'\n" +
			"  tocsin why -at 2026-11-25T03:00:00Z HighAPIErrorRate\n  tocsin why -all",
		Flags: append(clientFlags(), outputFlag(),
			&cli.BoolFlag{Name: "json", Usage: "the same as -o json"},
			&cli.StringFlag{Name: "at", Usage: "as it stood at `TIME`, such as 2026-11-25T03:00:00Z"},
			&cli.IntFlag{Name: "limit", Value: 20, Usage: "tell of the `N` alerts that something happened to last"},
			&cli.BoolFlag{Name: "all", Usage: "count the reasons over all alerts in the journal, instead of telling of some"},
		),
		Action: askWhy,
	}
}

func askWhy(ctx context.Context, cmd *cli.Command) error {
	if cmd.Bool("json") {
		if err := cmd.Set("o", "json"); err != nil {
			return err
		}
	}
	c, err := newClient(cmd)
	if err != nil {
		return err
	}
	if cmd.Bool("all") {
		return whyAll(ctx, cmd, c)
	}
	if cmd.Args().Len() != 1 {
		return errors.New("which alert? Usage: tocsin why ALERT|FINGERPRINT")
	}
	query := url.Values{"alert": {cmd.Args().First()}, "limit": {strconv.Itoa(cmd.Int("limit"))}}
	if at := cmd.String("at"); at != "" {
		query.Set("at", at)
	}
	var answer why.Answer
	if err := c.call(ctx, http.MethodGet, "/api/tocsin/v1/why", query, nil, &answer); err != nil {
		return err
	}
	if err := printAs(cmd, answer, func(w io.Writer) error { return why.Write(w, &answer) }); err != nil {
		return err
	}
	if len(answer.Instances) == 0 {
		return cli.Exit("", exitNothing)
	}
	return nil
}

func whyAll(ctx context.Context, cmd *cli.Command, c *client) error {
	var s why.Summary
	if err := c.call(ctx, http.MethodGet, "/api/tocsin/v1/why/summary", nil, nil, &s); err != nil {
		return err
	}
	return printAs(cmd, s, func(out io.Writer) error {
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintf(w, "%d alerts, %d incidents\n", s.Instances, s.Incidents)
		for _, verdict := range slices.Sorted(maps.Keys(s.Outcomes)) {
			for _, cause := range slices.Sorted(maps.Keys(s.Outcomes[verdict])) {
				fmt.Fprintf(w, "%s\t%s\t%d\n", verdict, cause, s.Outcomes[verdict][cause])
			}
		}
		fmt.Fprintf(w, "reasons \"unknown\": %d\n", s.Unknown)
		for _, fp := range s.Examples {
			fmt.Fprintf(w, "\ttocsin why %s\n", fp)
		}
		return w.Flush()
	})
}
