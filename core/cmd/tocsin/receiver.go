package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/tocsinhq/tocsin/core/api"
)

func receiverCommand() *cli.Command {
	return &cli.Command{
		Name:        "receiver",
		Usage:       "show who is told of alerts, and what they are owed",
		Description: "Example:\n  tocsin receiver list",
		Commands:    []*cli.Command{receiverListCommand()},
	}
}

func receiverListCommand() *cli.Command {
	return &cli.Command{
		Name:  "list",
		Usage: "list the receivers with what is open there, what they are owed, and why",
		Description: "OPEN counts the groups of which a receiver believes that something fires. OWED counts those of\n" +
			"which it does not know all that is due, REJECTED those of which it will never take the newest.\n" +
			"Times are in UTC.\n\nExample:\n  tocsin receiver list -o json",
		Flags:  append(clientFlags(), outputFlag()),
		Action: listReceivers,
	}
}

func listReceivers(ctx context.Context, cmd *cli.Command) error {
	c, err := newClient(cmd)
	if err != nil {
		return err
	}
	receivers := []api.Receiver{}
	if err := c.call(ctx, http.MethodGet, "/api/tocsin/v1/receivers", nil, nil, &receivers); err != nil {
		return err
	}
	return printAs(cmd, receivers, func(w io.Writer) error { return writeReceivers(w, receivers) })
}

func writeReceivers(out io.Writer, receivers []api.Receiver) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RECEIVER\tOPEN\tOWED\tSINCE\tREJECTED\tNEXT\tLAST ACCEPTED\tERROR")
	moment := func(t time.Time) string {
		if t.IsZero() {
			return "-"
		}
		return utc(t)
	}
	for i := range receivers {
		r := &receivers[i]
		why := oneLine(r.Error)
		if r.Removed {
			why = "not configured any more"
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%d\t%s\t%s\t%s\n",
			r.Receiver, r.Open, r.Owed, moment(r.OwedSince), r.Rejected, moment(r.NextAt), moment(r.AcceptedAt), why)
	}
	return w.Flush()
}
