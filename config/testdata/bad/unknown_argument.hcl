source "http" "gateway" {
  target  = ["10.0.0.11:9113"]
  targets = ["10.0.0.11:9113"]
  intervall = "15s"
}

rule "A" {
  module = "threshold"
  params { above = 1 }
  label = { severity = "critical" }
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
