# The alerts that nearly everybody has, as blocks to copy.  rules-wasm/README.md lists them.
#
#   tocsin check examples/common-alerts
#   tocsin test  examples/common-alerts
#
# This file says where samples come from and who is told; the other files are the alerts, by subject. Each has tests beside
# it: it fires on trouble, stays quiet without, and holds its breath while nothing is seen.

variable "pagerduty_key" {
  sensitive = true
  default   = "00000000000000000000000000000000" # set TOCSIN_VAR_pagerduty_key
}

engine {
  listen   = "127.0.0.1:9095"
  data_dir = "data"
}

source "http" "node" { targets = ["10.0.0.1:9100"] }       # node_exporter
source "http" "ingress" { targets = ["10.0.0.2:10254"] }   # ingress-nginx
source "http" "checkout" { targets = ["10.0.0.3:8080"] }   # a service of ours
source "http" "postgres" { targets = ["10.0.0.4:9187"] }   # postgres_exporter
source "http" "redis" { targets = ["10.0.0.5:9121"] }      # redis_exporter
source "http" "rabbitmq" { targets = ["10.0.0.6:15692"] }  # its prometheus plugin
source "http" "kube_state" { targets = ["10.0.0.7:8080"] } # kube-state-metrics
source "http" "blackbox" {                                 # blackbox_exporter, one source for each probe
  targets = ["http://10.0.0.8:9115/probe?module=http_2xx&target=https://www.example.org"]
  labels  = { probe = "www.example.org" }
}

notifier "pagerduty" "oncall" { routing_key = var.pagerduty_key }

route {
  to       = [notifier.pagerduty.oncall]
  group_by = ["alertname", "instance"]
}
