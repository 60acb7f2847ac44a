variable "key" {
  sensitive = true
}
variable "count" {
  type    = number
  default = "many"
}
variable "wrong" {
  type = strin
}
variable "flag" {
  sensitive = "perhaps"
}
source "http" "gateway" {
  targets = [var.key, "x:${var.count}"]
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
