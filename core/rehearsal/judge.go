package rehearsal

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/alert"
)

// judge compares what happened with what the test says.
func (p *play) judge(update bool) (failures []Failure) {
	if p.err != nil {
		return []Failure{{p.test.Range, p.err.Error()}}
	}
	failures = p.contradictions()
	for _, m := range p.moments {
		failures = append(failures, judgeMoment(m)...)
	}
	for i := range p.test.Transitions {
		failures = append(failures, p.judgeTransitions(&p.test.Transitions[i])...)
	}
	failures = append(failures, p.judgeNotifications(update)...)
	for _, c := range p.test.Counts {
		if heard := p.heard(c.Notifier); len(heard) != c.Count {
			failures = append(failures, Failure{c.Range, fmt.Sprintf("%s was told %s, want %s%s", c.Notifier, times(len(heard)), times(c.Count), listed(heard))})
		}
	}
	slices.SortStableFunc(failures, func(a, b Failure) int { return cmp.Compare(a.Range.Line, b.Range.Line) })
	return failures
}

// contradictions are rules that judged the same differently: their module keeps to no contract, so that no test of it is
// worth anything.
func (p *play) contradictions() (failures []Failure) {
	for _, e := range p.broken() {
		if strings.Contains(e.Decision.Reason, notDeterministic) {
			failures = append(failures, Failure{p.test.Range, fmt.Sprintf("at %s, %s", since(e.At), e.Decision.Reason)})
		}
	}
	return failures
}

// notDeterministic is what core/wasm says of such a rule.
const notDeterministic = "not deterministic"

// broken are the first failures of the rules that failed.
func (p *play) broken() (first []Event) {
	seen := map[string]bool{}
	for _, e := range p.events {
		if d := e.Decision; d != nil && d.Kind == alert.KindRuleFailed && !seen[d.Rule] {
			seen[d.Rule] = true
			first = append(first, e)
		}
	}
	return first
}

// judgeMoment compares how alerts stood.
func judgeMoment(m moment) (failures []Failure) {
	if m.down {
		return []Failure{{m.of.Range, fmt.Sprintf("at %s, no engine runs", since(m.of.At))}}
	}
	named := map[alert.Fingerprint]bool{}
	for i := range m.of.Alerts {
		want := &m.of.Alerts[i]
		var found []alert.Alert
		for _, a := range m.alerts {
			if a.Name() == want.Rule && has(a.Labels.Map(), want.Labels) {
				found = append(found, a)
				named[a.Fingerprint] = true
			}
		}
		var misses []string
		for j := range found {
			miss := mismatch(want, &found[j])
			if miss == "" {
				misses = nil
				break
			}
			misses = append(misses, miss)
		}
		if len(found) == 0 && (want.State != "inactive" || want.Unknown != nil) {
			misses = []string{"it is inactive"}
		}
		for _, miss := range misses {
			failures = append(failures, Failure{want.Range, fmt.Sprintf("at %s, %s%s: %s", since(m.of.At), want.Rule, braces(want.Labels), miss)})
		}
	}
	if m.of.Only {
		for _, a := range m.alerts {
			if !named[a.Fingerprint] && (a.State == alert.Pending || a.State == alert.Firing) {
				failures = append(failures, Failure{m.of.Range, fmt.Sprintf("at %s, %s%s is %s, want no other alerts", since(m.of.At), a.Name(), a.Identity, a.State)})
			}
		}
	}
	return failures
}

// mismatch says in what an alert differs, "" if in nothing.
func mismatch(want *config.TestAlert, got *alert.Alert) string {
	switch {
	case want.State != "" && got.State.String() != want.State:
		return fmt.Sprintf("it is %s, want %s", got.State, want.State)
	case want.Unknown != nil && got.Unknown != *want.Unknown:
		return fmt.Sprintf("unknown is %t (%s), want %t", got.Unknown, cmp.Or(got.Reason, "no reason"), *want.Unknown)
	case want.Value != nil && !near(*want.Value, got.Value):
		return fmt.Sprintf("its value is %g, want %g", got.Value, *want.Value)
	}
	for _, name := range slices.Sorted(maps.Keys(want.Annotations)) {
		if text := got.Annotations[name]; text != want.Annotations[name] {
			return fmt.Sprintf("its annotation %s is %q, want %q", name, text, want.Annotations[name])
		}
	}
	return ""
}

// near allows for what arithmetic leaves in the last digits.
func near(a, b float64) bool {
	return a == b || math.Abs(a-b) <= 1e-9*max(math.Abs(a), math.Abs(b)) || math.IsNaN(a) && math.IsNaN(b)
}

// has tells whether all the labels wanted are there.
func has(labels, want map[string]string) bool {
	for name, value := range want {
		if labels[name] != value {
			return false
		}
	}
	return true
}

// braces writes labels as a selector does: {endpoint="/"}.
func braces(labels map[string]string) string {
	if len(labels) == 0 {
		return ""
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		all = append(all, fmt.Sprintf("%s=%q", name, labels[name]))
	}
	return "{" + strings.Join(all, ",") + "}"
}

// judgeTransitions compares changes of state, all of them in order.
func (p *play) judgeTransitions(want *config.TestTransitions) []Failure {
	var got []Event
	for _, e := range p.events {
		if d := e.Decision; d != nil && d.Kind == alert.KindTransition && d.Rule == want.Rule && has(d.Labels.Map(), want.Labels) {
			got = append(got, e)
		}
	}
	tolerance := p.tolerance()
	at, wrong := want.Range, false
	var table strings.Builder
	for i := range max(len(want.States), len(got)) {
		left, right, mark := "–", "–", "  "
		if i < len(want.States) {
			left = since(want.States[i].At) + " " + want.States[i].State
		}
		if i < len(got) {
			right = since(got[i].At) + " " + got[i].Decision.To
		}
		if i >= len(want.States) || i >= len(got) || want.States[i].State != got[i].Decision.To || !inTime(want.States[i].At, got[i].At, tolerance) {
			mark = "! "
			if !wrong && i < len(want.States) {
				at = want.States[i].Range
			}
			wrong = true
		}
		fmt.Fprintf(&table, "\n  %s%-24s %s", mark, left, right)
	}
	if !wrong {
		return nil
	}
	head := fmt.Sprintf("  %-24s %s", "want", "got")
	return []Failure{{at, fmt.Sprintf("transitions of %s%s, each within %s:\n  %s%s", want.Rule, braces(want.Labels), since(tolerance), head, table.String())}}
}

// inTime tells whether something happened when it should, give or take the tolerance.
func inTime(want, got, tolerance time.Duration) bool { return (got - want).Abs() <= tolerance }

// heard are the requests that a notifier's service took.
func (p *play) heard(notifier string) (heard []Event) {
	for _, e := range p.events {
		if e.Request != nil && e.Request.Notifier == notifier && e.Request.Heard {
			heard = append(heard, e)
		}
	}
	return heard
}

// times says how often, in words.
func times(n int) string {
	switch n {
	case 0:
		return "never"
	case 1:
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// listed lists requests for a failure.
func listed(requests []Event) string {
	var b strings.Builder
	for _, e := range requests {
		fmt.Fprintf(&b, "\n    %s", e)
	}
	return b.String()
}

// judgeNotifications compares what each notifier was told, in order, with the notification blocks that name it.
func (p *play) judgeNotifications(update bool) (failures []Failure) {
	told := map[string]int{}
	for i := range p.test.Notifications {
		want := &p.test.Notifications[i]
		heard := p.heard(want.Notifier)
		n := told[want.Notifier]
		told[want.Notifier]++
		if n >= len(heard) {
			failures = append(failures, Failure{want.Range, fmt.Sprintf("%s was told %s, this would be number %d%s", want.Notifier, times(len(heard)), n+1, listed(heard))})
			continue
		}
		failures = append(failures, p.judgeNotification(want, heard[n], update)...)
	}
	for _, name := range slices.Sorted(maps.Keys(told)) {
		heard := p.heard(name)
		if len(heard) <= told[name] {
			continue
		}
		extra := heard[told[name]]
		failures = append(failures, Failure{p.test.Range, fmt.Sprintf("%s was told %s, want %s; the first too many is at %s:\n%s",
			name, times(len(heard)), times(told[name]), since(extra.At), indent(string(extra.Request.Body)))})
	}
	return failures
}

func (p *play) judgeNotification(want *config.TestNotification, got Event, update bool) (failures []Failure) {
	fail := func(format string, args ...any) {
		failures = append(failures, Failure{want.Range, fmt.Sprintf("at %s, to %s: ", since(got.At), want.Notifier) + fmt.Sprintf(format, args...)})
	}
	if tolerance := p.tolerance(); want.At != nil && !inTime(*want.At, got.At, tolerance) {
		fail("it was sent then, want it at %s, within %s", since(*want.At), since(tolerance))
	}
	for _, text := range want.Contains {
		if !strings.Contains(string(got.Request.Body), text) {
			fail("the payload does not contain %q:\n%s", text, indent(string(got.Request.Body)))
		}
	}
	payload, name := want.Payload, "payload"
	if want.Golden != "" {
		name = want.Golden
		path := filepath.Join(p.test.Dir, want.Golden)
		if update {
			if err := os.WriteFile(path, got.Request.Body, 0o644); err != nil {
				fail("%v", err)
			}
			return failures
		}
		var err error
		payload, err = os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			fail("there is no file %s; run with -update to write what was sent:\n%s", want.Golden, indent(string(got.Request.Body)))
			return failures
		}
		if err != nil {
			fail("%v", err)
			return failures
		}
	}
	if payload == nil {
		return failures
	}
	if difference := diff.Diff("want: "+name, p.hide(want.Notifier, payload), "got", got.Request.Body); difference != nil {
		_, hunks, _ := strings.Cut(string(difference), "\n") // the first line repeats the names
		fail("the payload differs:\n%s", indent(hunks))
	}
	return failures
}

// hide brings an expected payload into the form in which requests are kept.
func (p *play) hide(notifier string, payload []byte) []byte {
	for _, cfg := range p.versions {
		for _, n := range cfg.Notifiers {
			if n.Ref() == notifier {
				payload = (&service{secrets: n.Secrets}).hide(payload)
			}
		}
	}
	var v any
	if err := json.Unmarshal(payload, &v); err != nil {
		return payload
	}
	return canonical(v)
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ")
}
