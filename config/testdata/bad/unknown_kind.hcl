source "htttp" "gateway" {
  targets = ["10.0.0.11:9113"]
}
notifier "pagerdutty" "x" { routing_key = "hunter2-hunter2-hunter2" }
notifier "broken" "y" {}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
