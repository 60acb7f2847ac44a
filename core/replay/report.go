package replay

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tocsinhq/tocsin/sdk/notifier"
)

// WriteJSON writes a timeline or a difference.
func WriteJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("write the replay: %w", err)
	}
	return nil
}

// WriteText writes the timeline by receiver, and sums it up.
func (t *Timeline) WriteText(w io.Writer) error {
	var b strings.Builder
	head(&b, t.From, t.To, t.Notes)
	by := map[string][]*Page{}
	for i := range t.Pages {
		by[t.Pages[i].Receiver] = append(by[t.Pages[i].Receiver], &t.Pages[i])
	}
	for _, receiver := range slices.Sorted(maps.Keys(by)) {
		pages := by[receiver]
		fmt.Fprintf(&b, "\n%s: %s\n", receiver, tally(pages))
		for _, p := range pages {
			fmt.Fprintf(&b, "  %s  %s\n", clock(p.Time), p.describe())
			p.list(&b, "      ")
		}
		if hours := byHour(pages); hours != "" {
			fmt.Fprintf(&b, "  incidents by hour of the day (UTC): %s\n", hours)
		}
	}
	if len(t.Pages) == 0 {
		b.WriteString("\nnobody was told anything\n")
		return write(w, b.String())
	}
	b.WriteString("\nby rule, how often an alert fired of which somebody was told:\n")
	for _, r := range byRule(t.Pages) {
		fmt.Fprintf(&b, "  %6d  %s\n", r.alerts, r.rule)
	}
	return write(w, b.String())
}

// WriteText writes what differs, as diff does: - for what is gone, + for what is new, ~ for what changed.
func (d *Difference) WriteText(w io.Writer) error {
	var b strings.Builder
	head(&b, d.From, d.To, d.Notes)
	type line struct {
		at   time.Time
		text string
	}
	var lines []line
	one := func(sign string, p *Page) {
		var s strings.Builder
		fmt.Fprintf(&s, "%s %s  %s  %s\n", sign, clock(p.Time), p.Receiver, p.describe())
		p.list(&s, "      ")
		lines = append(lines, line{p.Time, s.String()})
	}
	for i := range d.Gone {
		one("-", &d.Gone[i])
	}
	for i := range d.New {
		one("+", &d.New[i])
	}
	for i := range d.Changed {
		lines = append(lines, line{d.Changed[i].Old.Time, d.Changed[i].describe()})
	}
	slices.SortStableFunc(lines, func(a, b line) int { return a.at.Compare(b.at) })
	b.WriteByte('\n')
	for _, l := range lines {
		b.WriteString(l.text)
	}
	if len(lines) > 0 {
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%d gone, %d new, %d changed, %d the same\n", len(d.Gone), len(d.New), len(d.Changed), d.Same)
	return write(w, b.String())
}

func (c *Change) describe() string {
	var s strings.Builder
	fmt.Fprintf(&s, "~ %s  %s  %s", clock(c.Old.Time), c.Old.Receiver, c.Old.describe())
	if c.Moved {
		way, by := "later", c.New.Time.Sub(c.Old.Time)
		if by < 0 {
			way, by = "earlier", -by
		}
		fmt.Fprintf(&s, ", now %s %s", by.Round(time.Millisecond), way)
	}
	s.WriteByte('\n')
	if !c.Alerts {
		c.New.list(&s, "      ")
		return s.String()
	}
	c.Old.list(&s, "    - ")
	c.New.list(&s, "    + ")
	return s.String()
}

// head says of which time the report is, and what could not be known.
func head(b *strings.Builder, from, to time.Time, notes []string) {
	fmt.Fprintf(b, "%s to %s (%s)\n", clock(from), clock(to), to.Sub(from).Round(time.Second))
	for _, note := range notes {
		fmt.Fprintf(b, "note: %s\n", note)
	}
}

// describe is what a page says, in a line.
func (p *Page) describe() string {
	text := fmt.Sprintf("%-8s %s", p.Status, p.Group)
	if !p.opens() && p.Reason != notifier.ReasonAllResolved {
		text += " (" + string(p.Reason) + ")"
	}
	if p.Note != "" {
		text += ": " + p.Note
	}
	return text
}

// list lists the first alerts of a page.
func (p *Page) list(b *strings.Builder, indent string) {
	const few = 10
	for _, a := range p.Alerts[:min(few, len(p.Alerts))] {
		state := ""
		if a.Status == notifier.StatusResolved && p.Status == notifier.StatusFiring {
			state = ", resolved"
		}
		fmt.Fprintf(b, "%s%s%s = %.4g since %s%s\n", indent, a.Rule, a.Labels, float64(a.Value), clock(a.Since), state)
	}
	if more := len(p.Alerts) - few; more > 0 {
		fmt.Fprintf(b, "%sand %d more\n", indent, more)
	}
}

// tally counts the pages of a receiver by what they are.
func tally(pages []*Page) string {
	var opened, ended int
	for _, p := range pages {
		switch {
		case p.opens():
			opened++
		case p.Status == notifier.StatusResolved:
			ended++
		}
	}
	text := counted(opened, "incident") + ", " + counted(ended, "end")
	if others := len(pages) - opened - ended; others > 0 {
		text += ", " + counted(others, "update or repetition")
	}
	return text
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// byHour counts incidents by the hour in which they were opened.
func byHour(pages []*Page) string {
	var hours [24]int
	for _, p := range pages {
		if p.opens() {
			hours[p.Time.Hour()]++
		}
	}
	var parts []string
	for hour, n := range hours {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%02dh %d", hour, n))
		}
	}
	return strings.Join(parts, ", ")
}

type ruleCount struct {
	rule   string
	alerts int
}

// byRule counts for each rule the alerts of which somebody was told, the most first. An alert counts once for each time
// it fired, however many receivers were told how often.
func byRule(pages []Page) (counts []ruleCount) {
	seen, by := map[string]bool{}, map[string]int{}
	for i := range pages {
		for _, a := range pages[i].Alerts {
			if key := a.Rule + a.Labels.String() + a.Since.String(); !seen[key] {
				seen[key] = true
				by[a.Rule]++
			}
		}
	}
	for rule, n := range by {
		counts = append(counts, ruleCount{rule, n})
	}
	slices.SortFunc(counts, func(a, b ruleCount) int {
		return cmp.Or(cmp.Compare(b.alerts, a.alerts), cmp.Compare(a.rule, b.rule))
	})
	return counts
}

func write(w io.Writer, text string) error {
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("write the replay: %w", err)
	}
	return nil
}
