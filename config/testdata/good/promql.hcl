engine { lookback_delta = "12m" }
source "http" "gateway" {
  targets  = ["10.0.0.11:9113"]
  interval = "15s"
}
source "http" "nightly" {
  targets  = ["10.0.0.12:9100"]
  interval = "10m"
}
locals { critical = "job='gateway',endpoint=~'/critical/.*'" }

rule "HighAPIErrorRate" {
  promql = <<-EOT
    sum by (endpoint) (rate(http_requests_total{${local.critical},code=~"5.."}[5m]))
      / sum by (endpoint) (rate(http_requests_total{${local.critical}}[5m])) > 0.05
  EOT
  for             = "5m"
  keep_firing_for = "2m"
  labels          = { severity = "critical" }
  annotations     = { summary = "{{ $labels.endpoint }}: {{ $value | humanizePercentage }} of requests fail" }
}
rule "MoreThanYesterday" { promql = "http_requests_total > 2 * http_requests_total offset 1d" }
rule "SeenAtStart" { promql = "max_over_time(http_requests_total[10m:30s] @ end()) > 5 and http_requests_total @ start() > 0" }
rule "Slow" { promql = "backup_bytes{job='nightly'} < 1e9" }
rule "Watchdog" { promql = "vector(1)" }

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
