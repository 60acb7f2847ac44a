notifier "pagerduty" "a" {}
rule "A" {
  module = "threshold"
}
rule "B" {
  module = "threshold"
  params {}
}
source "http" "gateway" {
  targets = ["a:1"]
  basic_auth {
    username = "prometheus"
  }
  param {
    values = []
  }
}
notifier "webhook" "b" { url = null }

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
