variable "regions" {
  sensitive = true
  default   = { eu = "0123456789abcdef0123456789abcdef" }
}
locals {
  from_notifiers = [for r in values(notifier.webhook.team) : r]
  indirectly     = { for r in local.from_notifiers : r => r }
}
rule "of_list" {
  for_each = ["a", "b"]
  promql   = "up == 0"
}
rule "of_text" {
  for_each = "a"
  promql   = "up == 0"
}
rule "of_null" {
  for_each = null
  promql   = "up == 0"
}
rule "of_numbers" {
  for_each = toset([1, 2])
  promql   = "up == 0"
}
rule "of_secrets" {
  for_each = var.regions
  promql   = "up == 0"
}
rule "of_itself" {
  for_each = each.value
  promql   = "up == 0"
}
rule "without" {
  promql = "up == ${each.value}"
}
rule "with_bad_keys" {
  for_each = { "" = 1, " x" = 2 }
  promql   = "up == 0"
}
rule "wrong_once" {
  for_each = toset(["a", "b", "c"])
  module   = "threshold"
  params { abvoe = each.value }
}
rule "wrong_for_one" {
  for_each = { a = 1, b = "x", c = "y" }
  module   = "threshold"
  params { above = each.value }
}
rule "labelled" {
  for_each = toset(["a"])
  promql   = "up == 0"
  labels   = { each = "x" }
}
rule "field" {
  for_each = toset(["a"])
  promql   = "up == ${each.valeu}"
}
rule "twice" {
  for_each = toset(["a"])
  promql   = "up == 0"
}
rule "twice[\"a\"]" {
  promql = "up == 0"
}
source "http" "node" {
  for_each = toset(["a", "b"])
  targets  = ["10.0.0.1:9100"]
}
rule "many" {
  for_each = toset([for x in setproduct(range(60), range(80)) : format("%d-%d", x...)])
  promql   = "up == 0"
}
rule "too_many" {
  for_each = toset([for x in setproduct(range(90), range(60)) : format("%d-%d", x...)])
  promql   = "up == 0"
}
notifier "webhook" "team" {
  for_each = toset(["db", "web"])
  url      = "https://${each.key}.example.org"
}
notifier "webhook" "circular" {
  for_each = local.indirectly
  url      = "https://example.org"
}
route {
  to = [notifier.webhook.team["dbb"], notifier.webhook.circular["x"]]
  route {
    match = ["a='b'"]
    to    = [notifier.webhook.team, notifier.webhook.team["web"]]
  }
}
override "cpu[\"db\"]" {
  match = ["a='b'"]
  params { above = 1 }
}
