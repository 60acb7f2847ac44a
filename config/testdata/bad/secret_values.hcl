notifier "pagerduty" "a" {
  routing_key = "hunter2-hunter2-hunter2"
}
notifier "pagerduty" "b" { routing_kye = "hunter2-hunter2-hunter2" }
notifier "slack" "c" {
  api_url = "hunter2-hunter2-hunter2"
  pin     = "4711"
  retries = 77
  channel = ["hunter2-hunter2-hunter2"]
}
variable "secret" {
  sensitive = true
  default   = "hunter2-hunter2-hunter2"
}
variable "short" {
  sensitive = true
  default   = "s3c"
}
locals {
  a = parseint(var.secret, 10)
  b = parseint(var.short, 10)
  c = parseint(env("SHORT"), 10)
  d = file(var.secret)
}
source "http" "gateway" {
  targets  = ["a:1"]
  interval = var.secret
  path     = var.short
  scheme   = var.secret
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
