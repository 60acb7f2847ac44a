rule "A" {
  module = "error_rate"
  input "requests" {
    select = "http_requests_total{job='gateway"
    window = "5m"
  }
}
rule "B" {
  module = "error_rate"
  input "requests" {
    select = "rate(http_requests_total[5m])"
    window = "5m"
  }
}
rule "C" {
  module = "error_rate"
  input "requests" {
    select = "http_requests_total[5m]"
    window = "5m"
  }
}
rule "D" {
  module = "error_rate"
  input "requests" {
    select = "{job=~'.*'}"
    window = "5m"
  }
}
rule "E" {
  module = "error_rate"
  input "requests" {
    select = "http_requests_total{code=~'5[', job='x'}"
    window = "5m"
  }
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
