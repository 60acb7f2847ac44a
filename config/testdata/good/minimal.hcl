# The reference scenario: an nginx gateway and an Odoo backend, one rule, one pager.
#
#   tocsin check examples/quickstart
#   tocsin run   examples/quickstart -var pagerduty_key=R0123456789…
#   tocsin demo                       (this file, with simulated services and seconds instead of minutes)

variable "listen"  { default = "127.0.0.1:9095" }
variable "gateway" { default = "127.0.0.1:9113" }
variable "odoo"    { default = "127.0.0.1:8069" }

variable "pagerduty_key" {
  sensitive = true
  default   = "00000000000000000000000000000000" # set TOCSIN_VAR_pagerduty_key
}
variable "pagerduty_url" { default = "https://events.pagerduty.com/v2/enqueue" }

# How fast things go. The demo overrides these.
variable "interval"       { default = "15s" }
variable "window"         { default = "5m" }
variable "hold"           { default = "5m" }
variable "group_wait"     { default = "30s" }
variable "group_interval" { default = "5m" }

engine {
  listen   = var.listen
  data_dir = "data"
}

source "http" "gateway" {
  targets  = [var.gateway]
  interval = var.interval
  timeout  = var.interval
}

source "http" "odoo" {
  targets  = [var.odoo]
  interval = var.interval
  timeout  = var.interval
}

rule "HighAPIErrorRate" {
  module = "error_rate"

  input "requests" {
    select = "http_requests_total{job=~'gateway|odoo'}"
    window = var.window
  }
  params {
    threshold    = 0.05
    errors       = "code=~'5..'"
    by           = ["endpoint"]
    min_requests = 20
  }

  for         = var.hold
  labels      = { severity = "critical" }
  annotations = {
    summary = "{{ $labels.endpoint }}: {{ $value | humanizePercentage }} of requests fail"
    runbook = "https://runbooks.example.org/high-api-error-rate"
  }
}

notifier "pagerduty" "oncall" {
  routing_key = var.pagerduty_key
  url         = var.pagerduty_url
}

route {
  to             = [notifier.pagerduty.oncall]
  group_by       = ["alertname", "endpoint"]
  group_wait     = var.group_wait
  group_interval = var.group_interval
}
