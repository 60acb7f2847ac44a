source "gateway" {
  targets = ["10.0.0.11:9113"]
}
rule "A" "B" {
  module = "threshold"
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
