notifier "pagerduty" "x" {
  routing_key = "hunter2-hunter2-hunter2
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
