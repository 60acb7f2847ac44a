rule "A" {
  module = "error_rate"
  input "requests" {
    select = "a"
    window = "5m"
  }
  params {
    threshold    = 5
    errors       = "code=~5.."
    min_requests = -1.5
    by           = "endpoint"
  }
}
source "http" "gateway" {
  targets   = ["a:1"]
  path      = "metrics"
  scheme    = "htps"
  max_bytes = 12
  grace     = "10ms"
  interval  = "1ns"
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
