# Requests: an ingress and a service behind it.

rule "IngressErrors" {
  module = "error_rate"
  input "requests" {
    select = "nginx_ingress_controller_requests"
    window = "5m"
  }
  params {
    errors       = "status=~'5..'"
    by           = ["namespace", "ingress"]
    threshold    = 0.05
    min_requests = 20
  }
  for         = "5m"
  labels      = { severity = "critical" }
  annotations = { summary = "{{ $labels.ingress }}: {{ $value | humanizePercentage }} of requests fail" }
}

rule "IngressSlow" {
  module = "latency"
  input "buckets" {
    select = "nginx_ingress_controller_request_duration_seconds_bucket"
    window = "5m"
  }
  params {
    quantile     = 0.95
    threshold    = 1
    by           = ["namespace", "ingress"]
    min_requests = 20
  }
  for         = "5m"
  labels      = { severity = "warning" }
  annotations = { summary = "{{ $labels.ingress }}: one request in 20 takes {{ $value | humanizeDuration }} or longer" }
}

rule "TrafficDrop" {
  module = "change"
  input "series" {
    select = "nginx_ingress_controller_requests"
    window = "30m"
  }
  params {
    as         = "counter"
    below      = 0.4
    recent     = "5m"
    by         = ["namespace", "ingress"]
    min_before = 1
  }
  labels      = { severity = "critical" }
  annotations = { summary = "{{ $labels.ingress }}: traffic is down to {{ $value | humanizePercentage }} of what it was" }
}

rule "CheckoutBudget" {
  module = "burn_rate"
  input "fast" { select = "http_requests_total{job='checkout'}" } # an hour; the other windows read the same
  params {
    objective  = 0.999
    errors     = "code=~'5..'"
    min_events = 100
  }
  annotations = { summary = "checkout spends its error budget {{ $value | humanize }} times too fast" }
}
