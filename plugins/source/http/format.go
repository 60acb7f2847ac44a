package httpsource

import (
	"fmt"
	"mime"
	"slices"
	"strings"
)

// format is an exposition format, as far as parsing is concerned.
type format uint8

const (
	noFormat format = iota
	promText
	openMetrics
	protobuf
)

// String is the name of the format as people know it.
func (f format) String() string {
	return [...]string{"unknown", "Prometheus text", "OpenMetrics", "Prometheus protobuf"}[f]
}

// protocols are the scrape protocols with the media type asked for and the format that it names. Escaping is asked
// for where the format can carry UTF-8 names.
var protocols = map[string]struct {
	media    string
	escaping bool
	format   format
}{
	"PrometheusProto":      {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited", false, protobuf},
	"OpenMetricsText1.0.0": {"application/openmetrics-text;version=1.0.0", true, openMetrics},
	"OpenMetricsText0.0.1": {"application/openmetrics-text;version=0.0.1", false, openMetrics},
	"PrometheusText1.0.0":  {"text/plain;version=1.0.0", true, promText},
	"PrometheusText0.0.4":  {"text/plain;version=0.0.4", false, promText},
}

// checkProtocols tells whether the list can be asked for.
func checkProtocols(names []string) error {
	if len(names) == 0 {
		return fmt.Errorf("must name at least one protocol")
	}
	for i, name := range names {
		if _, ok := protocols[name]; !ok {
			return fmt.Errorf("protocol %q is not known", name)
		}
		if slices.Contains(names[:i], name) {
			return fmt.Errorf("protocol %q is there twice", name)
		}
	}
	return nil
}

// acceptHeader says what we take, as Prometheus says it. The weights fall from 0.7, one more than the protocols
// that Prometheus knows.
func acceptHeader(names []string) string {
	var b strings.Builder
	weight := 7
	for _, name := range names {
		p := protocols[name]
		b.WriteString(p.media)
		if p.escaping {
			b.WriteString(";escaping=allow-utf-8")
		}
		fmt.Fprintf(&b, ";q=0.%d,", weight)
		weight--
	}
	fmt.Fprintf(&b, "*/*;q=0.%d", weight)
	return b.String()
}

// formatOf tells the format of an answer from its Content-Type. Where that is missing, broken or of something else
// it is the fallback, and without one an error, as in Prometheus: guessing could read rubbish as samples.
func formatOf(contentType string, fallback format) (format, error) {
	media, params, err := mime.ParseMediaType(contentType)
	switch {
	case contentType == "" || err != nil:
	case media == "text/plain":
		return promText, nil
	case media == "application/vnd.google.protobuf":
		return protobuf, nil
	// OpenMetrics 2.0 is another language, and still a draft.
	case media == "application/openmetrics-text" && params["version"] != "2.0.0":
		return openMetrics, nil
	}
	if fallback != noFormat {
		return fallback, nil
	}
	what := "has no Content-Type"
	if contentType != "" {
		what = fmt.Sprintf("has the Content-Type %.100q, which is no metrics format", contentType)
	}
	return noFormat, fmt.Errorf("the answer %s; if it is one all the same, name it in fallback_scrape_protocol", what)
}
