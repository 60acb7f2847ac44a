source "http" "gateway" {
  targets = ["a:1"]
  targets = ["b:1"]
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
