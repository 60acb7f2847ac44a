locals {
  a = local.b
  b = "${local.c}"
  c = [local.a]
  self = local.self
  d = local.a
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
