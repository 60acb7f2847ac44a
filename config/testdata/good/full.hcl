# Every block that can be used, with everything in it. full.hcl.json says the same.
engine {
  listen       = "unix:/run/tocsin.sock"
  data_dir     = "state"
  plugin_dir   = ["plugins", "/usr/lib/tocsin"]
  module_dir   = ["rules"]
  external_url = "https://tocsin.example.org/"
  debug        = true
}

variable "pd_key" {
  sensitive   = true
  type        = string
  default     = "0123456789abcdef0123456789abcdef"
  description = "integration key"
}

variable "gateways" {
  type    = list(string)
  default = ["10.0.0.11:9113", "https://gw2:9113/metrics"]
}

locals {
  critical = "endpoint=~'/critical/.*'"
  window   = duration(2 * local.seconds)
  seconds  = duration("150s")
}

source "http" "gateway" {
  targets   = var.gateways
  interval  = "30s"
  timeout   = "5s"
  labels    = { tier = "edge" }
  path      = "/metrics"
  max_bytes = 1048576
  grace     = "1m"
  headers   = { Authorization = "Bearer ${env("PD_KEY")}" }
  basic_auth {
    username = "prometheus"
    password = var.pd_key
  }
  param {
    name   = "collect[]"
    values = ["nginx"]
  }
  param {
    name = "debug"
  }
}

rule "HighAPIErrorRate" {
  module = "error_rate"
  input "requests" {
    select = "http_requests_total{job='gateway', ${local.critical}}"
    window = local.window
  }
  params {
    threshold    = 0.05
    errors       = "code=~'5..|5xx'"
    by           = ["endpoint"]
    min_requests = 20
  }
  for             = "5m"
  keep_firing_for = "1m30s"
  every           = "1m"
  on_missing      = "unknown"
  limit           = 0
  labels          = { severity = "critical" }
  annotations = {
    summary = "{{ $labels.endpoint }}: {{ $value | humanizePercentage }} of requests fail"
    runbook = "https://runbooks.example.org/high-api-error-rate"
  }
}

rule "Seasonal" {
  module = module.seasonal
  params {
    above = 1e3
  }
}

notifier "pagerduty" "oncall" {
  routing_key   = var.pd_key
  send_resolved = false
  details       = { team = "core" }
  page_budget {
    pages = 20
    per   = "10m"
  }
}

notifier "slack" "ops" {
  api_url = trimspace(file("secrets/slack"))
  channel = "#ops"
}

route {
  to              = [notifier.pagerduty.oncall]
  group_by        = ["alertname", "endpoint"]
  group_wait      = "10s"
  group_interval  = "1m"
  repeat_interval = "1d"
  route {
    match    = ["severity='critical'", "team=~\"a|b\", job!=''"]
    to       = [notifier.pagerduty.oncall, notifier.slack.ops]
    continue = true
    route {
      match    = ["endpoint!='/health'"]
      group_by = ["..."]
    }
  }
  route {
    match      = ["severity='info'"]
    group_by   = []
    group_wait = "0s"
  }
}

module "seasonal" {
  path   = "rules/seasonal.wasm"
  sha256 = "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"
  memory = "32MiB"
  fuel   = 50000000
}

plugin "notifier" "sms" {
  sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
  env    = ["HTTPS_PROXY"]
}
