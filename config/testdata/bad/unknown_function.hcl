locals {
  a = uper("x")
  b = fiel("secret")
  c = nothing_like_it(1)
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
