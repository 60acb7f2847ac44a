# Copies of blocks, and references to them.
variable "keys" {
  sensitive = true
  type      = map(string)
  default   = { eu = "0123456789abcdef0123456789abcdef", us = "fedcba9876543210fedcba9876543210" }
}
locals {
  teams    = { db = 1, web = 2 }
  quotas   = { for name, n in local.teams : name => n + 1 }
  everyone = concat(values(notifier.pagerduty.region), [notifier.webhook.ops]) # needs the notifiers
}

source "http" "node" {
  for_each = { db = "10.0.1.1:9100", web = "10.0.2.1:9100" }
  targets  = [each.value]
  labels   = { team = each.key }
}

rule "cpu" {
  for_each = local.quotas
  module   = "threshold"
  input "value" {
    select = "cpu{team='${each.key}'}"
    window = "1m"
  }
  params { above = each.value }
  labels = { severity = "page" }
}

rule "odd" {
  for_each    = toset(["{{ x", "a \"b\""])
  promql      = "up == 0"
  annotations = { summary = "of ${each.value == each.key ? "set" : "map"}" }
}

rule "none" {
  for_each = {}
  module   = "threshold"
  params { above = each.value }
}

notifier "pagerduty" "region" {
  for_each    = toset(["eu", "us"])
  routing_key = var.keys[each.key]
}
notifier "webhook" "ops" {
  url = "https://ops.example.org/alerts"
}

route {
  to = local.everyone
  route {
    match = ["team='db'"]
    to    = [notifier.pagerduty.region["eu"]]
  }
  route {
    match = ["team='web'"]
    to    = [for r in ["us"] : notifier.pagerduty.region[r]]
  }
}

override "cpu" {
  match = ["mode='iowait'"]
  params { above = 9 }
}
override "cpu[\"db\"]" {
  match = ["mode='user'"]
  params { above = 8 }
}
