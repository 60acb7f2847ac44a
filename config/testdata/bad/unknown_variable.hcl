variable "interval" { default = "15s" }
locals {
  a = var.intervall
  b = locl.a
  c = local.d
  d_value = 1
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
