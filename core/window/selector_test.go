package window

import (
	"strings"
	"testing"

	"github.com/tocsinhq/tocsin/sdk/frame"
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
		sel := newSelector(matchers)
		got := (sel.name == "" || sel.name == "up") && sel.matches(series)
		if got != all {
			t.Errorf("%q matches: %v, want %v", s, got, all)
		}
		if got && sel.contradicts(frame.NewLabels(frame.Label{Name: "job", Value: "gw"})) {
			t.Errorf("%q matches a series of a target that it contradicts", s)
		}
	})
}
