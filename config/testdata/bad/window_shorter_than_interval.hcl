source "http" "gateway" {
  targets  = ["a:1"]
  interval = "2m"
  timeout  = "1m"
}
source "http" "odoo" { targets = ["b:1"] }
rule "A" {
  module = "error_rate"
  input "requests" {
    select = "http_requests_total{job='gateway'}"
    window = "1m"
  }
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
