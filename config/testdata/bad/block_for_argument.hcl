rule "A" {
  module = "threshold"
  params { above = 1 }
  labels {
    severity = "critical"
  }
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
