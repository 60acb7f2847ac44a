package query

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/core/window"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// gateway is a target that is collected every 10 seconds.
type gateway struct {
	t      *testing.T
	target *window.Target
	labels frame.Labels
	at     time.Time
}

const interval = 10 * time.Second

func open(t *testing.T, store *window.Store, instance string) *gateway {
	ls := frame.NewLabels(frame.Label{Name: "job", Value: "gateway"}, frame.Label{Name: "instance", Value: instance})
	return &gateway{t: t, target: store.Open(ls, interval), labels: ls, at: time.Unix(1_700_000_000, 0)}
}

// page is what a collection finds: values by metric name and one label, as in "errors/500".
type page map[string]float64

// collect adds the pages of collections that follow each other; nil is one that failed.
func (g *gateway) collect(pages ...page) {
	g.t.Helper()
	up := &frame.Layout{Series: []frame.Series{{Labels: g.labels.With(frame.Label{Name: frame.MetricName, Value: "up"})}}}
	for _, p := range pages {
		g.at = g.at.Add(interval)
		row := frame.Frame{Layout: &frame.Layout{}, Time: g.at.UnixMilli()}
		for name, value := range p {
			metric, code, _ := strings.Cut(name, "/")
			labels := g.labels.With(frame.Label{Name: frame.MetricName, Value: metric}, frame.Label{Name: "code", Value: code})
			row.Layout.Series = append(row.Layout.Series, frame.Series{Labels: labels})
			row.Values = append(row.Values, value)
		}
		health := frame.Frame{Layout: up, Time: g.at.UnixMilli(), Values: []float64{1}}
		if p == nil {
			health.Values = []float64{0}
			g.target.Miss(health)
			continue
		}
		if err := g.target.Append(row, health); err != nil {
			g.t.Fatal(err)
		}
	}
}

func bind(t *testing.T, store *window.Store, text string) *Rule {
	t.Helper()
	r, err := New(Options{}).Bind(t.Context(), store, text)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// judge evaluates and writes the result as one line.
func judge(t *testing.T, r *Rule, at time.Time) string {
	t.Helper()
	result, err := r.Eval(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, v := range result.Verdicts {
		words = append(words, fmt.Sprintf("%s=%.4g", v.Labels, v.Value))
	}
	slices.Sort(words)
	for word, set := range map[string]bool{"incomplete": !result.Complete, "empty": result.Empty} {
		if set {
			words = append(words, word)
		}
	}
	slices.Sort(words)
	for _, reason := range []string{result.Missing, result.Young} {
		if reason != "" {
			words = append(words, "("+reason+")")
		}
	}
	return strings.Join(words, " ")
}

func TestBindRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"sum(":                           "parse error",
		"ratee(x[5m])":                   "unknown function",
		"mad_over_time(x[5m])":           "not enabled",
		"x[5m]":                          "range vector",
		`"x"`:                            "string",
		"x @ 1000":                       "fixed time",
		"sum_over_time(x[5m:1m] @ 1000)": "fixed time",
	} {
		_, err := New(Options{}).Bind(t.Context(), window.New(window.Options{}), text)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "promql") {
			t.Errorf("%s: error %v, want one that says %q", text, err, want)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := New(Options{}).Bind(cancelled, window.New(window.Options{}), "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("with a cancelled context: %v", err)
	}
}

func TestWindowsAreSizedFromTheExpression(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []string // selector: from - until, history
	}{
		{"up", []string{`up: 5m0s - 0s, 0s`}},
		{"up + up", []string{`up: 5m0s - 0s, 0s`}},
		{"up offset 1h", []string{`up: 1h5m0s - 1h0m0s, 1h0m0s`}},
		{"rate(x[2m]) / rate(x[1h])", []string{`x: 2m0s - 0s, 2m0s`, `x: 1h0m0s - 0s, 1h0m0s`}},
		{"rate(x[2m] offset 1d)", []string{`x: 24h2m0s - 24h0m0s, 24h2m0s`}},
		{"max_over_time(rate(x[2m])[1h:1m] offset 10m)", []string{`x: 1h12m0s - 10m0s, 1h12m0s`}},
		{"max_over_time(x[1h:1m])", []string{`x: 1h5m0s - 0s, 1h0m0s`}},
		{"sum(x @ end()) by (a)", []string{`x: 5m0s - 0s, 0s`}},
		{"x offset -10m", []string{`x: -5m0s - -10m0s, -10m0s`}},
		{`absent(sum({a="1",b!="2"}))`, []string{`{a="1",b!="2"}: 5m0s - 0s, 0s absent`}},
		{"absent(x) and x > 1", []string{`x: 5m0s - 0s, 0s`}},
		{"x > 1 and absent_over_time(x[1h])", []string{`x: 5m0s - 0s, 0s`, `x: 1h0m0s - 0s, 1h0m0s`}},
		{"topk(scalar(x), y)", []string{`y: 5m0s - 0s, 0s`, `x: 5m0s - 0s, 0s`}},
		{"vector(time())", nil},
	} {
		r := bind(t, window.New(window.Options{}), tt.text)
		var got []string
		for _, reach := range r.reaches {
			text := fmt.Sprintf("%s: %s - %s, %s", reach.selector, reach.from, reach.until, reach.history)
			if reach.absent {
				text += " absent"
			}
			got = append(got, text)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s reads (-want +got):\n%s", tt.text, diff)
		}
	}
}

func TestLookbackIsConfigured(t *testing.T) {
	r, err := New(Options{Lookback: time.Minute}).Bind(t.Context(), window.New(window.Options{}), "up")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got := r.reaches[0].from; got != time.Minute {
		t.Errorf("an instant selector reads %s", got)
	}
}

func TestElementsAreInstances(t *testing.T) {
	store := window.New(window.Options{})
	byCode := bind(t, store, `errors{code=~"5.."} > 2`)
	scalar := bind(t, store, "scalar(sum(errors)) + 0.5")
	constant := bind(t, store, "vector(1)")
	two := bind(t, store, `{__name__=~"errors|requests"}`)
	g := open(t, store, "a")
	g.collect(page{"errors/500": 3, "errors/503": 2, "errors/404": 7, "requests/500": 10})
	for _, tt := range []struct {
		rule *Rule
		want string
	}{
		{byCode, `{code="500",instance="a",job="gateway"}=3`},
		{scalar, `{}=12.5`},
		{constant, `{}=1`},
		{two, `{code="404",instance="a",job="gateway"}=7 {code="500",instance="a",job="gateway"}=10 {code="500",instance="a",job="gateway"}=3 {code="503",instance="a",job="gateway"}=2`},
	} {
		if got := judge(t, tt.rule, g.at); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.rule.text, got, tt.want)
		}
	}
}

func TestMissingDataIsNotHealth(t *testing.T) {
	store := window.New(window.Options{})
	errs := bind(t, store, "errors > 2")
	ratio := bind(t, store, "errors / requests > 0.5")
	gone := bind(t, store, "absent(errors)")
	down := bind(t, store, "up == 0")
	a, b := open(t, store, "a"), open(t, store, "b")
	for _, step := range []struct {
		name                    string
		a, b                    page
		errs, ratio, gone, down string
	}{
		{
			"nobody was reached yet", nil, nil,
			`empty incomplete (errors: 2 of 2 targets did not answer; no selector matches a series)`,
			`empty incomplete (errors: 2 of 2 targets did not answer; requests: 2 of 2 targets did not answer; no selector matches a series)`,
			`incomplete {}=1 (errors: 2 of 2 targets did not answer)`,
			`{instance="a",job="gateway"}=0 {instance="b",job="gateway"}=0`,
		},
		{
			"there are no errors",
			page{"requests/500": 1},
			page{"requests/500": 1},
			`empty (no selector matches a series)`, ``, `{}=1`, ``,
		},
		{
			"both have errors",
			page{"errors/500": 3, "requests/500": 4},
			page{"errors/500": 3, "requests/500": 4},
			`{code="500",instance="a",job="gateway"}=3 {code="500",instance="b",job="gateway"}=3`,
			`{code="500",instance="a",job="gateway"}=0.75 {code="500",instance="b",job="gateway"}=0.75`,
			``, ``,
		},
		{
			"one cannot be collected",
			page{"errors/500": 3, "requests/500": 4},
			nil,
			`incomplete {code="500",instance="a",job="gateway"}=3 (errors: 1 of 2 targets did not answer)`,
			`incomplete {code="500",instance="a",job="gateway"}=0.75 (errors: 1 of 2 targets did not answer; requests: 1 of 2 targets did not answer)`,
			`incomplete (errors: 1 of 2 targets did not answer)`,
			`{instance="b",job="gateway"}=0`,
		},
		{
			"neither can", nil, nil,
			`incomplete (errors: 2 of 2 targets did not answer)`,
			`incomplete (errors: 2 of 2 targets did not answer; requests: 2 of 2 targets did not answer)`,
			`incomplete {}=1 (errors: 2 of 2 targets did not answer)`,
			`{instance="a",job="gateway"}=0 {instance="b",job="gateway"}=0`,
		},
		{"all is well again", page{"errors/500": 0, "requests/500": 4}, page{"errors/500": 0, "requests/500": 4}, ``, ``, ``, ``},
	} {
		a.collect(step.a)
		b.collect(step.b)
		for _, tt := range []struct {
			rule *Rule
			want string
		}{{errs, step.errs}, {ratio, step.ratio}, {gone, step.gone}, {down, step.down}} {
			if got := judge(t, tt.rule, a.at); got != tt.want {
				t.Errorf("%s: %s:\n got %s\nwant %s", step.name, tt.rule.text, got, tt.want)
			}
		}
	}
}

func TestShortHistoryIsNotHealth(t *testing.T) {
	store := window.New(window.Options{})
	r := bind(t, store, `increase(errors[1m]) > 100`)
	g := open(t, store, "a")
	g.collect(nil)
	if got, want := judge(t, r, g.at), `empty incomplete (errors: 1 of 1 targets did not answer; no selector matches a series) (the expression reads 1m0s back, and its windows began 0s ago)`; got != want {
		t.Errorf("before the first good collection: %s, want %s", got, want)
	}
	for i := range 7 {
		g.collect(page{"errors/500": float64(i)})
		want := ""
		if i < 6 {
			want = fmt.Sprintf("(the expression reads 1m0s back, and its windows began %s ago)", time.Duration(i)*interval)
		}
		if got := judge(t, r, g.at); got != want {
			t.Errorf("after %d collections: %s, want %s", i+1, got, want)
		}
	}
}

func TestLongAgo(t *testing.T) {
	store := window.New(window.Options{})
	r := bind(t, store, "errors - errors offset 20m > 0")
	g := open(t, store, "a")
	for i := range 200 {
		g.collect(page{"errors/500": float64(i)})
	}
	if got, want := judge(t, r, g.at), `{code="500",instance="a",job="gateway"}=120`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if in := r.window.Inputs[1]; len(in.Values) > 31 {
		t.Errorf("%d samples were copied for what lies in five minutes", len(in.Values))
	}
}

func TestSeriesComeAndGo(t *testing.T) {
	store := window.New(window.Options{})
	r := bind(t, store, "errors")
	g := open(t, store, "a")
	for i := range 300 {
		p := page{}
		for k := range 40 {
			if (i/7+k)%3 != 0 {
				p[fmt.Sprintf("errors/%d", 1000*(i/50)+k)] = float64(i)
			}
		}
		g.collect(p)
		result, err := r.Eval(t.Context(), g.at)
		if err != nil {
			t.Fatal(err)
		}
		got := page{}
		for _, v := range result.Verdicts {
			got["errors/"+v.Labels.Get("code")] = v.Value
		}
		if diff := cmp.Diff(p, got); diff != "" {
			t.Fatalf("collection %d (-want +got):\n%s", i, diff)
		}
	}
}

func TestLimits(t *testing.T) {
	store := window.New(window.Options{})
	few, err := New(Options{MaxSamples: 5}).Bind(t.Context(), store, "errors")
	if err != nil {
		t.Fatal(err)
	}
	defer few.Close()
	many := bind(t, store, `count_values("n", errors) or errors`)
	g := open(t, store, "a")
	p := page{}
	for i := range maxVerdicts + 1 {
		p[fmt.Sprint("errors/", i)] = 1
	}
	g.collect(p)
	if _, err := few.Eval(t.Context(), g.at); err == nil || !strings.Contains(err.Error(), "too many samples") {
		t.Errorf("more samples than allowed: %v", err)
	}
	if _, err := many.Eval(t.Context(), g.at); err == nil || !strings.Contains(err.Error(), "10002 instances") {
		t.Errorf("more instances than allowed: %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := few.Eval(cancelled, g.at); err == nil {
		t.Error("a cancelled evaluation succeeds")
	}
}

func TestErrorsOfTheEngine(t *testing.T) {
	store := window.New(window.Options{})
	r := bind(t, store, "requests * on (job) errors")
	g := open(t, store, "a")
	g.collect(page{"requests/200": 1, "requests/500": 1, "errors/500": 1, "errors/503": 1})
	if _, err := r.Eval(t.Context(), g.at); err == nil || !strings.Contains(err.Error(), "many-to-many") {
		t.Errorf("many to many: %v", err)
	}
}

func TestClosedRuleKeepsNothing(t *testing.T) {
	store := window.New(window.Options{})
	r := bind(t, store, "errors")
	g := open(t, store, "a")
	g.collect(page{"errors/500": 1})
	r.Close()
	g.collect(page{"errors/500": 1})
	if got := store.Stats().Series; got != 0 {
		t.Errorf("%d series are kept", got)
	}
}
