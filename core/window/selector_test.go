package window

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

func TestParseSelector(t *testing.T) {
	for selector, fault := range map[string]string{
		`up`:                                  "",
		`up{job="gw"}`:                        "",
		`{job=~"g.+"}`:                        "",
		`http_requests_total{code=~'5..'}`:    "",
		`{"a.b.c", code!="200"}`:              "",
		``:                                    "unexpected end of input",
		`{}`:                                  "would read every series",
		`{job=~".*"}`:                         "would read every series",
		`{job!="x"}`:                          "would read every series",
		`up[5m]`:                              "unexpected",
		`rate(up[5m])`:                        "unexpected",
		`up{job="gw"`:                         "unexpected end of input",
		`up{job=~"("}`:                        "missing closing )",
		`up offset 5m`:                        "unexpected",
		strings.Repeat("{", 10_000):           "unexpected",
		`up{job="` + "\xff" + `"}`:            "invalid UTF-8",
		`up{job="` + strings.Repeat("a", 1e5): "unterminated",
	} {
		_, err := ParseSelector(selector)
		switch {
		case fault == "" && err != nil:
			t.Errorf("%.60s: %v", selector, err)
		case fault != "" && (err == nil || !strings.Contains(err.Error(), fault)):
			t.Errorf("%.60s: error %v, want one that says %q", selector, err, fault)
		}
	}
}

func FuzzParseSelector(f *testing.F) {
	for _, s := range []string{`up`, `{job=~"g.+"}`, `x{a!="b",c!~"d|e"}`, `{"a.b"}`, `{__name__="x"}`} {
		f.Add(s)
	}
	series := frame.NewLabels(frame.Label{Name: frame.MetricName, Value: "up"}, frame.Label{Name: "job", Value: "gw"})
	f.Fuzz(func(t *testing.T, s string) {
		matchers, err := ParseSelector(s)
		if err != nil {
			return
		}
		all := true
		for _, m := range matchers {
			all = all && m.Matches(series.Get(m.Name))
		}
		sel := newSelector(matchers, nil)
		got := (sel.name == "" || sel.name == "up") && sel.matches(series)
		if got != all {
			t.Errorf("%q matches: %v, want %v", s, got, all)
		}
		if got && sel.contradicts(frame.NewLabels(frame.Label{Name: "job", Value: "gw"})) {
			t.Errorf("%q matches a series of a target that it contradicts", s)
		}
	})
}

func TestExceptLeavesSeriesOut(t *testing.T) {
	s := New(Options{})
	p := open(t, s, "gw", time.Second)
	all := query(t, "requests_total", 5*time.Second, abi.Raw)
	rest := all
	for _, selector := range []string{`{code="500"}`, `{code=~"4..",job="gw"}`, `{code="200",job="other"}`} {
		matchers, err := ParseSelector(selector)
		if err != nil {
			t.Fatal(err)
		}
		rest.Except = append(rest.Except, matchers)
	}
	everything, others := s.Bind([]Query{all}), s.Bind([]Query{rest})
	p.up(1*second, "200", 1, "404", 1, "500", 1)
	p.up(2*second, "200", 2, "404", 2, "500", 2)
	check(t, everything, 2*second, map[string]string{"200": "[1 2]", "404": "[1 2]", "500": "[1 2]"})
	check(t, others, 2*second, map[string]string{"200": "[1 2]"})

	target := frame.NewLabels(frame.Label{Name: "job", Value: "gw"})
	job, err := ParseSelector(`{job="gw"}`)
	if err != nil {
		t.Fatal(err)
	}
	if newSelector(rest.Matchers, rest.Except).contradicts(target) {
		t.Error("a target whose other series are read is said to have none")
	}
	if !newSelector(rest.Matchers, [][]*labels.Matcher{job}).contradicts(target) {
		t.Error("a target all of whose series are left out is waited for")
	}
	if a, b := selectorKey(all.Matchers, rest.Except), selectorKey(all.Matchers, rest.Except[:2]); a == b {
		t.Errorf("two different selections share a selector: %s", a)
	}
}

// A query for series without a name, which an input that is not configured makes, reads none, not all.
func TestNoNameIsNoSeries(t *testing.T) {
	s := New(Options{})
	p := open(t, s, "gw", time.Second)
	v := s.Bind([]Query{{Matchers: []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, frame.MetricName, "")}, Window: time.Minute}})
	p.up(1*second, "200", 1)
	check(t, v, 1*second, map[string]string{})
}
