source "http" "gateway" {
  targets          = ["a:1"]
  honor_timestamps = true
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
