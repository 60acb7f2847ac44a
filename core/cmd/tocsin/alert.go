package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/urfave/cli/v3"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

func alertCommand() *cli.Command {
	return &cli.Command{
		Name:        "alert",
		Usage:       "show the alerts that fire, or raise one",
		Description: "Example:\n  tocsin alert query HighAPIErrorRate",
		Commands:    []*cli.Command{alertQueryCommand(), alertAddCommand()},
	}
}

// alertView is an alert as the API of Alertmanager shows it.
type alertView struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	Receivers   []struct {
		Name string `json:"name"`
	} `json:"receivers"`
	Fingerprint  string    `json:"fingerprint"`
	StartsAt     time.Time `json:"startsAt"`
	UpdatedAt    time.Time `json:"updatedAt"`
	EndsAt       time.Time `json:"endsAt"`
	GeneratorURL string    `json:"generatorURL"`
	Status       struct {
		State       string   `json:"state"`
		SilencedBy  []string `json:"silencedBy"`
		InhibitedBy []string `json:"inhibitedBy"`
		MutedBy     []string `json:"mutedBy"`
	} `json:"status"`
}

func (a *alertView) name() string { return called(frame.FromMap(a.Labels)) }

// called writes the labels of an alert as people call it: NAME{label="value"}.
func called(ls frame.Labels) string {
	name := plain(ls.Get("alertname"))
	if rest := ls.Without("alertname"); len(rest) > 0 {
		name += rest.String()
	}
	return name
}

// state is what keeps an alert from being told, or active.
func (a *alertView) state() string {
	var by []string
	for _, held := range []struct {
		how string
		by  []string
	}{{"silenced by ", a.Status.SilencedBy}, {"inhibited by ", a.Status.InhibitedBy}, {"muted by ", a.Status.MutedBy}} {
		if len(held.by) > 0 {
			by = append(by, held.how+strings.Join(held.by, ", "))
		}
	}
	if len(by) > 0 {
		return strings.Join(by, "; ")
	}
	return a.Status.State
}

func alertQueryCommand() *cli.Command {
	return &cli.Command{
		Name:      "query",
		Usage:     "list alerts that fire",
		ArgsUsage: "[MATCHER…]",
		Description: wordsHelp + "\nWithout -s, -i, -m and -u only those are listed that nothing withholds, with -all every one.\n" +
			"Times are in UTC.\n\nExamples:\n  tocsin alert query\n" +
			"  tocsin alert query HighAPIErrorRate severity=critical\n  tocsin alert query -s -o json 'endpoint=~/critical/.*'",
		Flags: append(clientFlags(), outputFlag(),
			&cli.BoolFlag{Name: "active", Aliases: []string{"a"}, Usage: "those that nothing withholds"},
			&cli.BoolFlag{Name: "silenced", Aliases: []string{"s"}, Usage: "those that silences hide"},
			&cli.BoolFlag{Name: "inhibited", Aliases: []string{"i"}, Usage: "those that other alerts inhibit"},
			&cli.BoolFlag{Name: "muted", Aliases: []string{"m"}, Usage: "those that schedules mute"},
			&cli.BoolFlag{Name: "unprocessed", Aliases: []string{"u"}, Usage: "those that are not routed yet"},
			&cli.BoolFlag{Name: "all", Usage: "all of these"},
			&cli.StringFlag{Name: "receiver", Aliases: []string{"r"}, Usage: "those of receivers that `REGEXP` matches"},
		),
		Action: queryAlerts,
	}
}

func queryAlerts(ctx context.Context, cmd *cli.Command) error {
	filter, err := matchersOf(cmd.Args().Slice())
	if err != nil {
		return err
	}
	query := url.Values{"filter": filter}
	if r := cmd.String("receiver"); r != "" {
		query.Set("receiver", r)
	}
	states := []string{"active", "silenced", "inhibited", "muted", "unprocessed"}
	none := !slices.ContainsFunc(states, cmd.Bool)
	for _, state := range states {
		query.Set(state, strconv.FormatBool(cmd.Bool(state) || cmd.Bool("all") || none && state == "active"))
	}
	c, err := newClient(cmd)
	if err != nil {
		return err
	}
	alerts := []alertView{}
	if err := c.call(ctx, http.MethodGet, "/api/v2/alerts", query, nil, &alerts); err != nil {
		return err
	}
	slices.SortFunc(alerts, func(a, b alertView) int { return strings.Compare(a.name(), b.name()) })
	return printAs(cmd, alerts, func(out io.Writer) error {
		if len(alerts) == 0 {
			fmt.Fprintln(out, "No such alert fires.")
			return nil
		}
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ALERT\tSINCE\tSTATE\tSUMMARY")
		for i := range alerts {
			a := &alerts[i]
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", a.name(), utc(a.StartsAt), a.state(), oneLine(a.Annotations["summary"]))
		}
		return w.Flush()
	})
}

func alertAddCommand() *cli.Command {
	return &cli.Command{
		Name:      "add",
		Usage:     "raise an alert, as a Prometheus does",
		ArgsUsage: "LABEL…",
		Description: "A LABEL is NAME=VALUE; a first word without = is the name of the alert. The alert is over when\n" +
			"-end comes, or after the engine's resolve_timeout unless it is raised again. It is told like any other.\n\n" +
			"Examples:\n  tocsin alert add BackupFailed host=db1 severity=warning -annotation summary='backup of db1 failed'\n" +
			"  tocsin alert add BackupFailed host=db1 severity=warning -end 2026-12-01T06:00:00Z",
		Flags: append(clientFlags(),
			&cli.StringFlag{Name: "start", Usage: "it fires since `TIME`, such as 2026-12-01T06:00:00Z (default: now)"},
			&cli.StringFlag{Name: "end", Usage: "it is over at `TIME`; if that is past, at once"},
			&cli.StringFlag{Name: "generator-url", Usage: "`URL` of where it comes from"},
			&cli.StringSliceFlag{Name: "annotation", Usage: "`NAME=VALUE` to tell with it (may be given more than once)"},
		),
		Action: addAlert,
	}
}

// postedAlert is an alert as others raise it.
type postedAlert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	StartsAt     time.Time         `json:"startsAt,omitzero"`
	EndsAt       time.Time         `json:"endsAt,omitzero"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

func addAlert(ctx context.Context, cmd *cli.Command) (err error) {
	posted := postedAlert{GeneratorURL: cmd.String("generator-url")}
	if posted.Labels, err = labelsOf(cmd.Args().Slice()); err != nil {
		return err
	}
	if posted.Annotations, err = pairsOf("annotation", cmd.StringSlice("annotation")); err != nil {
		return err
	}
	if posted.StartsAt, err = timeOf(cmd, "start"); err != nil {
		return err
	}
	if posted.EndsAt, err = timeOf(cmd, "end"); err != nil {
		return err
	}
	c, err := newClient(cmd)
	if err != nil {
		return err
	}
	return c.call(ctx, http.MethodPost, "/api/v2/alerts", nil, []postedAlert{posted}, nil)
}

// utc writes a time for people.
func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// plain is a text of others without line ends and whatever else moves the cursor of a terminal.
func plain(text string) string {
	return strings.Join(strings.FieldsFunc(text, unicode.IsControl), " ")
}

// oneLine is a text of others in one line of a table, and not a very long one.
func oneLine(text string) string {
	const most = 120
	if runes := []rune(plain(text)); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return plain(text)
}
