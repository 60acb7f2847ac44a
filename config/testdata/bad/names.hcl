source "http" "api gateway" { targets = ["a:1"] }
source "" "x" { targets = ["a:1"] }
rule " A" { module = "threshold" }
rule "" { module = "threshold" }
module "9" { path = "x" }
plugin "sink" "x" {}
plugin "notifer" "y" {}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
