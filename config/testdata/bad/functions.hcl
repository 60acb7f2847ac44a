locals {
  a = upper()
  b = upper("a", "b")
  c = duration("soon")
  d = env("NOT_SET")
  e = parseint("x", 10)
  f = duration([])
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
