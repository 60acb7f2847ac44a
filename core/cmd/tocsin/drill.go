package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/user"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/urfave/cli/v3"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/api"
	"github.com/tocsinhq/tocsin/core/drill"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// drillsPath is where drills are begun and looked at.
const drillsPath = "/api/tocsin/v1/drills"

func drillCommand() *cli.Command {
	return &cli.Command{
		Name:      "drill",
		Usage:     "test a route: have an alert that says TEST opened and closed at each receiver it reaches",
		ArgsUsage: "ALERT|LABEL=VALUE...",
		Description: "ROUTE is the one that an alert with these labels takes. ALERT is a name, with labels if they matter; that of\n" +
			"a rule stands for the labels that the rule gives, too. The alert goes the way of all alerts, silences and schedules\n" +
			"included, except that group_wait and group_interval are left out, that it is told apart from all others, and that it\n" +
			"inhibits none. It ends as soon as every receiver has answered, and it is closed even if the engine is killed meanwhile.\n" +
			"Tells when each receiver accepted it and its end. Ends with 1 if one did not, or was not told because of a silence.\n" +
			"Where the web block says who may do what, this needs the scopes alerts and read.\n\n" +
			"Examples:\n  tocsin drill severity=critical team=shop\n" +
			"  tocsin drill 'HighAPIErrorRate{endpoint=\"/critical/api\"}'\n  tocsin drill -o json HighAPIErrorRate",
		Flags: append(clientFlags(), outputFlag(),
			&cli.DurationFlag{Name: "timeout", Value: drill.DefaultTimeout, Usage: "give receivers `DURATION` to accept it, and as long for its end"},
			&cli.StringFlag{Name: "by", Usage: "`NAME` of who wants it, for those who are told; default: the user's"},
		),
		Action: runDrill,
	}
}

func runDrill(ctx context.Context, cmd *cli.Command) error {
	wanted, err := drillLabels(cmd.Args().Slice())
	if err != nil {
		return err
	}
	c, err := newClient(cmd)
	if err != nil {
		return err
	}
	by := cmd.String("by")
	if u, err := user.Current(); by == "" && err == nil {
		by = u.Username
	}
	var d drill.Drill
	request := api.DrillRequest{Labels: wanted, By: by, Timeout: cmd.Duration("timeout").String()}
	if err := c.call(ctx, http.MethodPost, drillsPath, nil, request, &d); err != nil {
		return err
	}
	if err := c.follow(ctx, &d); err != nil {
		return err
	}
	if err := printAs(cmd, d, func(w io.Writer) error { return writeDrill(w, &d) }); err != nil {
		return err
	}
	if !d.OK() {
		return errReported
	}
	return nil
}

// drillLabels reads the labels of the alert.
func drillLabels(args []string) (map[string]string, error) {
	if len(args) == 0 {
		return nil, errors.New("which route? Name the labels that lead there, or an alert: tocsin drill severity=critical")
	}
	wanted := map[string]string{}
	for _, arg := range args {
		name, value, isLabel := strings.Cut(arg, "=")
		if isLabel && !strings.Contains(name, "{") {
			wanted[name] = value
			continue
		}
		q, err := api.ParseAlert(arg)
		switch {
		case err != nil:
			return nil, err
		case q.Fingerprint != 0:
			return nil, fmt.Errorf("%q is a fingerprint: give the name and the labels of the alert", arg)
		case q.Name != "":
			wanted["alertname"] = q.Name
		}
		for _, m := range q.Matchers {
			if m.Type != labels.MatchEqual {
				return nil, fmt.Errorf("%s says what a label may be: say what it is, as %s=%q", m, m.Name, "…")
			}
			wanted[m.Name] = m.Value
		}
	}
	return wanted, nil
}

// follow asks for a drill until it is over.
func (c *client) follow(ctx context.Context, d *drill.Drill) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for d.State != drill.Done {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		id := d.ID
		*d = drill.Drill{}
		if err := c.call(ctx, http.MethodGet, drillsPath+"/"+id, nil, nil, d); err != nil {
			return fmt.Errorf("%w. What was opened is closed all the same: tocsin why '{%s=%q}' tells", err, alert.DrillLabel, id)
		}
	}
	return nil
}

// writeDrill writes a drill that is over for people.
func writeDrill(out io.Writer, d *drill.Drill) error {
	fmt.Fprintf(out, "TEST %s%s\n", d.Labels["alertname"], frame.FromMap(d.Labels).Without("alertname"))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i := range d.Receivers {
		r := &d.Receivers[i]
		name := r.Receiver
		if r.Fallback {
			name += " (fallback)"
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", name, openedText(r), closedText(r))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if d.Reason != "" {
		fmt.Fprintf(out, "Given up: %s\n", d.Reason)
	}
	_, err := fmt.Fprintf(out, "More: tocsin why %s\n", d.Fingerprint)
	return err
}

func openedText(r *drill.Receiver) string {
	switch {
	case !r.Opened.At.IsZero():
		return "opened " + stepText(&r.Opened)
	case r.Withheld != "":
		return "not told: " + r.Withheld
	case r.Error != "":
		return "not opened: " + r.Error
	}
	return "not opened"
}

func closedText(r *drill.Receiver) string {
	switch {
	case !r.Closed.At.IsZero():
		return "closed " + stepText(&r.Closed)
	case r.Opened.At.IsZero():
		return ""
	case r.OpenOnly:
		return "not closed: send_resolved is false"
	case r.Error != "":
		return "not closed yet: " + r.Error
	}
	return "not closed yet"
}

func stepText(s *drill.Step) string {
	took := time.Duration(s.Seconds * float64(time.Second)).Round(time.Millisecond)
	if s.Attempts > 1 {
		return fmt.Sprintf("after %s, at the %d. attempt", took, s.Attempts)
	}
	return "after " + took.String()
}
