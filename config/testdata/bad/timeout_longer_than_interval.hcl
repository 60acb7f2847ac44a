source "http" "gateway" {
  targets  = ["a:1"]
  interval = "5s"
  timeout  = "10s"
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
