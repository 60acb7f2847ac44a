rule "Down" {
  module = "threshold"
  params { above = 0 }
}
notifier "webhook" "x" { url = "https://example.org" }
route {
  to   = [notifier.webhook.x]
  route {
    match = ["a='b'"]
    mute  = [schedule.nigthly, "nightly", schedule.nightly]
  }
}
schedule "nightly" {
  weekdays = ["mon:fry", "weekend"]
  times    = ["22:00-02:00", "2-3", "10:00-24:01"]
  location = "Rome"
}
schedule "empty" {}
silence "everything" {
  match = ["severity!='critical'", "job=~'.*'"]
  until = "2026-12-01"
}
silence "nothing" {
  match = []
  from  = "2026-12-01T06:00:00Z"
  until = "2026-12-01T05:00:00Z"
}
silence "endless" { match = ["job='odoo'"] }
silence "uncapped" {
  match  = ["job='odoo'"]
  until  = "resolved"
  reason = "disk is on order"
  owner  = "dba"
}
silence "capped" {
  match  = ["job='odoo'"]
  from   = "2026-12-02T06:00:00Z"
  until  = "resolved"
  cap    = "2026-12-01T06:00:00Z"
  reason = "disk is on order"
  owner  = "dba"
}
silence "capped-twice" {
  match  = ["job='odoo'"]
  until  = "2026-12-01T06:00:00Z"
  cap    = "2026-12-01T06:00:00Z"
  reason = "disk is on order"
  owner  = "dba"
}
