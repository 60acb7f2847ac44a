package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"github.com/tocsinhq/tocsin/core/api"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

func routeCommand() *cli.Command {
	return &cli.Command{
		Name:        "route",
		Usage:       "show the routes that an engine runs, and whom they lead to",
		Description: "Example:\n  tocsin route test severity=critical",
		Commands:    []*cli.Command{routeShowCommand(), routeTestCommand()},
	}
}

func routeShowCommand() *cli.Command {
	return &cli.Command{
		Name:        "show",
		Usage:       "print the route tree",
		Description: "With everything that nested routes inherit.\n\nExample:\n  tocsin route show -addr 127.0.0.1:9095",
		Flags:       append(clientFlags(), outputFlag()),
		Action:      showRoutes,
	}
}

func showRoutes(ctx context.Context, cmd *cli.Command) error {
	c, err := newClient(cmd)
	if err != nil {
		return err
	}
	var root api.Route
	if err := c.call(ctx, http.MethodGet, "/api/tocsin/v1/routes", nil, nil, &root); err != nil {
		return err
	}
	return printAs(cmd, root, func(w io.Writer) error {
		writeRoute(w, &root, 0)
		return nil
	})
}

func writeRoute(w io.Writer, r *api.Route, depth int) {
	indent := strings.Repeat("  ", depth)
	who := "everything else"
	if depth > 0 {
		who = "{" + strings.Join(r.Matchers, ", ") + "}"
	} else if len(r.Routes) == 0 {
		who = "everything"
	}
	fmt.Fprintf(w, "%s%s → %s", indent, who, strings.Join(r.Receivers, ", "))
	if r.Continue {
		fmt.Fprint(w, ", and goes on")
	}
	fmt.Fprintf(w, "\n%s  by [%s]: wait %s, interval %s, repeat %s",
		indent, strings.Join(r.GroupBy, ", "), r.GroupWait, r.GroupInterval, r.RepeatInterval)
	if len(r.Mute) > 0 {
		fmt.Fprintf(w, "; muted in %s", strings.Join(r.Mute, ", "))
	}
	if f := r.Fallback; f != nil {
		fmt.Fprintf(w, "; after %s to %s", f.After, strings.Join(f.To, ", "))
	}
	fmt.Fprintln(w)
	for i := range r.Routes {
		writeRoute(w, &r.Routes[i], depth+1)
	}
}

func routeTestCommand() *cli.Command {
	return &cli.Command{
		Name:      "test",
		Usage:     "tell who would hear of an alert with these labels",
		ArgsUsage: "LABEL…",
		Description: "A LABEL is NAME=VALUE; a first word without = is the name of the alert. Nothing is sent.\n" +
			"It is told as of now: what would withhold the alert at present is named.\n" +
			"Ends with 1 if -verify.receivers names others.\n\n" +
			"Examples:\n  tocsin route test HighAPIErrorRate severity=critical endpoint=/critical/api\n" +
			"  tocsin route test -verify.receivers pagerduty.oncall severity=critical",
		Flags: append(clientFlags(), outputFlag(),
			&cli.StringFlag{
				Name:  "verify.receivers",
				Usage: "demand that these `RECEIVERS`, with commas between, would hear of it, and no others",
			},
		),
		Action: testRoutes,
	}
}

func testRoutes(ctx context.Context, cmd *cli.Command) error {
	set, err := labelsOf(cmd.Args().Slice())
	if err != nil {
		return err
	}
	query := url.Values{}
	for _, l := range frame.FromMap(set) {
		query.Add("label", fmt.Sprintf("%q=%q", l.Name, l.Value))
	}
	c, err := newClient(cmd)
	if err != nil {
		return err
	}
	var routed api.Routed
	if err := c.call(ctx, http.MethodGet, "/api/tocsin/v1/routes/test", query, nil, &routed); err != nil {
		return err
	}
	if err := printAs(cmd, routed, func(w io.Writer) error { return writeRouted(w, &routed) }); err != nil {
		return err
	}
	if cmd.IsSet("verify.receivers") {
		wanted := strings.FieldsFunc(cmd.String("verify.receivers"), func(r rune) bool { return r == ',' || r == ' ' })
		if slices.Sort(wanted); !slices.Equal(slices.Compact(wanted), routed.Receivers) {
			return errors.New("the receivers are not those that -verify.receivers demands: " + strings.Join(wanted, ", "))
		}
	}
	return nil
}

func writeRouted(out io.Writer, routed *api.Routed) error {
	if len(routed.Groups) == 0 {
		fmt.Fprintln(out, "nobody would hear of it")
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RECEIVER\tGROUP\tWAIT\tREPEAT\tAT PRESENT")
	for _, g := range routed.Groups {
		present := "told"
		if g.Withheld != "" {
			present = g.Withheld
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", g.Receiver, g.Group, g.GroupWait, g.RepeatInterval, present)
	}
	return w.Flush()
}
