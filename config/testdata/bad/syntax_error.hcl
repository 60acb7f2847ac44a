source "http" "gateway" {
  targets = ["a:1"
}
rule "A" {
  module = "no_such_module"
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
