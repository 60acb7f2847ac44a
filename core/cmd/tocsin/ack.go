package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/user"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/tocsinhq/tocsin/core/alert"
)

const acksPath = "/api/tocsin/v1/acks"

func ackCommand() *cli.Command {
	return &cli.Command{
		Name:      "ack",
		Usage:     "take alerts that fire: nobody is told more of them, but their end; or list who has taken which",
		ArgsUsage: "[ALERT|FINGERPRINT]",
		Description: "ALERT is a name, which means all of that name that fire now, or a name with labels. An acknowledgement is no\n" +
			"silence: it is about these alerts and not about those that come, their end is told, and it is lifted when their\n" +
			"severity rises. It ends with the alert. Without arguments it lists.\n\n" +
			"Examples:\n  tocsin ack -reason 'rolling back' 'HighAPIErrorRate{endpoint=\"/critical/api\"}'\n" +
			"  tocsin ack -for 2h -group '{}:{alertname=\"HighAPIErrorRate\"}'\n  tocsin ack -withdraw 5f2e1c0a9b3d4e77\n  tocsin ack",
		Flags: append(clientFlags(), outputFlag(),
			&cli.StringFlag{Name: "owner", Usage: "`WHO` takes it; default: your user name"},
			&cli.StringFlag{Name: "reason", Usage: "`WHAT` is being done about it"},
			&cli.DurationFlag{Name: "for", Usage: "at most for this `DURATION`; default: as long as it fires"},
			&cli.StringFlag{Name: "group", Usage: "the alerts of the group with this `KEY`, as tocsin why -json and notifications show it"},
			&cli.BoolFlag{Name: "withdraw", Usage: "take the acknowledgement of FINGERPRINT back"},
		),
		Action: acknowledge,
	}
}

func acknowledge(ctx context.Context, cmd *cli.Command) error {
	c, err := newClient(cmd)
	if err != nil {
		return err
	}
	owner := cmd.String("owner")
	if owner == "" {
		if me, err := user.Current(); err == nil {
			owner = me.Username
		}
	}
	switch n := cmd.Args().Len(); {
	case n > 1:
		return errors.New("one alert at a time. Usage: tocsin ack [ALERT|FINGERPRINT]")
	case cmd.Bool("withdraw"):
		return withdraw(ctx, cmd, c, owner)
	case n == 0 && cmd.String("group") == "":
		var acks []alert.Ack
		if err := c.call(ctx, http.MethodGet, acksPath, nil, nil, &acks); err != nil {
			return err
		}
		return printAcks(cmd, acks)
	}
	taking := map[string]any{"alert": cmd.Args().First(), "group": cmd.String("group"), "owner": owner, "reason": cmd.String("reason")}
	if d := cmd.Duration("for"); cmd.IsSet("for") {
		taking["until"] = time.Now().Add(d)
	}
	var taken []alert.Ack
	if err := c.call(ctx, http.MethodPost, acksPath, nil, taking, &taken); err != nil {
		return err
	}
	return printAcks(cmd, taken)
}

func withdraw(ctx context.Context, cmd *cli.Command, c *client, by string) error {
	fp, err := alert.ParseFingerprint(cmd.Args().First())
	if err != nil {
		return fmt.Errorf("%w: withdraw by fingerprint, as tocsin ack lists them", err)
	}
	return c.call(ctx, http.MethodDelete, acksPath+"/"+fp.String(), url.Values{"by": {by}}, nil, nil)
}

func printAcks(cmd *cli.Command, acks []alert.Ack) error {
	return printAs(cmd, acks, func(out io.Writer) error {
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, k := range acks {
			fmt.Fprintf(w, "%s\t%s%s\t%s\tsince %s", k.Fingerprint, k.Labels.Get("alertname"), k.Labels.Without("alertname"), k.Owner, k.At.UTC().Format(time.RFC3339))
			if !k.Until.IsZero() {
				fmt.Fprintf(w, " until %s", k.Until.UTC().Format(time.RFC3339))
			}
			fmt.Fprintf(w, "\t%s\n", k.Reason)
		}
		return w.Flush()
	})
}
