package engine

import (
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/tocsinhq/tocsin/core/api"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

// metrics asks the engine for its page, and returns what is on it: of histograms and summaries the count. Labels of the
// page that do not vary here are left out.
func (b *bubble) metrics() map[string]float64 {
	b.Helper()
	page := httptest.NewRecorder()
	served := b.engine.metrics.served(api.New(api.Options{Metrics: b.engine.metrics.handler()}))
	served.ServeHTTP(page, httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/metrics", nil))
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(page.Body)
	if err != nil {
		b.Fatal(err)
	}
	found := map[string]float64{}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			var ls []frame.Label
			for _, l := range m.GetLabel() {
				if !slices.Contains([]string{"integration", "rule_group", "version"}, l.GetName()) {
					ls = append(ls, frame.Label{Name: l.GetName(), Value: l.GetValue()})
				}
			}
			key := name
			if len(ls) > 0 {
				key += frame.NewLabels(ls...).String()
			}
			found[key] = valueOf(m)
		}
	}
	return found
}

func valueOf(m *dto.Metric) float64 {
	switch {
	case m.Gauge != nil:
		return math.Round(m.Gauge.GetValue()) // a target's slot has its own milliseconds
	case m.Counter != nil:
		return m.Counter.GetValue()
	case m.Summary != nil:
		return float64(m.Summary.GetSampleCount())
	}
	return float64(m.Histogram.GetSampleCount())
}

// shows checks some of the metrics.
func (b *bubble) shows(want map[string]float64) {
	b.Helper()
	got := b.metrics()
	for name := range got {
		if _, asked := want[name]; !asked {
			delete(got, name)
		}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		b.Errorf("after %s (-want +got):\n%s", time.Since(b.start), diff)
	}
}

func TestMetrics(t *testing.T) {
	inBubble(t, preamble+plain+above("High", "")+above("Higher", ""), func(b *bubble) {
		b.page("a:80", `x{id="1"}`, 1, "y", 2)
		b.answer("webhook.ops", notifier.Result{Outcome: notifier.Rejected, Detail: "no"})
		b.until(time.Minute) // rounds at 5, 15, … 55
		b.shows(map[string]float64{
			`prometheus_sd_discovered_targets{config="http.web",name="scrape"}`:                         2,
			`prometheus_target_scrape_pool_targets{scrape_job="http.web"}`:                              2,
			`tocsin_targets{health="up",source="http.web"}`:                                             1,
			`tocsin_targets{health="down",source="http.web"}`:                                           1,
			`tocsin_scrape_failures_total{source="http.web"}`:                                           6,
			`prometheus_target_interval_length_seconds{interval="10s"}`:                                 10,
			`prometheus_tsdb_head_samples_appended_total{type="float"}`:                                 12,
			`prometheus_tsdb_head_series`:                                                               1,
			`prometheus_rule_evaluations_total`:                                                         12,
			`prometheus_rule_group_iterations_total`:                                                    12,
			`prometheus_rule_group_iterations_missed_total`:                                             0,
			`prometheus_rule_evaluation_failures_total`:                                                 0,
			`prometheus_rule_evaluation_duration_seconds`:                                               12,
			`prometheus_rule_group_rules`:                                                               2,
			`prometheus_rule_group_interval_seconds`:                                                    10,
			`prometheus_rule_group_last_evaluation_timestamp_seconds`:                                   946684855,
			`tocsin_rules{health="unknown"}`:                                                            2, // b:80 is down
			`tocsin_instances{state="firing"}`:                                                          2,
			`alertmanager_alerts{state="active"}`:                                                       2,
			`alertmanager_notifications_total{receiver_name="webhook.ops"}`:                             2,
			`alertmanager_notification_requests_total{receiver_name="webhook.ops"}`:                     2,
			`alertmanager_notification_requests_failed_total{receiver_name="webhook.ops"}`:              2,
			`alertmanager_notification_latency_seconds{receiver_name="webhook.ops"}`:                    2,
			`alertmanager_notifications_failed_total{reason="clientError",receiver_name="webhook.ops"}`: 2,
			`alertmanager_notifications_total{receiver_name="webhook.dba"}`:                             0,
			`tocsin_receiver_groups{receiver_name="webhook.ops",state="dead letter"}`:                   2,
			`tocsin_receiver_oldest_undelivered_seconds{receiver_name="webhook.ops"}`:                   55,
			`tocsin_receiver_oldest_undelivered_seconds{receiver_name="webhook.dba"}`:                   0,
			`alertmanager_receivers`:                                                                    2,
			`prometheus_config_last_reload_successful`:                                                  1,
			`alertmanager_config_last_reload_successful`:                                                1,
			`tocsin_degraded`: 0,
		})

		b.answer("webhook.ops", notifier.Result{Outcome: notifier.Delivered})
		for _, r := range b.engine.ledger.Records() {
			if err := b.engine.ledger.Retry(r.Receiver, r.Group); err != nil {
				t.Error(err)
			}
		}
		b.until(65 * time.Second)
		b.shows(map[string]float64{
			`alertmanager_notifications_total{receiver_name="webhook.ops"}`:                4,
			`tocsin_notification_delay_seconds{receiver_name="webhook.ops"}`:               2,
			`tocsin_receiver_last_accepted_timestamp_seconds{receiver_name="webhook.ops"}`: 946684860,
			`tocsin_receiver_groups{receiver_name="webhook.ops",state="idle"}`:             2,
			`tocsin_receiver_oldest_undelivered_seconds{receiver_name="webhook.ops"}`:      0,
			`prometheus_http_requests_total{code="200",handler="/metrics"}`:                1,
		})
	})
}

// How many metrics there are depends on the configuration, not on how much there is to watch.
func TestMetricsAreFew(t *testing.T) {
	inBubble(t, preamble+plain+above("High", ""), func(b *bubble) {
		b.page("a:80", `x{id="1"}`, 1)
		b.page("b:80")
		b.until(time.Minute)
		b.metrics() // the request itself is counted
		few := len(b.metrics())
		var many []any
		for id := range 200 {
			many = append(many, `x{id="`+time.Duration(id).String()+`"}`, 1)
		}
		b.page("a:80", many...)
		b.until(2 * time.Minute)
		if got := len(b.metrics()); got > few {
			t.Errorf("%d metrics became %d with more to watch", few, got)
		}
	})
}
