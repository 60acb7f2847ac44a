package rehearsal

import (
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/alert"
)

func TestRulesThatFail(t *testing.T) {
	failed := func(rule, reason string) Event {
		return Event{Decision: &alert.Decision{Kind: alert.KindRuleFailed, Rule: rule, Reason: reason}}
	}
	p := &play{test: &config.Test{}, events: []Event{
		failed("A", "rule A (module m): not deterministic: two instances disagree"),
		failed("A", "rule A (module m): again"),
		failed("B", "rule B (module n): fuel exhausted"),
		failed("B", "rule B (module n): fuel exhausted"),
	}}
	if got := p.judge(false); len(got) != 1 || !strings.Contains(got[0].Text, "rule A (module m): not deterministic") {
		t.Errorf("failures %v, want the rule that contradicts itself", got)
	}
	if got := p.warnings(); len(got) != 1 || !strings.Contains(got[0].Text, "fuel exhausted") {
		t.Errorf("warnings %v, want the rule that failed, once", got)
	}
}

func TestSeriesThatNobodyReads(t *testing.T) {
	cfg := &config.Config{
		Sources: []config.Source{{Kind: "http", Name: "web", Targets: []string{"a:80"}}},
		Rules: []config.Rule{
			{Inputs: []config.Input{{Matchers: []*labels.Matcher{
				labels.MustNewMatcher(labels.MatchEqual, "__name__", "load"), labels.MustNewMatcher(labels.MatchEqual, "job", "web"),
			}}}},
			{PromQL: `rate(errors_total{code="500"}[5m]) > 1`},
		},
	}
	for text, want := range map[string]bool{
		`load`:                     true, // job comes from the target
		`load{job="other"}`:        false,
		`laod`:                     false,
		`errors_total{code="500"}`: true,
		`errors_total{code="404"}`: false,
	} {
		p := &play{test: &config.Test{}, versions: []*config.Config{cfg}}
		ls, err := parser.NewParser(parser.Options{}).ParseMetric(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.isRead(&config.TestSeries{Source: "http.web"}, ls); got != want {
			t.Errorf("%s is read: %t, want %t", text, got, want)
		}
	}
}
