package engine

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/delivery"
	"github.com/tocsinhq/tocsin/core/pluginhost"
	"github.com/tocsinhq/tocsin/core/route"
	"github.com/tocsinhq/tocsin/core/rule"
	"github.com/tocsinhq/tocsin/core/scrape"
)

// gauges are the metrics of what stands somewhere in the engine: its parts are asked when somebody looks.
type gauges struct{ engine *Engine }

// Describe implements [prometheus.Collector]: which metrics there are shows when they are collected.
func (gauges) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (g gauges) Collect(to chan<- prometheus.Metric) {
	e, p, now := g.engine, page{to}, time.Now()
	setup := e.setup.Load()
	p.targets(e.scrape.Targets(), e.scrape.Dropped())
	p.windows(e)
	p.rules(e.rules.Status(), e.metrics.groupOf)
	p.alerts(e, now)
	p.deliveries(e.ledger.Records(), setup.config.Notifiers, now)
	if setup.processes != nil {
		p.plugins(setup.processes.Processes())
	}
	p.configuration(e, setup)
}

// page is what the metrics are written to.
type page struct{ to chan<- prometheus.Metric }

// add writes one metric. Names and values of labels come by turns.
func (p page) add(kind prometheus.ValueType, name, help string, value float64, labels ...string) {
	var names, values []string
	for pair := range slices.Chunk(labels, 2) {
		names, values = append(names, pair[0]), append(values, pair[1])
	}
	p.to <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, names, nil), kind, value, values...)
}

func (p page) gauge(name, help string, value float64, labels ...string) {
	p.add(prometheus.GaugeValue, name, help, value, labels...)
}

func (p page) counter(name, help string, value float64, labels ...string) {
	p.add(prometheus.CounterValue, name, help, value, labels...)
}

// flag is a gauge that is 1 or 0.
func (p page) flag(name, help string, set bool, labels ...string) {
	value := 0.0
	if set {
		value = 1
	}
	p.gauge(name, help, value, labels...)
}

// seconds writes a time as seconds since 1970, and nothing for none.
func (p page) seconds(name, help string, at time.Time, labels ...string) {
	if !at.IsZero() {
		p.gauge(name, help, float64(at.UnixMilli())/1000, labels...)
	}
}

func (p page) targets(targets []scrape.Status, dropped []scrape.Dropped) {
	type source struct {
		job     string
		all     int
		healths map[scrape.Health]int
		skipped uint64
	}
	sources := map[string]*source{}
	of := func(name string) *source {
		if sources[name] == nil {
			sources[name] = &source{healths: map[scrape.Health]int{}}
		}
		return sources[name]
	}
	for _, t := range targets {
		s := of(t.Source)
		s.job = t.Job
		s.all++
		s.healths[t.Health]++
	}
	discovered := map[string]int{}
	for name, s := range sources {
		discovered[name] = s.all
	}
	for _, d := range dropped {
		of(d.Source)
		discovered[d.Source]++
	}
	for name, s := range sources {
		p.gauge("prometheus_sd_discovered_targets", "Targets before relabelling.", float64(discovered[name]), "name", "scrape", "config", name)
		p.gauge("prometheus_target_scrape_pool_targets", "Targets that are collected from.", float64(s.all), "scrape_job", name)
		for _, h := range []scrape.Health{scrape.Up, scrape.Down, scrape.Unknown} {
			p.gauge("tocsin_targets", "Targets by whether they answered last.", float64(s.healths[h]), "source", name, "health", string(h))
		}
	}
}

func (p page) windows(e *Engine) {
	s := e.windows.Stats()
	p.gauge("prometheus_tsdb_head_series", "Series that are kept, because a rule reads them.", float64(s.Series))
	p.gauge("tocsin_window_bytes", "Bytes of the windows.", float64(s.Bytes))
	p.counter("prometheus_target_scrapes_sample_out_of_order_total", "Samples dropped for their time.", float64(s.OutOfOrder))
	p.counter("prometheus_target_scrapes_sample_duplicate_timestamp_total", "Series dropped because their page had the same one twice.", float64(s.Duplicates))
	if e.recorder != nil {
		log := e.recorder.Status()
		p.gauge("tocsin_window_log_bytes", "Bytes of the log from which windows are restored.", float64(log.Bytes))
		p.flag("tocsin_window_log_failing", "Whether the log of the windows cannot be written: after a crash they would have a gap.", log.Failing != nil)
		p.counter("tocsin_window_log_records_total", "Collections that went to the log of the windows.", float64(log.Written))
		p.counter("tocsin_window_log_lost_total", "Collections that the log of the windows does not have because the disk refused or was too slow.", float64(log.Lost))
	}
}

func (p page) rules(rules []rule.Status, groupOf func(string) string) {
	type group struct {
		rules          int
		interval, took time.Duration
		oldest         time.Time
	}
	groups := map[string]*group{}
	healths := map[rule.Health]int{rule.HealthOK: 0, rule.HealthErr: 0, rule.HealthUnknown: 0}
	for _, r := range rules {
		name := groupOf(r.Name)
		g := cmp.Or(groups[name], &group{})
		groups[name] = g
		g.rules++
		g.interval = max(g.interval, r.Interval)
		g.took += r.Duration
		if at := r.LastEvaluation; !at.IsZero() && (g.oldest.IsZero() || at.Before(g.oldest)) {
			g.oldest = at
		}
		healths[r.Health]++
	}
	for name, g := range groups {
		p.gauge("prometheus_rule_group_rules", "Rules of a configuration file.", float64(g.rules), "rule_group", name)
		p.gauge("prometheus_rule_group_interval_seconds", "The longest interval between evaluations of a rule.", g.interval.Seconds(), "rule_group", name)
		p.gauge("prometheus_rule_group_last_duration_seconds", "What the last evaluations of all rules took together.", g.took.Seconds(), "rule_group", name)
		p.seconds("prometheus_rule_group_last_evaluation_timestamp_seconds", "When the rule was evaluated for which that is longest ago.", g.oldest, "rule_group", name)
	}
	for health, n := range healths {
		p.gauge("tocsin_rules", "Rules by how they fare.", float64(n), "health", string(health))
	}
}

func (p page) alerts(e *Engine, now time.Time) {
	states := map[string]int{"active": 0, "suppressed": 0}
	for _, s := range route.Explain(e.routingInput(now)) {
		if len(s.SilencedBy) > 0 || s.InhibitedBy != nil || len(s.MutedBy) > 0 {
			states["suppressed"]++
		} else {
			states["active"]++
		}
	}
	for state, n := range states {
		p.gauge("alertmanager_alerts", "Alerts that fire, by whether something withholds them.", float64(n), "state", state)
	}
	instances := map[alert.State]int{alert.Pending: 0, alert.Firing: 0, alert.Resolved: 0}
	unknown := 0
	for _, a := range e.alerts.All() {
		instances[a.State]++
		if a.Unknown {
			unknown++
		}
	}
	for state, n := range instances {
		p.gauge("tocsin_instances", "Instances that are not over; resolved ones until every receiver knows.", float64(n), "state", state.String())
	}
	p.gauge("tocsin_instances_unknown", "Instances whose state is frozen because their data are missing.", float64(unknown))

	silences := map[string]int{"pending": 0, "active": 0, "expired": 0}
	for _, s := range e.silences.All() {
		silences[string(s.At(now))]++
	}
	for state, n := range silences {
		p.gauge("alertmanager_silences", "Silences that people made.", float64(n), "state", state)
	}
	posted := e.intake.Stats()
	p.counter("alertmanager_alerts_received_total", "Alerts that others posted.", float64(posted.Firing), "status", "firing", "version", "v2")
	p.counter("alertmanager_alerts_received_total", "Alerts that others posted.", float64(posted.Resolved), "status", "resolved", "version", "v2")
	p.counter("alertmanager_alerts_invalid_total", "Posted alerts that were refused.", float64(posted.Invalid), "version", "v2")
}

func (p page) deliveries(records []delivery.Record, notifiers []config.Notifier, now time.Time) {
	type receiver struct {
		states map[delivery.RecordState]int
		oldest time.Duration
	}
	receivers := map[string]*receiver{}
	for _, rec := range records {
		r := cmp.Or(receivers[rec.Receiver], &receiver{states: map[delivery.RecordState]int{}})
		receivers[rec.Receiver] = r
		r.states[rec.State]++
		if !rec.OwedSince.IsZero() {
			r.oldest = max(r.oldest, now.Sub(rec.OwedSince))
		}
	}
	for _, n := range notifiers {
		r := cmp.Or(receivers[n.Ref()], &receiver{})
		p.gauge("tocsin_receiver_oldest_undelivered_seconds", "How long something was due that the receiver does not know; 0 if it knows all.",
			r.oldest.Seconds(), "integration", n.Kind, "receiver_name", n.Ref())
		for _, state := range []delivery.RecordState{
			delivery.Idle, delivery.Waiting, delivery.Queued, delivery.Sending, delivery.Retrying, delivery.DeadLetter,
		} {
			p.gauge("tocsin_receiver_groups", "Groups by how the receiver stands with them.",
				float64(r.states[state]), "integration", n.Kind, "receiver_name", n.Ref(), "state", string(state))
		}
	}
	p.gauge("alertmanager_dispatcher_aggregation_groups", "Groups of all receivers.", float64(len(records)))
	p.gauge("alertmanager_receivers", "Notifiers.", float64(len(notifiers)))
	p.gauge("alertmanager_integrations", "Notifiers.", float64(len(notifiers)))
}

func (p page) plugins(processes []pluginhost.Status) {
	for _, s := range processes {
		p.flag("tocsin_plugin_up", "Whether the process of a plugin works.", s.State == pluginhost.StateReady || s.State == pluginhost.StateDegraded, "what", s.What, "kind", s.Kind)
		p.counter("tocsin_plugin_restarts_total", "Times that the process of a plugin had to be started again.", float64(s.Restarts), "what", s.What, "kind", s.Kind)
	}
}

func (p page) configuration(e *Engine, s *setup) {
	_, rejected := e.Rejected()
	for _, product := range []string{"prometheus", "alertmanager"} {
		p.flag(product+"_config_last_reload_successful", "Whether the last configuration was taken.", rejected == nil)
		p.seconds(product+"_config_last_reload_success_timestamp_seconds", "When the configuration was taken that counts.", s.at)
	}
	hash, _ := strconv.ParseUint(s.config.Hash[:12], 16, 64) // as much as a float holds
	p.gauge("alertmanager_config_hash", "The beginning of the configuration's hash.", float64(hash))
	p.gauge("alertmanager_inhibition_rules", "Inhibitions.", float64(len(s.config.Inhibits)))
	p.flag("tocsin_degraded", "Whether storage refuses: a crash would lose what changed.", e.degraded() != nil)
}
