package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/urfave/cli/v3"

	"github.com/tocsinhq/tocsin/core/api"
)

func silenceCommand() *cli.Command {
	return &cli.Command{
		Name:        "silence",
		Usage:       "make, show, change and end silences",
		Description: "Example:\n  tocsin silence add -d 2h -c 'db migration, OPS-12' job=odoo",
		Commands: []*cli.Command{
			silenceQueryCommand(), silencePreviewCommand(), silenceAddCommand(), silenceUpdateCommand(), silenceExpireCommand(),
			silenceImportCommand(),
		},
	}
}

// silenceView is a silence as the API of Alertmanager shows and takes it.
type silenceView struct {
	ID     string `json:"id,omitempty"`
	Status *struct {
		State string `json:"state"`
	} `json:"status,omitempty"`
	UpdatedAt     time.Time         `json:"updatedAt,omitzero"`
	Comment       string            `json:"comment"`
	CreatedBy     string            `json:"createdBy"`
	StartsAt      time.Time         `json:"startsAt"`
	EndsAt        time.Time         `json:"endsAt"`
	Matchers      []matcherView     `json:"matchers"`
	Annotations   map[string]string `json:"annotations,omitempty"`
	UntilResolved bool              `json:"untilResolved,omitempty"`
}

type matcherView struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	IsRegex bool   `json:"isRegex"`
	IsEqual *bool  `json:"isEqual"` // absent in files of old: true
}

func (m *matcherView) String() string {
	op := "="
	switch equal := m.IsEqual == nil || *m.IsEqual; {
	case m.IsRegex && equal:
		op = "=~"
	case m.IsRegex:
		op = "!~"
	case !equal:
		op = "!="
	}
	return fmt.Sprintf("%s%s%q", plain(m.Name), op, m.Value)
}

func (s *silenceView) matchers() string {
	texts := make([]string, len(s.Matchers))
	for i := range s.Matchers {
		texts[i] = s.Matchers[i].String()
	}
	return strings.Join(texts, " ")
}

// silenceAnswer is what a made or changed silence is answered with.
type silenceAnswer struct {
	ID string `json:"silenceID"`
}

func silenceQueryCommand() *cli.Command {
	return &cli.Command{
		Name:      "query",
		Usage:     "list silences",
		ArgsUsage: "[MATCHER…]",
		Description: wordsHelp + " Silences are listed that have these matchers.\n" +
			"With -expired, those that are over and are remembered. Times are in UTC.\n\n" +
			"Examples:\n  tocsin silence query\n  tocsin silence query -within 8h job=odoo\n" +
			"  tocsin silence query -o json > silences.json",
		Flags: append(clientFlags(), outputFlag(),
			&cli.BoolFlag{Name: "expired", Usage: "those that are over, instead of those that are not"},
			&cli.StringFlag{Name: "within", Usage: "those that end within `DURATION`; with -expired: that ended within it"},
			&cli.StringFlag{Name: "created-by", Usage: "those of `OWNER`"},
			&cli.StringFlag{Name: "id", Usage: "the one with that `ID`"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print the IDs only"},
		),
		Action: querySilences,
	}
}

func querySilences(ctx context.Context, cmd *cli.Command) error {
	filter, err := matchersOf(cmd.Args().Slice())
	if err != nil {
		return err
	}
	within, err := durationOf(cmd, "within")
	if err != nil {
		return err
	}
	c, err := newClient(cmd)
	if err != nil {
		return err
	}
	all := []silenceView{}
	if err := c.call(ctx, http.MethodGet, "/api/v2/silences", url.Values{"filter": filter}, nil, &all); err != nil {
		return err
	}
	now, expired := time.Now(), cmd.Bool("expired")
	all = slices.DeleteFunc(all, func(s silenceView) bool {
		switch {
		case (s.Status != nil && s.Status.State == "expired") != expired,
			within > 0 && !expired && s.EndsAt.After(now.Add(within)),
			within > 0 && expired && s.EndsAt.Before(now.Add(-within)),
			cmd.IsSet("created-by") && s.CreatedBy != cmd.String("created-by"),
			cmd.IsSet("id") && s.ID != cmd.String("id"):
			return true
		}
		return false
	})
	if cmd.Bool("quiet") {
		for i := range all {
			fmt.Fprintln(cmd.Root().Writer, all[i].ID)
		}
		return nil
	}
	return printAs(cmd, all, func(w io.Writer) error { return writeSilences(w, all) })
}

func writeSilences(out io.Writer, all []silenceView) error {
	if len(all) == 0 {
		fmt.Fprintln(out, "There is no such silence.")
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tMATCHERS\tSTATE\tENDS\tOWNER\tREASON")
	for i := range all {
		s := &all[i]
		state, ends := "", utc(s.EndsAt)
		if s.Status != nil {
			state = s.Status.State
		}
		if state == "pending" {
			state += " until " + utc(s.StartsAt)
		}
		if s.UntilResolved && state != "expired" {
			ends += " or when resolved"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, s.matchers(), state, ends, oneLine(s.CreatedBy), oneLine(s.Comment))
	}
	return w.Flush()
}

// spanFlags say how long a silence is to last.
func spanFlags(duration string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{
			Name: "duration", Aliases: []string{"d"}, Value: duration,
			Usage: "it lasts for `DURATION` from its start on, such as 1h30m or 7d",
		},
		&cli.StringFlag{Name: "start", Usage: "it begins at `TIME`, such as 2026-12-01T06:00:00Z"},
		&cli.StringFlag{Name: "end", Usage: "it ends at `TIME`, whatever -duration says"},
		&cli.StringFlag{Name: "comment", Aliases: []string{"c"}, Usage: "the `REASON`, for whoever finds it at night"},
	}
}

// take changes a silence as the spanFlags say.
func (s *silenceView) take(cmd *cli.Command) error {
	start, err := timeOf(cmd, "start")
	if err != nil {
		return err
	}
	end, err := timeOf(cmd, "end")
	if err != nil {
		return err
	}
	lasts, err := durationOf(cmd, "duration")
	if err != nil {
		return err
	}
	if !start.IsZero() {
		s.StartsAt = start
	}
	switch {
	case !end.IsZero():
		s.EndsAt = end
	case lasts > 0:
		s.EndsAt = s.StartsAt.Add(lasts)
	}
	s.Comment = cmp.Or(cmd.String("comment"), s.Comment)
	return nil
}

func silenceAddCommand() *cli.Command {
	return &cli.Command{
		Name:      "add",
		Usage:     "make a silence, and print its ID when it is durable",
		ArgsUsage: "MATCHER…",
		Description: wordsHelp + "\nWhat the silence matches is not told while it lasts; what fires at its end is told then. What was\n" +
			"told before is closed as ever when it is over. With -until-resolved the silence ends as soon\n" +
			"as nothing that it hid fires any more, at its end at the latest.\n" +
			"One that would hide more than 100 alerts that fire now is not made without -force: see tocsin silence preview.\n\n" +
			"Examples:\n  tocsin silence add -d 2h -c 'db migration, OPS-12' job=odoo\n" +
			"  tocsin silence add -d 3d -until-resolved -c 'disk is on order' DiskFull host=db1",
		Flags: slices.Concat(clientFlags(), spanFlags("1h"), []cli.Flag{
			outputFlag(),
			&cli.StringFlag{Name: "author", Aliases: []string{"a"}, Usage: "the `OWNER`, who answers for it (default: you)"},
			&cli.BoolFlag{Name: "until-resolved", Usage: "end it when what it hid is resolved"},
			&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "make it, however much it would hide"},
			&cli.StringSliceFlag{Name: "annotation", Usage: "`NAME=VALUE` to keep with it (may be given more than once)"},
		}),
		Action: addSilence,
	}
}

func addSilence(ctx context.Context, cmd *cli.Command) error {
	words, err := withAlertname(cmd.Args().Slice())
	if err != nil {
		return err
	}
	matchers, err := api.ParseMatchers(words)
	switch {
	case err != nil:
		return err
	case len(matchers) == 0:
		return errors.New("which alerts? Usage: tocsin silence add -c REASON MATCHER…")
	case strings.TrimSpace(cmd.String("comment")) == "":
		return errors.New("why? Say so with -c REASON, for whoever finds this silence at night")
	}
	s := silenceView{StartsAt: time.Now(), CreatedBy: cmd.String("author"), UntilResolved: cmd.Bool("until-resolved")}
	if s.CreatedBy == "" {
		me, err := user.Current()
		if err != nil {
			return fmt.Errorf("find out who you are: %w. Say so with -author", err)
		}
		s.CreatedBy = me.Username
	}
	for _, m := range matchers {
		equal := m.Type == labels.MatchEqual || m.Type == labels.MatchRegexp
		isRegex := m.Type == labels.MatchRegexp || m.Type == labels.MatchNotRegexp
		s.Matchers = append(s.Matchers, matcherView{m.Name, m.Value, isRegex, &equal})
	}
	if s.Annotations, err = pairsOf("annotation", cmd.StringSlice("annotation")); err != nil {
		return err
	}
	if err := s.take(cmd); err != nil {
		return err
	}
	c, err := newClient(cmd)
	if err != nil {
		return err
	}
	if !cmd.Bool("force") {
		if err := c.checkReach(ctx, words); err != nil {
			return err
		}
	}
	made, err := c.setSilence(ctx, &s)
	if err != nil {
		return err
	}
	return printAs(cmd, made, func(w io.Writer) error {
		fmt.Fprintln(w, made.ID)
		return nil
	})
}

// setSilence makes a silence, or changes the one with its ID.
func (c *client) setSilence(ctx context.Context, s *silenceView) (made silenceAnswer, err error) {
	sent := *s
	sent.Status, sent.UpdatedAt = nil, time.Time{} // the engine's to say
	err = c.call(ctx, http.MethodPost, "/api/v2/silences", nil, &sent, &made)
	return made, err
}

func silenceUpdateCommand() *cli.Command {
	return &cli.Command{
		Name:      "update",
		Usage:     "change how long silences last, or why",
		ArgsUsage: "ID…",
		Description: "What is not given stays. A DURATION counts from the start of the silence. A silence that is over,\n" +
			"or the past of one, is never changed: a new one takes its place. The ID that it has from now on is printed.\n\n" +
			"Example:\n  tocsin silence update -d 4h -c 'it takes longer' 0b5f7d0e-6a0c-4b1e-9c52-7f1f3e0d9a11",
		Flags: slices.Concat(clientFlags(), spanFlags(""), []cli.Flag{
			outputFlag(), &cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print the IDs only"},
		}),
		Action: updateSilences,
	}
}

func updateSilences(ctx context.Context, cmd *cli.Command) error {
	if cmd.Args().Len() == 0 {
		return errors.New("which silence? Usage: tocsin silence update ID…")
	}
	c, err := newClient(cmd)
	if err != nil {
		return err
	}
	changed := []silenceView{}
	for _, id := range cmd.Args().Slice() {
		s, err := c.silence(ctx, id)
		if err == nil {
			err = s.take(cmd)
		}
		if err == nil {
			var made silenceAnswer
			made, err = c.setSilence(ctx, &s)
			s.ID = made.ID
		}
		if err == nil {
			s, err = c.silence(ctx, s.ID)
		}
		if err != nil {
			return fmt.Errorf("silence %s: %w", id, err)
		}
		changed = append(changed, s)
	}
	if cmd.Bool("quiet") {
		for i := range changed {
			fmt.Fprintln(cmd.Root().Writer, changed[i].ID)
		}
		return nil
	}
	return printAs(cmd, changed, func(w io.Writer) error { return writeSilences(w, changed) })
}

// silence is the silence with that ID.
func (c *client) silence(ctx context.Context, id string) (s silenceView, err error) {
	err = c.call(ctx, http.MethodGet, "/api/v2/silence/"+url.PathEscape(id), nil, nil, &s)
	if r, ok := errors.AsType[*refusal](err); ok && r.status == http.StatusNotFound {
		return s, errors.New("there is no such silence; tocsin silence query lists those that there are")
	}
	return s, err
}

func silenceExpireCommand() *cli.Command {
	return &cli.Command{
		Name:      "expire",
		Usage:     "end silences now",
		ArgsUsage: "ID…",
		Description: "What they hid and still fires is told at once.\n\n" +
			"Examples:\n  tocsin silence expire 0b5f7d0e-6a0c-4b1e-9c52-7f1f3e0d9a11\n" +
			"  tocsin silence expire $(tocsin silence query -q job=odoo)",
		Flags:  clientFlags(),
		Action: expireSilences,
	}
}

func expireSilences(ctx context.Context, cmd *cli.Command) error {
	if cmd.Args().Len() == 0 {
		return errors.New("which silence? Usage: tocsin silence expire ID…")
	}
	c, err := newClient(cmd)
	if err != nil {
		return err
	}
	var failed []error
	for _, id := range cmd.Args().Slice() {
		err := c.call(ctx, http.MethodDelete, "/api/v2/silence/"+url.PathEscape(id), nil, nil, nil)
		if r, ok := errors.AsType[*refusal](err); ok && r.status == http.StatusNotFound {
			err = errors.New("there is no such silence")
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("silence %s: %w", id, err))
		}
	}
	return errors.Join(failed...)
}

func silenceImportCommand() *cli.Command {
	return &cli.Command{
		Name:      "import",
		Usage:     "make the silences of a file, as silence query -o json or amtool wrote it",
		ArgsUsage: "[FILE]",
		Description: "Reads standard input if no FILE is given. A silence that the engine knows is changed to what the file says,\n" +
			"the others are made anew, with new IDs. Those that are over are left out.\n\n" +
			"Example:\n  amtool silence query -o json | tocsin silence import",
		Flags: append(clientFlags(), outputFlag(),
			&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "make all of them anew, also those that the engine knows"},
		),
		Action: importSilences,
	}
}

// maxImport bounds a file of silences, in bytes.
const maxImport = 64 << 20

func importSilences(ctx context.Context, cmd *cli.Command) error {
	in := io.Reader(os.Stdin)
	switch cmd.Args().Len() {
	case 0:
	case 1:
		f, err := os.Open(cmd.Args().First())
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	default:
		return errors.New("one file at a time: tocsin silence import [FILE]")
	}
	text, err := io.ReadAll(io.LimitReader(in, maxImport+1))
	if err != nil {
		return fmt.Errorf("read the silences: %w", err)
	}
	if len(text) > maxImport {
		return fmt.Errorf("read the silences: there are more than %d bytes", maxImport)
	}
	var all []silenceView
	if err := json.Unmarshal(text, &all); err != nil {
		return fmt.Errorf("read the silences: %w. Want what tocsin silence query -o json prints", err)
	}
	c, err := newClient(cmd)
	if err != nil {
		return err
	}
	done := struct {
		Made []string `json:"made"` // IDs, changed ones included
		Over int      `json:"over"` // left out
	}{Made: []string{}}
	var failed []error
	for i := range all {
		s := &all[i]
		if !s.EndsAt.After(time.Now()) {
			done.Over++
			continue
		}
		made, err := c.importSilence(ctx, s, cmd.Bool("force"))
		if err != nil {
			failed = append(failed, fmt.Errorf("silence %s of %s: %w", s.matchers(), plain(s.CreatedBy), err))
			continue
		}
		done.Made = append(done.Made, made.ID)
	}
	err = printAs(cmd, done, func(w io.Writer) error {
		for _, id := range done.Made {
			fmt.Fprintln(w, id)
		}
		if done.Over > 0 {
			fmt.Fprintf(os.Stderr, "left out because they are over: %d\n", done.Over)
		}
		return nil
	})
	return errors.Join(append(failed, err)...)
}

// importSilence changes a silence that the engine knows, and makes it otherwise.
func (c *client) importSilence(ctx context.Context, s *silenceView, anew bool) (silenceAnswer, error) {
	if anew {
		s.ID = ""
	}
	made, err := c.setSilence(ctx, s)
	if r, ok := errors.AsType[*refusal](err); ok && r.status == http.StatusNotFound && s.ID != "" {
		s.ID = ""
		return c.setSilence(ctx, s)
	}
	return made, err
}
