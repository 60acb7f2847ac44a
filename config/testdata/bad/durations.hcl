rule "A" {
  module          = "threshold"
  for             = "5 minutes"
  keep_firing_for = 300
  every           = "-1m"
  params { above = 1 }
}
source "http" "gateway" {
  targets  = ["a:1"]
  interval = ["15s"]
  timeout  = "10"
  grace    = "2h"
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
