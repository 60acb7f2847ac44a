package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"github.com/tocsinhq/tocsin/core/api"
)

func silencePreviewCommand() *cli.Command {
	return &cli.Command{
		Name:      "preview",
		Usage:     "tell what a silence would hide now, and what it would have hidden in the last days",
		ArgsUsage: "MATCHER…",
		Description: wordsHelp + "\nNothing is silenced. What is past is told from the journal, as far back as that goes.\n" +
			"Times are in UTC.\n\nExamples:\n  tocsin silence preview job=odoo\n" +
			"  tocsin silence preview -past 30d HighAPIErrorRate 'endpoint=~/critical/.*'",
		Flags: append(clientFlags(), outputFlag(),
			&cli.StringFlag{Name: "past", Value: "7d", Usage: "look back for `DURATION`; 0: at what fires now only"},
		),
		Action: previewSilence,
	}
}

func previewSilence(ctx context.Context, cmd *cli.Command) error {
	words, err := matchersOf(cmd.Args().Slice())
	if err != nil {
		return err
	}
	if len(words) == 0 {
		return errors.New("which alerts? Usage: tocsin silence preview MATCHER…")
	}
	c, err := newClient(cmd)
	if err != nil {
		return err
	}
	p, err := c.preview(ctx, words, cmd.String("past"))
	if err != nil {
		return err
	}
	return printAs(cmd, p, func(w io.Writer) error { return writePreview(w, &p) })
}

// preview asks what a silence with these matchers would hide.
func (c *client) preview(ctx context.Context, matchers []string, past string) (p api.Preview, err error) {
	query := url.Values{"filter": matchers, "past": {past}}
	err = c.call(ctx, http.MethodGet, "/api/tocsin/v1/silences/preview", query, nil, &p)
	return p, err
}

// mostHidden is how many alerts that fire a silence may hide without being meant expressly.
const mostHidden = 100

// checkReach refuses a silence that hides more than people mean. Where that cannot be asked, by a token that may silence
// but not read, or of an Alertmanager, it refuses nothing.
func (c *client) checkReach(ctx context.Context, matchers []string) error {
	p, err := c.preview(ctx, matchers, "0s")
	if r, ok := errors.AsType[*refusal](err); ok && (r.status == http.StatusForbidden || r.status == http.StatusNotFound) {
		return nil
	}
	if err == nil && p.Hides > mostHidden {
		err = fmt.Errorf("it would hide %d alerts that fire now. Look at them with tocsin silence preview; "+
			"if they are meant, say -force", p.Hides)
	}
	return err
}

func writePreview(out io.Writer, p *api.Preview) error {
	fmt.Fprintf(out, "Fire now, and would be hidden: %d", p.Hides)
	if len(p.Receivers) > 0 {
		fmt.Fprintf(out, ", from %s", strings.Join(p.Receivers, ", "))
	}
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i := range p.Alerts {
		a := &p.Alerts[i]
		already := ""
		if a.Withheld {
			already = "withheld already"
		}
		fmt.Fprintf(w, "  %s\tsince %s\t%s\n", called(a.Labels), utc(a.Since), already)
	}
	if more := p.Hides - len(p.Alerts); more > 0 {
		fmt.Fprintf(w, "  and %d more\n", more)
	}
	if !p.Since.IsZero() {
		fmt.Fprintf(w, "Fired since %s: %d times, and somebody was told of %d\n", utc(p.Since), p.Fired, p.Told)
		for i := range p.Past {
			a := &p.Past[i]
			fmt.Fprintf(w, "  %s\tfired %d, told %d\tlast %s\t%s\n",
				called(a.Labels), a.Fired, a.Told, utc(a.Last), strings.Join(a.Receivers, ", "))
		}
		if len(p.Past) == api.MostPreviewed {
			fmt.Fprintf(w, "  these are the first %d, there may be more\n", api.MostPreviewed)
		}
	}
	return w.Flush()
}
