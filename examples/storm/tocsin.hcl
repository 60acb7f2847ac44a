# A storm: a rack goes dark, and every host in it has an alert of its own. Whoever is on call gets the first five pages and then
# one that stands for all the others, says how many there are and how bad the worst is, and is closed with the last.
#
#   tocsin check examples/storm
#   tocsin test  examples/storm -v

variable "pagerduty_key" {
  sensitive = true
  default   = "00000000000000000000000000000000"
}

source "http" "node" {
  targets  = ["10.0.0.11:9100"]
  interval = "15s"
}

rule "HostDark" {
  module = "threshold"
  input "series" { select = "host_dark" }
  params { value = 0.5 }
  labels      = { severity = "critical" }
  annotations = { summary = "{{ $labels.host }} is dark" }
}

notifier "pagerduty" "oncall" {
  routing_key = var.pagerduty_key
  page_budget {
    pages = 5
    per   = "10m"
  }
}

route {
  to         = [notifier.pagerduty.oncall]
  group_by   = ["host"]
  group_wait = "30s"
}
