package engine

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/delivery"
	"github.com/tocsinhq/tocsin/core/rule"
	"github.com/tocsinhq/tocsin/core/scrape"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

// metrics counts what happens in the engine, for /metrics. What only stands somewhere, such as how many alerts there are,
// is not counted here but asked for when somebody looks: see gauges.
//
// Names are those of Prometheus and Alertmanager wherever the meaning is theirs, so that their dashboards and alerts work,
// and begin with tocsin_ elsewhere. Labels have no more values than the configuration has files, sources and notifiers:
// what Prometheus calls a rule group is a configuration file here, alertmanager's integration is the kind of a notifier
// and its receiver_name the reference.
type metrics struct {
	registry *prometheus.Registry
	groups   atomic.Pointer[map[string]string] // the file of each rule, by name

	intervals *prometheus.SummaryVec   // of collections
	samples   *prometheus.CounterVec   // on pages
	failed    *prometheus.CounterVec   // collections
	judged    *prometheus.CounterVec   // evaluations
	misjudged *prometheus.CounterVec   // evaluations that failed
	due       *prometheus.CounterVec   // evaluations, also those that were left out
	missed    *prometheus.CounterVec   // evaluations that were left out
	judging   prometheus.Summary       // seconds of an evaluation
	fuel      *prometheus.CounterVec   //
	sent      *prometheus.CounterVec   // notifications
	unsent    *prometheus.CounterVec   // notifications whose first attempt failed, or that were rejected
	requests  *prometheus.CounterVec   // attempts
	refused   *prometheus.CounterVec   // attempts that failed
	sending   *prometheus.HistogramVec // seconds of an attempt
	reaching  *prometheus.HistogramVec // seconds from the data to the receiver
	accepted  *prometheus.GaugeVec     // when a receiver last accepted something
	withheld  *prometheus.CounterVec   //
	asked     *prometheus.CounterVec   // HTTP requests
	answering *prometheus.HistogramVec // seconds of an HTTP request
}

var quantiles = map[float64]float64{0.01: 0.001, 0.05: 0.005, 0.5: 0.05, 0.9: 0.01, 0.99: 0.001}

func newMetrics(version string) *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	m.groups.Store(&map[string]string{})
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		m.registry.MustRegister(c)
		return c
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
		m.registry.MustRegister(h)
		return h
	}
	m.scrapeMetrics(counter)
	m.ruleMetrics(counter)
	m.deliveryMetrics(counter, histogram)
	m.asked = counter("prometheus_http_requests_total", "HTTP requests.", "handler", "code")
	m.answering = histogram("prometheus_http_request_duration_seconds", "How long HTTP requests took.",
		[]float64{.1, .2, .4, 1, 3, 8, 20, 60, 120}, "handler")

	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "tocsin_build_info", Help: "1, with what the program was built from.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

type newCounter func(name, help string, labels ...string) *prometheus.CounterVec

type newHistogram func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec

func (m *metrics) scrapeMetrics(counter newCounter) {
	m.intervals = prometheus.NewSummaryVec(prometheus.SummaryOpts{
		Name: "prometheus_target_interval_length_seconds", Help: "Actual intervals between collections.", Objectives: quantiles,
	}, []string{"interval"})
	m.registry.MustRegister(m.intervals)
	m.samples = counter("prometheus_tsdb_head_samples_appended_total", "Samples on collected pages; what no rule reads is not kept.", "type")
	m.failed = counter("tocsin_scrape_failures_total", "Collections that failed.", "source")
}

func (m *metrics) ruleMetrics(counter newCounter) {
	const group = "rule_group"
	m.judged = counter("prometheus_rule_evaluations_total", "Evaluations of rules; a rule_group is a configuration file.", group)
	m.misjudged = counter("prometheus_rule_evaluation_failures_total", "Evaluations of rules that failed.", group)
	m.due = counter("prometheus_rule_group_iterations_total", "Times that rules were due, whether evaluated or not.", group)
	m.missed = counter("prometheus_rule_group_iterations_missed_total", "Times that rules were due and not evaluated, because they were slow or rest after failures.", group)
	m.fuel = counter("tocsin_rule_fuel_total", "Fuel that rule modules spent.", group)
	m.judging = prometheus.NewSummary(prometheus.SummaryOpts{
		Name: "prometheus_rule_evaluation_duration_seconds", Help: "How long evaluations took.",
		Objectives: map[float64]float64{0.5: 0.05, 0.9: 0.01, 0.99: 0.001},
	})
	m.registry.MustRegister(m.judging)
}

// configured takes over which rules there are, and in which files.
func (m *metrics) configured(cfg *config.Config) {
	groups := map[string]string{}
	for _, r := range cfg.Rules {
		groups[r.Name] = r.Range.File
		for _, c := range []*prometheus.CounterVec{m.judged, m.misjudged, m.due, m.missed, m.fuel} {
			c.WithLabelValues(r.Range.File) // what never happened is 0, not absent
		}
	}
	for _, h := range cfg.Heartbeats {
		groups[heartbeatRules+h.Name] = h.Range.File
	}
	m.groups.Store(&groups)
}

// groupOf is the file of a rule.
func (m *metrics) groupOf(rule string) string { return (*m.groups.Load())[rule] }

func (m *metrics) deliveryMetrics(counter newCounter, histogram newHistogram) {
	receiver := []string{"integration", "receiver_name"}
	failure := append(receiver[:2:2], "reason")
	seconds := []float64{1, 5, 10, 15, 20} // Alertmanager's
	m.sent = counter("alertmanager_notifications_total", "Notifications that were tried.", receiver...)
	m.unsent = counter("alertmanager_notifications_failed_total", "Notifications that were not accepted at the first attempt, or rejected later.", failure...)
	m.requests = counter("alertmanager_notification_requests_total", "Attempts to notify.", receiver...)
	m.refused = counter("alertmanager_notification_requests_failed_total", "Attempts to notify that failed.", receiver...)
	m.sending = histogram("alertmanager_notification_latency_seconds", "How long attempts to notify took.", seconds, receiver...)
	m.reaching = histogram("tocsin_notification_delay_seconds",
		"From the data that show that an alert fires until a receiver accepted the first notification of its group, timers included.",
		[]float64{1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 300, 600, 1800, 3600}, receiver...)
	m.accepted = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "tocsin_receiver_last_accepted_timestamp_seconds", Help: "When the receiver last accepted a notification.",
	}, receiver)
	m.registry.MustRegister(m.accepted)
	m.withheld = counter("alertmanager_notifications_suppressed_total", "Alerts withheld from a receiver.", "reason")
}

// handler serves the page.
func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// collected counts a collection.
func (m *metrics) collected(o scrape.Observation) {
	if o.Since > 0 {
		m.intervals.WithLabelValues(o.Interval.String()).Observe(o.Since.Seconds())
	}
	m.samples.WithLabelValues("float").Add(float64(o.Samples))
	if failed := m.failed.WithLabelValues(o.Source); o.Err != nil {
		failed.Inc()
	}
}

// evaluated counts an evaluation.
func (m *metrics) evaluated(o rule.Observation) {
	group := m.groupOf(o.Rule)
	if group == "" {
		return // a reload has just taken it away
	}
	m.judged.WithLabelValues(group).Inc()
	m.due.WithLabelValues(group).Add(float64(1 + o.Skipped))
	m.missed.WithLabelValues(group).Add(float64(o.Skipped))
	m.fuel.WithLabelValues(group).Add(float64(o.Fuel))
	m.judging.Observe(o.Duration.Seconds())
	if o.Err != nil {
		m.misjudged.WithLabelValues(group).Inc()
	}
}

// decided counts what delivery decided.
func (m *metrics) decided(d alert.Decision) {
	if d.Kind != alert.KindWithheld {
		return
	}
	reason := failureOther
	switch d.Cause {
	case alert.CauseSilenced:
		reason = "silence"
	case alert.CauseInhibited:
		reason = "inhibition"
	case alert.CauseMuted:
		reason = "mute_time_interval"
	case alert.CauseAcknowledged:
		reason = "acknowledgement"
	case alert.CauseStorm:
		reason = "page_budget"
	}
	m.withheld.WithLabelValues(reason).Inc()
}

// counted is a sender whose attempts are counted.
type counted struct {
	delivery.Sender
	metrics         *metrics
	integration, to string
}

func (m *metrics) counted(n config.Notifier, s delivery.Sender) delivery.Sender {
	for _, c := range []*prometheus.CounterVec{m.sent, m.requests, m.refused} {
		c.WithLabelValues(n.Kind, n.Ref())
	}
	m.unsent.WithLabelValues(n.Kind, n.Ref(), failureOther)
	return &counted{s, m, n.Kind, n.Ref()}
}

// Send makes one attempt.
func (c *counted) Send(ctx context.Context, n notifier.Notification) (notifier.Result, error) {
	m, begun := c.metrics, time.Now()
	result, err := c.Sender.Send(ctx, n)
	m.sending.WithLabelValues(c.integration, c.to).Observe(time.Since(begun).Seconds())
	m.requests.WithLabelValues(c.integration, c.to).Inc()
	if n.Attempt <= 1 {
		m.sent.WithLabelValues(c.integration, c.to).Inc()
	}
	if reason := failureOf(result, err); reason != "" {
		m.refused.WithLabelValues(c.integration, c.to).Inc()
		if n.Attempt <= 1 || result.Outcome == notifier.Rejected {
			m.unsent.WithLabelValues(c.integration, c.to, reason).Inc()
		}
		return result, err
	}
	m.accepted.WithLabelValues(c.integration, c.to).SetToCurrentTime()
	if n.Reason == notifier.ReasonFirst {
		m.reaching.WithLabelValues(c.integration, c.to).Observe(time.Since(firstStart(n.Alerts)).Seconds())
	}
	return result, nil
}

// failureOther is a reason in Alertmanager's words for a failure that fits none of the others.
const failureOther = "other"

// failureOf is why an attempt failed, in Alertmanager's words; "" if it did not.
func failureOf(r notifier.Result, err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "contextDeadlineExceeded"
	case errors.Is(err, context.Canceled):
		return "contextCanceled"
	case err != nil:
		return failureOther
	case r.Outcome == notifier.Delivered:
		return ""
	case r.Outcome == notifier.Rejected:
		return "clientError"
	case r.RetryAfter > 0:
		return "rateLimited"
	}
	return failureOther
}

// firstStart is when the first of the alerts that fire began.
func firstStart(alerts []notifier.Alert) (first time.Time) {
	for _, a := range alerts {
		if a.Status == notifier.StatusFiring && (first.IsZero() || a.StartsAt.Before(first)) {
			first = a.StartsAt
		}
	}
	return first
}

// served counts the requests that a handler answers, by the pattern that they matched.
func (m *metrics) served(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun, answer := time.Now(), &answer{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(answer, r)
		handler := r.Pattern[strings.IndexByte(r.Pattern, ' ')+1:] // "GET /metrics"
		m.asked.WithLabelValues(handler, strconv.Itoa(answer.code)).Inc()
		m.answering.WithLabelValues(handler).Observe(time.Since(begun).Seconds())
	})
}

// answer remembers the status of an answer.
type answer struct {
	http.ResponseWriter
	code int
}

// WriteHeader implements [http.ResponseWriter].
func (a *answer) WriteHeader(code int) {
	a.code = code
	a.ResponseWriter.WriteHeader(code)
}

// Unwrap is for [http.ResponseController].
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
