locals {
  a = join("", [for i in range(1000) : "0123456789012345678901234567890123456789012345678901234567890123456789"])
  b = "${local.a}${local.a}${local.a}${local.a}${local.a}${local.a}${local.a}${local.a}${local.a}${local.a}${local.a}${local.a}${local.a}${local.a}${local.a}${local.a}"
  c = format("%9999999d", 1)
  d = [for i in range(1000) : range(20)]
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
