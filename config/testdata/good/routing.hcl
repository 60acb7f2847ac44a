# What is withheld, and when.
rule "Down" {
  module = "threshold"
  params { above = 0 }
}
rule "Trial" {
  module     = "threshold"
  mode       = "shadow"
  limit      = 5
  on_missing = "fire"
  params { above = 0 }
}
notifier "webhook" "ops" { url = "https://ops.example.org/alerts" }
route {
  to = [notifier.webhook.ops]
  route {
    match = ["severity='warning'"]
    mute  = [schedule.nightly_backup, schedule.weekend]
    fallback {
      after = "2m"
      to    = [notifier.webhook.ops]
    }
  }
}
inhibit {
  source = ["severity='critical'"]
  target = ["severity=~'warning|info'"]
  equal  = ["endpoint", "cluster"]
}
inhibit { # a chain is no cycle, and what is both is decided when there are alerts
  source = ["severity='warning'"]
  target = ["severity='info'", "alertname!='InfoInhibitor'"]
}
inhibit {
  source = ["alertname='InfoInhibitor'"]
  target = ["severity='info'"]
  equal  = ["namespace"]
}
schedule "nightly_backup" {
  weekdays = ["mon:fri"]
  times    = ["02:00-03:30"]
  location = "Europe/Rome"
}
schedule "weekend" {
  weekdays = ["Saturday", "sun"]
}
silence "disk" {
  match  = ["alertname='DiskFull'"]
  until  = "resolved"
  cap    = "2026-12-24T06:00:00Z"
  reason = "disk is on order"
  owner  = "dba"
}
silence "migration" {
  match  = ["job='odoo'", "team!='dba'"]
  from   = "2026-11-30T22:00:00+01:00"
  until  = "2026-12-01T06:00:00Z"
  reason = "db migration"
  owner  = "dba"
}
override "Down" { # the first that matches counts
  match = ["endpoint='/critical/pay'"]
  params { above = 0.01 }
}
override "Down" {
  match = ["endpoint=~'/critical/.*'"]
  params { above = 0.02 }
}

heartbeat "watchdog" {
  every = "1m"
  to    = [notifier.webhook.ops]
}
