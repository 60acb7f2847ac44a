variable "key" { sensitive = true }
variable "targets" { type = list(string) }
source "http" "gateway" { targets = var.targets }
notifier "pagerduty" "oncall" { routing_key = var.key }
route { to = [notifier.pagerduty.oncall] }
