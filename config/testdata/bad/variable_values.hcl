variable "broken_list" {
  type      = list(string)
  sensitive = true
}
variable "list_from_env" {
  type = list(number)
}

notifier "pagerduty" "oncall" { routing_key = env("PD_KEY") }
route { to = [notifier.pagerduty.oncall] }
