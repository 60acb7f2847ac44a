package rule

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// rendered renders one annotation of an instance.
func rendered(t *testing.T, text string, value float64) (string, error) {
	t.Helper()
	labels := frame.FromMap(map[string]string{"instance": "gw1.example.org:9113", "job": "gateway", "endpoint": "/pay"})
	r := newRenderer(&Definition{Annotations: map[string]string{"a": text}, ExternalURL: "https://tocsin.example.org/prefix"})
	r.at = time.Date(2026, 11, 24, 10, 0, 0, 500e6, time.UTC)
	all, errs := r.annotate(labels, &abi.Verdict{Labels: labels, Value: value, Threshold: 0.05, Text: "8 of 100"})
	return all["a"], errors.Join(errs...)
}

// The examples are those of Prometheus' documentation ("Template reference", "Template examples") and what its
// functions are documented to do.
func TestTemplateFunctions(t *testing.T) {
	for _, tt := range []struct {
		text  string
		value float64
		want  string
	}{
		{`plain text, 100% {of it}`, 0, `plain text, 100% {of it}`},
		{`Instance {{ $labels.instance }} down`, 0, `Instance gw1.example.org:9113 down`},
		{`{{ .Labels.job }} {{ .Value }} {{ $value }}`, 0.25, `gateway 0.25 0.25`},
		{`{{ $labels.nothing }}|{{ .Labels.nothing }}|{{ $externalLabels.region }}`, 0, `||`},
		{`{{ $externalURL }} {{ externalURL }} {{ pathPrefix }} {{ .ExternalURL }}`, 0, `https://tocsin.example.org/prefix https://tocsin.example.org/prefix /prefix https://tocsin.example.org/prefix`},
		{`{{ $threshold }} {{ $text }} {{ .Text }}`, 0, `0.05 8 of 100 8 of 100`},
		{`{{ if gt $value 0.5 }}critical{{ else }}warning{{ end }}`, 0.6, `critical`},
		{`{{ printf "%.2f" $value }}`, 1.234, `1.23`},
		{`{{ range $name, $value := $labels }}{{ $name }}={{ $value }};{{ end }}`, 0, `endpoint=/pay;instance=gw1.example.org:9113;job=gateway;`},
		{`{{ define "x" }}{{ .arg0 }}-{{ .arg1 }}{{ end }}{{ template "x" (args 1 "two") }}`, 0, `1-two`},

		{`{{ $value | humanize }}`, 0, `0`},
		{`{{ $value | humanize }}`, 1234567, `1.235M`},
		{`{{ $value | humanize }}`, -1234, `-1.234k`},
		{`{{ $value | humanize }}`, 0.001234, `1.234m`},
		{`{{ $value | humanize }}`, 999, `999`},
		{`{{ $value | humanize }}`, 1000, `1k`},
		{`{{ $value | humanize }}`, 1e30, `1e+06Y`},
		{`{{ $value | humanize }}`, 1e-26, `0.01y`},
		{`{{ $value | humanize }}`, math.NaN(), `NaN`},
		{`{{ $value | humanize }}`, math.Inf(1), `+Inf`},
		{`{{ $value | humanize }}`, math.Inf(-1), `-Inf`},
		{`{{ "1500" | humanize }}`, 0, `1.5k`},
		{`{{ 1500 | humanize }}`, 0, `1.5k`},
		{`{{ $value | humanize1024 }}`, 1048576, `1Mi`},
		{`{{ $value | humanize1024 }}`, 1023, `1023`},
		{`{{ $value | humanize1024 }}`, 0.5, `0.5`},
		{`{{ $value | humanize1024 }}`, math.NaN(), `NaN`},
		{`{{ $value | humanizePercentage }}`, 0.08, `8%`},
		{`{{ $value | humanizePercentage }}`, 0.123456, `12.35%`},
		{`{{ $value | humanizePercentage }}`, math.NaN(), `NaN%`},
		{`{{ $value | humanizeDuration }}`, 0, `0s`},
		{`{{ $value | humanizeDuration }}`, 899.99, `14m 59s`},
		{`{{ $value | humanizeDuration }}`, 90061, `1d 1h 1m 1s`},
		{`{{ $value | humanizeDuration }}`, 0.0123, `12.3ms`},
		{`{{ $value | humanizeTimestamp }}`, 1435065584.128, `2015-06-23 13:19:44.128 +0000 UTC`},
		{`{{ ($value | toTime).Format "2006-01-02" }}`, 1435065584, `2015-06-23`},
		{`{{ $value | toDuration }}`, 90, `1m30s`},
		{`{{ now | printf "%.1f" }}`, 0, `1795514400.5`},

		{`{{ "aa bb CC" | title }}`, 0, `Aa Bb CC`},
		{`{{ "aa bb CC" | toUpper }} {{ "aa bb CC" | toLower }}`, 0, `AA BB CC aa bb cc`},
		{`{{ match "a+" "aa" }} {{ match "a+" "b" }}`, 0, `true false`},
		{`{{ reReplaceAll "(a)b" "x$1" "ab" }}`, 0, `xa`},
		{`{{ "hostname:1234" | stripPort }} {{ "[::1]:80" | stripPort }} {{ "hostname" | stripPort }}`, 0, `hostname ::1 hostname`},
		{`{{ "host.example.com:1234" | stripDomain }} {{ "host.example.com" | stripDomain }} {{ "192.0.2.1:80" | stripDomain }} {{ "[2001:db8::1]:80" | stripDomain }}`, 0, `host:1234 host 192.0.2.1:80 [2001:db8::1]:80`},
		{`{{ parseDuration "1h2m10ms" }} {{ parseDuration "-1h" }}`, 0, `3720.01 -3600`},
		{`{{ "up == 0" | urlQueryEscape }}`, 0, `up+%3D%3D+0`},
		{`{{ graphLink "up" }} {{ tableLink "up{job=\"a\"}" }}`, 0, `/graph?g0.expr=up&g0.tab=0 /graph?g0.expr=up%7Bjob%3D%22a%22%7D&g0.tab=1`},
		{`{{ "<b>" | safeHtml }} {{ "<b>" }}`, 0, `<b> <b>`},
	} {
		got, err := rendered(t, tt.text, tt.value)
		if err != nil || got != tt.want {
			t.Errorf("%s of %v = %q, %v; want %q", tt.text, tt.value, got, err, tt.want)
		}
	}
}

// A template that fails names its error where people look.
func TestTemplateErrors(t *testing.T) {
	for text, want := range map[string]string{
		`{{ .Nope }}`:                      "can't evaluate field Nope",
		`{{ unclosed`:                      "function \"unclosed\" not defined",
		`{{ if }}`:                         "missing value for if",
		`{{ query "up" }}`:                 "templates cannot query metrics in this version",
		`{{ query "up" | first | value }}`: "templates cannot query metrics in this version",
		`{{ reReplaceAll "(" "" "x" }}`:    "missing closing )",
		`{{ "x" | humanize }}`:             "invalid syntax",
		`{{ parseDuration "soon" }}`:       "not a valid duration",
		`{{ index .Labels 3 }}`:            "error calling index",
		`{{ define "x" }}{{ template "x" }}{{ end }}{{ template "x" }}`: "exceeded maximum template depth",
	} {
		got, err := rendered(t, text, 0)
		if err == nil || !strings.HasPrefix(got, "<error: ") || !strings.Contains(got, want) {
			t.Errorf("%s = %q, %v; want <error: …%s…>", text, got, err, want)
		}
	}
	if got, err := rendered(t, `{{ range $i := 1000000000 }}endless text without end {{ end }}`, 0); err == nil || len(got) > 1000 {
		t.Errorf("a text without end gave %d bytes, %v", len(got), err)
	}
}

func TestCheckTemplate(t *testing.T) {
	if err := CheckTemplate(`{{ $labels.instance | stripPort }} {{ query "up" | sortByLabel "x" | first | label "instance" }}`); err != nil {
		t.Errorf("CheckTemplate: %v", err)
	}
	if err := CheckTemplate(`{{ $nope }}`); err == nil {
		t.Error("CheckTemplate accepted an unknown variable")
	}
}

func FuzzTemplate(f *testing.F) {
	f.Add(`{{ $labels.instance }} {{ $value | humanize }}`, 1.5)
	f.Add(`{{ range .Labels }}{{ . | toUpper }}{{ end }}`, math.NaN())
	f.Fuzz(func(t *testing.T, text string, value float64) {
		if strings.Contains(text, "range") { // a template may loop for long: its author may, too
			t.Skip()
		}
		got, err := rendered(t, text, value)
		if err == nil && len(got) > maxRendered {
			t.Fatalf("%d bytes", len(got))
		}
	})
}
