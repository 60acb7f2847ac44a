package config

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// testSeries decodes a series block.
func (l *loader) testSeries(t *Test, block *hcl.Block) TestSeries {
	b := l.open(block, []string{"target", "interval", "samples"})
	s := TestSeries{
		Source: block.Labels[0], Target: b.text("target", ""), Interval: b.duration("interval", 0, time.Millisecond),
		Range: rangeOf(headerRange(block)),
	}
	t.speak("source", s.Source, "", block.LabelRanges[0])
	t.speak("target", s.Target, s.Source, b.at("target"))
	b.require("samples", "what the target exposes, such as { \"up_total{code='200'}\" = \"0+10x40\" }.")
	for _, i := range b.table("samples") {
		if samples, ok := l.testSamples(i); ok {
			s.Samples = append(s.Samples, samples)
		}
	}
	return s
}

// Bounds of what is written in a few characters.
const (
	maxTestSamples = 600_000    // of one series: a year of minutes
	maxTestNative  = 10_000     // of one series of native histograms
	maxFileSamples = 10_000_000 // of all series in a file
)

// repetition is an x and a number of samples in the notation.
var repetition = regexp.MustCompile(`x(\d+)`)

// testSamples reads a series in the notation of Prometheus' rule tests:
// https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/#series
func (l *loader) testSamples(i item) (TestSamples, bool) {
	total, most := 0, maxTestSamples
	if strings.Contains(i.text, "{{") {
		most = maxTestNative
	}
	for _, m := range repetition.FindAllStringSubmatch(i.text, -1) {
		n, err := strconv.Atoi(m[1])
		if total += n; err != nil || total > most {
			l.errorf(i.expr.Range(), "Too many samples", "A series may have %d samples.", most)
			return TestSamples{}, false
		}
	}
	if l.samples += total; l.samples > maxFileSamples {
		l.errorf(i.expr.Range(), "Too many samples", "The series of a file may have %d samples together.", maxFileSamples)
		return TestSamples{}, false
	}
	ls, values, err := parser.NewParser(parser.Options{}).ParseSeriesDesc(i.key + " " + i.text)
	if err != nil {
		l.errorf(i.expr.Range(), "Invalid series", "%s: %s", i.key, sentence(seriesError(err)))
		return TestSamples{}, false
	}
	s := TestSamples{Labels: ls, Text: i.key, Range: rangeOf(i.expr.Range())}
	for at, v := range values {
		if h := v.Histogram; h != nil {
			if err := h.Validate(); err != nil {
				l.errorf(i.expr.Range(), "Invalid series", "%s: %s", i.key, sentence(err.Error()))
				return TestSamples{}, false
			}
			if s.Native == nil {
				s.Native = make([]*histogram.FloatHistogram, len(values))
			}
			s.Native[at] = h
		}
		if v.Omitted || v.Histogram != nil {
			v.Value = math.Float64frombits(value.StaleNaN)
		}
		s.Values = append(s.Values, v.Value)
	}
	return s, true
}

// seriesError is what the parser says, without a place in a text that nobody wrote like that.
func seriesError(err error) string {
	var all parser.ParseErrors
	if errors.As(err, &all) && len(all) > 0 {
		return all[0].Err.Error()
	}
	return err.Error()
}

// faultAttributes are the arguments of each fault.
var faultAttributes = map[string][]string{
	FaultScrape:   {"source", "target", "from", "to", "kind"},
	FaultReceiver: {"notifier", "from", "to", "kind", "status", "retry_after", "body"},
	FaultStorage:  {"from", "to"},
	FaultCrash:    {"at", "down"},
	FaultRestart:  {"at", "down"},
	FaultClock:    {"at", "ahead", "back"},
	FaultReload:   {"at", "config", "vars"},
}

// testFault decodes a fault block.
func (l *loader) testFault(t *Test, block *hcl.Block) TestFault {
	f := TestFault{What: block.Labels[0], Range: rangeOf(headerRange(block))}
	known := []string{FaultScrape, FaultReceiver, FaultStorage, FaultCrash, FaultRestart, FaultClock, FaultReload}
	if !slices.Contains(known, f.What) {
		l.errorf(block.LabelRanges[0], "Unknown fault", "There is no fault %q.%s", f.What, didYouMean(f.What, known))
		return f
	}
	b := l.open(block, faultAttributes[f.What])
	if slices.Contains(faultAttributes[f.What], "at") {
		b.require("at", "when it happens, such as \"7m\".")
		f.From = b.duration("at", 0, 0)
	} else {
		f.From, f.To = b.period("fault")
	}
	switch f.What {
	case FaultScrape:
		b.require("source", "what fails, such as \"http.gateway\".")
		f.Source, f.Target = b.text("source", ""), b.text("target", "")
		t.speak("source", f.Source, "", b.at("source"))
		t.speak("target", f.Target, f.Source, b.at("target"))
		f.Kind = b.oneOf("kind", KindFail, KindFail, KindLate, KindGone)
	case FaultReceiver:
		f.Notifier = b.text("notifier", "")
		t.speak("notifier", f.Notifier, "", b.at("notifier"))
		f.Kind = b.oneOf("kind", KindStatus, KindStatus, KindRefuse, KindHang, KindDrop)
		f.Status = int(b.integer("status", 500, 100, 599))
		f.RetryAfter, f.Body = b.duration("retry_after", 0, time.Second), b.text("body", "")
	case FaultCrash, FaultRestart:
		f.Down = b.duration("down", 0, 0)
	case FaultClock:
		f.Step = b.duration("ahead", 0, 0) - b.duration("back", 0, 0)
		switch {
		case b.has("ahead") == b.has("back"):
			l.errorf(headerRange(block), "By how much?", "Say ahead or back: by how much the clock is set.")
		case t.Start.Add(f.From + f.Step).Before(testEpoch), f.Step > longestTest:
			l.errorf(headerRange(block), "Too far", "A test happens after the year 2000, and not more than a year ahead.")
		}
	case FaultReload:
		if slices.ContainsFunc(t.Faults, func(other TestFault) bool { return other.What == FaultReload && other.From > f.From }) {
			l.errorf(headerRange(block), "Wrong order", "Write reloads in the order of their times.")
		}
		if paths, ok := b.list("config"); ok {
			f.Configs = texts(paths)
		}
		f.Vars = b.strings("vars")
	}
	return f
}

// period decodes from when to when something of a test lasts.
func (b body) period(what string) (from, to time.Duration) {
	b.require("from", "when it begins, such as \"3m\".")
	from, to = b.duration("from", 0, 0), b.duration("to", 0, 0)
	if b.has("to") && to <= from {
		b.l.errorf(b.at("to"), "Empty "+what, "It would end before it begins.")
	}
	return from, to
}

// testSilence decodes a silence block of a test.
func (l *loader) testSilence(block *hcl.Block) TestSilence {
	b := l.open(block, []string{"match", "from", "to"})
	s := TestSilence{Name: block.Labels[0], Range: rangeOf(headerRange(block))}
	s.From, s.To = b.period("silence")
	if b.require("match", "which alerts, such as [\"job='odoo'\"].") {
		s.Matchers = l.matchList(b, "match")
	}
	return s
}

// states that a test may speak of.
var testStates = []string{"inactive", "pending", "firing", "resolved"}

// testMoment decodes an at block.
func (l *loader) testMoment(t *Test, block *hcl.Block) TestMoment {
	m := TestMoment{Range: rangeOf(headerRange(block))}
	m.At, _ = l.testTime(block.Labels[0], block.LabelRanges[0])
	if t.Duration > 0 && m.At > t.Duration {
		l.errorf(block.LabelRanges[0], "After the end", "The test ends at %s.", formatDuration(t.Duration))
	}
	b := l.open(block, []string{"only"}, hcl.BlockHeaderSchema{Type: "alert", LabelNames: []string{"rule"}})
	m.Only = b.boolean("only", false)
	for _, inner := range b.content.Blocks {
		a := l.open(inner, []string{"labels", "state", "unknown", "value", "annotations"})
		want := TestAlert{
			Rule: inner.Labels[0], Labels: a.strings("labels"), State: a.oneOf("state", "", testStates...),
			Value: a.number("value"), Annotations: a.strings("annotations"), Range: rangeOf(headerRange(inner)),
		}
		t.speak("rule", want.Rule, "", inner.LabelRanges[0])
		if a.has("unknown") {
			unknown := a.boolean("unknown", false)
			want.Unknown = &unknown
		}
		if want.State == "" && want.Unknown == nil {
			a.require("state", "one of "+quoted(testStates, "and")+".")
		}
		m.Alerts = append(m.Alerts, want)
	}
	return m
}

// testTime reads a time of a test.
func (l *loader) testTime(text string, at hcl.Range) (time.Duration, bool) {
	d, wrong := durationOf(cty.StringVal(text), false)
	if wrong != "" {
		l.errorf(at, "Invalid time", "A time is a duration since the start of the test: %s.", wrong)
	}
	return d, wrong == ""
}

// testTransitions decodes a transitions block.
func (l *loader) testTransitions(t *Test, block *hcl.Block) TestTransitions {
	b := l.open(block, []string{"labels", "states"})
	want := TestTransitions{Rule: block.Labels[0], Labels: b.strings("labels"), Range: rangeOf(headerRange(block))}
	t.speak("rule", want.Rule, "", block.LabelRanges[0])
	b.require("states", "what is reached when, such as { \"1m\" = \"pending\", \"6m\" = \"firing\" }; {} for nothing ever.")
	for _, i := range b.table("states") {
		at, ok := l.testTime(i.key, i.expr.Range())
		if !slices.Contains(testStates, i.text) {
			l.errorf(i.expr.Range(), "Unknown state", "There is no state %q.%s", i.text, didYouMean(i.text, testStates))
			ok = false
		}
		if ok {
			want.States = append(want.States, TestState{At: at, State: i.text, Range: rangeOf(i.expr.Range())})
		}
	}
	slices.SortStableFunc(want.States, func(a, b TestState) int { return cmp.Compare(a.At, b.At) })
	return want
}

// testNotification decodes a notification block.
func (l *loader) testNotification(t *Test, block *hcl.Block) TestNotification {
	b := l.open(block, []string{"at", "payload", "golden", "contains"})
	n := TestNotification{
		Notifier: block.Labels[0], At: b.since("at"), Golden: b.text("golden", ""), Range: rangeOf(headerRange(block)),
	}
	t.speak("notifier", n.Notifier, "", block.LabelRanges[0])
	if items, ok := b.list("contains"); ok {
		n.Contains = texts(items)
	}
	if b.has("payload") && b.has("golden") {
		l.errorf(b.nameAt("golden"), "Two payloads", "Give the payload here or in a file, not both.")
	}
	if attr := b.content.Attributes["payload"]; attr != nil {
		n.Payload = l.testPayload(attr.Expr)
	}
	return n
}

// testPayload is the JSON that an expression stands for: a value, or a string that holds JSON.
func (l *loader) testPayload(expr hcl.Expression) []byte {
	v, ok := l.eval(expr)
	if !ok {
		return nil
	}
	v, _ = v.UnmarkDeep()
	if v.Type() == cty.String && !v.IsNull() {
		text := []byte(v.AsString())
		if err := checkJSON(text); err != nil {
			l.errorf(expr.Range(), "Invalid payload", "It must be an object, or a string with JSON: %s", sentence(err.Error()))
			return nil
		}
		return text
	}
	text, err := json.Marshal(ctyjson.SimpleJSONValue{Value: v})
	if err != nil {
		l.errorf(expr.Range(), "Invalid payload", "%s", sentence(err.Error()))
		return nil
	}
	return text
}

func checkJSON(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	var v any
	if err := decoder.Decode(&v); err != nil {
		return err
	}
	if decoder.More() {
		return fmt.Errorf("there is more after the JSON value")
	}
	return nil
}
