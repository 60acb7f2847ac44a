rule "Promql" {
  promql = "sum(rate(http_requests_total[5m])"
  input "x" {}
}
rule "A" {
  module     = "threshold"
  promql     = "up"
  mode       = "shadwo"
  on_missing = "Unknown"
  params { above = 1 }
}
notifier "webhook" "x" { url = "https://example.org" }
route {
  to = [notifier.webhook.x]
  route {
    mute = [schedule.nightly, "nightly_backup"]
    fallback {}
  }
}
inhibit {
  source = ["severity"]
}
schedule "nightly_backup" {
  weekdays = ["montag"]
  times    = ["2-3", "23:00-01:00"]
  location = "Rome"
}
silence "migration" {
  match = ["job='odoo'"]
  from  = "2026-12-02T06:00:00Z"
  until = "2026-12-01T06:00:00Z"
}
silence "x" { until = "tomorrow" }
heartbeat "watchdog" {}
override "B" {
  match = ["endpoint='/critical/pay'"]
  params { abov = 0.01 }
}
override "A" { match = [] }
