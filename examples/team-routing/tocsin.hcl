# Several teams, one engine: who hears of what, when, and what they need not hear.
#
#   tocsin check examples/team-routing
#   tocsin test  examples/team-routing
#
# It shows for_each (sources, rules, notifiers), nested routes, inhibit, schedule with mute, silence, override, limit and
# a rule in the shadow.

variable "pagerduty_keys" { # one integration a team: TOCSIN_VAR_pagerduty_keys='{"core":"…","data":"…"}'
  sensitive = true
  type      = map(string)
  default   = { core = "00000000000000000000000000000000", data = "11111111111111111111111111111111" }
}

locals {
  teams = toset(["core", "data"])
  sites = {
    milan = ["10.1.0.11:9100", "10.1.0.12:9100"]
    turin = ["10.2.0.11:9100"]
  }
  disk_left = { warning = 0.10, critical = 0.03 }
}

# One source a site. All of them are job="node"; the label site tells them apart.
source "http" "node" {
  for_each = local.sites
  targets  = each.value
  labels   = { site = each.key }
}

# What is wrong. The copies of a rule are DiskAlmostFull["critical"] and DiskAlmostFull["warning"]; their alerts are all
# called DiskAlmostFull and have the label each.
rule "DiskAlmostFull" {
  for_each = local.disk_left
  module   = "threshold"
  input "series" { select = "node_filesystem_avail_bytes" }
  input "total" { select = "node_filesystem_size_bytes" }
  params {
    op    = "<"
    value = each.value
  }
  for         = "5m"
  limit       = 50 # should a whole site fill up: fifty alerts, and one that says how many more
  labels      = { severity = each.key }
  annotations = { summary = "{{ $labels.instance }} {{ $labels.mountpoint }}: {{ $value | humanizePercentage }} left" }
}

# Backups are large, and half a percent of that disk is a lot.
override "DiskAlmostFull[\"critical\"]" {
  match = ["mountpoint='/backup'"]
  params { value = 0.005 }
}

rule "HostDown" {
  module = "threshold"
  input "series" {
    select = "up{job='node'}"
    window = "1m"
  }
  params {
    op    = "<"
    value = 1
  }
  for         = "1m"
  labels      = { severity = "critical", team = "core" }
  annotations = { summary = "{{ $labels.instance }} in {{ $labels.site }} does not answer" }
}

# A new rule runs in the shadow first: it is evaluated and written to the journal, and nobody is woken.
rule "ClockSkew" {
  module = "threshold"
  mode   = "shadow"
  input "series" { select = "node_timex_offset_seconds" }
  params {
    as    = "magnitude"
    value = 0.05
  }
  labels = { severity = "warning" }
}

notifier "pagerduty" "team" {
  for_each    = local.teams
  routing_key = var.pagerduty_keys[each.key]
}

notifier "webhook" "chat" {
  for_each = local.teams
  url      = "https://chat.example.org/hooks/${each.key}"
}

route {
  to       = [notifier.webhook.chat["core"]] # what nobody owns
  group_by = ["alertname", "site"]

  route { # the data team owns what it mounts below /data and /backup
    match = ["mountpoint=~'/(data|backup).*'"]
    to    = [notifier.webhook.chat["data"]]
    route {
      match = ["severity='critical'"]
      to    = [notifier.pagerduty.team["data"], notifier.webhook.chat["data"]]
    }
    route { # nobody needs to know at night that a backup takes room; it is told in the morning if it still does
      match = ["mountpoint='/backup'"]
      mute  = [schedule.backups]
    }
  }
  route {
    match = ["severity='critical'"]
    to    = concat([notifier.pagerduty.team["core"]], values(notifier.webhook.chat))
  }
}

# Who is told that a disk is full need not hear that it is nearly full.
inhibit {
  source = ["severity='critical'"]
  target = ["severity='warning'"]
  equal  = ["alertname", "instance", "mountpoint"]
}

schedule "backups" {
  times    = ["00:00-06:00"]
  location = "Europe/Rome"
}

# With until = "resolved" and a cap = "2026-…" a silence ends as soon as what it hid is resolved, at the cap at the latest.
silence "turin-moves" {
  match  = ["site='turin'"]
  from   = "2026-01-03T08:00:00+01:00"
  until  = "2026-01-03T18:00:00+01:00"
  reason = "the machines of Turin are carried to another room"
  owner  = "core"
}
