# The alerting rules of rules.yml, kept as they are: promql takes what stood in expr.
#
#   tocsin check examples/prometheus-rules
#   tocsin test  examples/prometheus-rules

variable "pagerduty_key" {
  sensitive = true
  default   = "00000000000000000000000000000000" # set TOCSIN_VAR_pagerduty_key
}

source "http" "gateway" {
  targets  = ["127.0.0.1:9113"]
  interval = "15s"
}

source "http" "odoo" {
  targets  = ["127.0.0.1:8069"]
  interval = "15s"
}

rule "HighAPIErrorRate" {
  promql = <<-EOT
    sum by (job, endpoint) (rate(http_requests_total{code=~"5.."}[5m]))
      / sum by (job, endpoint) (rate(http_requests_total[5m])) > 0.05
  EOT

  for             = "5m"
  keep_firing_for = "2m"
  labels          = { severity = "critical" }
  annotations = {
    summary = "{{ $labels.endpoint }}: {{ $value | humanizePercentage }} of requests fail"
  }
}

rule "TooFewWorkers" {
  promql = "odoo_workers < scalar(odoo_workers_wanted) / 2"
  for    = "2m"
}

rule "WorkersDie" {
  promql = "sum by (job) (increase(odoo_worker_deaths_total[30m])) > 5"
}

rule "GatewayGone" {
  promql = "absent(http_requests_total{job='gateway'})"
  for    = "1m"
  labels = { severity = "warning" }
}

rule "Watchdog" {
  promql = "vector(1)"
}

notifier "pagerduty" "oncall" { routing_key = var.pagerduty_key }

route {
  to       = [notifier.pagerduty.oncall]
  group_by = ["alertname", "endpoint"]
}
