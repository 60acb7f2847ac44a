locals {
  a = file("../good/minimal.hcl")
  b = file("/etc/passwd")
  c = file("shared/link")
  d = file("no_such_file")
  e = file("shared")
  f = file("shared/../../good/minimal.hcl")
  g = file("shared/binary")
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
