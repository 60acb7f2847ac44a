engine { external_url = "https://tocsin.example.org" }
variable "pd_key" {
  sensitive = true
  default   = "0123456789abcdef0123456789abcdef"
}
source "http" "gateway" {
  targets   = ["a:80", "b:80"]
  path      = "/metrics"
}
rule "HighErrors" {
  module = "error_rate"
  input "requests" {
    select = "http_requests_total"
    window = "5m"
  }
  params { threshold = 0.05 }
  for = "5m"
}
override "HighErrors" {
  match = ["endpoint='/pay'"]
  params { threshold = 0.01 }
}
notifier "pagerduty" "oncall" { routing_key = var.pd_key }
notifier "slack" "ops" { api_url = "https://hooks.slack.example/T000/B000/XXXXXXXXXXXX" }
route {
  to         = [notifier.slack.ops]
  group_wait = "10s"
  route {
    match = ["team='dba'"]
    to    = [notifier.slack.ops]
  }
  route {
    match    = ["severity='critical'"]
    to       = [notifier.pagerduty.oncall]
    continue = true
  }
}
inhibit {
  source = ["severity='critical'"]
  target = ["severity='warning'"]
  equal  = ["endpoint"]
}
schedule "night" {
  times    = ["22:00-24:00"]
  location = "Europe/Rome"
}
silence "migration" {
  match = ["job='odoo'"]
  until = "2026-12-01T06:00:00Z"
  reason = "db migration"
  owner  = "dba"
}
