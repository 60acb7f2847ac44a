package slack

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tocsinhq/tocsin/plugins/notifier/outbound"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

// Limits, in runes.
const (
	maxTitle    = 1024
	maxText     = 4000 // Slack cuts at 40,000 and asks for 4,000; attachments fold far earlier
	maxSummary  = 300  // of one alert
	maxLabels   = 300  // of one alert
	maxLink     = 500  // of an alert's line, in bytes
	maxFields   = 10   // of an attachment
	maxActions  = 5    // of an attachment
	listedMost  = 20   // alerts with a line of their own
	linkedMost  = 3    // alerts that are listed with links to the engine's pages: they are long
	maxFallback = 1024
)

// message is the body of a webhook, of chat.postMessage and of chat.update.
type message struct {
	Channel     string       `json:"channel,omitempty"`
	TS          string       `json:"ts,omitempty"`
	ThreadTS    string       `json:"thread_ts,omitempty"`
	Username    string       `json:"username,omitempty"`
	IconEmoji   string       `json:"icon_emoji,omitempty"`
	IconURL     string       `json:"icon_url,omitempty"`
	LinkNames   bool         `json:"link_names,omitempty"`
	Text        string       `json:"text,omitempty"`
	Attachments []attachment `json:"attachments,omitempty"`
}

type attachment struct {
	Title      string   `json:"title,omitempty"`
	TitleLink  string   `json:"title_link,omitempty"`
	Pretext    string   `json:"pretext,omitempty"`
	Text       string   `json:"text"`
	Fallback   string   `json:"fallback"`
	CallbackID string   `json:"callback_id,omitempty"`
	Fields     []field  `json:"fields,omitempty"`
	Actions    []action `json:"actions,omitempty"`
	ImageURL   string   `json:"image_url,omitempty"`
	ThumbURL   string   `json:"thumb_url,omitempty"`
	Footer     string   `json:"footer,omitempty"`
	Color      string   `json:"color,omitempty"`
	MrkdwnIn   []string `json:"mrkdwn_in,omitempty"`
}

type field struct {
	Title string `json:"title"`
	Value string `json:"value"`
	Short bool   `json:"short"`
}

type action struct {
	Type  string `json:"type"`
	Text  string `json:"text"`
	URL   string `json:"url,omitempty"`
	Style string `json:"style,omitempty"`
	Name  string `json:"name,omitempty"`
	Value string `json:"value,omitempty"`
}

// envelope is a message without content.
func (c *Config) envelope() message {
	return message{Username: c.Username, IconEmoji: c.IconEmoji, IconURL: c.IconURL, LinkNames: c.LinkNames}
}

func (c *Config) message(n *notifier.Notification) message {
	title := outbound.Clip(outbound.Marked(n, cmp.Or(c.Title, builtinTitle(n))), maxTitle)
	a := attachment{
		Title:      title,
		TitleLink:  cmp.Or(c.TitleLink, n.ExternalURL),
		Pretext:    outbound.Marked(n, c.Pretext),
		Text:       outbound.Clip(outbound.Marked(n, cmp.Or(c.Text, builtinText(n))), maxText),
		Fallback:   outbound.Clip(outbound.Marked(n, cmp.Or(c.Fallback, title)), maxFallback),
		CallbackID: c.CallbackID,
		ImageURL:   c.ImageURL,
		ThumbURL:   c.ThumbURL,
		Footer:     c.Footer,
		Color:      cmp.Or(c.Color, color(n)),
		MrkdwnIn:   c.MrkdwnIn,
	}
	for _, f := range c.Fields[:min(len(c.Fields), maxFields)] {
		short := c.ShortFields
		if f.Short != nil {
			short = *f.Short
		}
		a.Fields = append(a.Fields, field{Title: f.Title, Value: f.Value, Short: short})
	}
	for _, b := range c.Actions[:min(len(c.Actions), maxActions)] {
		a.Actions = append(a.Actions, action(b))
	}
	m := c.envelope()
	m.Text, m.Attachments = outbound.Marked(n, c.MessageText), []attachment{a}
	return m
}

func color(n *notifier.Notification) string {
	if !n.Firing() {
		return "good"
	}
	alerts := outbound.Firing(n.Alerts)
	switch outbound.SeverityOf(&alerts[outbound.Worst(alerts)]) {
	case "warning":
		return "warning"
	case "info":
		return "#439fe0"
	}
	return "danger"
}

// builtinTitle is Alertmanager's [FIRING:2], then what matters.
func builtinTitle(n *notifier.Notification) string {
	return titleOf(n, maxTitle)
}

func titleOf(n *notifier.Notification, limit int) string {
	state := "[RESOLVED] "
	if n.Firing() {
		state = fmt.Sprintf("[FIRING:%d] ", len(outbound.Firing(n.Alerts)))
	}
	return clipEscaped(state+outbound.Headline(n, limit), limit)
}

// builtinText has a line for each alert, firing ones first, and says how many it had no room for.
func builtinText(n *notifier.Notification) string {
	var text strings.Builder
	room := maxText - 100 // for the last line
	add := func(line string) bool {
		length := utf8.RuneCountInString(line) + 1
		if length > room {
			return false
		}
		if text.Len() > 0 {
			text.WriteByte('\n')
		}
		text.WriteString(line)
		room -= length
		return true
	}
	for _, remark := range remarks(n) {
		add("_" + clipEscaped(remark, maxSummary) + "_")
	}
	alerts := append(outbound.Firing(n.Alerts), outbound.Resolved(n.Alerts)...)
	line := func(a *notifier.Alert) string {
		if len(alerts) > linkedMost {
			return alertLine(a, nil)
		}
		return alertLine(a, outbound.PageLinks(n, a))
	}
	listed := 0
	for i := range alerts {
		if listed == listedMost || !add(line(&alerts[i])) {
			break
		}
		listed++
	}
	if more := len(alerts) - listed + n.Truncated; more > 0 {
		room = maxText
		add(fmt.Sprintf("… and %d more", more))
	}
	return text.String()
}

// remarks are what the reader must know about the message itself.
func remarks(n *notifier.Notification) []string {
	var remarks []string
	if n.Note != "" {
		remarks = append(remarks, n.Note)
	}
	if n.PossibleRepeat {
		remarks = append(remarks, "possible repeat: an earlier attempt got no answer")
	}
	return remarks
}

func alertLine(a *notifier.Alert, pages []outbound.Link) string {
	var line strings.Builder
	mark := ":red_circle:"
	if a.Status == notifier.StatusResolved {
		mark = ":white_check_mark:"
	}
	what := cmp.Or(outbound.OneLine(a.Annotations["summary"]), outbound.OneLine(a.Labels["alertname"]), a.Rule)
	fmt.Fprintf(&line, "%s *%s*", mark, strings.ReplaceAll(clipEscaped(what, maxSummary), "*", "∗"))
	if labels := labelText(a.Labels); labels != "" {
		fmt.Fprintf(&line, " `%s`", strings.ReplaceAll(clipEscaped(labels, maxLabels), "`", "'"))
	}
	if a.Change == notifier.Added {
		line.WriteString(" (new)")
	}
	if course := outbound.Course(a); course != "" {
		fmt.Fprintf(&line, " value %s", course)
	}
	if !a.StartsAt.IsZero() {
		fmt.Fprintf(&line, ", since %s", a.StartsAt.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	if !a.EndsAt.IsZero() {
		fmt.Fprintf(&line, ", until %s", a.EndsAt.UTC().Format("2006-01-02 15:04:05 UTC"))
		if lasted := outbound.Duration(a); lasted != "" {
			fmt.Fprintf(&line, " (%s)", lasted)
		}
	}
	for _, l := range append(outbound.AlertLinks(a), pages...) {
		if address := escapeURL(l.URL); len(address) <= maxLink {
			fmt.Fprintf(&line, " · <%s|%s>", address, l.Text)
		}
	}
	return line.String()
}

// replyText is what the thread is told; "" where the edit says enough.
func replyText(n *notifier.Notification) string {
	switch {
	case !n.Firing():
		return ":white_check_mark: " + titleOf(n, maxSummary) + lasted(n)
	case n.Reason == notifier.ReasonAdded:
		return ":red_circle: new alerts: " + titleOf(n, maxSummary)
	case n.Reason == notifier.ReasonRepeat:
		return ":red_circle: still firing: " + titleOf(n, maxSummary)
	}
	return ""
}

// lasted says for how long at least one of the alerts fired; "" if that is not known.
func lasted(n *notifier.Notification) string {
	var first, last time.Time
	for _, a := range n.Alerts {
		if first.IsZero() || a.StartsAt.Before(first) {
			first = a.StartsAt
		}
		if a.EndsAt.After(last) {
			last = a.EndsAt
		}
	}
	if first.IsZero() || last.Before(first) {
		return ""
	}
	return " after " + last.Sub(first).Round(time.Second).String()
}

func encode(m message) ([]byte, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(m); err != nil {
		return nil, fmt.Errorf("encoding the Slack message: %w", err)
	}
	return body.Bytes(), nil
}
