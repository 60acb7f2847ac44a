sorce "http" "gateway" {
  targets = ["10.0.0.11:9113"]
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
