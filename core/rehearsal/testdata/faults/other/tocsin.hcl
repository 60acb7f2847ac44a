source "http" "a" {
  targets  = ["10.0.0.1:80", "10.0.0.2:80"]
  interval = "15s"
}
source "http" "b" {
  targets  = ["10.0.0.3:80"]
  interval = "30s"
}

rule "Higher" {
  module = "threshold"
  input "series" { select = "load" }
  params {
    value = 20
  }
  annotations = { summary = "{{ if gt $value 24.0 }}very {{ end }}high" }
  labels = { severity = "warning" }
}

notifier "pagerduty" "oncall" { routing_key = sensitive("0123456789abcdef0123456789abcdef") }
notifier "webhook" "hook" { url = sensitive("https://hooks.example.org/secret-path-0123456789") }
notifier "slack" "ops" { api_url = sensitive("https://hooks.slack.com/services/T0/B0/0123456789abcdef") }

route {
  to              = [notifier.webhook.hook]
  group_by        = ["alertname"]
  group_wait      = "10s"
  group_interval  = "1m"
  repeat_interval = "1h"
  route {
    match = ["severity='critical'"]
    to    = [notifier.pagerduty.oncall, notifier.slack.ops, notifier.webhook.hook]
  }
}
