engine { lookback_delta = "2m" }
source "http" "gateway" {
  targets  = ["10.0.0.11:9113"]
  interval = "1m"
}
source "http" "nightly" {
  targets  = ["10.0.0.12:9100"]
  interval = "10m"
}
rule "Unclosed" { promql = "sum(rate(http_requests_total[5m])" }
rule "UnknownFunction" { promql = "ratee(http_requests_total[5m]) > 5" }
rule "NotBehindFlags" { promql = "mad_over_time(http_requests_total[5m]) > 5" }
rule "NoRange" {
  promql = <<-EOT
    sum by (job) (
      rate(http_requests_total)
    ) > 5
  EOT
}
rule "ReadsEverything" { promql = "{job=~'.*'} > 5" }
rule "Matrix" { promql = "http_requests_total[5m]" }
rule "Text" { promql = "\"up\"" }
rule "FixedTime" { promql = "http_requests_total - (http_requests_total @ 1609746000) > 5" }
rule "FixedSubquery" { promql = "max_over_time(http_requests_total[5m:1m] @ 1609746000) > 5" }
rule "Future" { promql = "http_requests_total offset -5m > 5" }
rule "Scalar" { promql = "1" }
rule "OneSample" { promql = "rate(http_requests_total{job='gateway'}[90s]) > 5" }
rule "OneSampleIsEnough" { promql = "max_over_time(http_requests_total{job='gateway'}[90s]) > 5" }
rule "EmptyRange" { promql = "sum(count_over_time(http_requests_total{job='nightly'}[5m])) > 5" }
rule "TooFarApart" { promql = "http_requests_total{job='nightly'} > 5" }
rule "Subquery" { promql = "max_over_time(rate(http_requests_total{job='gateway'}[1m])[1h:1m]) > 5" }
rule "Both" {
  promql = "up == 0"
  module = "threshold"
}
rule "Blocks" {
  promql = "up == 0"
  input "value" {
    select = "up"
    window = "5m"
  }
  params { above = 1 }
}
notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
