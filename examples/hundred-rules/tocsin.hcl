# A hundred rules over a fleet: five of them for each of twenty endpoints behind four gateways.
#
#   tocsin check examples/hundred-rules
#   tocsin test  examples/hundred-rules     # 24 hours of it, in seconds
#
# It shows for_each over a list that is computed, groups of one kind, and what a day of so many rules costs to rehearse.

locals {
  gateways  = [for n in range(1, 5) : "10.0.0.${n}:9113"]
  endpoints = toset([for n in range(1, 21) : format("/v1/service-%02d", n)])
}

source "http" "gateway" {
  targets  = local.gateways
  interval = "15s"
}

rule "HighErrorRate" {
  for_each = local.endpoints
  module   = "error_rate"
  input "requests" {
    select = "http_requests_total{endpoint='${each.key}'}"
    window = "5m"
  }
  params {
    threshold    = 0.05
    by           = ["endpoint"]
    min_requests = 20
  }
  for         = "5m"
  labels      = { severity = "critical" }
  annotations = { summary = "{{ $labels.endpoint }}: {{ $value | humanizePercentage }} of requests fail" }
}

rule "SlowResponses" {
  for_each = local.endpoints
  module   = "latency"
  input "buckets" {
    select = "http_request_duration_seconds_bucket{endpoint='${each.key}'}"
    window = "5m"
  }
  params {
    quantile  = 0.9
    threshold = 0.5
    by        = ["endpoint"]
  }
  for         = "10m"
  labels      = { severity = "warning" }
  annotations = { summary = "{{ $labels.endpoint }}: a tenth of requests takes {{ $value | humanizeDuration }} or longer" }
}

rule "TrafficStopped" {
  for_each = local.endpoints
  module   = "threshold"
  input "series" {
    select = "http_requests_total{endpoint='${each.key}'}"
    window = "15m"
    reduce = "increase"
  }
  params {
    op        = "<"
    value     = 1
    aggregate = "sum"
    by        = ["endpoint"]
  }
  for         = "5m"
  labels      = { severity = "critical" }
  annotations = { summary = "nobody asks for {{ $labels.endpoint }} any more" }
}

rule "QueueLong" {
  for_each = local.endpoints
  module   = "threshold"
  input "series" { select = "http_queue_length{endpoint='${each.key}'}" }
  params {
    value = 100
    clear = 80
  }
  for         = "2m"
  labels      = { severity = "warning" }
  annotations = { summary = "{{ $labels.instance }}: {{ $value }} requests wait for {{ $labels.endpoint }}" }
}

rule "QueueAlmostFull" {
  for_each = local.endpoints
  module   = "threshold"
  input "series" { select = "http_queue_length{endpoint='${each.key}'}" }
  input "total" { select = "http_queue_capacity{endpoint='${each.key}'}" }
  params { value = 0.9 }
  labels      = { severity = "critical" }
  annotations = { summary = "{{ $labels.instance }}: the queue of {{ $labels.endpoint }} is {{ $value | humanizePercentage }} full" }
}

variable "pagerduty_key" {
  sensitive = true
  default   = "0123456789abcdef0123456789abcdef"
}

notifier "pagerduty" "oncall" { routing_key = var.pagerduty_key }

variable "slack_url" {
  sensitive = true
  default   = "https://hooks.slack.com/services/T0/B0/0123456789"
}

notifier "slack" "ops" { api_url = var.slack_url }

route {
  to       = [notifier.slack.ops]
  group_by = ["alertname"]
  route {
    match    = ["severity='critical'"]
    to       = [notifier.pagerduty.oncall]
    group_by = ["alertname", "endpoint"]
  }
}
