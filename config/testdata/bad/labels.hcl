source "http" "gateway" {
  targets = ["a:1"]
  labels  = { "not a label" = "x", __meta = "y", tier = env("PD_KEY") }
}
rule "A" {
  module      = "threshold"
  params { above = 1 }
  labels      = { alertname = "B" }
  annotations = { summary = "key ${env("PD_KEY")}" }
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
