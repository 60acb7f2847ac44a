source "http" "a" { targets = [] }
source "http" "b" {}
source "http" "c" { targets = "a:1" }
source "http" "d" { targets = ["a:1", "b c", "https:///metrics", "a:1", null, {}] }

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
