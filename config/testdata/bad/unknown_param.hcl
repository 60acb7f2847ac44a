rule "A" {
  module = "error_rate"
  input "requests" {
    select = "http_requests_total"
    window = "5m"
  }
  params {
    treshold = 0.05
    above    = 3
  }
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
