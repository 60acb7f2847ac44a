package rule

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/prometheus/common/helpers/templates"
	"github.com/prometheus/common/model"
	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// errNoQuery is what a template gets that asks for a query.
var errNoQuery = errors.New("query: templates cannot query metrics in this version of Tocsin; take what the rule returns: labels, value, text")

// sample is an element of a query's result, as Prometheus' template functions know it.
type sample struct {
	Labels map[string]string
	Value  float64
}

// functions returns Prometheus' template functions, as documented in "Template reference" of its documentation.
// now is the time of the evaluation.
func functions(external *url.URL, now func() time.Time) template.FuncMap {
	return template.FuncMap{
		"query":       func(string) ([]*sample, error) { return nil, errNoQuery },
		"first":       first,
		"label":       func(name string, s *sample) string { return s.Labels[name] },
		"value":       func(s *sample) float64 { return s.Value },
		"strvalue":    func(s *sample) string { return s.Labels["__value__"] },
		"sortByLabel": sortByLabel,

		"humanize":           humanize,
		"humanize1024":       humanize1024,
		"humanizeDuration":   templates.HumanizeDuration,
		"humanizePercentage": humanizePercentage,
		"humanizeTimestamp":  templates.HumanizeTimestamp,
		"toTime":             toTime,
		"toDuration":         toDuration,
		"now":                func() float64 { return float64(now().UnixMilli()) / 1000 },

		"title":          cases.Title(language.AmericanEnglish, cases.NoLower).String,
		"toUpper":        strings.ToUpper,
		"toLower":        strings.ToLower,
		"match":          regexp.MatchString,
		"reReplaceAll":   reReplaceAll,
		"stripPort":      stripPort,
		"stripDomain":    stripDomain,
		"parseDuration":  parseDuration,
		"urlQueryEscape": url.QueryEscape,
		"safeHtml":       func(text string) string { return text }, // annotations are text: there is nothing to escape

		"args":        args,
		"graphLink":   func(expr string) string { return "/graph?g0.expr=" + url.QueryEscape(expr) + "&g0.tab=0" },
		"tableLink":   func(expr string) string { return "/graph?g0.expr=" + url.QueryEscape(expr) + "&g0.tab=1" },
		"pathPrefix":  func() string { return external.Path },
		"externalURL": external.String,
	}
}

func first(samples []*sample) (*sample, error) {
	if len(samples) == 0 {
		return nil, errors.New("first: there is no element")
	}
	return samples[0], nil
}

func sortByLabel(name string, samples []*sample) []*sample {
	slices.SortStableFunc(samples, func(a, b *sample) int { return strings.Compare(a.Labels[name], b.Labels[name]) })
	return samples
}

var (
	larger  = []string{"k", "M", "G", "T", "P", "E", "Z", "Y"}
	smaller = []string{"m", "u", "n", "p", "f", "a", "z", "y"}
	binary  = []string{"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"}
)

// humanize writes a number with a metric prefix.
func humanize(number any) (string, error) {
	v, err := templates.ConvertToFloat(number)
	if err != nil {
		return "", err
	}
	if v != 0 && math.Abs(v) < 1 {
		prefix := ""
		for i := 0; i < len(smaller) && math.Abs(v) < 1; i++ {
			prefix, v = smaller[i], v*1000
		}
		return significant(v) + prefix, nil
	}
	return scaled(v, 1000, larger), nil
}

// humanize1024 writes a number with a binary prefix.
func humanize1024(number any) (string, error) {
	v, err := templates.ConvertToFloat(number)
	if err != nil {
		return "", err
	}
	return scaled(v, 1024, binary), nil
}

// humanizePercentage writes a ratio as a percentage.
func humanizePercentage(ratio any) (string, error) {
	v, err := templates.ConvertToFloat(ratio)
	if err != nil {
		return "", err
	}
	return significant(v*100) + "%", nil
}

// scaled divides v by base until it is small enough to be read, or the prefixes are used up.
func scaled(v, base float64, prefixes []string) string {
	prefix := ""
	if !math.IsInf(v, 0) {
		for i := 0; i < len(prefixes) && math.Abs(v) >= base; i++ {
			prefix, v = prefixes[i], v/base
		}
	}
	return significant(v) + prefix
}

// significant writes four significant digits; NaN and infinities as Prometheus does: NaN, +Inf, -Inf.
func significant(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
	return fmt.Sprintf("%.4g", v)
}

func toTime(seconds any) (*time.Time, error) {
	v, err := templates.ConvertToFloat(seconds)
	if err != nil {
		return nil, err
	}
	return templates.FloatToTime(v)
}

func toDuration(seconds any) (*time.Duration, error) {
	v, err := templates.ConvertToFloat(seconds)
	if err != nil {
		return nil, err
	}
	d := time.Duration(v * float64(time.Second))
	return &d, nil
}

// parseDuration reads a duration as Prometheus writes them ("1h30m") and returns seconds.
func parseDuration(text string) (float64, error) {
	d, err := model.ParseDurationAllowNegative(text)
	if err != nil {
		return 0, err
	}
	return time.Duration(d).Seconds(), nil
}

func reReplaceAll(pattern, replacement, text string) (string, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return "", err
	}
	return re.ReplaceAllString(text, replacement), nil
}

// stripPort returns the host of host:port, and what is none of these as it is.
func stripPort(hostPort string) string {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return hostPort
	}
	return host
}

// stripDomain shortens a host name to its first label and keeps its port; addresses stay as they are.
func stripDomain(hostPort string) string {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		host, port = hostPort, ""
	}
	if net.ParseIP(host) != nil {
		return hostPort
	}
	host, _, _ = strings.Cut(host, ".")
	if port == "" {
		return host
	}
	return net.JoinHostPort(host, port)
}

// args names its arguments arg0, arg1 and so on, to hand several to a template.
func args(values ...any) map[string]any {
	named := make(map[string]any, len(values))
	for i, v := range values {
		named["arg"+strconv.Itoa(i)] = v
	}
	return named
}
